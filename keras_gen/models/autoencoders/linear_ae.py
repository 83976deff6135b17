"""Linear autoencoder [1]: one linear layer each way finds the principal subspace.

With the mean squared error and no activation, the decoder's kernel spans the same space
as the first principal components; its columns are neither ordered nor orthogonal. What
differs from [1]: data need not be centred, their mean is learned. It is a player of its
own, for a bias would be learned far more slowly than what the kernels put in its place.

1. Baldi and Hornik, "Neural Networks and Principal Component Analysis", 1989.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from keras_gen.core.game import Player
from keras_gen.core.registry import register
from keras_gen.models.autoencoders.base import Autoencoder, check_counts, squared_error


class Mean(layers.Layer):
    """The mean image, (pixels,), of which `Shift` layers borrow."""

    def __init__(self, pixels, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.value = self.add_weight(name="value", shape=(pixels,), initializer="zeros")
        self.built = True


class Shift(layers.Layer):
    """x + sign * mean, float32 (batch, pixels)."""

    def __init__(self, mean, sign, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        # An attribute that is a layer would be tracked, and its weight with it.
        self.amount = lambda: sign * tf.stop_gradient(mean.value.value)
        self.built = True

    def call(self, inputs):
        """Shifts rows of pixels."""
        return inputs + self.amount()


def linear_encoder(image_shape, latent_dim, mean):
    """Images, less their mean, to codes (batch, latent_dim)."""
    inputs = keras.Input(image_shape)
    x = Shift(mean, -1.0)(layers.Flatten()(inputs))
    x = layers.Dense(latent_dim, use_bias=False, name="codes")(x)
    return keras.Model(
        inputs, layers.Activation("linear", dtype="float32")(x), name="encoder"
    )


def linear_decoder(image_shape, latent_dim, mean):
    """Codes to images, without an activation."""
    inputs = keras.Input((latent_dim,))
    x = layers.Dense(int(np.prod(image_shape)), use_bias=False, name="pixels")(inputs)
    x = layers.Reshape(image_shape, dtype="float32")(Shift(mean, 1.0)(x))
    return keras.Model(inputs, x, name="decoder")


@register("linear_ae", image_shape=(28, 28, 1))
class LinearAE(Autoencoder):
    """Linear autoencoder, which finds the subspace of PCA.

    Args:
        image_shape: (height, width, channels).
        latent_dim: Numbers in a code.
        learning_rate: Of Adam, at the start.
        halving_steps: Steps in which it halves: the minimum is sharp. None keeps it.
        **options: Of `Autoencoder`: `density_components`.
    """

    tiny = {"image_shape": (8, 8, 1), "latent_dim": 3}

    def __init__(
        self,
        image_shape=(28, 28, 1),
        latent_dim=30,
        learning_rate=5e-3,
        halving_steps=700,
        **options,
    ):
        check_counts(latent_dim=latent_dim)
        mean = Mean(int(np.prod(image_shape)), name="mean")
        super().__init__(
            encoder=linear_encoder(image_shape, latent_dim, mean),
            decoder=linear_decoder(image_shape, latent_dim, mean),
            image_shape=image_shape,
            learning_rate=learning_rate,
            halving_steps=halving_steps,
            **options,
        )
        self.mean = mean

    def players(self):
        """The mean, and the kernels on what it leaves."""
        return {"mean": Player([self.mean], self.mean_loss), **super().players()}

    def default_optimizers(self):
        """Adam, at twice the rate for the mean, which the kernels wait for."""
        return {
            "mean": keras.optimizers.Adam(self.decayed(2 * self.learning_rate)),
            "autoencoder": keras.optimizers.Adam(self.decayed(self.learning_rate)),
        }

    def mean_loss(self, batch, training):
        """Squared error per pixel of the mean in place of every image."""
        shape = (1, *self.image_shape)
        return squared_error(tf.reshape(self.mean.value, shape), batch["image"])
