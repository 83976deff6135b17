"""Feature extractors: named networks whose outputs figures are computed from.

Figures can be compared only if they were computed with the same extractor, so results
include its name.
"""

from __future__ import annotations  # `help` shows ArrayLike by its name.

import pathlib
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from keras_gen import zoo
from keras_gen.core.inputs import check_image_range
from keras_gen.data import pipeline
from keras_gen.files import sha256

BATCH = 256  # Images that an extractor processes at once.
INCEPTION_SHAPE = (299, 299, 3)
# Extractors of colour images that apply a grey classifier to each channel.
STACKED = {"stacked_mnist": "mnist"}
DEFAULT_GREY = "mnist"  # Extractor for grey images of sources without their own.


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

    Raises:
        ValueError: For another shape, no images, or values that are out of range or not
            finite.
    """
    images = np.asarray(images)
    if images.ndim != 4 or not len(images) or images.shape[-1] not in (1, 3):
        raise ValueError(
            "Expected images of shape (batch, height, width, 1 or 3), got "
            f"{images.shape}."
        )
    if not np.isfinite(images).all():
        raise ValueError("Expected finite images, got NaN or infinity.")
    check_image_range(images)
    return images.astype(np.float32, copy=False)


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
            other weights that ship for the classifier ("emoji"), or a run of one;
            a `.keras` or `.h5` file of InceptionV3's weights (Keras applications, with
            its classes): Inception features, for photographs;
            a Keras model of images in [-1, 1] whose outputs are features;
            the path of a SavedModel with such a signature;
            an `Extractor`, which is returned as it is.
        image_shape: (height, width, channels) that a SavedModel takes if its signature
            leaves it open.

    Raises:
        ValueError: For another name, or "inception" without a file of weights.
    """
    if isinstance(features, Extractor):
        return features
    if isinstance(features, keras.Model):
        return _of_model(features)
    if features in zoo.weights_of("classifier"):
        return _classifier(features)
    if features in STACKED:
        return _stacked(_classifier(STACKED[features]))
    if features == "inception":
        raise ValueError(
            "Expected the path of InceptionV3's weights, which are not part of this "
            "package: download inception_v3_weights_tf_dim_ordering_tf_kernels.h5 once "
            "by keras.applications.InceptionV3(weights='imagenet') where there is a "
            "network (it lies in ~/.keras/models), and pass features=<that file>."
        )
    path = pathlib.Path(features)
    if (path / "model.keras").is_file():
        return _classifier(features)
    if path.is_file():
        return _inception(path)
    if (path / "saved_model.pb").is_file():
        return _saved_model(path, image_shape)
    names = ", ".join(repr(name) for name in (*STACKED, "inception"))
    raise ValueError(
        f"Expected features of {zoo.weights_of('classifier')}, {names} (a file of its "
        "weights), a classifier's run, a Keras model or a SavedModel's folder, got "
        f"{str(features)!r}."
    )


def default_features(data, image_shape: tuple[int, int, int]) -> str:
    """The name of the extractor that ships for images of a source.

    It is the one with the source's own name, unless the images have more channels than
    it takes; for other grey images it is "mnist".

    >>> default_features("emoji/noto", (32, 32, 3))
    'emoji'

    Args:
        data: A source; see `keras_gen.data.load`.
        image_shape: (height, width, channels) of the images to be measured.

    Raises:
        ValueError: If there is none.
    """
    name = str(data).partition("/")[0].partition("?")[0]
    channels = image_shape[-1]
    if channels <= _channels_of(name):
        return name
    if channels == 1:
        return DEFAULT_GREY
    raise ValueError(
        "Expected features=... for colour images: a file of InceptionV3's weights, a "
        "Keras model or a SavedModel."
    )


def _channels_of(name):
    """Number of channels of a named extractor's images; 0 if there is no such one."""
    if name in STACKED:
        return 3
    if name in zoo.weights_of("classifier"):
        return zoo.card("classifier", name)["configuration"]["image_shape"][-1]
    return 0


def _classifier(weights):
    model = zoo.load("classifier", weights=weights)
    name = f"classifier/{weights}"
    if weights in zoo.weights_of("classifier"):
        name += f" {zoo.card('classifier', weights)['sha256'][:12]}"
    return Extractor(name, model.image_shape, model.features, model.classify)


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


def _of_model(model):
    graph = tf.function(lambda images: model(images, training=False))
    return Extractor(model.name, model.input_shape[1:], graph)


def _inception(path):
    network = keras.applications.InceptionV3(weights=None)
    network.load_weights(path)
    pool = network.get_layer("avg_pool").output
    both = keras.Model(network.input, [pool, network.output])
    graph = tf.function(lambda images: both(images, training=False))
    return Extractor(
        f"inception_v3 {sha256(path)[:12]}",
        INCEPTION_SHAPE,
        lambda images: graph(images)[0],
        lambda images: graph(images)[1],
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
