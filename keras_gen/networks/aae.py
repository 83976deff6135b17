"""Networks of adversarial autoencoders [1]: dense, or of gated convolutions.

1. Makhzani et al., "Adversarial Autoencoders", 2016.
"""

from collections.abc import Iterable, Sequence

import keras
import numpy as np
from keras import layers

from keras_gen.networks.vae import doubled, halved


def hidden(x, widths: Iterable[int]):
    """Output of dense layers with ReLU, one for each width."""
    for width in widths:
        x = layers.Dense(width, activation="relu")(x)
    return x


def aae_encoder(
    image_shape: tuple[int, int, int],
    latent_dim: int,
    widths: Sequence[int],
    kind: str,
    network: str = "mlp",
) -> keras.Model:
    """Network from images (and noise, if universal) to codes.

    Args:
        image_shape: (height, width, channels).
        latent_dim: Dimension of a code, and of the noise.
        widths: Widths of the hidden layers, or numbers of feature maps.
        kind: "deterministic", "gaussian" or "universal" ([1], section 2). A Gaussian
            encoder has two outputs, mean and log-variance, each (batch, latent_dim).
        network: "mlp", or "conv", whose convolutions halve the map once for each width.
            After them, noise enters by a dense layer as wide as the last width.
    """
    inputs = x = keras.Input(image_shape)
    if network == "conv":
        x = halved(x, widths)
    x = layers.Flatten()(x)
    if kind == "universal":
        noise = keras.Input((latent_dim,))
        x = layers.Concatenate()([x, noise])
        inputs = [inputs, noise]
    if network == "mlp":
        x = hidden(x, widths)
    elif kind == "universal":
        x = hidden(x, widths[-1:])
    codes = layers.Dense(latent_dim, dtype="float32", name="codes")(x)
    if kind == "gaussian":
        spread = layers.Dense(latent_dim, dtype="float32", name="log_variance")(x)
        codes = [codes, spread]
    return keras.Model(inputs, codes, name="encoder")


def aae_decoder(
    image_shape: tuple[int, int, int],
    latent_dim: int,
    widths: Sequence[int],
    network: str = "mlp",
) -> keras.Model:
    """Network from codes (batch, latent_dim) to images in [-1, 1].

    Args:
        image_shape: (height, width, channels).
        latent_dim: Dimension of a code.
        widths: Widths of the encoder's hidden layers, or its numbers of feature maps,
            which the decoder reverses.
        network: "mlp", or "conv", whose convolutions double the map once for each
            width.
    """
    inputs = keras.Input((latent_dim,))
    output = {"activation": "tanh", "dtype": "float32"}
    if network == "conv":
        x = doubled(inputs, image_shape, widths)
        x = layers.Conv2D(image_shape[-1], 3, padding="same", **output)(x)
        return keras.Model(inputs, x, name="decoder")
    x = hidden(inputs, reversed(widths))
    x = layers.Dense(int(np.prod(image_shape)), **output)(x)
    x = layers.Reshape(image_shape, dtype="float32")(x)
    return keras.Model(inputs, x, name="decoder")


def code_discriminator(
    inputs_dim: int, widths: Sequence[int], name: str = "discriminator"
) -> keras.Model:
    """Network from codes (batch, inputs_dim) to logits (batch, 1).

    Args:
        inputs_dim: Dimension of a code, plus that of a one-hot label if it takes one.
        widths: Widths of the hidden layers.
        name: Name of the network.
    """
    inputs = keras.Input((inputs_dim,))
    x = layers.Dense(1, dtype="float32")(hidden(inputs, widths))
    return keras.Model(inputs, x, name=name)


def trunk(image_shape: tuple[int, int, int], widths: Sequence[int]) -> keras.Model:
    """Network from images to features (batch, widths[-1])."""
    inputs = keras.Input(image_shape)
    return keras.Model(inputs, hidden(layers.Flatten()(inputs), widths), name="encoder")


def head(width: int, units: int, name: str) -> keras.Model:
    """One dense layer from features (batch, width) to (batch, units)."""
    inputs = keras.Input((width,))
    return keras.Model(inputs, layers.Dense(units, dtype="float32")(inputs), name=name)
