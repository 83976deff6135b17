"""Semi-supervised adversarial autoencoder [1]: a few labels name the categories.

The encoder splits an image into a category, pushed towards one-hot vectors, and a
style, pushed towards a Gaussian, by a discriminator each; the decoder needs both.
Labels, where they are known, train the category like a classifier's output.

1. Makhzani et al., "Adversarial Autoencoders", 2016, section 5.
"""

import keras
import tensorflow as tf
from keras import ops

from keras_gen import losses
from keras_gen.core import schedules
from keras_gen.core.abilities import draws, transforms
from keras_gen.core.augmentation import distort
from keras_gen.core.game import Player
from keras_gen.core.registry import register
from keras_gen.distributions import priors
from keras_gen.models.adversarial_autoencoders.aae import AdversarialAutoencoder
from keras_gen.networks.aae import aae_decoder, code_discriminator, head, trunk


@register("semi_aae", image_shape=(28, 28, 1), num_classes=10)
class SemiSupervisedAAE(AdversarialAutoencoder):
    """Adversarial autoencoder that learns to classify from few labels.

    Latents are a one-hot category, then the style.

    Args:
        image_shape: (height, width, channels).
        num_classes: Labels lie below it; those of images without one are -1.
        style_dim: Numbers of style in a latent.
        widths: Of the encoder's and the discriminators' hidden layers.
        input_noise: Deviation of noise on what the encoder sees in training.
        turn: Largest angle by which training images are turned, in radians; [1] leaves
            them as they are.
        scale: Largest change of their size, as a share.
        shift: Largest shift, in pixels.
        learning_rate: Of the autoencoder's Adam and the classifier's.
        decay_steps: Steps in which all rates fall to 0, by a cosine; None keeps them.
        **kwargs: `name`.
    """

    figures = ("mse", "accuracy")
    tiny = {
        "image_shape": (8, 8, 1),
        "num_classes": 3,
        "style_dim": 2,
        "widths": (8,),
        "shift": 1.0,
    }

    def __init__(
        self,
        image_shape=(28, 28, 1),
        num_classes=10,
        style_dim=10,
        widths=(1000, 1000),
        input_noise=0.3,
        turn=0.0,
        scale=0.0,
        shift=0.0,
        learning_rate=5e-4,
        decay_steps=None,
        **kwargs,
    ):
        super().__init__(learning_rate=learning_rate, decay_steps=decay_steps, **kwargs)
        if num_classes < 2 or style_dim < 1:
            raise ValueError(
                "Expected num_classes >= 2 and style_dim >= 1, got "
                f"{num_classes} and {style_dim}."
            )
        self.image_shape = tuple(image_shape)
        self.num_classes, self.style_dim = num_classes, style_dim
        self.input_noise = input_noise
        self.distortion = {"turn": turn, "scale": scale, "shift": shift}
        self.latent_dim = num_classes + style_dim
        self.encoder = trunk(self.image_shape, widths)
        self.category = head(widths[-1], num_classes, "category")
        self.style = head(widths[-1], style_dim, "style")
        self.decoder = aae_decoder(self.image_shape, self.latent_dim, widths)
        self.category_discriminator = code_discriminator(
            num_classes, widths, "category_discriminator"
        )
        self.style_discriminator = code_discriminator(
            style_dim, widths, "style_discriminator"
        )
        self.prior = priors.Normal(style_dim, name="prior")

    def batch_shapes(self):
        """An image and its label, -1 where it is not known."""
        return {"image": self.image_shape, "label": ()}

    def players(self):
        """The phases of [1], section 5.1, in their order."""
        judges = [self.category_discriminator, self.style_discriminator]
        encoder = [self.encoder, self.category, self.style]
        return {
            "autoencoder": Player([*encoder, self.decoder], self.autoencoder_loss),
            "discriminator": Player(judges, self.discriminator_loss),
            "generator": Player(encoder, self.generator_loss),
            "classifier": Player([self.encoder, self.category], self.classifier_loss),
        }

    def default_optimizers(self):
        """The classifier has the autoencoder's."""
        rate = schedules.cosine(self.learning_rate, self.decay_steps)
        return super().default_optimizers() | {
            "classifier": keras.optimizers.Adam(rate)
        }

    def autoencoder_loss(self, batch, training):
        """Mean squared error per pixel; leaves logits and style to the others."""
        images = batch["image"]
        if training and any(self.distortion.values()):
            images = distort(images, self.draw_seed(), **self.distortion)
        seen = images
        if training and self.input_noise:
            noise = tf.random.stateless_normal(tf.shape(images), self.draw_seed())
            seen = images + self.input_noise * noise
        batch["logits"], batch["style"] = self.split(seen, training)
        latents = ops.concatenate(
            [ops.softmax(batch["logits"]), batch["style"]], axis=-1
        )
        outputs = self.decoder(latents, training=training)
        mse = ops.mean(ops.square(outputs - images))
        self.report(mse=mse)
        return mse

    def split(self, images, training=False):
        """Logits of the category, and the style."""
        features = self.encoder(images, training=training)
        return self.category(features), self.style(features)

    def discriminator_loss(self, batch, training):
        """Of both discriminators, against even categories and the Gaussian."""
        count = tf.shape(batch["image"])[0]
        labels = tf.random.stateless_uniform(
            (count,), self.draw_seed(), 0, self.num_classes, tf.int32
        )
        styles = self.prior.distribution().sample(count, seed=self.draw_seed())
        categories = ops.one_hot(labels, self.num_classes, dtype="float32")
        fake = tf.stop_gradient(ops.softmax(batch["logits"]))
        loss = losses.binary_discriminator_loss(
            self.category_discriminator(categories), self.category_discriminator(fake)
        )
        return loss + losses.binary_discriminator_loss(
            self.style_discriminator(styles),
            self.style_discriminator(tf.stop_gradient(batch["style"])),
        )

    def generator_loss(self, batch, training):
        """How far categories and styles are from passing for draws of the prior."""
        category = self.category_discriminator(ops.softmax(batch["logits"]))
        style = self.style_discriminator(batch["style"])
        return losses.non_saturating_generator_loss(
            category
        ) + losses.non_saturating_generator_loss(style)

    def classifier_loss(self, batch, training):
        """Mean cross-entropy in nats over the images whose label is known."""
        labels, logits = batch["label"], batch["logits"]
        known = ops.cast(labels >= 0, "float32")
        count = ops.maximum(ops.sum(known), 1.0)
        hits = ops.one_hot(labels, self.num_classes, dtype="float32")
        nats = -ops.sum(hits * ops.log_softmax(logits), axis=-1)
        right = ops.equal(ops.argmax(logits, axis=-1), ops.cast(labels, "int32"))
        self.report(accuracy=ops.sum(known * ops.cast(right, "float32")) / count)
        return ops.sum(known * nats) / count

    def input_specs(self):
        """Labels too."""
        labels = {"labels": tf.TensorSpec((None,), tf.int64, "labels")}
        return {**super().input_specs(), **labels}

    @draws("images")
    def sample(self, seed, labels=None):
        """Draws images of `labels`, int (n,), float32 in [-1, 1]."""
        styles = priors.sample_rows(self.prior.distribution(), seed)
        categories = ops.one_hot(labels, self.num_classes, dtype="float32")
        latents = ops.concatenate([categories, styles], axis=-1)
        return self.decoder(latents, training=False)

    @transforms("probabilities")
    def classify(self, images):
        """Probabilities of the classes, float32 (batch, num_classes)."""
        return ops.softmax(self.split(images)[0])

    @transforms("latents")
    def encode(self, images):
        """Probabilities of the classes, then the style, (batch, latent_dim)."""
        logits, style = self.split(images)
        return ops.concatenate([ops.softmax(logits), style], axis=-1)
