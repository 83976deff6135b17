"""Classifiers on the encoders of models that were trained without labels [1].

1. Erhan et al., "Why Does Unsupervised Pre-training Help Deep Learning?", 2010.
"""

import keras
from keras import layers, ops

from keras_gen.core.abilities import transforms
from keras_gen.core.game import Player
from keras_gen.core.model import GenerativeModel
from keras_gen.core.types import Classes
from keras_gen.models.judges.classifier import class_loss


def classifier_from(
    model: GenerativeModel, num_classes: int, freeze: bool = True
) -> "EncoderClassifier":
    """A softmax layer on a model's encoder, to be trained by `fit` with labels.

    >>> import numpy as np
    >>> from keras_gen.models import ConvAE, classifier_from
    >>> model = ConvAE(image_shape=(8, 8, 1), widths=(4, 8), latent_dim=8)
    >>> classifier = classifier_from(model, num_classes=2)
    >>> images = np.random.default_rng(0).uniform(-1, 1, (16, 8, 8, 1))
    >>> labels = np.arange(16) % 2
    >>> history = classifier.fit(images, labels, verbose=0)  # Only the new layer.
    >>> classifier.unfreeze()
    >>> history = classifier.fit(images, labels, verbose=0)  # The encoder too.
    >>> classifier.classify(images).shape
    (16, 2)

    Args:
        model: Model of images with an `encoder`, whose weights are copied.
        num_classes: Number of classes. Labels are ints from 0 to `num_classes - 1`.
        freeze: Boolean, whether the encoder is not trained until `unfreeze()`.

    Returns:
        An `EncoderClassifier`, compiled.

    Raises:
        ValueError: For a model without an encoder of images, or fewer than one class.
    """
    if not hasattr(model, "encoder") or getattr(model, "image_shape", None) is None:
        raise ValueError(
            f"Expected a model that encodes images, got {type(model).__name__}."
        )
    classifier = EncoderClassifier(
        type(model).__name__, model.get_config(), num_classes, freeze
    )
    classifier.source.set_weights(model.get_weights())
    classifier.compile()
    return classifier


@keras.saving.register_keras_serializable("keras_gen")
class EncoderClassifier(GenerativeModel):
    """A softmax layer on the encoder of another model; `classifier_from` makes it.

    The logs show `accuracy`, the share of images whose most probable class is right.

    Args:
        source: Name of the other model's class.
        config: Configuration of the other model.
        num_classes: Number of classes. Labels are ints from 0 to `num_classes - 1`.
        freeze: Boolean, whether the encoder is not trained.
        **kwargs: Arguments of `GenerativeModel`: `name`.
    """

    figures = ("accuracy",)

    def __init__(
        self,
        source: str,
        config: dict,
        num_classes: Classes,
        freeze: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        cls = keras.saving.get_registered_object(f"keras_gen>{source}")
        # The whole model, since its encoder may share weights with its other parts.
        self.source = cls.from_config(config)
        encoder = self.source.encoder
        self.encoder = keras.Model(encoder.inputs, encoder.outputs[0], name="features")
        self.head = layers.Dense(num_classes, dtype="float32", name="head")
        self.head.build(self.encoder.output_shape)
        self.image_shape = self.source.image_shape
        self.num_classes, self.freeze = num_classes, freeze

    def unfreeze(self, learning_rate: float = 3e-4) -> None:
        """Lets `fit` train the encoder too, with Adam.

        Args:
            learning_rate: Learning rate of Adam.
        """
        self.freeze = self._arguments["freeze"] = False
        self.compile({"classifier": keras.optimizers.Adam(learning_rate)})

    def batch_shapes(self):
        """An image and its label."""
        return {"image": self.image_shape, "label": ()}

    def players(self):
        """One player: the new layer, and the encoder unless it is frozen."""
        networks = [self.head] if self.freeze else [self.encoder, self.head]
        return {"classifier": Player(networks, self.classifier_loss)}

    def default_optimizers(self):
        """Adam at 1e-3."""
        return {"classifier": keras.optimizers.Adam(1e-3)}

    def classifier_loss(self, batch, shared, training):
        """Mean cross-entropy in nats."""
        logits = self.logits(batch["image"], training and not self.freeze)
        return class_loss(logits, batch["label"])

    def logits(self, images, training=False):
        """Logits of the classes, before the softmax: float32 (batch, num_classes)."""
        return self.head(self.encoder(images, training=training))

    @transforms("probabilities")
    def classify(self, images):
        """Probabilities of the classes, float32 (batch, num_classes)."""
        return ops.softmax(self.logits(images))
