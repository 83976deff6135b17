"""Classifier: not generative itself, it measures those that are.

A small convolutional network in the manner of VGG [1] with batch norm [2], trained on
shifted, turned and scaled copies. Its last hidden layer gives the features of Fréchet
and other distances, its classes the modes that samples cover.

1. Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
   Recognition", 2015.
2. Ioffe and Szegedy, "Batch Normalization", 2015.
"""

import keras
from keras import layers, ops

from keras_gen.core import schedules
from keras_gen.core.abilities import transforms
from keras_gen.core.augmentation import distort
from keras_gen.core.game import Player
from keras_gen.core.model import GenerativeModel
from keras_gen.core.registry import register


def classifier_network(image_shape, num_classes, width):
    """Images in [-1, 1] to features (batch, 4 * width) and logits (batch, classes)."""
    inputs = x = keras.Input(image_shape)
    for block in range(3):
        for _ in range(2):
            x = layers.Conv2D(width << block, 3, padding="same", use_bias=False)(x)
            x = layers.BatchNormalization(synchronized=True)(x)
            x = layers.ReLU()(x)
        if block < 2:
            x = layers.MaxPooling2D()(x)
    x = layers.GlobalAveragePooling2D(dtype="float32", name="features")(x)
    logits = layers.Dense(num_classes, dtype="float32", name="logits")(x)
    return keras.Model(inputs, [x, logits], name="classifier")


@register("classifier", image_shape=(28, 28, 1), num_classes=10)
class Classifier(GenerativeModel):
    """Convolutional classifier whose features and classes measure samples.

    Args:
        image_shape: (height, width, channels).
        num_classes: Labels are ints from 0 to below it.
        target: The feature that labels are: "label", or "domain" for a classifier of
            styles.
        width: Feature maps of the first block; they double twice.
        turn: Largest angle of a training image's copy, in radians.
        scale: Largest change of its size, as a share.
        shift: Largest shift, in pixels.
        decay_steps: Steps in which the learning rate falls to 0, by a cosine; None
            keeps it.
        average: Decay of the moving average that is used for all but training.
        **kwargs: `name`.
    """

    figures = ("accuracy",)
    tiny = {"image_shape": (8, 8, 1), "num_classes": 3, "width": 2}

    def __init__(
        self,
        image_shape=(28, 28, 1),
        num_classes=10,
        target="label",
        width=16,
        turn=0.2,
        scale=0.1,
        shift=2.0,
        decay_steps=None,
        average=0.999,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if num_classes < 2:
            raise ValueError(f"Expected num_classes >= 2, got {num_classes}.")
        if target not in ("label", "domain"):
            raise ValueError(f"Expected target='label' or 'domain', got {target!r}.")
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

    def classifier_loss(self, batch, training):
        """Mean cross-entropy in nats; of the averaged network when not training."""
        images, labels = batch["image"], batch[self.target]
        network = self.classifier if training else self.averaged(self.classifier)
        if training:
            images = distort(images, self.draw_seed(), **self.distortion)
        _, logits = network(images, training=training)
        right = ops.equal(ops.argmax(logits, axis=-1), ops.cast(labels, "int32"))
        self.report(accuracy=ops.cast(right, "float32"))
        log_probabilities = ops.log_softmax(logits)
        hits = ops.one_hot(labels, self.num_classes)
        return -ops.mean(ops.sum(hits * log_probabilities, axis=-1))

    @transforms("probabilities")
    def classify(self, images):
        """Probabilities of the classes, float32 (batch, num_classes)."""
        return ops.softmax(self.averaged(self.classifier)(images, training=False)[1])

    @transforms("features")
    def features(self, images):
        """The last hidden layer, float32 (batch, 4 * width)."""
        return self.averaged(self.classifier)(images, training=False)[0]
