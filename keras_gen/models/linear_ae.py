"""Linear autoencoder [1]: one linear layer each way finds the principal subspace.

With the mean squared error and no activation, the decoder's kernel spans the same space
as the first principal components; its columns are neither ordered nor orthogonal. What
differs from [1]: the biases are learned, which stands for subtracting the mean.

1. Baldi and Hornik, "Neural Networks and Principal Component Analysis", 1989.
"""

import keras
import numpy as np
from keras import layers

from keras_gen.models.autoencoder import Autoencoder, check_counts
from keras_gen.registry import register


def linear_encoder(image_shape, latent_dim):
    """Images to codes (batch, latent_dim)."""
    inputs = keras.Input(image_shape)
    x = layers.Flatten()(inputs)
    codes = layers.Dense(latent_dim, dtype="float32", name="codes")(x)
    return keras.Model(inputs, codes, name="encoder")


def linear_decoder(image_shape, latent_dim):
    """Codes to images, without an activation."""
    inputs = keras.Input((latent_dim,))
    x = layers.Dense(int(np.prod(image_shape)), dtype="float32", name="pixels")(inputs)
    x = layers.Reshape(image_shape, dtype="float32")(x)
    return keras.Model(inputs, x, name="decoder")


@register("linear_ae", image_shape=(28, 28, 1))
class LinearAE(Autoencoder):
    """Linear autoencoder, which finds the subspace of PCA.

    Args:
        image_shape: (height, width, channels).
        latent_dim: Numbers in a code.
        **options: Of `Autoencoder`: `density_components`.
    """

    tiny = {"image_shape": (8, 8, 1), "latent_dim": 3}

    def __init__(self, image_shape=(28, 28, 1), latent_dim=30, **options):
        check_counts(latent_dim=latent_dim)
        super().__init__(
            encoder=linear_encoder(image_shape, latent_dim),
            decoder=linear_decoder(image_shape, latent_dim),
            image_shape=image_shape,
            **options,
        )

    def default_optimizers(self):
        """Adam at 1e-3, which halves every 2000 steps: the minimum is sharp."""
        rate = keras.optimizers.schedules.ExponentialDecay(1e-3, 2000, 0.5)
        return {"autoencoder": keras.optimizers.Adam(rate)}
