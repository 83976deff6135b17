"""Semi-supervised adversarial autoencoder [1]: a classifier trained with few labels.

The encoder maps an image to a category and a style. One discriminator makes categories
resemble one-hot vectors, another makes styles resemble draws of a Gaussian. The decoder
takes both. Known labels also train the category as the output of a classifier. What
differs from [1]: the classifier is trained on the mini-batch of the other phases, of
which many labels may be unknown, instead of on a mini-batch of labelled images.

1. Makhzani et al., "Adversarial Autoencoders", 2016, section 5.
"""

import keras
import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops

from keras_gen import losses
from keras_gen.core import schedules
from keras_gen.core.abilities import draws, transforms
from keras_gen.core.augmentation import distort
from keras_gen.core.game import Player
from keras_gen.core.inputs import label_input
from keras_gen.core.registry import register
from keras_gen.core.types import Classes, Count, Decay, ImageShape, Rate, Weight, Widths
from keras_gen.distributions import priors
from keras_gen.models.adversarial_autoencoders.base import AdversarialAutoencoder
from keras_gen.networks.aae import aae_decoder, code_discriminator, head, trunk

tfd = tfp.distributions


@register("semi_aae", batch_size=100, image_shape=(28, 28, 1), num_classes=10)
class SemiSupervisedAAE(AdversarialAutoencoder):
    """Adversarial autoencoder that learns to classify from few labels.

    A latent is a one-hot category followed by the style. The logs show `mse`, the
    reconstruction error per pixel, and `accuracy`, over the images whose label is
    known.

    Args:
        image_shape: (height, width, channels).
        num_classes: Number of classes; the label of images without one is -1.
        style_dim: Dimension of the style in a latent.
        widths: Widths of the encoder's and the discriminators' hidden layers.
        input_noise: Standard deviation of noise on the encoder's input in training, in
            units of [-1, 1].
        turn: Largest rotation of training images, in radians; [1] distorts no images.
        scale: Largest relative change of the size of training images.
        shift: Largest shift of training images, in pixels.
        learning_rate: Initial learning rate of Adam for the autoencoder and the
            classifier.
        decay_steps: Steps in which all learning rates fall to 0 along a cosine; None
            keeps them constant.
        **kwargs: Arguments of `GenerativeModel`: `name`.
    """

    figures = ("mse", "accuracy")
    unknown_labels = True
    tiny = {
        "image_shape": (8, 8, 1),
        "num_classes": 3,
        "style_dim": 2,
        "widths": (8,),
        "shift": 1.0,
    }

    def __init__(
        self,
        image_shape: ImageShape = (28, 28, 1),
        num_classes: Classes = 10,
        style_dim: Count = 10,
        widths: Widths = (1000, 1000),
        input_noise: Weight = 0.3,
        turn: Weight = 0.0,
        scale: Decay = 0.0,
        shift: Weight = 0.0,
        learning_rate: Rate = 5e-4,
        decay_steps: Count | None = None,
        **kwargs,
    ):
        super().__init__(learning_rate=learning_rate, decay_steps=decay_steps, **kwargs)
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
        """An image and its label, -1 if it is unknown."""
        return {"image": self.image_shape, "label": ()}

    def inputs(self):
        """The inputs of all models, and labels."""
        labels = label_input(self.num_classes)
        return {**super().inputs(), labels.name: labels}

    def latent_distribution(self):
        """A one-hot category, uniformly distributed, and the style's Gaussian."""
        categories = tfd.OneHotCategorical(
            logits=tf.zeros(self.num_classes), dtype=tf.float32
        )
        return tfd.Blockwise([categories, self.prior.distribution()])

    def players(self):
        """The phases of [1], section 5, in order; classification comes last."""
        discriminators = [self.category_discriminator, self.style_discriminator]
        encoder = [self.encoder, self.category, self.style]
        return {
            "autoencoder": Player([*encoder, self.decoder], self.autoencoder_loss),
            "discriminator": Player(discriminators, self.discriminator_loss),
            "generator": Player(encoder, self.generator_loss),
            "classifier": Player([self.encoder, self.category], self.classifier_loss),
        }

    def default_optimizers(self):
        """Adam; the classifier has the same settings as the autoencoder."""
        rate = schedules.cosine(self.learning_rate, self.decay_steps)
        return super().default_optimizers() | {
            "classifier": keras.optimizers.Adam(rate)
        }

    def forward(self, batch, training):
        """The images that all phases use; no weights are involved.

        Returns:
            "images", distorted images, the target of the reconstruction; and "noisy",
            the same images with noise, the encoder's input. Outside of training both
            are the batch's images.
        """
        images = batch["image"]
        if training and any(self.distortion.values()):
            images = distort(images, self.noise_seed("distortion"), **self.distortion)
        noisy = images
        if training and self.input_noise:
            noisy = images + self.input_noise * self.noise("input", tf.shape(images))
        return {"images": images, "noisy": noisy}

    def autoencoder_loss(self, batch, shared, training):
        """Mean squared error per pixel, in units of [-1, 1]."""
        category, style = self.split(shared["noisy"], training)
        latents = ops.concatenate([ops.softmax(category), style], axis=-1)
        outputs = self.decoder(latents, training=training)
        mse = losses.mean_squared_error(outputs, shared["images"])
        return mse, {"mse": mse}

    def discriminator_loss(self, batch, shared, training):
        """Cross-entropies of telling draws from codes, of both discriminators.

        Categories are drawn with equal probability, styles from the Gaussian.
        """
        category, style = self.split(shared["noisy"], training)
        count = tf.shape(style)[0]
        labels = tf.random.stateless_uniform(
            (count,), self.noise_seed("categories"), 0, self.num_classes, tf.int32
        )
        drawn = self.prior.distribution().sample(count, seed=self.noise_seed("styles"))
        one_hot = ops.one_hot(labels, self.num_classes, dtype="float32")
        return losses.binary_discriminator_loss(
            self.category_discriminator(one_hot),
            self.category_discriminator(tf.stop_gradient(ops.softmax(category))),
        ) + losses.binary_discriminator_loss(
            self.style_discriminator(drawn),
            self.style_discriminator(tf.stop_gradient(style)),
        )

    def generator_loss(self, batch, shared, training):
        """Cross-entropies of categories and styles being taken for draws."""
        category, style = self.split(shared["noisy"], training)
        return losses.non_saturating_generator_loss(
            self.category_discriminator(ops.softmax(category))
        ) + losses.non_saturating_generator_loss(self.style_discriminator(style))

    def classifier_loss(self, batch, shared, training):
        """Mean cross-entropy in nats over the images whose label is known."""
        labels = batch["label"]
        logits = self.category(self.encoder(shared["noisy"], training=training))
        known = labels >= 0
        one_hot = ops.one_hot(labels, self.num_classes, dtype="float32")
        nats = -ops.sum(one_hot * ops.log_softmax(logits), axis=-1)
        right = ops.equal(ops.argmax(logits, axis=-1), ops.cast(labels, "int32"))
        accuracy = losses.mean_of(right, known), losses.any_of(known)
        return losses.mean_of(nats, known), {"accuracy": accuracy}

    def split(self, images, training=False):
        """Logits of the category (batch, num_classes), and style (batch, style_dim)."""
        features = self.encoder(images, training=training)
        return self.category(features), self.style(features)

    @draws("images")
    def sample(self, seed, labels=None):
        """Draws images of the classes `labels`, int (n,); float32 in [-1, 1]."""
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
        """Probabilities of the classes, then the style, float32 (batch, latent_dim)."""
        return self.codes(images)

    def codes(self, images):
        """Probabilities of the classes, then the style, (batch, latent_dim)."""
        category, style = self.split(images)
        return ops.concatenate([ops.softmax(category), style], axis=-1)
