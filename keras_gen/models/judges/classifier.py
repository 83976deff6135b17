"""Classifier: a model that is not generative, but measures generative models.

It is a small convolutional network similar to VGG [1] with batch normalization [2],
trained on shifted, rotated and scaled copies of images. Its last hidden layer gives the
features for the Fréchet distance and others; its classes are used to count the modes
that samples cover. Trained on attributes, each of which an image has or not, it judges
whether samples have those that were asked for.

1. Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
   Recognition", 2015.
2. Ioffe and Szegedy, "Batch Normalization", 2015.
"""

import math
from typing import Literal

import keras
from keras import layers, ops

from keras_gen import losses
from keras_gen.core import schedules
from keras_gen.core.abilities import transforms
from keras_gen.core.augmentation import distort
from keras_gen.core.game import Player
from keras_gen.core.model import GenerativeModel
from keras_gen.core.registry import register
from keras_gen.core.types import Classes, Count, Decay, ImageShape, Weight
from keras_gen.networks.normalization import batch_norm

LARGEST_MAPS = 8  # Side of the last maps by default, in pixels, at most.


def classifier_network(
    image_shape: tuple[int, int, int], num_classes: int, width: int, num_blocks: int
) -> keras.Model:
    """Images in [-1, 1] to features and logits (batch, num_classes).

    Args:
        image_shape: Shape of an image, (height, width, channels).
        num_classes: Number of classes.
        width: Feature maps of the first block; they double from block to block. The
            last ones are the features.
        num_blocks: Number of blocks of two convolutions; between them, maps are halved.
    """
    inputs = x = keras.Input(image_shape)
    for block in range(num_blocks):
        for _ in range(2):
            x = layers.Conv2D(width << block, 3, padding="same", use_bias=False)(x)
            x = batch_norm()(x)
            x = layers.ReLU()(x)
        if block < num_blocks - 1:
            x = layers.MaxPooling2D()(x)
    x = layers.GlobalAveragePooling2D(dtype="float32", name="features")(x)
    logits = layers.Dense(num_classes, dtype="float32", name="logits")(x)
    return keras.Model(inputs, [x, logits], name="classifier")


@register("classifier", image_shape=(28, 28, 1), num_classes=10)
class Classifier(GenerativeModel):
    """Convolutional classifier whose features and classes measure samples.

    The logs show `accuracy`, the share of images whose most probable class is right; of
    attributes, the share of all that are right.

    Args:
        image_shape: Shape of an image, (height, width, channels).
        num_classes: Number of classes, at least 2, or of attributes. Labels are ints
            from 0 to `num_classes - 1`.
        target: Name of the batch's feature to recognise: "label"; "domain" for a
            classifier of styles; or "attributes", of which an image has any number: 0
            or 1 for each, (batch, num_classes).
        width: Feature maps of the first block; they double from block to block.
        num_blocks: Number of blocks of two convolutions; between them, maps are halved.
            None uses those that lead to maps of at most 8 pixels, but at least 3.
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
        target: Literal["label", "domain", "attributes"] = "label",
        width: Count = 16,
        num_blocks: Count | None = None,
        turn: Weight = 0.2,
        scale: Decay = 0.1,
        shift: Weight = 2.0,
        decay_steps: Count | None = None,
        average: Decay | None = 0.999,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if num_blocks is None:
            halvings = math.ceil(math.log2(min(image_shape[:2]) / LARGEST_MAPS))
            num_blocks = max(1 + halvings, 3)
            self.keep_arguments(num_blocks=num_blocks)
        least = 1 << (num_blocks - 1)
        if min(image_shape[:2]) < least:
            raise ValueError(
                f"Expected sides of at least {least} pixels, got {tuple(image_shape)}."
            )
        self.image_shape = tuple(image_shape)
        self.num_classes, self.target = num_classes, target
        self.decay_steps = decay_steps
        self.distortion = {"turn": turn, "scale": scale, "shift": shift}
        self.classifier = classifier_network(
            self.image_shape, num_classes, width, num_blocks
        )
        self.keep_average(self.classifier, average)

    @property
    def has_attributes(self) -> bool:
        """Whether the outputs are attributes, of which an image has any number."""
        return self.target == "attributes"

    def batch_shapes(self):
        """An image, and its label or attributes."""
        shape = (self.num_classes,) if self.has_attributes else ()
        return {"image": self.image_shape, self.target: shape}

    def players(self):
        """One player."""
        return {"classifier": Player([self.classifier], self.classifier_loss)}

    def default_optimizers(self):
        """Adam at 1e-3."""
        rate = schedules.cosine(1e-3, self.decay_steps)
        return {"classifier": keras.optimizers.Adam(rate)}

    def classifier_loss(self, batch, shared, training):
        """Mean cross-entropy in nats; of the averaged network when not training.

        Of attributes it is the mean of their sums.
        """
        images, labels = batch["image"], batch[self.target]
        network = self.current(self.classifier, training)
        if training:
            images = distort(images, self.noise_seed("distortion"), **self.distortion)
        _, logits = network(images, training=training)
        entropy = attribute_loss if self.has_attributes else class_loss
        return entropy(logits, labels)

    @transforms("probabilities")
    def classify(self, images):
        """Probabilities of the classes, float32 (batch, num_classes).

        Rows sum to 1, but not those of attributes.
        """
        logits = self.averaged(self.classifier)(images, training=False)[1]
        return ops.sigmoid(logits) if self.has_attributes else ops.softmax(logits)

    @transforms("features")
    def features(self, images):
        """The last hidden layer, float32 (batch, features).

        There are `width` features, times 2 for every block after the first.
        """
        return self.averaged(self.classifier)(images, training=False)[0]


def class_loss(logits, labels) -> tuple:
    """A classifier's loss and its figures.

    Args:
        logits: Logits of the classes, float32 (batch, num_classes).
        labels: The right classes, int (batch,).

    Returns:
        The mean cross-entropy in nats, a scalar; and `{"accuracy": ...}`, for each row
        1 where the most probable class is right, else 0.
    """
    right = ops.equal(ops.argmax(logits, axis=-1), ops.cast(labels, "int32"))
    loss = ops.mean(losses.cross_entropy(logits, labels))
    return loss, {"accuracy": ops.cast(right, "float32")}


def attribute_loss(logits, attributes) -> tuple:
    """The loss of a classifier of attributes, and its figures.

    Args:
        logits: Logits of the attributes, float32 (batch, attributes).
        attributes: Which of them an image has, 0 or 1, (batch, attributes).

    Returns:
        The sum of the attributes' cross-entropies in nats, a scalar that is the mean
        over rows; and `{"accuracy": ...}`, for each row the share of attributes for
        which the more probable value is right.
    """
    attributes = ops.cast(attributes, "float32")
    entropies = ops.binary_crossentropy(attributes, logits, from_logits=True)
    right = ops.equal(logits > 0, attributes > 0)
    accuracy = ops.mean(ops.cast(right, "float32"), axis=-1)
    return ops.mean(ops.sum(entropies, axis=-1)), {"accuracy": accuracy}
