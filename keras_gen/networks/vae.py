"""Encoders and decoders of gated layers, as in VAEs with the VampPrior [1].

1. Tomczak and Welling, "VAE with a VampPrior", 2018.
"""

from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import layers

from keras_gen.images import is_photo
from keras_gen.networks.cropping import cropped


def gated(layer: Callable, x, units: int, **kwargs):
    """h(x) * sigmoid(g(x)), for two layers h and g of one kind ([1], section 5.2).

    Args:
        layer: Class of the layers, such as `keras.layers.Dense` or a convolution.
        x: Input of both layers.
        units: Units or feature maps of each layer.
        **kwargs: Further arguments of the class.
    """
    gate = layer(units, activation="sigmoid", **kwargs)(x)
    return layers.Multiply()([layer(units, **kwargs)(x), gate])


def _posterior(inputs, x, latent_dim, context_dim):
    sizes = {"mean": latent_dim, "log_variance": latent_dim, "context": context_dim}
    outputs = [
        layers.Dense(size, dtype="float32", name=name)(x)
        for name, size in sizes.items()
        if size
    ]
    return keras.Model(inputs, outputs, name="encoder")


def mlp_encoder(
    image_shape: tuple[int, int, int],
    latent_dim: int,
    widths: Sequence[int],
    context_dim: int = 0,
) -> keras.Model:
    """Dense network from images in [-1, 1] to mean and log-variance of the posterior.

    Args:
        image_shape: (height, width, channels).
        latent_dim: Dimension of a latent; both outputs are (batch, latent_dim).
        widths: Widths of the hidden layers.
        context_dim: Numbers of a third output (batch, context_dim), the context of a
            posterior flow; 0 for none.
    """
    inputs = keras.Input(image_shape)
    x = layers.Flatten()(inputs)
    for width in widths:
        x = gated(layers.Dense, x, width)
    return _posterior(inputs, x, latent_dim, context_dim)


def mlp_decoder(
    image_shape: tuple[int, int, int], latent_dim: int, widths: Sequence[int]
) -> keras.Model:
    """Dense network from latents (batch, latent_dim) to parameters of the likelihood.

    Args:
        image_shape: (height, width, channels); the output is (batch, *image_shape).
        latent_dim: Dimension of a latent.
        widths: Widths of the encoder's hidden layers, which the decoder reverses.
    """
    inputs = x = keras.Input((latent_dim,))
    for width in reversed(widths):
        x = gated(layers.Dense, x, width)
    x = layers.Dense(int(np.prod(image_shape)), dtype="float32")(x)
    x = layers.Reshape(image_shape, dtype="float32")(x)
    return keras.Model(inputs, x, name="decoder")


def conv_encoder(
    image_shape: tuple[int, int, int],
    latent_dim: int,
    widths: Sequence[int],
    context_dim: int = 0,
) -> keras.Model:
    """Convolutional counterpart of `mlp_encoder`; each width halves the map."""
    inputs = keras.Input(image_shape)
    x = layers.Flatten()(halved(inputs, widths))
    return _posterior(inputs, x, latent_dim, context_dim)


def conv_decoder(
    image_shape: tuple[int, int, int], latent_dim: int, widths: Sequence[int]
) -> keras.Model:
    """Convolutional counterpart of `mlp_decoder`; each width doubles the map."""
    inputs = keras.Input((latent_dim,))
    x = doubled(inputs, image_shape, widths)
    x = layers.Conv2D(image_shape[-1], 3, padding="same", dtype="float32")(x)
    return keras.Model(inputs, x, name="decoder")


def halved(x, widths: Sequence[int]):
    """Maps of gated convolutions, each of which halves height and width, rounded up.

    Args:
        x: Images or maps, (batch, height, width, channels).
        widths: Numbers of feature maps, one for each convolution.
    """
    for width in widths:
        x = gated(layers.Conv2D, x, width, kernel_size=4, strides=2, padding="same")
    return x


def doubled(x, image_shape: tuple[int, int, int], widths: Sequence[int]):
    """Maps of an image's size, (batch, height, width, widths[0]), from vectors.

    A gated dense layer makes the smallest maps, and each gated convolution doubles
    their sides. A side that was rounded up when halved loses its last row or column.

    Args:
        x: Vectors, (batch, numbers).
        image_shape: (height, width, channels).
        widths: Numbers of feature maps of the encoder, which are reversed.
    """
    height, width, _ = image_shape
    *sizes, smallest = [
        (-(-height >> i), -(-width >> i)) for i in range(len(widths) + 1)
    ]
    first = (*smallest, widths[-1])
    x = layers.Reshape(first)(gated(layers.Dense, x, int(np.prod(first))))
    options = {"kernel_size": 4, "strides": 2, "padding": "same"}
    filters = [*reversed(widths[:-1]), widths[0]]
    for count, size in zip(filters, reversed(sizes), strict=True):
        x = cropped(gated(layers.Conv2DTranspose, x, count, **options), *size)
    return x


def default_network(
    image_shape: tuple[int, int, int], widths: Sequence[int] | None
) -> str:
    """The kind of network for images of a shape: "conv" for photos, else "mlp".

    >>> default_network((28, 28, 1), None), default_network((32, 32, 3), None)
    ('mlp', 'conv')
    >>> default_network((32, 32, 3), widths=(300, 300))
    'mlp'

    Args:
        image_shape: (height, width, channels); see `keras_gen.images.is_photo`.
        widths: Widths that are given, which are those of dense layers; None for none.
    """
    return "conv" if is_photo(image_shape) and widths is None else "mlp"


def default_widths(network: str, image_shape: tuple[int, int, int]) -> tuple[int, ...]:
    """The widths of a kind of network for images of a size.

    For "conv", maps halve while the smaller side is above 8. The numbers of feature
    maps double from 32 to at most 256.

    >>> default_widths("mlp", (28, 28, 1)), default_widths("conv", (28, 28, 1))
    ((300, 300), (32, 64))
    >>> default_widths("conv", (64, 64, 3)), default_widths("conv", (250, 250, 3))
    ((32, 64, 128), (32, 64, 128, 256, 256))

    Args:
        network: Kind of the networks: "mlp" or "conv".
        image_shape: (height, width, channels).
    """
    if network == "mlp":
        return (300, 300)
    side, count = min(image_shape[:2]), 0
    while side > 8:
        side, count = -(-side // 2), count + 1
    return _doubling(count)


def with_exact_widths(config: dict) -> dict:
    """A configuration with the default widths from before sides were rounded up.

    Maps then halved only while both sides were even.

    >>> config = {"network": "conv", "widths": None, "image_shape": [36, 36, 1]}
    >>> with_exact_widths(config)["widths"]
    [32, 64]

    Args:
        config: Configuration of a model with `network` and `widths`. One that names its
            widths, or has other networks, is returned as it is.
    """
    if config.get("network") != "conv" or config.get("widths", ()) is not None:
        return config
    height, width = config["image_shape"][:2]
    count = 0
    while height % 2 == width % 2 == 0 and min(height, width) > 8:
        height, width, count = height // 2, width // 2, count + 1
    return {**config, "widths": list(_doubling(count))}


def _doubling(count):
    """Numbers of feature maps for `count` halvings, at least one."""
    return tuple(min(32 * 2**i, 256) for i in range(max(count, 1)))


NETWORKS = {"mlp": (mlp_encoder, mlp_decoder), "conv": (conv_encoder, conv_decoder)}
