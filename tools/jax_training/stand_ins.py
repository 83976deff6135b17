"""What keras_gen uses of TensorFlow, in JAX, as far as training with JAX needs it.

Importing this module makes `import keras_gen` possible where there is no TensorFlow:
its modules get an object with any attribute in place of it, and functions of JAX for
the operations that losses use. `apply` replaces the few functions of keras_gen that
take gradients or draw random numbers themselves.
"""

import importlib.machinery
import os
import sys
import types
import zlib

os.environ["KERAS_BACKEND"] = "jax"

import jax
import jax.numpy as jnp
import keras
import numpy as np
from keras.src.utils import module_utils

module_utils.tensorflow._available = False
REPLACED = ("tensorflow", "tensorflow_probability", "grpc", "tensorflow_serving")


def _axes(axis):
    return axis if axis is None or isinstance(axis, int) else tuple(axis)


def _reduction(function):
    def reduce(x, axis=None, keepdims=False):
        return function(x, axis=_axes(axis), keepdims=keepdims)

    return reduce


def _dtype(dtype):
    """The name of a dtype; `tf.float32` is a stand-in whose name ends with it."""
    return dtype.__name__.split(".")[-1] if isinstance(dtype, StandIn) else dtype


def _cond(condition, when, otherwise):
    return jax.lax.cond(condition, when, lambda: jnp.asarray(otherwise(), "float32"))


# Other names are those of `jax.numpy`.
OPERATIONS = {
    "cast": lambda x, dtype: jnp.asarray(x).astype(_dtype(dtype)),
    "clip_by_value": jnp.clip,
    "concat": lambda values, axis=0: jnp.concatenate(list(values), axis=axis),
    "cond": _cond,
    "constant": lambda x, dtype=None: jnp.asarray(np.asarray(x), _dtype(dtype)),
    "distribute.get_strategy": lambda: types.SimpleNamespace(num_replicas_in_sync=1),
    "ensure_shape": lambda x, shape: x,
    "fill": jnp.full,
    "gather": lambda x, index, axis=0: jnp.take(x, index, axis=axis),
    "math.floormod": jnp.mod,
    "math.ndtri": jax.scipy.special.ndtri,
    "range": lambda *ends, dtype=None: jnp.arange(*ends, dtype=_dtype(dtype)),
    "reduce_max": _reduction(jnp.max),
    "reduce_mean": _reduction(jnp.mean),
    "reduce_sum": _reduction(jnp.sum),
    "shape": lambda x, out_type=None: x.shape,
    "sigmoid": jax.nn.sigmoid,
    "split": lambda x, count, axis=0: jnp.split(x, count, axis=axis),
    "stop_gradient": jax.lax.stop_gradient,
}


class StandIn(types.ModuleType):
    """An object with any attribute, which can be called, indexed and inherited from."""

    def __init__(self, name):
        super().__init__(name)
        self.__path__ = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        root, *path = f"{self.__name__}.{name}".split(".")
        found = None
        if root == "tensorflow":
            found = OPERATIONS.get(".".join(path))
            if found is None and path[:-1] in ([], ["math"]) and name != "function":
                found = getattr(jnp, name, None)
        found = StandIn(f"{self.__name__}.{name}") if found is None else found
        setattr(self, name, found)
        return found

    def __call__(self, *args, **kwargs):
        """The function that it decorates, or itself."""
        is_decorator = len(args) == 1 and callable(args[0]) and not kwargs
        return args[0] if is_decorator and not isinstance(args[0], StandIn) else self

    def __mro_entries__(self, bases):
        return ()

    def __getitem__(self, key):
        return self

    def __or__(self, other):
        return self

    __ror__ = __or__


