"""What all autoencoders share: an encoder, a decoder, and the error between images.

A model on top owns its networks, and takes the options below as keyword arguments.
"""

import keras
from keras import ops

from keras_gen.core.abilities import draws, transforms
from keras_gen.core.game import Player
from keras_gen.core.model import GenerativeModel
from keras_gen.distributions import priors


class Autoencoder(GenerativeModel):
    """Images through a narrow place, and back.

    Args:
        encoder: Images in [-1, 1], (batch, *image_shape), to codes (batch, latent_dim).
        decoder: Codes to images.
        image_shape: (height, width, channels).
        learning_rate: Of Nadam, at the start.
        halving_steps: Steps in which the learning rate halves; None keeps it.
        density_components: Gaussians of a mixture over the codes, which gives the model
            a `sample`: `keras_gen.latent.fit_density` sets and fits it. 0 has none.
        **kwargs: `name`.
    """

    def __init__(
        self,
        *,
        encoder,
        decoder,
        image_shape,
        learning_rate=1e-3,
        halving_steps=None,
        density_components=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not learning_rate > 0:
            raise ValueError(f"Expected learning_rate > 0, got {learning_rate}.")
        if halving_steps is not None:
            check_counts(halving_steps=halving_steps)
        self.learning_rate, self.halving_steps = learning_rate, halving_steps
        self.encoder = encoder
        self.decoder = decoder
        self.image_shape = image_shape and tuple(image_shape)
        self.latent_dim = encoder.output_shape[-1]
        self.density = None
        if density_components:
            self.set_density(density_components)

    def set_density(self, components):
        """Gives the codes a mixture of so many Gaussians; see `density_components`."""
        check_counts(density_components=components)
        if self.image_shape is None:
            raise ValueError("Expected an autoencoder of images, got one of sequences.")
        with self.distribute_strategy.scope():
            self.density = priors.CodeDensity(
                self.latent_dim, components, name="density"
            )
        self._arguments["density_components"] = components
        self.__dict__.pop("_ability_graphs", None)  # They hold the one before.

    def players(self):
        """One player: encoder and decoder together."""
        return {
            "autoencoder": Player([self.encoder, self.decoder], self.autoencoder_loss)
        }

    def default_optimizers(self):
        """Nadam at 1e-3."""
        return {"autoencoder": keras.optimizers.Nadam(self.decayed(self.learning_rate))}

    def decayed(self, rate):
        """A learning rate that halves as `halving_steps` says."""
        if self.halving_steps is None:
            return rate
        schedule = keras.optimizers.schedules.ExponentialDecay
        return schedule(rate, self.halving_steps, 0.5)

    def autoencoder_loss(self, batch, training):
        """Mean squared error per pixel, in units of [-1, 1]."""
        images = batch["image"]
        codes = self.encoder(images, training=training)
        return squared_error(self.decoder(codes, training=training), images)

    @transforms("latents", needs="image_shape")
    def encode(self, images):
        """Codes, float32 (batch, latent_dim), of images in [-1, 1]."""
        return self.encoder(images, training=False)

    @transforms("images", needs="image_shape")
    def decode(self, latents):
        """Images in [-1, 1] of codes (batch, latent_dim)."""
        return ops.clip(self.decoder(latents, training=False), -1.0, 1.0)

    @transforms("images", needs="image_shape")
    def reconstruct(self, images):
        """Images in [-1, 1], through their codes and back."""
        codes = self.encoder(images, training=False)
        return ops.clip(self.decoder(codes, training=False), -1.0, 1.0)

    @draws("images", needs="density_components")
    def sample(self, seed):
        """Draws codes from the fitted density: images in [-1, 1]."""
        codes = priors.sample_rows(self.density.distribution(), seed)
        return ops.clip(self.decoder(codes, training=False), -1.0, 1.0)


def squared_error(outputs, images):
    """Mean squared error per pixel: a float32 scalar."""
    return ops.mean(ops.square(ops.cast(outputs, "float32") - images))


def check_counts(**counts):
    """ValueError for numbers of units that are not ints of at least 1."""
    for name, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ValueError(f"Expected {name} that is an int >= 1, got {count!r}.")
