"""Adversarial autoencoder [1]: a discriminator makes codes resemble draws of a prior.

An encoder and a decoder reconstruct images; a discriminator of codes learns to tell
them from draws of the prior, and the encoder learns to deceive it. The prior may be any
distribution that can be sampled. If the discriminator also gets labels, each class is
matched to its own part of the prior. What differs from [1]: the squared error is
averaged, not summed, over pixels, Adam replaces momentum, and encoder and decoder may
be convolutional.

1. Makhzani et al., "Adversarial Autoencoders", 2016.
"""

from collections.abc import Sequence
from typing import Literal

import keras
import tensorflow as tf
from keras import ops

from keras_gen import losses
from keras_gen.core.abilities import draws, transforms
from keras_gen.core.game import Player
from keras_gen.core.registry import register
from keras_gen.core.types import Classes, Count, Decay, ImageShape, Rate, Widths
from keras_gen.distributions import priors
from keras_gen.models.adversarial_autoencoders.base import AdversarialAutoencoder
from keras_gen.networks.aae import (
    aae_decoder,
    aae_encoder,
    code_discriminator,
)
from keras_gen.networks.vae import default_network, default_widths, with_exact_widths

WIDTHS = (1000, 1000)  # [1], appendix A.

PLANES = {
    "gaussian_mixture": priors.gaussian_petals,
    "swiss_roll": priors.swiss_roll,
}


def prior_of(
    prior: str | Sequence, latent_dim: int, num_classes: int | None
) -> keras.Layer:
    """The layer of `keras_gen.priors` that `AAE`'s argument `prior` describes.

    Raises:
        ValueError: For an unknown prior, or one in the plane with another latent_dim.
    """
    if prior == "normal":
        return priors.Normal(latent_dim, name="prior")
    if isinstance(prior, str) and prior in PLANES:
        if latent_dim != 2:
            raise ValueError(
                f"Expected latent_dim=2 with prior={prior!r}, got {latent_dim}."
            )
        return PLANES[prior](num_classes or 10, name="prior")
    if isinstance(prior, (list, tuple)) and len(prior) == 2:
        return priors.Named(latent_dim, *prior, name="prior")
    raise ValueError(
        f"Expected a prior of 'normal', {list(PLANES)}, or a pair of the name of a "
        f"class of tfp.distributions and a dict of its arguments, got {prior!r}."
    )