class _Finder:
    """Finds stand-ins for the packages that are replaced."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in REPLACED:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return StandIn(spec.name)

    def exec_module(self, module):
        pass


sys.meta_path.insert(0, _Finder())
# It refuses other backends than TensorFlow.
sys.modules["keras_gen.registration"] = StandIn("registration")


# Random numbers and gradients.


class Draws:
    """The key from which the named draws of a loss follow."""

    key = None


def _noise_seed(model, name):
    return jax.random.fold_in(Draws.key, zlib.crc32(name.encode()) & 0x7FFFFFFF)


def _noise(model, name, shape, distribution="normal"):
    draw = {"normal": jax.random.normal, "uniform": jax.random.uniform}[distribution]
    return draw(_noise_seed(model, name), tuple(shape), "float32")


def _latents(model, batch, name="latents"):
    """Latents of a standard normal prior."""
    rows = batch[model.feature].shape[0]
    return _noise(model, name, (rows, model.latent_dim))


def _squared_gradient_norms(network, images):
    gradients = jax.grad(lambda x: jnp.sum(network(x).astype("float32")))(images)
    axes = tuple(range(1, images.ndim))
    return jnp.sum(jnp.square(gradients.astype("float32")), axis=axes)


def _with_deviation(layer, x, training=False):
    """`MinibatchStdDev.call`, for batches of known size."""
    x = jnp.asarray(x, "float32")
    if not training:
        return jnp.concatenate([x, jnp.zeros_like(x[..., :1])], axis=-1)
    size = layer.group_size if len(x) % layer.group_size == 0 else len(x)
    deviations = jnp.sqrt(jnp.var(x.reshape(size, -1, *x.shape[1:]), axis=0) + 1e-8)
    mean = jnp.mean(deviations, axis=tuple(range(1, x.ndim)), keepdims=True)
    repeated = jnp.tile(mean, (size, *x.shape[1:-1], 1))
    return jnp.concatenate([x, repeated], axis=-1)


def _encoded(layer, tokens):
    """`TextEncoder.call`, of rows of the table (batch, tokens); -1 stands for none."""
    known = (tokens >= 0).astype("float32")[..., None]
    rows = jnp.take(layer.table.value, jnp.maximum(tokens, 0), axis=0)
    means = jnp.sum(known * rows, axis=1) / jnp.maximum(jnp.sum(known, axis=1), 1.0)
    return layer.outer(jax.nn.leaky_relu(layer.hidden(means), 0.2))


def _color(images, key):
    """`augmentation.color`."""
    shift, saturation, contrast = jax.random.uniform(key, (3, len(images), 1, 1, 1))
    images = images + shift - 0.5
    grey = jnp.mean(images, axis=-1, keepdims=True)
    images = grey + (images - grey) * 2.0 * saturation
    mean = jnp.mean(images, axis=(1, 2, 3), keepdims=True)
    return mean + (images - mean) * (0.5 + contrast)


def _translation(images, key):
    """`augmentation.translation`, by products with matrices of zeros and ones."""

    def shifts(side, key):
        reach, pixels = side // 8, jnp.arange(side)
        shift = jax.random.randint(key, (len(images), 1, 1), -reach, reach + 1)
        return (pixels == pixels[:, None] + shift).astype(images.dtype)

    keys = jax.random.split(key)
    rows, columns = (shifts(n, k) for n, k in zip(images.shape[1:3], keys, strict=True))
    return jnp.einsum("bij,bkl,bjlc->bikc", rows, columns, images)


def _cutout(images, key):
    """`augmentation.cutout`."""

    def masks(side, key):
        centre = jax.random.randint(key, (len(images), 1), 0, side)
        distance = jnp.arange(side) - centre + side // 4
        return (distance >= 0) & (distance < side // 2)

    keys = jax.random.split(key)
    rows, columns = (masks(n, k) for n, k in zip(images.shape[1:3], keys, strict=True))
    return jnp.where(rows[:, :, None, None] & columns[:, None, :, None], 0.0, images)


def _augment(images, key, kinds):
    changes = {"color": _color, "translation": _translation, "cutout": _cutout}
    for kind, own in zip(
        kinds, jax.random.split(key, max(len(kinds), 1)), strict=False
    ):
        images = changes[kind](images, own)
    return images


def _rows_of(values, like):
    return jnp.reshape(values, [-1] + [1] * (like.ndim - 1))


def apply():
    """Replaces the functions of keras_gen that differ in JAX."""
    from keras_gen import losses
    from keras_gen.core import noise
    from keras_gen.layers.minibatch_stddev import MinibatchStdDev
    from keras_gen.layers.text_encoder import TextEncoder
    from keras_gen.models.adversarial import base as adversarial
    from keras_gen.models.adversarial.base import AdversarialModel
    from keras_gen.models.diffusion import base, consistency, ddpm
    from keras_gen.models.growing.base import GrowingModel
    from keras_gen.models.translation import stargan

    noise.Noise.noise_seed, noise.Noise.noise = _noise_seed, _noise
    AdversarialModel.draw_latents = _latents
    GrowingModel.level = property(lambda model: model.last)
    losses._squared_gradient_norms = _squared_gradient_norms
    MinibatchStdDev.call, TextEncoder.call = _with_deviation, _encoded
    for module in (base, consistency, ddpm):
        module.rows_of = _rows_of
    for module in (adversarial, stargan):
        module.augment = _augment
    keras.config.disable_traceback_filtering()
