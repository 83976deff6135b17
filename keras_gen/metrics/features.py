"""Feature extractors: named networks whose outputs figures are computed from.

Figures can be compared only if they were computed with the same extractor, so results
include its name.
"""

from __future__ import annotations  # `help` shows ArrayLike by its name.

import functools
import json
import os
import pathlib
import zipfile
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from keras_gen import catalogue, zoo
from keras_gen.core import hub_client
from keras_gen.core.inputs import check_image_range
from keras_gen.core.model import GenerativeModel
from keras_gen.data import pipeline
from keras_gen.files import sha256

BATCH = 256  # Images that an extractor processes at once.
INCEPTION_SHAPE = (299, 299, 3)
# The file of weights, as Keras names it.
INCEPTION_FILE = "inception_v3_weights_tf_dim_ordering_tf_kernels.h5"
INCEPTION_HELP = (
    "Download https://storage.googleapis.com/tensorflow/keras-applications/"
    f"inception_v3/{INCEPTION_FILE}, which is not part of this package, and pass "
    "features=<that file>, on the command line --features <that file>; or call "
    "keras.applications.InceptionV3() once where there is a network, and pass "
    "'inception'."
)
# Extractors of colour images that apply a grey classifier to each channel.
STACKED = {"stacked_mnist": "mnist"}
# Extractors for grey and for colour images of sources without their own.
DEFAULT_GREY, DEFAULT_COLOUR = "mnist", "faces"


class Extractor:
    """A function from images to features, and perhaps to probabilities of classes.

    Attributes:
        name: Name of the extractor, which is reported with the figures.
        image_shape: Shape that the network takes; `keras_gen.data.pipeline.prepare`
            converts both real and generated images to it.
    """

    def __init__(
        self,
        name: str,
        image_shape: tuple[int, int, int],
        features: Callable,
        probabilities: Callable | None = None,
    ):
        """Wraps functions of float32 (batch, *image_shape) in [-1, 1].

        Args:
            name: Name of the extractor.
            image_shape: (height, width, channels) that the functions take.
            features: Function to features, (batch, num_features).
            probabilities: Function to probabilities of classes, (batch, num_classes);
                None if there are no classes.
        """
        self.name, self.image_shape = name, tuple(image_shape)
        self._features, self._probabilities = features, probabilities

    @property
    def has_classes(self) -> bool:
        """Whether the extractor has `probabilities`."""
        return self._probabilities is not None

    @functools.cached_property
    def num_features(self) -> int:
        """Number of features of an image, found with a blank one."""
        return self.features(np.zeros((1, *self.image_shape), np.float32)).shape[1]

    def features(self, images: ArrayLike) -> np.ndarray:
        """Features, float32 (batch, num_features), of images in [-1, 1]."""
        return self._run(self._features, images)

    def probabilities(self, images: ArrayLike) -> np.ndarray:
        """Probabilities of classes, float32 (batch, num_classes), of images in [-1, 1].

        Raises:
            ValueError: If the extractor has no classes.
        """
        if not self.has_classes:
            raise ValueError(f"The extractor {self.name!r} has no classes.")
        return self._run(self._probabilities, images)

    def _run(self, function, images):
        images = check_images(images)
        outputs = []
        for start in range(0, len(images), BATCH):
            batch = tf.constant(images[start : start + BATCH])
            batch = pipeline.prepare(batch, self.image_shape)
            outputs.append(np.asarray(function(batch)))
        return np.concatenate(outputs)


def check_images(images: ArrayLike) -> np.ndarray:
    """Images as float32 (batch, height, width, 1 or 3), in [-1, 1].

    Images with alpha, of four channels, are laid on white.

    Raises:
        ValueError: For another shape, no images, or values that are out of range or not
            finite.
    """
    images = np.asarray(images)
    if images.ndim != 4 or not len(images) or images.shape[-1] not in (1, 3, 4):
        raise ValueError(
            "Expected images of shape (batch, height, width, 1, 3 or 4), got "
            f"{images.shape}."
        )
    if not np.isfinite(images).all():
        raise ValueError("Expected finite images, got NaN or infinity.")
    check_image_range(images)
    images = images.astype(np.float32, copy=False)
    if images.shape[-1] == 4:
        return pipeline.to_channels(tf.constant(images), 3).numpy()
    return images


