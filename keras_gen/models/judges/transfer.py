"""Classifiers on the encoders of models that were trained without labels [1].

1. Erhan et al., "Why Does Unsupervised Pre-training Help Deep Learning?", 2010.
"""

import keras
from keras import layers, ops

from keras_gen.core.abilities import transforms
from keras_gen.core.checks import counts as check_counts
from keras_gen.core.game import Player
from keras_gen.core.model import GenerativeModel


def classifier_from(model, num_classes, freeze=True):
    """A softmax head on a model's encoder, to be trained by `fit` with labels.

        classifier = classifier_from(model, 10)
        classifier.fit(images, labels, epochs=20)       # The head alone.
        classifier.unfreeze()
        classifier.fit(images, labels, epochs=20)       # All of it.

    Args:
        model: A model of images with an `encoder`; its weights are copied.
        num_classes: Labels are ints from 0 to below it.
        freeze: Whether the encoder stays as it is until `unfreeze()`.

    Returns:
        An `EncoderClassifier`, compiled.
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
    """A softmax layer on the encoder of another model; see `classifier_from`.

    Args:
        source: The name of the other model's class.
        config: Its configuration.
        num_classes: Labels are ints from 0 to below it.
        freeze: Whether the encoder is left as it is.
        **kwargs: `name`.
    """

    figures = ("accuracy",)

    def __init__(self, source, config, num_classes, freeze=True, **kwargs):
        super().__init__(**kwargs)
        check_counts(num_classes=num_classes)
        cls = keras.saving.get_registered_object(f"keras_gen>{source}")
        # The whole model: its encoder may borrow weights of its other parts.
        self.source = cls.from_config(config)
        encoder = self.source.encoder
        self.encoder = keras.Model(encoder.inputs, encoder.outputs[0], name="features")
        self.head = layers.Dense(num_classes, dtype="float32", name="head")
        self.head.build(self.encoder.output_shape)
        self.image_shape = self.source.image_shape
        self.num_classes, self.freeze = num_classes, freeze

    def unfreeze(self, learning_rate=3e-4):
        """Lets `fit` train the encoder too, with Adam at this rate."""
        self.freeze = self._arguments["freeze"] = False
        self.compile({"classifier": keras.optimizers.Adam(learning_rate)})

    def batch_shapes(self):
        """An image and its label."""
        return {"image": self.image_shape, "label": ()}

    def players(self):
        """One player: the head, and the encoder where it is not frozen."""
        networks = [self.head] if self.freeze else [self.encoder, self.head]
        return {"classifier": Player(networks, self.classifier_loss)}

    def default_optimizers(self):
        """Adam at 1e-3."""
        return {"classifier": keras.optimizers.Adam(1e-3)}

    def classifier_loss(self, batch, training):
        """Mean cross-entropy in nats."""
        labels = batch["label"]
        logits = self.logits(batch["image"], training and not self.freeze)
        right = ops.equal(ops.argmax(logits, axis=-1), ops.cast(labels, "int32"))
        self.report(accuracy=ops.mean(ops.cast(right, "float32")))
        hits = ops.one_hot(labels, self.num_classes)
        return -ops.mean(ops.sum(hits * ops.log_softmax(logits), axis=-1))

    def logits(self, images, training=False):
        """Before the softmax: float32 (batch, num_classes)."""
        return self.head(self.encoder(images, training=training))

    @transforms("probabilities")
    def classify(self, images):
        """Probabilities of the classes, float32 (batch, num_classes)."""
        return ops.softmax(self.logits(images))
