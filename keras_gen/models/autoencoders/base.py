"""Base class of autoencoders: an encoder, a decoder, and the reconstruction error.

A subclass builds its networks and takes the options below as keyword arguments.
"""

import keras
from keras import ops

from keras_gen import losses
from keras_gen.core import checks
from keras_gen.core.abilities import draws, transforms
from keras_gen.core.game import Player
from keras_gen.core.model import GenerativeModel
from keras_gen.core.types import Count, ImageShape, Natural, Rate
from keras_gen.distributions import priors


class Autoencoder(GenerativeModel):
    """An encoder of images to short codes, and a decoder of codes to images.

    Args:
        encoder: Network from images in [-1, 1], (batch, *image_shape), to codes
            (batch, latent_dim).
        decoder: Network from codes to images.
        image_shape: (height, width, channels); None for models of other data.
        learning_rate: Initial learning rate of Nadam.
        halving_steps: Steps in which the learning rate halves; None keeps it constant.
        density_components: Number of Gaussians in a mixture over the codes, which gives
            the model a `sample`; `keras_gen.latent.fit_density` sets and fits it. 0
            builds no mixture.
        **kwargs: Arguments of `GenerativeModel`: `name`.
    """

    def __init__(
        self,
        *,
        encoder: keras.Model,
        decoder: keras.Model,
        image_shape: ImageShape | None,
        learning_rate: Rate = 1e-3,
        halving_steps: Count | None = None,
        density_components: Natural = 0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.learning_rate, self.halving_steps = learning_rate, halving_steps
        self.encoder = encoder
        self.decoder = decoder
        self.image_shape = image_shape and tuple(image_shape)
        self.latent_dim = encoder.output_shape[-1]
        self.density = None
        if density_components:
            self.set_density(density_components)

    def set_density(self, components: int) -> None:
        """Builds a new mixture of Gaussians over the codes, to be fitted.

        Args:
            components: Number of Gaussians.

        Raises:
            ValueError: For a number below 1, or a model of sequences.
        """
        checks.counts(density_components=components)
        if self.image_shape is None:
            raise ValueError("Expected an autoencoder of images, got one of sequences.")
        with self.distribute_strategy.scope():
            self.density = priors.CodeDensity(
                self.latent_dim, components, name="density"
            )
        self._arguments["density_components"] = components
        self.forget_abilities()  # A traced `sample` reads the previous mixture.

    def players(self):
        """One player trains encoder and decoder together."""
        return {
            "autoencoder": Player([self.encoder, self.decoder], self.autoencoder_loss)
        }

    def default_optimizers(self):
        """Nadam, by default at 1e-3."""
        return {"autoencoder": keras.optimizers.Nadam(self.decayed(self.learning_rate))}

    def decayed(self, rate: float):
        """A learning rate with the decay that `halving_steps` asks for.

        Args:
            rate: Initial learning rate.

        Returns:
            A Keras schedule; the rate itself if `halving_steps` is None.
        """
        if self.halving_steps is None:
            return rate
        schedule = keras.optimizers.schedules.ExponentialDecay
        return schedule(rate, self.halving_steps, 0.5)

    def autoencoder_loss(self, batch, shared, training):
        """Mean squared error per pixel, in units of [-1, 1]."""
        images = batch["image"]
        codes = self.encoder(images, training=training)
        outputs = self.decoder(codes, training=training)
        return losses.mean_squared_error(outputs, images)

    @transforms("latents", needs="image_shape")
    def encode(self, images):
        """Codes, float32 (batch, latent_dim), of images in [-1, 1]."""
        return self.encoder(images, training=False)

    @transforms("images", needs="image_shape")
    def decode(self, latents):
        """Decodes codes (batch, latent_dim) to images in [-1, 1]."""
        return self.decoded(latents)

    @transforms("images", needs="image_shape")
    def reconstruct(self, images):
        """Images in [-1, 1], encoded and decoded again."""
        return self.decoded(self.encoder(images, training=False))

    @draws("images", needs="density_components")
    def sample(self, seed):
        """Draws codes from the fitted density and decodes them: images in [-1, 1]."""
        return self.decoded(priors.sample_rows(self.density.distribution(), seed))

    def decoded(self, codes):
        """Images decoded from codes (batch, latent_dim), clipped to [-1, 1]."""
        return ops.clip(self.decoder(codes, training=False), -1.0, 1.0)
