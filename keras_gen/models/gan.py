"""GAN [1]: a generator learns to make images that a discriminator takes for real.

What differs from [1]: rectifiers and dropout instead of maxout, Adam instead of
momentum, and the generator's last layer is tanh.

1. Goodfellow et al., "Generative Adversarial Networks", 2014.
"""

import keras
import numpy as np
from keras import layers

from keras_gen.models.adversarial import AdversarialModel
from keras_gen.registry import register


def mlp_generator(image_shape, latent_dim, widths):
    """(batch, latent_dim) to images in [-1, 1]."""
    inputs = x = keras.Input((latent_dim,))
    for width in widths:
        x = layers.Dense(width)(x)
        x = layers.BatchNormalization(synchronized=True)(x)
        x = layers.ReLU()(x)
    x = layers.Dense(int(np.prod(image_shape)))(x)
    x = layers.Reshape(image_shape)(x)
    x = layers.Activation("tanh", dtype="float32")(x)
    return keras.Model(inputs, x, name="generator")


def mlp_discriminator(image_shape, widths):
    """Images to logits (batch, 1)."""
    inputs = keras.Input(image_shape)
    x = layers.Flatten()(inputs)
    for width in widths:
        x = layers.Dense(width)(x)
        x = layers.LeakyReLU(0.2)(x)
    x = layers.Dense(1, dtype="float32")(x)
    return keras.Model(inputs, x, name="discriminator")


@register("gan", image_shape=(28, 28, 1))
class GAN(AdversarialModel):
    """Generative adversarial network of multilayer perceptrons.

    Args:
        image_shape: (height, width, channels).
        latent_dim: Numbers in a latent.
        widths: Of the generator's hidden layers; the discriminator's are reversed.
        **options: Of `AdversarialModel`: `loss`, `average`, `r1`, ...
    """

    tiny = {"image_shape": (8, 8, 1), "latent_dim": 3, "widths": (8,)}

    def __init__(
        self,
        image_shape=(28, 28, 1),
        latent_dim=100,
        widths=(256, 512),
        **options,
    ):
        super().__init__(
            generator=mlp_generator(image_shape, latent_dim, widths),
            discriminator=mlp_discriminator(image_shape, widths[::-1]),
            **options,
        )

    def default_optimizers(self):
        """Adam at 2e-4 with beta_1 0.5, which later papers settled on."""
        return {
            "discriminator": keras.optimizers.Adam(2e-4, beta_1=0.5),
            "generator": keras.optimizers.Adam(2e-4, beta_1=0.5),
        }
