"""Text to image: GAN-CLS [1], whose discriminator learns which captions are wrong.

There are three players. The encoder learns to match captions and images [2]. The
discriminator learns to tell real images with their captions from real images with
wrong captions and from generated images. The generator takes noise and a condition,
drawn from a Gaussian that depends on the caption [3]; it is trained on the captions of
the batch and on interpolations between two of them [1]. Captions are strings.

What differs from [1]: the encoder is trained together with the other players, on words
and their parts instead of sequences of characters; encoded captions have length 1, and
so do the points between two of them, which in [1] are the means of two encodings; all
images that the discriminator gets may be augmented, since data sets of captioned images
are small.

1. Reed et al., "Generative Adversarial Text to Image Synthesis", 2016.
2. Reed et al., "Learning Deep Representations of Fine-grained Visual Descriptions",
   2016.
3. Zhang et al., "StackGAN: Text to Photo-realistic Image Synthesis with Stacked
   Generative Adversarial Networks", 2017, section 3.2 (conditioning augmentation).
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import keras
import numpy as np
import tensorflow as tf
from annotated_types import Len
from keras import layers, ops

from keras_gen import losses
from keras_gen.core.abilities import draws, transforms
from keras_gen.core.augmentation import Augmentations, augment
from keras_gen.core.game import Player
from keras_gen.core.inputs import caption_input
from keras_gen.core.model import GenerativeModel
from keras_gen.core.registry import register
from keras_gen.core.types import Count, Decay, ImageShape, Rate, Weight
from keras_gen.distributions import priors
from keras_gen.layers.leaky_relu import LeakyReLU
from keras_gen.layers.text_encoder import TextEncoder
from keras_gen.networks.dcgan import (
    dcgan_discriminator,
    dcgan_generator,
    scales,
    uncapped,
)
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


def trunk(inputs, features, dense, **options) -> keras.Model:
    """A head of `dcgan_discriminator` that returns the features unchanged."""
    return keras.Model(inputs, features, name="trunk")


def caption_head(
    features: int,
    positions: int,
    text_units: int,
    condition_units: int,
) -> keras.Model:
    """The trunk's features and texts to logits, float32 (batch, 1) ([1], section 4.1).

    The text is repeated at every position of the smallest map, of about 4x4 pixels.

    Args:
        features: Numbers that the trunk returns for an image.
        positions: Number of pixels of the smallest map.
        text_units: Dimension of an encoded caption.
        condition_units: Numbers to which the text is reduced before it is repeated.
    """
    inputs = [keras.Input((features,)), keras.Input((text_units,))]
    x = layers.Reshape((positions, features // positions))(inputs[0])
    text = LeakyReLU(0.2)(layers.Dense(condition_units)(inputs[1]))
    text = layers.RepeatVector(positions)(text)
    x = layers.Concatenate()([x, text])
    x = LeakyReLU(0.2)(layers.Dense(4 * condition_units)(x))
    x = layers.Dense(1, dtype="float32")(layers.Flatten()(x))
    return keras.Model(inputs, x, name="head")


def conditioner(text_units: int, condition_units: int) -> keras.Model:
    """Texts to mean and log-variance of a condition ([3], equation 2).

    Args:
        text_units: Dimension of an encoded caption.
        condition_units: Dimension of a condition.
    """
    inputs = keras.Input((text_units,))
    x = LeakyReLU(0.2)(layers.Dense(2 * condition_units)(inputs))
    mean = layers.Dense(condition_units, dtype="float32")(x)
    log_variance = layers.Dense(condition_units, dtype="float32")(x)
    return keras.Model(inputs, [mean, log_variance], name="conditioner")


@register("text_to_image", batch_size=32, image_shape=(32, 32, 3), width=32)
class TextToImage(GenerativeModel):
    """GAN-CLS, which draws images from captions.

    The logs show `d_right`, `d_wrong` and `d_fake`, the mean probabilities that the
    discriminator gives to real images with their captions, to real images with wrong
    captions and to generated images; `divergence`, that of the conditions from a
    standard Gaussian; and `accuracy`, the share of images whose nearest caption in the
    batch is their own.

    Args:
        image_shape: Shape of an image, (height, width, channels). Height and width are
            at least 16.
        noise_dim: Dimension of the noise that is concatenated to the condition.
        condition_units: Dimension of a condition; 128 in [1].
        text_units: Dimension of an encoded caption.
        buckets: Rows of the encoder's table of words and parts of words.
        width: Feature maps of generator and discriminator in the layers next to the
            image; they double at every halving of the maps' sides, within `max_maps`.
        max_maps: Largest number of feature maps of a layer; None for no limit.
        halvings: Number of times that maps are halved from the image to the smallest
            map; None halves until the smaller side has 4 to 7 pixels.
        encoder_width: Feature maps of the first layer of the encoder of images.
        temperature: Divisor of cosines in the encoder's loss, above 0.
        interpolation_weight: Weight of interpolations between two captions in the
            generator's loss.
        divergence_weight: Weight of the conditions' divergence from a standard Gaussian
            (in nats per dimension) in the generator's loss.
        augmentation: Random changes applied to all images that the discriminator gets,
            any of "color", "translation" and "cutout".
        halving_steps: Steps in which the learning rates of discriminator and generator
            halve; None keeps them constant.
        average: Decay of the moving averages of generator and conditioner, which
            `sample`, saving and export use; None keeps no average.
        prompts: Captions from which `sample` draws if no captions are given.
        normalization: Normalization of the discriminator's layers after the first:
            "batch", as in [1], "layer", "instance" or "none". With "batch", a logit
            depends on the batch in training, and `discriminate` uses moving statistics,
            whose verdicts are others.
        **kwargs: Arguments of `GenerativeModel`: `name`.
    """

    figures = ("accuracy", "d_right", "d_wrong", "d_fake", "divergence")
    whole_batches = True  # Captions are compared with those of the batch.
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
        image_shape: ImageShape = (64, 64, 3),
        noise_dim: Count = 100,
        condition_units: Count = 128,
        text_units: Count = 128,
        buckets: Count = 8192,
        width: Count = 64,
        max_maps: Count | None = 512,
        halvings: Count | None = None,
        encoder_width: Count = 16,
        temperature: Rate = 0.1,
        interpolation_weight: Weight = 1.0,
        divergence_weight: Weight = 2.0,
        augmentation: Augmentations = ("translation",),
        halving_steps: Count | None = None,
        average: Decay | None = 0.999,
        prompts: Annotated[Sequence[str], Len(1)] = PROMPTS,
        normalization: Literal["batch", "layer", "instance", "none"] = "batch",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.image_shape, self.noise_dim = tuple(image_shape), noise_dim
        self.condition_units, self.temperature = condition_units, temperature
        self.interpolation_weight = interpolation_weight
        self.divergence_weight = divergence_weight
        self.augmentation = tuple(augmentation)
        self.halving_steps = halving_steps
        self.prompts = tuple(prompts)
        self.text_encoder = TextEncoder(text_units, buckets, name="text_encoder")
        self.image_encoder = image_encoder(
            self.image_shape, text_units, encoder_width, max_maps
        )
        limits = {"max_maps": max_maps, "halvings": halvings}
        self.trunk = dcgan_discriminator(
            self.image_shape, width, trunk, normalization=normalization, **limits
        )
        *_, (rows, columns, _) = scales(self.image_shape, width, **limits)
        self.head = caption_head(
            self.trunk.output_shape[-1], rows * columns, text_units, condition_units
        )
        self.conditioner = conditioner(text_units, condition_units)
        self.generator = dcgan_generator(
            self.image_shape, noise_dim + condition_units, width, **limits
        )
        self.keep_average(self.conditioner, average)
        self.keep_average(self.generator, average)
        self.prior = priors.Normal(noise_dim + condition_units, name="prior")

    @classmethod
    def upgrade_config(cls, config):
        """Gives files from before `max_maps` and `halvings` the networks they had."""
        return uncapped(super().upgrade_config(config))

    def batch_shapes(self):
        """An image and its caption."""
        return {"image": self.image_shape, "caption": ()}

    def inputs(self):
        """The usual inputs, and captions."""
        captions = caption_input(self.prompts)
        return {**super().inputs(), captions.name: captions}

    def players(self):
        """The encoder moves first, then the discriminator, then the generator.

        Discriminator and generator take captions that are encoded after the encoder's
        move. No result computed before the first move could be used, so the model
        defines no `forward`.
        """
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

    def encoder_loss(self, batch, shared, training):
        """The matching loss of images and captions."""
        images = self.image_encoder(batch["image"], training=training)
        loss, right = losses.matching_loss(
            unit(images),
            self.encode_captions(batch["caption"]),
            self.text_encoder.keys(batch["caption"]),
            self.temperature,
        )
        return loss, {"accuracy": right}

    def discriminator_loss(self, batch, shared, training):
        """Cross-entropy of right pairs against wrong and generated ones.

        Real images with their captions count as much as the two other kinds together
        ([1], algorithm 1). The wrong caption of an image is that of the image before it
        in the batch. If the two captions are equal, the pair is not wrong, and the mean
        over wrong pairs leaves it out. Without wrong pairs, generated ones count twice.
        """
        texts = tf.stop_gradient(self.encode_captions(batch["caption"]))
        others = tf.roll(texts, 1, axis=0)
        keys = self.text_encoder.keys(batch["caption"])
        is_wrong = ops.not_equal(keys, tf.roll(keys, 1, axis=0))
        images, _ = self.draw(texts, training)
        real = self.augmented(batch["image"], "real")
        fake = self.augmented(tf.stop_gradient(images), "fake")
        real = self.trunk(real, training=training)
        fake = self.trunk(fake, training=training)
        right = self.head([real, texts], training=training)
        wrong = self.head([real, others], training=training)
        fake = self.head([fake, texts], training=training)
        has_wrong = losses.any_of(is_wrong)
        share = 0.5 * ops.cast(has_wrong, "float32")
        negative = share * losses.mean_of(ops.softplus(wrong), is_wrong)
        negative += (1.0 - share) * ops.mean(ops.softplus(fake))
        return ops.mean(ops.softplus(-right)) + negative, {
            "d_right": ops.mean(ops.sigmoid(right)),
            "d_wrong": (
                losses.mean_of(ops.sigmoid(wrong), is_wrong),
                has_wrong,
            ),
            "d_fake": ops.mean(ops.sigmoid(fake)),
        }

    def generator_loss(self, batch, shared, training):
        """Loss of generated images being classified as real and matching the caption.

        A point between two captions is the direction halfway between them, of length 1.
        The weighted divergence of the conditions from a standard Gaussian is added.
        """
        texts = tf.stop_gradient(self.encode_captions(batch["caption"]))
        between = unit(texts + tf.roll(texts, 2, axis=0))  # [1], equation 5.
        texts = tf.concat([texts, between], axis=0)
        images, divergence = self.draw(texts, training)
        features = self.trunk(self.augmented(images, "fake"), training=training)
        logits = self.head([features, texts], training=training)
        of_captions, of_points_between = (
            losses.non_saturating_generator_loss(half) for half in tf.split(logits, 2)
        )
        loss = of_captions + self.interpolation_weight * of_points_between
        loss += self.divergence_weight * divergence
        return loss, {"divergence": divergence}

    def encode_captions(self, captions):
        """Vectors of captions, float32 (batch, text_units), of length 1."""
        return unit(self.text_encoder(captions))

    def draw(self, texts, training):
        """Images from encoded captions, by the networks that are trained.

        Args:
            texts: Encoded captions, float32 (batch, text_units).
            training: Boolean, whether this is a training step.

        Returns:
            The images; and the divergence of their conditions from a standard Gaussian,
            a scalar in nats per dimension.
        """
        mean, log_variance = self.conditioner(texts, training=training)
        shape = (tf.shape(texts)[0], self.noise_dim + self.condition_units)
        noise = self.noise("latents", shape)
        latents = self.latents(noise, mean, log_variance)
        divergence = losses.diagonal_gaussian_divergence(mean, log_variance)
        images = self.generator(latents, training=training)
        return images, divergence / self.condition_units

    def latents(self, noise, mean, log_variance):
        """Latents of conditions: noise, then a condition drawn from its Gaussian.

        Args:
            noise: Standard normal numbers, (batch, noise_dim + condition_units).
            mean: Means of the conditions, (batch, condition_units).
            log_variance: Logarithms of their variances, (batch, condition_units).
        """
        free, own = noise[:, : self.noise_dim], noise[:, self.noise_dim :]
        return ops.concatenate(
            [free, mean + ops.exp(0.5 * log_variance) * own], axis=-1
        )

    def augmented(self, images, name):
        """Images, augmented for the discriminator; `name` names the draw."""
        if not self.augmentation:
            return images
        seed = self.noise_seed(f"augmentation_{name}")
        return augment(images, seed, self.augmentation)

    # Abilities.

    @draws("images")
    def sample(self, seed, captions):
        """Draws images of captions, float32 (n, height, width, channels), in [-1, 1].

        `captions` are strings, one for each row or one for all. If none are given, they
        are drawn from `prompts`. With a caption for each row, n may be omitted:
        `sample(captions=["red heart"])`.
        """
        texts = self.encode_captions(captions)
        mean, log_variance = self.averaged(self.conditioner)(texts, training=False)
        noise = priors.sample_rows(self.prior.distribution(), seed)
        latents = self.latents(noise, mean, log_variance)
        return self.averaged(self.generator)(latents, training=False)

    @transforms("logits")
    def discriminate(self, images, captions):
        """Logits of images with captions, float32 (batch, 1).

        A higher logit means that the image is more realistic and fits the caption.
        """
        features = self.trunk(images, training=False)
        return self.head([features, self.encode_captions(captions)], training=False)

    def pictures(self, batch):
        """Images, each followed by five images drawn from its caption.

        Args:
            batch: Arrays "image" and "caption".

        Returns:
            float32 (batch, 6, height, width, channels), in [-1, 1].
        """
        columns = [
            self.sample(captions=batch["caption"], seed=seed) for seed in range(5)
        ]
        return np.stack([batch["image"], *columns], axis=1)
