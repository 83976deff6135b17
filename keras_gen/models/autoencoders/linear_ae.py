"""Linear autoencoder [1]: one linear layer each way finds the principal subspace.

With the mean squared error and no activation, the columns of the decoder's kernel span
the subspace of the first principal components; they are neither ordered nor orthogonal.
What differs from [1]: data need not be centred, since their mean is learned. The mean
is a player of its own: as a bias of the decoder it would converge far more slowly,
because the kernels would meanwhile learn to represent it.

1. Baldi and Hornik, "Neural Networks and Principal Component Analysis", 1989.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from keras_gen import losses
from keras_gen.core.game import Player
from keras_gen.core.registry import register
from keras_gen.core.types import Count, ImageShape, Rate
from keras_gen.models.autoencoders.base import Autoencoder


class Mean(layers.Layer):
    """Layer that owns the mean image, a weight (pixels,), which `Shift` layers read.

    Args:
        pixels: Number of values in an image.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, pixels: int, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.value = self.add_weight(name="value", shape=(pixels,), initializer="zeros")
        self.built = True


class Shift(layers.Layer):
    """Layer that adds sign * mean to rows, float32 (batch, pixels).

    Args:
        mean: Layer `Mean`, whose weight gets no gradient through this layer.
        sign: Factor of the mean, 1 or -1.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, mean: Mean, sign: float, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        # A closure, because Keras would track `mean` as an attribute, and its weight
        # would be saved with every `Shift`.
        self.amount = lambda: sign * tf.stop_gradient(mean.value.value)
        self.built = True

    def call(self, inputs):
        """Rows of pixels plus sign * mean."""
        return inputs + self.amount()


def linear_encoder(
    image_shape: tuple[int, int, int], latent_dim: int, mean: Mean
) -> keras.Model:
    """Network from images to codes (batch, latent_dim): a kernel on image - mean."""
    inputs = keras.Input(image_shape)
    x = Shift(mean, -1.0)(layers.Flatten()(inputs))
    x = layers.Dense(latent_dim, use_bias=False, name="codes")(x)
    return keras.Model(
        inputs, layers.Activation("linear", dtype="float32")(x), name="encoder"
    )


def linear_decoder(
    image_shape: tuple[int, int, int], latent_dim: int, mean: Mean
) -> keras.Model:
    """Network from codes to images: a kernel, plus the mean, without an activation."""
    inputs = keras.Input((latent_dim,))
    x = layers.Dense(int(np.prod(image_shape)), use_bias=False, name="pixels")(inputs)
    x = layers.Reshape(image_shape, dtype="float32")(Shift(mean, 1.0)(x))
    return keras.Model(inputs, x, name="decoder")


@register("linear_ae", batch_size=256, image_shape=(28, 28, 1))
class LinearAE(Autoencoder):
    """Linear autoencoder, which finds the subspace of PCA.

    Args:
        image_shape: (height, width, channels).
        latent_dim: Dimension of a code.
        learning_rate: Initial learning rate of Adam.
        halving_steps: Steps in which the learning rate halves, which is necessary to
            come close to the minimum. None keeps it constant.
        **options: Options of `Autoencoder`, such as `density_components`.
    """

    tiny = {"image_shape": (8, 8, 1), "latent_dim": 3}

    def __init__(
        self,
        image_shape: ImageShape = (28, 28, 1),
        latent_dim: Count = 30,
        learning_rate: Rate = 5e-3,
        halving_steps: Count | None = 700,
        **options,
    ):
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
        """The mean, then the kernels, which learn the difference from the mean."""
        return {"mean": Player([self.mean], self.mean_loss), **super().players()}

    def default_optimizers(self):
        """Adam; the mean at twice the rate, because the kernels depend on it."""
        return {
            "mean": keras.optimizers.Adam(self.decayed(2 * self.learning_rate)),
            "autoencoder": keras.optimizers.Adam(self.decayed(self.learning_rate)),
        }

    def mean_loss(self, batch, shared, training):
        """Mean squared error per pixel between the mean image and every image."""
        mean = tf.reshape(self.mean.value, (1, *self.image_shape))
        return losses.mean_squared_error(mean, batch["image"])
