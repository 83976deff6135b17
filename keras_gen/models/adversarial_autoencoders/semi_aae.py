"""Semi-supervised adversarial autoencoder [1]: a classifier trained with few labels.

The encoder maps an image to a category and a style. One discriminator makes categories
resemble one-hot vectors, another makes styles resemble draws of a Gaussian. The decoder
takes both. Known labels also train the category as the output of a classifier. What
differs from [1]: the classifier is trained on the mini-batch of the other phases, of
which many labels may be unknown, instead of on a mini-batch of labelled images; the
squared error is averaged, not summed, over pixels; Adam replaces momentum; and the
preset rotates, scales and shifts the classifier's images. Two options are not in [1]:
`consistency`, by which the classifier also learns from the answers [3] of its moving
average [2], and `style_given_category`.

1. Makhzani et al., "Adversarial Autoencoders", 2016, section 5.
2. Tarvainen and Valpola, "Mean teachers are better role models", 2017.
3. Sohn et al., "FixMatch: Simplifying Semi-Supervised Learning with Consistency and
   Confidence", 2020.
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
from keras_gen.core.types import (
    Classes,
    Count,
    Decay,
    ImageShape,
    Rate,
    Share,
    Weight,
    Widths,
)
from keras_gen.distributions import priors
from keras_gen.models.adversarial_autoencoders.base import AdversarialAutoencoder
from keras_gen.networks.aae import aae_decoder, code_discriminator, head, trunk

tfd = tfp.distributions


@register(
    "semi_aae",
    batch_size=100,
    image_shape=(28, 28, 1),
    num_classes=10,
    turn=0.2,
    scale=0.1,
    shift=2.0,
)
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
        average: Decay of the moving averages of encoder, category, style and decoder,
            which all but training use; None keeps no average.
        consistency: Weight of a term of the classifier's loss for images without a
            label: the cross-entropy of its answer for the distorted image, whose label
            is the class that the averaged classifier gives to the image itself (without
            `average`, the classifier as it is).
        confidence: Least probability of that class; less certain images are left out
            of the term.
        style_given_category: Boolean, whether the discriminator of styles also gets the
            category, so that styles resemble the Gaussian within each category.
        game_rate: Initial learning rate of Adam for the discriminators and the
            generator.
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
        average: Decay | None = None,
        consistency: Weight = 0.0,
        confidence: Share = 0.0,
        style_given_category: bool = False,
        game_rate: Rate = 2e-4,
        **kwargs,
    ):
        rates = {"learning_rate": learning_rate, "game_rate": game_rate}
        super().__init__(**rates, decay_steps=decay_steps, **kwargs)
        self.image_shape = tuple(image_shape)
        self.num_classes, self.style_dim = num_classes, style_dim
        self.input_noise = input_noise
        self.consistency, self.confidence = consistency, confidence
        self.style_given_category = style_given_category
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
            self.latent_dim if style_given_category else style_dim,
            widths,
            "style_discriminator",
        )
        self.prior = priors.Normal(style_dim, name="prior")
        networks = [self.encoder, self.category, self.style, self.decoder]
        self.keep_averages(networks, average)

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
        outputs = self.current(self.decoder, training)(latents, training=training)
        mse = losses.mean_squared_error(outputs, shared["images"])
        return mse, {"mse": mse}

    def discriminator_loss(self, batch, shared, training):
        """Cross-entropies of telling draws from codes, of both discriminators.

        Categories are drawn with equal probability, styles from the Gaussian.
        """
        logits, style = self.split(shared["noisy"], training)
        category, style = tf.stop_gradient(ops.softmax(logits)), tf.stop_gradient(style)
        count = tf.shape(style)[0]
        labels = tf.random.stateless_uniform(
            (count,), self.noise_seed("categories"), 0, self.num_classes, tf.int32
        )
        drawn = self.prior.distribution().sample(count, seed=self.noise_seed("styles"))
        one_hot = ops.one_hot(labels, self.num_classes, dtype="float32")
        return losses.binary_discriminator_loss(
            self.category_discriminator(one_hot),
            self.category_discriminator(category),
        ) + losses.binary_discriminator_loss(
            self.style_logits(drawn, category), self.style_logits(style, category)
        )

    def generator_loss(self, batch, shared, training):
        """Cross-entropies of categories and styles being taken for draws."""
        logits, style = self.split(shared["noisy"], training)
        category = ops.softmax(logits)
        return losses.non_saturating_generator_loss(
            self.category_discriminator(category)
        ) + losses.non_saturating_generator_loss(self.style_logits(style, category))

    def style_logits(self, style, category):
        """Logits (batch, 1) of the discriminator of styles.

        Args:
            style: Styles, or draws of their prior, float32 (batch, style_dim).
            category: Probabilities of the classes, float32 (batch, num_classes), into
                which no gradient flows.
        """
        if self.style_given_category:
            style = ops.concatenate([tf.stop_gradient(category), style], axis=-1)
        return self.style_discriminator(style)

    def classifier_loss(self, batch, shared, training):
        """Mean cross-entropy in nats over the images whose label is known.

        In training, `consistency` times that of the images without a label is added.
        """
        labels = batch["label"]
        logits = self.category_logits(shared["noisy"], training)
        known = labels >= 0
        nats = losses.cross_entropy(logits, labels)
        right = ops.equal(ops.argmax(logits, axis=-1), ops.cast(labels, "int32"))
        accuracy = losses.mean_of(right, known), losses.any_of(known)
        loss = losses.mean_of(nats, known)
        if training and self.consistency:
            nats = self.inconsistency(batch["image"], logits)
            loss += self.consistency * losses.mean_of(nats, ~known)
        return loss, {"accuracy": accuracy}

    def inconsistency(self, images, logits):
        """Cross-entropy in nats of answers, with the averaged classifier's as labels.

        Args:
            images: Images, neither distorted nor noisy.
            logits: Logits of the classifier for the same images, distorted and noisy.

        Returns:
            float32 (batch,); 0 for images of which the averaged classifier is not
            certain (`confidence`).
        """
        answer = ops.softmax(self.category_logits(images, training=False))
        certain = ops.max(answer, axis=-1) >= self.confidence
        nats = losses.cross_entropy(logits, ops.argmax(answer, axis=-1))
        return ops.where(certain, nats, 0.0)

    def category_logits(self, images, training=False):
        """Logits of the category, float32 (batch, num_classes)."""
        features = self.current(self.encoder, training)(images, training=training)
        return self.current(self.category, training)(features)

    def split(self, images, training=False):
        """Logits of the category (batch, num_classes), and style (batch, style_dim)."""
        features = self.current(self.encoder, training)(images, training=training)
        category, style = (
            self.current(part, training) for part in (self.category, self.style)
        )
        return category(features), style(features)

    @draws("images")
    def sample(self, seed, labels=None):
        """Draws images of the classes `labels`, int (n,); float32 in [-1, 1]."""
        styles = priors.sample_rows(self.prior.distribution(), seed)
        categories = ops.one_hot(labels, self.num_classes, dtype="float32")
        latents = ops.concatenate([categories, styles], axis=-1)
        return self.averaged(self.decoder)(latents, training=False)

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