def measured_shape(image_shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """The shape of images as they are measured: RGB in place of RGB and alpha.

    >>> measured_shape((32, 32, 4))
    (32, 32, 3)
    """
    height, width, channels = image_shape
    return height, width, 3 if channels == 4 else channels


def resized(images: ArrayLike, image_shape: tuple[int, int, int]) -> np.ndarray:
    """Converts images in [-1, 1] to the size and number of channels of a model."""
    return np.asarray(pipeline.prepare(tf.constant(images), image_shape))


def extractor(
    features="mnist", image_shape: tuple[int, int, int] | None = None
) -> Extractor:
    """An extractor by name, from a model, or from a file.

    >>> extractor("mnist").image_shape
    (28, 28, 1)

    Args:
        features: One of:
            "mnist": the classifier that ships, for digits of one channel;
            "stacked_mnist": that classifier on each of three channels, with 1000
            classes;
            other weights that ship for the classifier ("emoji"), a run of one, or
            "hf://user/name" for one on the Hugging Face Hub;
            "inception", or a `.h5` file of InceptionV3's weights (Keras applications,
            with its classes): Inception features, for photographs. "inception" takes
            the file that Keras has downloaded;
            a Keras model of images in [-1, 1], or the path of its `.keras` or `.h5`
            file. If its last layer is a softmax, the features are that layer's inputs,
            and its outputs are probabilities of classes; otherwise the features are the
            outputs, and there are no classes;
            the path of a SavedModel whose signature gives features;
            an `Extractor`, which is returned as it is.
        image_shape: (height, width, channels) of the images, for networks that take any
            size.

    Raises:
        ValueError: For another name, a file that is neither a network nor InceptionV3's
            weights, or a network that does not give features of images.
    """
    if isinstance(features, Extractor):
        return features
    if isinstance(features, keras.Model):
        return _of_model(features, features.name, image_shape)
    if features in zoo.weights_of("classifier") or hub_client.is_address(features):
        return _classifier(features)
    if features in STACKED:
        return _stacked(_classifier(STACKED[features]))
    if features == "inception":
        if not _downloaded_inception().is_file():
            raise ValueError(f"Expected InceptionV3's weights. {INCEPTION_HELP}")
        return _inception(_downloaded_inception())
    path = pathlib.Path(features).expanduser()
    if (path / "model.keras").is_file():
        return _of_file(path / "model.keras", image_shape)
    if path.is_file():
        return _of_file(path, image_shape)
    if (path / "saved_model.pb").is_file():
        return _saved_model(path, image_shape)
    names = ", ".join(repr(name) for name in (*STACKED, "inception"))
    raise ValueError(
        f"Expected features of {zoo.weights_of('classifier')}, {names}, a file of a "
        "Keras model or of InceptionV3's weights, a classifier's run, or the folder of "
        f"a SavedModel, got {str(features)!r}"
        + (f"; {problem}." if (problem := catalogue.problem()) else ".")
    )


def default_features(data, image_shape: tuple[int, int, int]) -> str:
    """The name of the extractor that ships for images of a source.

    It is the one with the source's own name, unless the images have more channels than
    it takes; for other grey images it is "mnist", and for other colour images "faces",
    of which `features_note` says what it is worth.

    >>> default_features("emoji/noto", (32, 32, 3))
    'emoji'
    >>> default_features("photos", (64, 64, 3))
    'faces'

    Args:
        data: A source; see `keras_gen.data.load`.
        image_shape: (height, width, channels) of the images to be measured.

    Raises:
        ValueError: If the extractors that ship are not installed.
    """
    name, channels = source_name(data), image_shape[-1]
    if channels <= _channels_of(name):
        return name
    if problem := catalogue.problem():
        raise ValueError(
            f"Expected features=..., or the classifiers that ship, to measure {data!r}:"
            f" {problem}."
        )
    return DEFAULT_GREY if channels == 1 else DEFAULT_COLOUR


def features_note(data, features: Extractor) -> str | None:
    """What an extractor that was trained on other images is worth; None for others.

    Args:
        data: The source that is measured.
        features: The extractor.
    """
    name = features.name.removeprefix("classifier/").partition(" ")[0]
    defaults = (DEFAULT_GREY, DEFAULT_COLOUR)
    if not features.name.startswith("classifier/") or name not in defaults:
        return None
    if source_name(data) == name:
        return None
    return (
        f"They were learnt from {name}: compare figures of these data with each other, "
        f"not with published ones. For photographs, take Inception. {INCEPTION_HELP}"
    )


def source_name(data) -> str:
    """Name of a source without its part.

    >>> source_name("emoji/noto"), source_name("faces?glasses")
    ('emoji', 'faces')

    Args:
        data: A source; see `keras_gen.data.load`.
    """
    return str(data).partition("/")[0].partition("?")[0]


def _channels_of(name):
    """Number of channels of a named extractor's images; 0 if there is no such one."""
    if name in STACKED:
        return 3
    if name in zoo.weights_of("classifier"):
        return zoo.card("classifier", name)["configuration"]["image_shape"][-1]
    return 0


def _classifier(weights):
    model = zoo.load("classifier", weights=weights, dtype="float32")
    name = f"classifier/{weights}"
    if weights in zoo.weights_of("classifier") or hub_client.is_address(weights):
        name += f" {zoo.card('classifier', weights)['sha256'][:12]}"
    # Attributes are no classes, of which an image has one.
    classify = None if model.has_attributes else model.classify
    return Extractor(name, model.image_shape, model.features, classify)


def _stacked(digits):
    """Concatenates the channels' features; classes are Stacked MNIST's labels."""

    def channels(function):
        def on_each(images):
            return [function(images[..., i : i + 1]) for i in range(3)]

        return on_each

    def probabilities(images):
        red, green, blue = channels(digits.probabilities)(images.numpy())
        return np.einsum("bi,bj,bk->bijk", red, green, blue).reshape(len(red), -1)

    def features(images):
        return np.concatenate(channels(digits.features)(images.numpy()), axis=1)

    shape = (*digits.image_shape[:2], 3)
    return Extractor(f"stacked {digits.name}", shape, features, probabilities)


def _of_model(network, name, image_shape):
    """An extractor from a network; see `extractor`."""
    if not network.built or len(network.inputs) != 1 or len(network.outputs) != 1:
        raise ValueError(
            f"Expected a network of one input, images, and one output, got {name}."
        )
    shape = tuple(network.input_shape[1:])
    if len(shape) == 3 and None in shape and image_shape is not None:
        open_shape = (*image_shape[:2], shape[-1] or measured_shape(image_shape)[-1])
        shape = tuple(a or b for a, b in zip(shape, open_shape, strict=True))
    if len(shape) != 3 or None in shape or shape[-1] not in (1, 3):
        raise ValueError(
            "Expected a network of images (height, width, 1 or 3), or an image_shape "
            f"for one that takes any size, got {name}, which takes {shape}."
        )
    if len(network.output_shape) != 2:
        raise ValueError(
            "Expected a network whose outputs are features (batch, numbers), got "
            f"{name}, whose outputs have the shape {network.output_shape}."
        )
    inner = _inputs_of_softmax(network)
    if inner is None:
        return Extractor(name, shape, _graph(network))
    return Extractor(
        name, shape, _graph(keras.Model(network.inputs[0], inner)), _graph(network)
    )


def _inputs_of_softmax(network):
    """The inputs of the layer whose softmax is the output; None without a softmax."""
    layer = _layer_of(network, network.outputs[0])
    is_alone = isinstance(layer, (keras.layers.Softmax, keras.layers.Activation))
    activation = getattr(layer, "activation", None)
    if not (
        isinstance(layer, keras.layers.Softmax)
        or activation is keras.activations.softmax
    ):
        return None
    inputs = layer.input
    if is_alone:  # Its inputs are logits.
        inputs = _layer_of(network, inputs).input
    return inputs if len(inputs.shape) == 2 else None


def _layer_of(network, tensor):
    """The layer of a network that makes a tensor; None if there is none."""
    made = [layer for layer in network.layers if layer.output is tensor]
    return made[0] if made else None


def _graph(network):
    return tf.function(lambda images: network(images, training=False))


def _of_file(path, image_shape):
    """An extractor from a file of a Keras model, or of InceptionV3's weights."""
    with open(path, "rb") as file:
        start = file.read(8)
    if start.startswith(b"PK"):
        return _of_saved_network(path, image_shape)
    if start != b"\x89HDF\r\n\x1a\n":
        raise ValueError(
            f"Expected a file of a Keras model (.keras) or of InceptionV3's weights "
            f"(.h5), got {path}, which is neither."
        )
    return _of_saved_network(path, image_shape)


def _of_saved_network(path, image_shape):
    if _saved_class(path) == "Classifier":
        return _classifier(path)
    try:
        network = keras.saving.load_model(path, compile=False)
    except Exception as error:  # Whatever an unknown file leads to.
        if "No model config" in str(error):  # An HDF5 file of weights alone.
            return _inception(path)
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"Expected a Keras model that can be loaded, got {path}: "
            f"{type(error).__name__}: {reason}"
        ) from error
    if isinstance(network, GenerativeModel):
        raise ValueError(
            "Expected a network or a classifier as features, got the generative model "
            f"{type(network).__name__} in {path}."
        )
    if not isinstance(network, keras.Model):
        raise ValueError(f"Expected a Keras model, got {path} with {network!r}.")
    name = f"{path.name} {sha256(path)[:12]}"
    return _of_model(network, name, image_shape)


