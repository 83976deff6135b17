"""Adversarial autoencoder [1]: a discriminator makes codes look like draws of a prior.

An encoder and a decoder reconstruct images; then a discriminator on codes learns to
tell them from draws of the prior, and the encoder to fool it. The prior may be any
distribution that one can draw from. Where the discriminator is told labels, classes
take their own parts of the prior. What differs from [1]: the squared error is averaged,
not summed, over pixels, and Adam takes the place of momentum.

1. Makhzani et al., "Adversarial Autoencoders", 2016.
"""

import keras
import tensorflow as tf
from keras import ops

from keras_gen import losses
from keras_gen.core import schedules
from keras_gen.core.abilities import draws, transforms
from keras_gen.core.game import Player
from keras_gen.core.model import GenerativeModel
from keras_gen.core.registry import register
from keras_gen.distributions import priors
from keras_gen.networks.aae import aae_decoder, aae_encoder, code_discriminator

ENCODERS = ("deterministic", "gaussian", "universal")
PLANES = {
    "gaussian_mixture": priors.gaussian_petals,
    "swiss_roll": priors.swiss_roll,
}


def prior_of(prior, latent_dim, num_classes):
    """The layer that `AAE`'s argument `prior` stands for."""
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


class AdversarialAutoencoder(GenerativeModel):
    """What the plain and the semi-supervised one share: rates, and the way back.

    A model on top owns `encoder`, `decoder` and the ability `encode`.
    """

    def __init__(self, *, learning_rate, decay_steps, **kwargs):
        super().__init__(**kwargs)
        self.learning_rate, self.decay_steps = learning_rate, decay_steps

    def default_optimizers(self):
        """Adam, at 2e-4 with beta_1 0.5 for those that play."""
        rate, games = (
            schedules.cosine(r, self.decay_steps) for r in (self.learning_rate, 2e-4)
        )
        return {
            "autoencoder": keras.optimizers.Adam(rate),
            "discriminator": keras.optimizers.Adam(games, beta_1=0.5),
            "generator": keras.optimizers.Adam(games, beta_1=0.5),
        }

    @transforms("images")
    def decode(self, latents):
        """Images in [-1, 1] of latents (batch, latent_dim)."""
        return self.decoder(latents, training=False)

    @transforms("images")
    def reconstruct(self, images):
        """Images in [-1, 1], through their latents and back."""
        encode = type(self).encode.ability.function
        return self.decoder(encode(self, images), training=False)


