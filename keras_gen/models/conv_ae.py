"""Convolutional autoencoder [1]: maps shrink to a code, and grow back.

What differs from [1]: strides where [1] pools (which can be chosen), transposed
convolutions in the decoder, a dense layer to and from the code, and all layers are
trained together.

1. Masci et al., "Stacked Convolutional Auto-Encoders for Hierarchical Feature
   Extraction", 2011.
"""

import keras
import numpy as np
from keras import layers

from keras_gen.models.autoencoder import Autoencoder, check_counts
from keras_gen.registry import register


def halvings(size, count):
    """Sides of the maps, the image's first: each is half the one before, rounded up."""
    sides = [size]
    for _ in range(count):
        sides.append(-(-sides[-1] // 2))
    return sides


def conv_encoder(image_shape, widths, latent_dim, pooling=False):
    """Images to codes; every width halves the map, by strides or by pooling."""
    inputs = x = keras.Input(image_shape)
    for width in widths:
        strides = 1 if pooling else 2
        x = layers.Conv2D(width, 3, strides, padding="same", activation="elu")(x)
        if pooling:
            x = layers.MaxPooling2D(padding="same")(x)
    x = layers.Flatten()(x)
    codes = layers.Dense(latent_dim, dtype="float32", name="codes")(x)
    return keras.Model(inputs, codes, name="encoder")


def conv_decoder(image_shape, widths, latent_dim):
    """Codes to images in [-1, 1] by transposed convolutions, each doubling the map.

    Where a side was odd, the map that comes out one pixel too large is cropped.
    """
    heights = halvings(image_shape[0], len(widths))
    sides = list(zip(heights, halvings(image_shape[1], len(widths)), strict=True))
    first = (*sides[-1], widths[-1])
    inputs = keras.Input((latent_dim,))
    x = layers.Dense(int(np.prod(first)), activation="elu")(inputs)
    x = layers.Reshape(first)(x)
    for i in range(len(widths) - 1, -1, -1):
        if i:
            options = {"filters": widths[i - 1], "activation": "elu"}
        else:
            options = {"filters": image_shape[-1], "dtype": "float32"}
        x = layers.Conv2DTranspose(kernel_size=3, strides=2, padding="same", **options)(
            x
        )
        extra = [2 * b - a for a, b in zip(sides[i], sides[i + 1], strict=True)]
        if any(extra):
            x = layers.Cropping2D([(0, n) for n in extra])(x)
    x = layers.Activation("tanh", dtype="float32")(x)
    return keras.Model(inputs, x, name="decoder")


@register("conv_ae", image_shape=(28, 28, 1))
class ConvAE(Autoencoder):
    """Convolutional autoencoder for images of any size.

    Args:
        image_shape: (height, width, channels), any.
        widths: Feature maps of the encoder's layers; the decoder's are reversed.
        latent_dim: Numbers in a code.
        pooling: Whether the encoder halves its maps by max pooling in place of strides.
        **options: Of `Autoencoder`: `learning_rate`, `density_components`, ...
    """

    tiny = {"image_shape": (7, 9, 3), "widths": (4, 8), "latent_dim": 3}

    def __init__(
        self,
        image_shape=(28, 28, 1),
        widths=(32, 64),
        latent_dim=30,
        pooling=False,
        **options,
    ):
        check_counts(
            latent_dim=latent_dim, **{f"widths[{i}]": w for i, w in enumerate(widths)}
        )
        super().__init__(
            encoder=conv_encoder(image_shape, widths, latent_dim, pooling),
            decoder=conv_decoder(image_shape, widths, latent_dim),
            image_shape=image_shape,
            **options,
        )