@register("aae", batch_size=100, image_shape=(28, 28, 1))
class AAE(AdversarialAutoencoder):
    """Adversarial autoencoder, whose codes are matched to any prior.

    The logs show `mse`, the reconstruction error per pixel, and `d_real` and `d_fake`,
    the discriminator's mean probability for draws of the prior and for codes.

    Args:
        image_shape: (height, width, channels).
        latent_dim: Dimension of a code.
        widths: Widths of the encoder's hidden layers, or its numbers of feature maps,
            each of which halves the map; the decoder's are reversed. None uses
            (1000, 1000) for "mlp" ([1]). For "conv" it uses 32 maps, which double up to
            256, and halves them while both sides are above 8.
        encoder: Kind of the encoder: "deterministic", "gaussian", or "universal" (a
            function of images and noise).
        prior: Prior over codes: "normal"; "gaussian_mixture" or "swiss_roll" in the
            plane; or a class of `tfp.distributions` and its arguments, as in
            ["Laplace", {"loc": 0, "scale": 1}].
        num_classes: Number of classes whose labels the discriminator gets (-1 for
            unknown), to match each class to its own part of the prior; None for no
            labels.
        learning_rate: Initial learning rate of the autoencoder's Adam.
        decay_steps: Steps in which all learning rates fall to 0 along a cosine; None
            keeps them constant.
        average: Decay of the moving averages of encoder and decoder, which all but
            training use; None keeps no average.
        network: Kind of the encoder and the decoder: "mlp" or "conv". None uses "conv"
            for images with several channels or a side above 32 pixels, and "mlp" for
            others, and where `widths` are given.
        discriminator_widths: Widths of the discriminator's hidden layers. None uses
            those of an encoder of dense layers, and (1000, 1000) for "conv".
        game_rate: Initial learning rate of Adam for the discriminator and the
            generator.
        **kwargs: Arguments of `GenerativeModel`: `name`.
    """

    figures = ("mse", "d_real", "d_fake")
    unknown_labels = True
    tiny = {
        "image_shape": (8, 8, 1),
        "latent_dim": 2,
        "widths": (8,),
        "encoder": "gaussian",
        "prior": "gaussian_mixture",
        "num_classes": 3,
    }

    def __init__(
        self,
        image_shape: ImageShape = (28, 28, 1),
        latent_dim: Count = 8,
        widths: Widths | None = None,
        encoder: Literal["deterministic", "gaussian", "universal"] = "deterministic",
        prior: Literal["normal", "gaussian_mixture", "swiss_roll"]
        | tuple[str, dict] = "normal",
        num_classes: Classes | None = None,
        learning_rate: Rate = 5e-4,
        decay_steps: Count | None = None,
        average: Decay | None = None,
        network: Literal["mlp", "conv"] | None = None,
        discriminator_widths: Widths | None = None,
        game_rate: Rate = 2e-4,
        **kwargs,
    ):
        rates = {"learning_rate": learning_rate, "game_rate": game_rate}
        super().__init__(**rates, decay_steps=decay_steps, **kwargs)
        self.image_shape, self.latent_dim = tuple(image_shape), latent_dim
        self.num_classes, self.encoder_kind = num_classes, encoder
        network = network or default_network(image_shape, widths)
        is_conv = network == "conv"
        if widths is None:
            widths = default_widths("conv", image_shape) if is_conv else WIDTHS
        self.keep_arguments(network=network, widths=list(widths))
        if discriminator_widths is None:
            discriminator_widths = WIDTHS if is_conv else widths
        shapes = self.image_shape, latent_dim, tuple(widths)
        self.encoder = aae_encoder(*shapes, encoder, network)
        self.decoder = aae_decoder(*shapes, network)
        label_dim = 0 if num_classes is None else num_classes + 1
        self.discriminator = code_discriminator(
            latent_dim + label_dim, discriminator_widths
        )
        self.prior = prior_of(prior, latent_dim, num_classes)
        self.keep_averages([self.encoder, self.decoder], average)

    @classmethod
    def upgrade_config(cls, config):
        """Gives older files the kind of network and the widths that they had."""
        config = cls.completed(super().upgrade_config(config), network="mlp")
        return with_exact_widths(config)

    def batch_shapes(self):
        """An image, and its label if the discriminator gets labels."""
        shapes = {"image": self.image_shape}
        return shapes if self.num_classes is None else {**shapes, "label": ()}

    def players(self):
        """The phases of [1], section 2, in order: reconstruction, regularization."""
        autoencoder = [self.encoder, self.decoder]
        return {
            "autoencoder": Player(autoencoder, self.autoencoder_loss),
            "discriminator": Player([self.discriminator], self.discriminator_loss),
            "generator": Player([self.encoder], self.generator_loss),
        }

    def autoencoder_loss(self, batch, shared, training):
        """Mean squared error per pixel, in units of [-1, 1]."""
        images = batch["image"]
        decoder = self.current(self.decoder, training)
        outputs = decoder(self.noisy_codes(images, training), training=training)
        mse = losses.mean_squared_error(outputs, images)
        return mse, {"mse": mse}

    def discriminator_loss(self, batch, shared, training):
        """Cross-entropy of telling draws of the prior from codes."""
        labels = batch.get("label")
        codes = tf.stop_gradient(self.noisy_codes(batch["image"], training))
        real = self.logits(self.draw_prior(labels, tf.shape(codes)[0]), labels)
        fake = self.logits(codes, labels)
        figures = {
            "d_real": ops.mean(ops.sigmoid(real)),
            "d_fake": ops.mean(ops.sigmoid(fake)),
        }
        return losses.binary_discriminator_loss(real, fake), figures

    def generator_loss(self, batch, shared, training):
        """Cross-entropy of codes being taken for draws of the prior."""
        codes = self.noisy_codes(batch["image"], training)
        logits = self.logits(codes, batch.get("label"))
        return losses.non_saturating_generator_loss(logits)

    def noisy_codes(self, images, training):
        """Codes of a batch with named noise, with the encoder's current weights."""
        noise = self.noise("codes", (tf.shape(images)[0], self.latent_dim))
        return self.draw_codes(images, noise, training)

    def draw_codes(self, images, noise, training=False):
        """Draws of q(z | x), float32 (batch, latent_dim).

        Args:
            images: float32 (batch, height, width, channels), in [-1, 1].
            noise: Standard normal numbers, float32 (batch, latent_dim), that the draws
                are made from; a deterministic encoder ignores them.
            training: Boolean, whether this is a training step.
        """
        encoder = self.current(self.encoder, training)
        if self.encoder_kind == "deterministic":
            return encoder(images, training=training)
        if self.encoder_kind == "universal":
            return encoder([images, noise], training=training)
        mean, log_variance = encoder(images, training=training)
        return mean + ops.exp(0.5 * ops.clip(log_variance, -6.0, 2.0)) * noise

    def draw_prior(self, labels, count):
        """Draws from the prior, or from each label's part of the prior.

        Args:
            labels: Labels, int (batch,), -1 for unknown; None for no labels.
            count: Number of draws, a scalar tensor: the batch size.
        """
        seed = self.noise_seed("prior")
        if labels is not None and hasattr(self.prior, "given"):
            return self.prior.given(labels).sample(seed=seed)
        return self.prior.distribution().sample(count, seed=seed)

    def logits(self, codes, labels):
        """The discriminator's logits, (batch, 1), of codes (and labels)."""
        if labels is not None:  # Unknown labels are a class of their own, the last one.
            index = ops.where(labels < 0, self.num_classes, labels)
            one_hot = ops.one_hot(index, self.num_classes + 1, dtype="float32")
            codes = ops.concatenate([codes, one_hot], axis=-1)
        return self.discriminator(codes)

    @draws("images")
    def sample(self, seed):
        """Draws images, float32 (n, height, width, channels), in [-1, 1]."""
        codes = priors.sample_rows(self.prior.distribution(), seed)
        return self.averaged(self.decoder)(codes, training=False)

    @transforms("latents")
    def encode(self, images):
        """Codes, float32 (batch, latent_dim): the mean, or the code without noise."""
        return self.codes(images)

    def codes(self, images):
        """Codes (batch, latent_dim) of images: the mean, or the code without noise."""
        encoder = self.averaged(self.encoder)
        if self.encoder_kind == "universal":
            zeros = ops.zeros((ops.shape(images)[0], self.latent_dim))
            return encoder([images, zeros], training=False)
        codes = encoder(images, training=False)
        return codes[0] if self.encoder_kind == "gaussian" else codes
