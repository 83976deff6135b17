"""Feature extractors: what figures are made of, pluggable and named.

A figure compares only with figures by the same extractor: its name says which.
"""

import pathlib

import keras
import numpy as np
import tensorflow as tf

from keras_gen.core.inputs import check_image_range
from keras_gen.data import pipeline
from keras_gen.files import sha256

BATCH = 256
INCEPTION_SHAPE = (299, 299, 3)


class Extractor:
    """Images to features, and to classes where it has them.

    Attributes:
        name: What figures say that they were made with.
        image_shape: What the network takes; images are brought to it by
            `keras_gen.data.pipeline.prepare`, real and generated alike.
    """

    def __init__(self, name, image_shape, features, probabilities=None):
        """Wraps functions of float32 (batch, *image_shape) in [-1, 1].

        Args:
            name: See above.
            image_shape: See above.
            features: Gives (batch, num_features).
            probabilities: Gives (batch, num_classes); None if there are no classes.
        """
        self.name, self.image_shape = name, tuple(image_shape)
        self._features, self._probabilities = features, probabilities

    @property
    def has_classes(self):
        """Whether `probabilities` can be asked for."""
        return self._probabilities is not None

    def features(self, images):
        """Features, float32 (batch, num_features), of images in [-1, 1]."""
        return self._run(self._features, images)

    def probabilities(self, images):
        """Probabilities of classes, float32 (batch, num_classes)."""
        if not self.has_classes:
            raise ValueError(f"The extractor {self.name!r} has no classes.")
        return self._run(self._probabilities, images)

    def _run(self, function, images):
        images = check_images(images)
        outputs = []
        for start in range(0, len(images), BATCH):
            batch = tf.constant(images[start : start + BATCH])
            outputs.append(np.asarray(function(self._fit(batch))))
        return np.concatenate(outputs)

    def _fit(self, batch):
        return pipeline.prepare(batch, self.image_shape)


def check_images(images):
    """float32 (batch, height, width, 1 or 3) in [-1, 1]; ValueError otherwise."""
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


def extractor(features="mnist", image_shape=None) -> Extractor:
    """An extractor by name, by model or by path.

    Args:
        features: "mnist": the classifier that ships, for digits of one channel.
            "stacked_mnist": the same on each of three channels, with 1000 classes.
            Other weights that ship for the classifier ("emoji"), or a run of one. A
            `.keras` or `.h5` file of InceptionV3's weights (Keras applications, with
            its classes): Inception features, for photographs. A Keras model of images
            in [-1, 1], whose output are features; or the path of a SavedModel with
            such a signature. An `Extractor` is returned as it is.
        image_shape: What a SavedModel takes; others know.

    Raises:
        ValueError: For another name, or "inception" without a file of weights.
    """
    from keras_gen import zoo  # It stands above.

    if isinstance(features, Extractor):
        return features
    if isinstance(features, keras.Model):
        return _of_model(features)
    if features in zoo.weights_of("classifier"):
        return _classifier(features)
    if features == "stacked_mnist":
        return _stacked(_classifier("mnist"))
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
    raise ValueError(
        f"Expected features of {zoo.weights_of('classifier')}, 'stacked_mnist', "
        "'inception' (a file of its weights), a classifier's run, a Keras model or a "
        f"SavedModel's folder, got {str(features)!r}."
    )


def _classifier(weights):
    from keras_gen import zoo  # It stands above.

    model = zoo.load("classifier", weights=weights)
    name = f"classifier/{weights}"
    if weights in zoo.weights_of("classifier"):
        name += f" {zoo.card('classifier', weights)['sha256'][:12]}"
    return Extractor(name, model.image_shape, model.features, model.classify)


def _stacked(digits):
    """Features of the channels side by side; classes as in Stacked MNIST's labels."""

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

    features.keep = loaded  # Its variables live as long as the function.
    return Extractor(str(path), image_shape or shape, features)
