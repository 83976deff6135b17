"""Encoders and decoders of autoencoders: dense or convolutional."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers

from keras_gen.layers.transposed_dense import TransposedDense
from keras_gen.networks.cropping import cropped


def stacked_encoder(
    image_shape: tuple[int, int, int], widths: Sequence[int], latent_dim: int
) -> keras.Model:
    """Network from images to codes by dense layers encode_1, encode_2, ...

    Args:
        image_shape: (height, width, channels).
        widths: Widths of the hidden layers, which have ELU; the last layer is linear.
        latent_dim: Dimension of a code.
    """
    inputs = keras.Input(image_shape)
    x = layers.Flatten()(inputs)
    for i, width in enumerate(widths, 1):
        x = layers.Dense(width, "elu", name=f"encode_{i}")(x)
    name = f"encode_{len(widths) + 1}"
    x = layers.Dense(latent_dim, dtype="float32", name=name)(x)
    return keras.Model(inputs, x, name="encoder")


def stacked_decoder(
    image_shape: tuple[int, int, int],
    widths: Sequence[int],
    latent_dim: int,
    tied_to: keras.Model | None = None,
) -> keras.Model:
    """Network from codes to images in [-1, 1] by layers decode_n, ..., decode_1.

    Each layer mirrors the encoder's layer of the same number.

    Args:
        image_shape: (height, width, channels).
        widths: Widths of the encoder's hidden layers.
        latent_dim: Dimension of a code.
        tied_to: Encoder whose transposed kernels the decoder uses; None gives the
            decoder kernels of its own.
    """
    outputs = [int(np.prod(image_shape)), *widths]
    inputs = x = keras.Input((latent_dim,))
    for i in range(len(outputs), 0, -1):
        options = {"activation": "elu" if i > 1 else "tanh", "name": f"decode_{i}"}
        if i == 1:
            options["dtype"] = "float32"
        if tied_to is None:
            x = layers.Dense(outputs[i - 1], **options)(x)
        else:
            x = TransposedDense(tied_to.get_layer(f"encode_{i}"), **options)(x)
    return keras.Model(
        inputs, layers.Reshape(image_shape, dtype="float32")(x), name="decoder"
    )


def halvings(size: int, count: int) -> list[int]:
    """Sides of maps that are halved `count` times, rounded up; the first is `size`.

    >>> halvings(7, 2)
    [7, 4, 2]
    """
    sides = [size]
    for _ in range(count):
        sides.append(-(-sides[-1] // 2))
    return sides


def conv_encoder(
    image_shape: tuple[int, int, int],
    widths: Sequence[int],
    latent_dim: int,
    pooling: bool = False,
) -> keras.Model:
    """Network from images to codes; each convolution halves the map.

    Args:
        image_shape: (height, width, channels).
        widths: Numbers of feature maps, one for each convolution.
        latent_dim: Dimension of a code.
        pooling: Boolean, whether maps are halved by max pooling instead of strides.
    """
    inputs = x = keras.Input(image_shape)
    for width in widths:
        strides = 1 if pooling else 2
        x = layers.Conv2D(width, 3, strides, padding="same", activation="elu")(x)
        if pooling:
            x = layers.MaxPooling2D(padding="same")(x)
    x = layers.Flatten()(x)
    codes = layers.Dense(latent_dim, dtype="float32", name="codes")(x)
    return keras.Model(inputs, codes, name="encoder")


def conv_decoder(
    image_shape: tuple[int, int, int], widths: Sequence[int], latent_dim: int
) -> keras.Model:
    """Network from codes to images in [-1, 1]; each convolution doubles the map.

    Where the encoder halved an odd side, the doubled map is one pixel too large and is
    cropped.

    Args:
        image_shape: (height, width, channels).
        widths: Numbers of feature maps of the encoder, which the decoder reverses.
        latent_dim: Dimension of a code.
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
        x = cropped(x, *sides[i])
    x = layers.Activation("tanh", dtype="float32")(x)
    return keras.Model(inputs, x, name="decoder")