@register("aae", image_shape=(28, 28, 1))
class AAE(AdversarialAutoencoder):
    """Adversarial autoencoder, whose codes take the shape of any prior.

    Args:
        image_shape: (height, width, channels).
        latent_dim: Numbers in a code.
        widths: Of the encoder's and discriminator's hidden layers; the decoder's are
            reversed.
        encoder: "deterministic", "gaussian", or "universal" (of images and noise).
        prior: "normal"; in the plane "gaussian_mixture" or "swiss_roll"; or a class of
            `tfp.distributions` and its arguments: ["Laplace", {"loc": 0, "scale": 1}].
        num_classes: The discriminator is told labels below it (-1 for unknown), so that
            classes take their own parts of the prior; None for no labels.
        learning_rate: Of the autoencoder's Adam.
        decay_steps: Steps in which all rates fall to 0, by a cosine; None keeps them.
        **kwargs: `name`.
    """

    figures = ("mse", "d_real", "d_fake")
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
        image_shape=(28, 28, 1),
        latent_dim=8,
        widths=(1000, 1000),
        encoder="deterministic",
        prior="normal",
        num_classes=None,
        learning_rate=5e-4,
        decay_steps=None,
        **kwargs,
    ):
        super().__init__(learning_rate=learning_rate, decay_steps=decay_steps, **kwargs)
        if encoder not in ENCODERS:
            raise ValueError(f"Expected encoder of {ENCODERS}, got {encoder!r}.")
        if num_classes is not None and num_classes < 2:
            raise ValueError(f"Expected num_classes >= 2, got {num_classes}.")
        self.image_shape, self.latent_dim = tuple(image_shape), latent_dim
        self.num_classes, self.kind = num_classes, encoder
        self.encoder = aae_encoder(self.image_shape, latent_dim, widths, encoder)
        self.decoder = aae_decoder(self.image_shape, latent_dim, widths)
        told = 0 if num_classes is None else num_classes + 1
        self.discriminator = code_discriminator(latent_dim + told, widths)
        self.prior = prior_of(prior, latent_dim, num_classes)

    def batch_shapes(self):
        """An image, and its label where the discriminator is told."""
        shapes = {"image": self.image_shape}
        return shapes if self.num_classes is None else {**shapes, "label": ()}

    def players(self):
        """The autoencoder, and two that play for its codes ([1], section 2)."""
        autoencoder = [self.encoder, self.decoder]
        return {
            "autoencoder": Player(autoencoder, self.autoencoder_loss),
            "discriminator": Player([self.discriminator], self.discriminator_loss),
            "generator": Player([self.encoder], self.generator_loss),
        }

    def autoencoder_loss(self, batch, training):
        """Mean squared error per pixel; leaves the codes to the other players."""
        images = batch["image"]
        noise = tf.random.stateless_normal(
            (tf.shape(images)[0], self.latent_dim), self.draw_seed()
        )
        batch["codes"] = self.draw_codes(images, noise, training)
        outputs = self.decoder(batch["codes"], training=training)
        mse = ops.mean(ops.square(outputs - images))
        self.report(mse=mse)
        return mse

    def discriminator_loss(self, batch, training):
        """How far codes are from being told from draws of the prior."""
        labels, codes = batch.get("label"), tf.stop_gradient(batch["codes"])
        draws = self.draw_prior(labels, tf.shape(codes)[0])
        real, fake = self._judge(draws, labels), self._judge(codes, labels)
        self.report(d_real=ops.sigmoid(real), d_fake=ops.sigmoid(fake))
        return losses.binary_discriminator_loss(real, fake)

    def generator_loss(self, batch, training):
        """How far codes are from passing for draws of the prior."""
        logits = self._judge(batch["codes"], batch.get("label"))
        return losses.non_saturating_generator_loss(logits)

    def draw_codes(self, images, noise, training=False):
        """Draws of q(z | x), (batch, latent_dim), from noise of that shape."""
        if self.kind == "universal":
            return self.encoder([images, noise], training=training)
        codes = self.encoder(images, training=training)
        if self.kind == "gaussian":
            mean, log_variance = codes
            codes = mean + ops.exp(0.5 * ops.clip(log_variance, -6.0, 2.0)) * noise
        return codes

    def draw_prior(self, labels, count):
        """Draws of the prior, of the labels' parts where it has such."""
        if labels is not None and hasattr(self.prior, "given"):
            return self.prior.given(labels).sample(seed=self.draw_seed())
        return self.prior.distribution().sample(count, seed=self.draw_seed())

    def _judge(self, codes, labels):
        if labels is not None:  # One more class for those that are not known.
            place = ops.where(labels < 0, self.num_classes, labels)
            told = ops.one_hot(place, self.num_classes + 1, dtype="float32")
            codes = ops.concatenate([codes, told], axis=-1)
        return self.discriminator(codes)

    @draws("images")
    def sample(self, seed):
        """Draws images, float32 (n, height, width, channels), in [-1, 1]."""
        codes = priors.sample_rows(self.prior.distribution(), seed)
        return self.decoder(codes, training=False)

    @transforms("latents")
    def encode(self, images):
        """Codes, float32 (batch, latent_dim): without noise, or means."""
        if self.kind == "universal":
            silence = ops.zeros((ops.shape(images)[0], self.latent_dim))
            return self.encoder([images, silence], training=False)
        codes = self.encoder(images, training=False)
        return codes[0] if self.kind == "gaussian" else codes
