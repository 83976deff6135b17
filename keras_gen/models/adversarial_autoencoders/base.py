"""Base class of adversarial autoencoders: their phases, optimizers and decoding.

A training step has the two phases of [1]. Reconstruction: encoder and decoder reduce
the reconstruction error. Regularization: first the discriminator learns to tell codes
from draws of the prior, then the encoder, as the generator of codes, learns to deceive
it. All use the same mini-batch, but each encodes it again with the current encoder: the
autoencoder's update has changed the codes, and the gradient at the old codes is not the
gradient at the new ones.

1. Makhzani et al., "Adversarial Autoencoders", 2016, section 2.
"""

from collections.abc import Sequence

import keras

from keras_gen.core import schedules
from keras_gen.core.abilities import transforms
from keras_gen.core.model import GenerativeModel
from keras_gen.core.types import Count, Decay, Rate


class AdversarialAutoencoder(GenerativeModel):
    """An autoencoder whose codes a discriminator compares with draws of a prior.

    A subclass builds `encoder` and `decoder`, and defines `codes` and `encode`. It
    calls `keep_averages` at the end of its constructor.

    Args:
        learning_rate: Initial learning rate of the autoencoder's Adam.
        decay_steps: Steps in which all learning rates fall to 0 along a cosine; None
            keeps them constant.
        game_rate: Initial learning rate of Adam for the discriminator and the
            generator.
        **kwargs: Arguments of `GenerativeModel`: `name`.
    """

    def __init__(
        self,
        *,
        learning_rate: Rate,
        decay_steps: Count | None,
        game_rate: Rate,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.learning_rate, self.decay_steps = learning_rate, decay_steps
        self.game_rate = game_rate

    def keep_averages(self, networks: Sequence[keras.Layer], average: Decay | None):
        """Keeps a moving average of each network; None keeps none."""
        for network in networks:
            self.keep_average(network, average)

    def default_optimizers(self):
        """Adam; for the discriminator and the generator with beta_1 0.5."""
        rate, game_rate = (
            schedules.cosine(initial, self.decay_steps)
            for initial in (self.learning_rate, self.game_rate)
        )
        return {
            "autoencoder": keras.optimizers.Adam(rate),
            "discriminator": keras.optimizers.Adam(game_rate, beta_1=0.5),
            "generator": keras.optimizers.Adam(game_rate, beta_1=0.5),
        }

    def codes(self, images):
        """Codes (batch, latent_dim) of images, without noise."""
        raise NotImplementedError

    @transforms("images")
    def decode(self, latents):
        """Decodes latents (batch, latent_dim) to images in [-1, 1]."""
        return self.averaged(self.decoder)(latents, training=False)

    @transforms("images")
    def reconstruct(self, images):
        """Images in [-1, 1], encoded and decoded again."""
        return self.averaged(self.decoder)(self.codes(images), training=False)