def _saved_class(path):
    """Name of the class in a `.keras` file; None in other files."""
    try:
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("config.json")).get("class_name")
    except (zipfile.BadZipFile, KeyError, ValueError, AttributeError):
        return None


def _downloaded_inception():
    """Path at which Keras keeps InceptionV3's weights."""
    home = pathlib.Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
    return home / "models" / INCEPTION_FILE


def _inception(path):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")  # Whatever a model is trained in.
    try:
        network = keras.applications.InceptionV3(weights=None)
    finally:
        keras.config.set_dtype_policy(policy)
    try:
        network.load_weights(path)
    except Exception as error:  # Keras lists all layers of both.
        raise ValueError(
            f"Expected weights of InceptionV3 with its classes, got {path} with "
            "others. A network of your own is saved whole: network.save('mine.keras')."
        ) from error
    pool = network.get_layer("avg_pool").output
    both = _graph(keras.Model(network.input, [pool, network.output]))
    return Extractor(
        f"inception_v3 {sha256(path)[:12]}",
        INCEPTION_SHAPE,
        lambda images: both(images)[0],
        lambda images: both(images)[1],
    )


def _saved_model(path, image_shape):
    loaded = tf.saved_model.load(str(path))
    if not loaded.signatures:
        raise ValueError(f"Expected a SavedModel with signatures, got {path}.")
    name = "features" if "features" in loaded.signatures else "serving_default"
    signature = loaded.signatures[name]
    ((key, spec),) = signature.structured_input_signature[1].items()
    shape = tuple(spec.shape[1:])
    if None in shape and image_shape is None:
        raise ValueError(f"Expected image_shape=..., as {path} takes any size.")

    def features(images):
        outputs = signature(**{key: images})
        return outputs[sorted(outputs)[0]]

    features.keep = loaded  # Keeps its variables alive.
    return Extractor(str(path), image_shape or shape, features)
