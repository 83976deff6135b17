"""Classifier: a model that is not generative, but measures generative models.

It is a small convolutional network similar to VGG [1] with batch normalization [2],
trained on shifted, rotated and scaled copies of images. Its last hidden layer gives the
features for the Fréchet distance and others; its classes are used to count the modes
that samples cover.

1. Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
   Recognition", 2015.
2. Ioffe and Szegedy, "Batch Normalization", 2015.
"""

from typing import Literal

import keras
from keras import layers, ops

from keras_gen.core import schedules
from keras_gen.core.abilities import transforms
from keras_gen.core.augmentation import distort
from keras_gen.core.game import Player
from keras_gen.core.model import GenerativeModel
from keras_gen.core.registry import register
from keras_gen.core.types import Classes, Count, Decay, ImageShape, Weight
from keras_gen.networks.normalization import batch_norm


def classifier_network(
    image_shape: tuple[int, int, int], num_classes: int, width: int
) -> keras.Model:
    """Images in [-1, 1] to features (batch, 4 * width) and logits (batch, num_classes).

    Args:
        image_shape: Shape of an image, (height, width, channels).
        num_classes: Number of classes.
        width: Feature maps of the first block; they double twice.
    """
    inputs = x = keras.Input(image_shape)
    for block in range(3):
        for _ in range(2):
            x = layers.Conv2D(width << block, 3, padding="same", use_bias=False)(x)
            x = batch_norm()(x)
            x = layers.ReLU()(x)
        if block < 2:
            x = layers.MaxPooling2D()(x)
    x = layers.GlobalAveragePooling2D(dtype="float32", name="features")(x)
    logits = layers.Dense(num_classes, dtype="float32", name="logits")(x)
    return keras.Model(inputs, [x, logits], name="classifier")


@register("classifier", image_shape=(28, 28, 1), num_classes=10)
class Classifier(GenerativeModel):
    """Convolutional classifier whose features and classes measure samples.

    The logs show `accuracy`, the share of images whose most probable class is right.

    Args:
        image_shape: Shape of an image, (height, width, channels).
        num_classes: Number of classes, at least 2. Labels are ints from 0 to
            `num_classes - 1`.
        target: Name of the batch's feature with the labels: "label", or "domain" for a
            classifier of styles.
        width: Feature maps of the first block; they double twice.
        turn: Largest angle by which training images are rotated, in radians.
        scale: Largest change of training images' size, as a fraction.
        shift: Largest shift of training images, in pixels.
        decay_steps: Steps in which the learning rate falls to 0 along a cosine; None
            keeps it constant.
        average: Decay of the moving average of the weights, which is used for
            everything except training; None keeps no average.
        **kwargs: Arguments of `GenerativeModel`: `name`.
    """

    figures = ("accuracy",)
    tiny = {"image_shape": (8, 8, 1), "num_classes": 3, "width": 2}

    def __init__(
        self,
        image_shape: ImageShape = (28, 28, 1),
        num_classes: Classes = 10,
        target: Literal["label", "domain"] = "label",
        width: Count = 16,
        turn: Weight = 0.2,
        scale: Decay = 0.1,
        shift: Weight = 2.0,
        decay_steps: Count | None = None,
        average: Decay | None = 0.999,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if min(image_shape[:2]) < 4:
            raise ValueError(
                f"Expected sides of at least 4 pixels, got {tuple(image_shape)}."
            )
        self.image_shape = tuple(image_shape)
        self.num_classes, self.target = num_classes, target
        self.decay_steps = decay_steps
        self.distortion = {"turn": turn, "scale": scale, "shift": shift}
        self.classifier = classifier_network(self.image_shape, num_classes, width)
        self.keep_average(self.classifier, average)

    def batch_shapes(self):
        """An image and its label."""
        return {"image": self.image_shape, self.target: ()}

    def players(self):
        """One player."""
        return {"classifier": Player([self.classifier], self.classifier_loss)}

    def default_optimizers(self):
        """Adam at 1e-3."""
        rate = schedules.cosine(1e-3, self.decay_steps)
        return {"classifier": keras.optimizers.Adam(rate)}

    def classifier_loss(self, batch, shared, training):
        """Mean cross-entropy in nats; of the averaged network when not training."""
        images, labels = batch["image"], batch[self.target]
        network = self.classifier if training else self.averaged(self.classifier)
        if training:
            images = distort(images, self.noise_seed("distortion"), **self.distortion)
        _, logits = network(images, training=training)
        return cross_entropy(logits, labels)

    @transforms("probabilities")
    def classify(self, images):
        """Probabilities of the classes, float32 (batch, num_classes)."""
        return ops.softmax(self.averaged(self.classifier)(images, training=False)[1])

    @transforms("features")
    def features(self, images):
        """The last hidden layer, float32 (batch, 4 * width)."""
        return self.averaged(self.classifier)(images, training=False)[0]


def cross_entropy(logits, labels) -> tuple:
    """A classifier's loss and its figures.

    Args:
        logits: Logits of the classes, float32 (batch, num_classes).
        labels: The right classes, int (batch,).

    Returns:
        The mean cross-entropy in nats, a scalar; and `{"accuracy": ...}`, for each row
        1 where the most probable class is right, else 0.
    """
    right = ops.equal(ops.argmax(logits, axis=-1), ops.cast(labels, "int32"))
    hits = ops.one_hot(labels, logits.shape[-1])
    loss = -ops.mean(ops.sum(hits * ops.log_softmax(logits), axis=-1))
    return loss, {"accuracy": ops.cast(right, "float32")}
