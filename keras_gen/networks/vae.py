"""Encoders and decoders of gated layers, after the VampPrior's [1].

1. Tomczak and Welling, "VAE with a VampPrior", 2018.
"""

import keras
import numpy as np
from keras import layers


def gated(layer, x, units, **kwargs):
    """H * sigmoid(g), for two layers h and g of the same kind ([1], section 5.2)."""
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


def mlp_encoder(image_shape, latent_dim, widths, context_dim=0):
    """Images in [-1, 1] to mean and log-variance, each (batch, latent_dim).

    With a context_dim, a third output (batch, context_dim) is what a flow sees.
    """
    inputs = keras.Input(image_shape)
    x = layers.Flatten()(inputs)
    for width in widths:
        x = gated(layers.Dense, x, width)
    return _posterior(inputs, x, latent_dim, context_dim)


def mlp_decoder(image_shape, latent_dim, widths):
    """(batch, latent_dim) to logits of pixels, (batch, height, width, channels)."""
    inputs = x = keras.Input((latent_dim,))
    for width in reversed(widths):
        x = gated(layers.Dense, x, width)
    x = layers.Dense(int(np.prod(image_shape)), dtype="float32")(x)
    x = layers.Reshape(image_shape, dtype="float32")(x)
    return keras.Model(inputs, x, name="decoder")


def conv_encoder(image_shape, latent_dim, widths, context_dim=0):
    """As `mlp_encoder`, by convolutions: every width halves the map."""
    inputs = x = keras.Input(image_shape)
    for width in widths:
        x = gated(layers.Conv2D, x, width, kernel_size=4, strides=2, padding="same")
    return _posterior(inputs, layers.Flatten()(x), latent_dim, context_dim)


def conv_decoder(image_shape, latent_dim, widths):
    """As `mlp_decoder`, by transposed convolutions."""
    height, width, channels = image_shape
    factor = 2 ** len(widths)
    if height % factor or width % factor:
        raise ValueError(
            f"Expected sides that are multiples of {factor}, as {len(widths)} widths "
            f"halve them, got {image_shape}."
        )
    first = (height // factor, width // factor, widths[-1])
    inputs = keras.Input((latent_dim,))
    x = layers.Reshape(first)(gated(layers.Dense, inputs, int(np.prod(first))))
    for filters in [*reversed(widths[:-1]), widths[0]]:
        x = gated(
            layers.Conv2DTranspose,
            x,
            filters,
            kernel_size=4,
            strides=2,
            padding="same",
        )
    x = layers.Conv2D(channels, 3, padding="same", dtype="float32")(x)
    return keras.Model(inputs, x, name="decoder")


NETWORKS = {"mlp": (mlp_encoder, mlp_decoder), "conv": (conv_encoder, conv_decoder)}
