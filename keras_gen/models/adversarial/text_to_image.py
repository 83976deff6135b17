"""Text to image: GAN-CLS [1], whose discriminator knows wrong captions from right ones.

Three players: an encoder, which learns where captions lie from their images [2]; the
discriminator, to which real images with wrong captions are fakes too; the generator,
which draws from a Gaussian around the caption [3] and also answers for captions between
two [1]. Captions go in as strings.
What differs from [1]: the encoder learns beside the others, of words and their parts
instead of letters in order; all that the discriminator sees may be augmented, since
captioned images are few.

1. Reed et al., "Generative Adversarial Text to Image Synthesis", 2016.
2. Reed et al., "Learning Deep Representations of Fine-grained Visual Descriptions",
   2016.
3. Zhang et al., "StackGAN: Text to Photo-realistic Image Synthesis with Stacked
   Generative Adversarial Networks", 2017, section 3.2 (conditioning augmentation).
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from keras_gen import losses
from keras_gen.core.abilities import draws, transforms
from keras_gen.core.augmentation import AUGMENTATIONS, augment
from keras_gen.core.game import Player
from keras_gen.core.model import GenerativeModel
from keras_gen.core.noise import row_generator
from keras_gen.core.registry import register
from keras_gen.distributions import priors
from keras_gen.layers.text_encoder import TextEncoder
from keras_gen.models.judges.matcher import matching_loss
from keras_gen.networks.dcgan import dcgan_discriminator, dcgan_generator, num_doublings
from keras_gen.networks.matching import image_encoder, unit

PROMPTS = (
    "red heart",
    "grinning face",
    "cat face",
    "green apple",
    "house with garden",
    "blue circle",
    "automobile",
    "woman",
)


def trunk(inputs, x, dense, **options):
    """A head of `dcgan_discriminator` that leaves its features as they are."""
    return keras.Model(inputs, x, name="trunk")


def caption_head(image_shape, features, text_units, condition_units):
    """The trunk's features and texts to logits (batch, 1) ([1], section 4.1).

    The text is laid beside every place of the smallest map, of 4x4 or so.
    """
    inputs = [keras.Input((features,)), keras.Input((text_units,))]
    doublings = num_doublings(image_shape)
    places = (image_shape[0] >> doublings) * (image_shape[1] >> doublings)
    x = layers.Reshape((places, features // places))(inputs[0])
    text = layers.LeakyReLU(0.2)(layers.Dense(condition_units)(inputs[1]))
    text = layers.RepeatVector(places)(text)
    x = layers.Concatenate()([x, text])
    x = layers.LeakyReLU(0.2)(layers.Dense(4 * condition_units)(x))
    x = layers.Dense(1, dtype="float32")(layers.Flatten()(x))
    return keras.Model(inputs, x, name="head")


def conditioner(text_units, condition_units):
    """Texts to mean and log-variance of a condition ([3], equation 2)."""
    inputs = keras.Input((text_units,))
    x = layers.LeakyReLU(0.2)(layers.Dense(2 * condition_units)(inputs))
    mean = layers.Dense(condition_units, dtype="float32")(x)
    log_variance = layers.Dense(condition_units, dtype="float32")(x)
    return keras.Model(inputs, [mean, log_variance], name="conditioner")


@register("text_to_image", image_shape=(32, 32, 3), width=32)
class TextToImage(GenerativeModel):
    """GAN-CLS, which draws what a caption says.

    Args:
        image_shape: (height, width, channels); as `DCGAN`'s.
        noise_dim: Numbers of noise beside the condition.
        condition_units: Numbers in a condition ([1]: 128).
        text_units: Numbers in an encoded caption.
        buckets: See `keras_gen.layers.TextEncoder`.
        width: Feature maps of generator and discriminator next to the image.
        encoder_width: Feature maps of the encoder's first layer for images.
        temperature: Of the encoder's loss; see `losses.contrastive_loss`.
        interpolation_weight: Of captions between two, in the generator's loss.
        divergence_weight: Of the conditions' divergence from a standard Gaussian, the
            mean over their numbers ([3]: 2).
        augmentation: Of "color", "translation" and "cutout"; see
            `keras_gen.augmentation`.
        halving_steps: After which the rates of discriminator and generator halve, again
            and again; None lets them stay.
        average: Decay of the generator's moving average; None keeps none.
        prompts: Captions that `sample` draws from where none are given.
        **kwargs: `name`.

    The logs show `d_right`, `d_wrong` and `d_fake`, the probabilities that the
    discriminator gives to each kind of pair, and `accuracy`, of the encoder: how often
    an image's nearest caption of the batch is its own.
    """

    figures = ("accuracy", "d_right", "d_wrong", "d_fake", "divergence")
    tiny = {
        "image_shape": (16, 16, 3),
        "noise_dim": 3,
        "condition_units": 3,
        "text_units": 4,
        "buckets": 8,
        "width": 2,
        "encoder_width": 2,
        "average": 0.9,
    }

    def __init__(
        self,
        image_shape=(64, 64, 3),
        noise_dim=100,
        condition_units=128,
        text_units=128,
        buckets=8192,
        width=64,
        encoder_width=16,
        temperature=0.1,
        interpolation_weight=1.0,
        divergence_weight=2.0,
        augmentation=("translation",),
        halving_steps=None,
        average=0.999,
        prompts=PROMPTS,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if isinstance(augmentation, str) or set(augmentation) - set(AUGMENTATIONS):
            raise ValueError(
                f"Expected a list of {list(AUGMENTATIONS)}, got {augmentation!r}."
            )
        if not prompts or not temperature > 0:
            raise ValueError(
                f"Expected prompts and temperature > 0, got {prompts}, {temperature}."
            )
        self.image_shape, self.noise_dim = tuple(image_shape), noise_dim
        self.condition_units, self.temperature = condition_units, temperature
        self.interpolation_weight = interpolation_weight
        self.divergence_weight = divergence_weight
        self.augmentation, self.halving_steps = tuple(augmentation), halving_steps
        self.prompts = tuple(prompts)
        self.text_encoder = TextEncoder(text_units, buckets, name="text_encoder")
        self.image_encoder = image_encoder(self.image_shape, text_units, encoder_width)
        self.trunk = dcgan_discriminator(self.image_shape, width, head=trunk)
        features = self.trunk.output_shape[-1]
        self.head = caption_head(
            self.image_shape, features, text_units, condition_units
        )
        self.conditioner = conditioner(text_units, condition_units)
        self.generator = dcgan_generator(
            self.image_shape, noise_dim + condition_units, width
        )
        self.keep_average(self.conditioner, average)
        self.keep_average(self.generator, average)
        self.prior = priors.Normal(noise_dim + condition_units, name="prior")

    def batch_shapes(self):
        """An image and its caption."""
        return {"image": self.image_shape, "caption": ()}

    def input_specs(self):
        """Captions too."""
        captions = tf.TensorSpec((None,), tf.string, "captions")
        return {**super().input_specs(), "captions": captions}

    def default_conditions(self, seeds):
        """One of `prompts` a row, from the rows' seeds."""
        rows = [row_generator(seed).integers(len(self.prompts)) for seed in seeds]
        return {"captions": [self.prompts[row] for row in rows]}

    def players(self):
        """The encoder learns from real pairs alone."""
        return {
            "encoder": Player(
                [self.text_encoder, self.image_encoder], self.encoder_loss
            ),
            "discriminator": Player([self.trunk, self.head], self.discriminator_loss),
            "generator": Player(
                [self.conditioner, self.generator], self.generator_loss
            ),
        }

    def default_optimizers(self):
        """Adam at 2e-4 with beta_1 0.5 ([1], section 5); at 1e-3 for the encoder."""
        rate = 2e-4
        if self.halving_steps is not None:
            rate = keras.optimizers.schedules.ExponentialDecay(
                rate, self.halving_steps, 0.5, staircase=True
            )
        return {
            "encoder": keras.optimizers.Adam(1e-3),
            "discriminator": keras.optimizers.Adam(rate, beta_1=0.5),
            "generator": keras.optimizers.Adam(rate, beta_1=0.5),
        }

    # The game.

    def encoder_loss(self, batch, training):
        """How hard it is to find images' captions; leaves the encoded texts."""
        texts = self.text_encoder(batch["caption"])
        loss, right = matching_loss(
            self.image_encoder(batch["image"], training=training),
            texts,
            batch["caption"],
            self.temperature,
        )
        self.report(accuracy=right)
        batch["text"] = tf.stop_gradient(unit(texts))
        return loss

    def discriminator_loss(self, batch, training):
        """Real and right against half of real and wrong, half of fake ([1], alg. 1)."""
        texts = batch["text"]
        wrong = tf.roll(texts, 1, axis=0)  # The caption of another image.
        between = 0.5 * (texts + tf.roll(texts, 2, axis=0))  # [1], equation 5.
        batch["asked"] = tf.concat([texts, between], axis=0)
        batch["fake"], batch["divergence"] = self.draw(batch["asked"], training)
        count = tf.shape(texts)[0]
        real = self.trunk(self.seen(batch["image"]), training=training)
        seen = self.seen(tf.stop_gradient(batch["fake"][:count]))
        fake = self.trunk(seen, training=training)
        right = self.head([real, texts], training=training)
        wrong = self.head([real, wrong], training=training)
        fake = self.head([fake, texts], training=training)
        self.report(
            d_right=ops.mean(ops.sigmoid(right)),
            d_wrong=ops.mean(ops.sigmoid(wrong)),
            d_fake=ops.mean(ops.sigmoid(fake)),
        )
        others = 0.5 * (ops.mean(ops.softplus(wrong)) + ops.mean(ops.softplus(fake)))
        return ops.mean(ops.softplus(-right)) + others

    def generator_loss(self, batch, training):
        """To pass for real and right, for captions and for what lies between."""
        features = self.trunk(self.seen(batch["fake"]), training=training)
        logits = self.head([features, batch["asked"]], training=training)
        given, between = tf.split(logits, 2)
        loss = losses.non_saturating_generator_loss(given)
        loss += self.interpolation_weight * losses.non_saturating_generator_loss(
            between
        )
        self.report(divergence=batch["divergence"])
        return loss + self.divergence_weight * batch["divergence"]

    def draw(self, texts, training):
        """Images of encoded texts, and the divergence of their conditions.

        In nats, the mean over a condition's numbers.
        """
        mean, log_variance = self.conditioner(texts, training=training)
        noise = tf.random.stateless_normal(
            (tf.shape(texts)[0], self.noise_dim + self.condition_units),
            self.draw_seed(),
        )
        divergence = losses.diagonal_gaussian_divergence(mean, log_variance)
        latents = self.latents(noise, mean, log_variance)
        images = self.generator(latents, training=training)
        return images, divergence / self.condition_units

    def latents(self, noise, mean, log_variance):
        """Noise, and a draw of the condition by the rest of it, side by side."""
        free, own = noise[:, : self.noise_dim], noise[:, self.noise_dim :]
        return ops.concatenate(
            [free, mean + ops.exp(0.5 * log_variance) * own], axis=-1
        )

    def seen(self, images):
        """Images as the discriminator sees them."""
        if not self.augmentation:
            return images
        return augment(images, self.draw_seed(), self.augmentation)

    # Abilities.

    @draws("images")
    def sample(self, seed, captions):
        """Draws what captions say, float32 (n, height, width, channels), in [-1, 1].

        `captions`: strings, one a row or one for all; drawn of `prompts` where none are
        given. With captions, n may be left out: `sample(captions=["red heart"])`.
        """
        texts = unit(self.text_encoder(captions))
        mean, log_variance = self.averaged(self.conditioner)(texts, training=False)
        noise = priors.sample_rows(self.prior.distribution(), seed)
        latents = self.latents(noise, mean, log_variance)
        return self.averaged(self.generator)(latents, training=False)

    @transforms("logits")
    def discriminate(self, images, captions):
        """Logits of images with captions, (batch, 1): higher is more real and right."""
        features = self.trunk(images, training=False)
        texts = unit(self.text_encoder(captions))
        return self.head([features, texts], training=False)

    def pictures(self, batch):
        """Images, and five drawings of each one's caption, in a row.

        Returns:
            float32 (batch, 6, height, width, channels).
        """
        columns = [
            self.sample(captions=batch["caption"], seed=seed) for seed in range(5)
        ]
        return np.stack([batch["image"], *columns], axis=1)
