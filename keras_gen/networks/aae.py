"""Dense networks of adversarial autoencoders."""

import keras
import numpy as np
from keras import layers


def hidden(x, widths):
    """Dense layers with ReLU."""
    for width in widths:
        x = layers.Dense(width, activation="relu")(x)
    return x


def aae_encoder(image_shape, latent_dim, widths, kind):
    """Images, and noise if universal, to codes, or to means and log-variances.

    Args:
        image_shape: (height, width, channels).
        latent_dim: Numbers in a code, and of noise.
        widths: Of the hidden layers.
        kind: Of `ENCODERS` ([1], section 2).
    """
    inputs = keras.Input(image_shape)
    x = layers.Flatten()(inputs)
    if kind == "universal":
        noise = keras.Input((latent_dim,))
        x = layers.Concatenate()([x, noise])
        inputs = [inputs, noise]
    x = hidden(x, widths)
    codes = layers.Dense(latent_dim, dtype="float32", name="codes")(x)
    if kind == "gaussian":
        spread = layers.Dense(latent_dim, dtype="float32", name="log_variance")(x)
        codes = [codes, spread]
    return keras.Model(inputs, codes, name="encoder")


def aae_decoder(image_shape, latent_dim, widths):
    """Codes (batch, latent_dim) to images in [-1, 1]."""
    inputs = keras.Input((latent_dim,))
    x = hidden(inputs, reversed(widths))
    x = layers.Dense(int(np.prod(image_shape)), activation="tanh", dtype="float32")(x)
    x = layers.Reshape(image_shape, dtype="float32")(x)
    return keras.Model(inputs, x, name="decoder")


def code_discriminator(inputs_dim, widths, name="discriminator"):
    """Codes, and labels as one-hot vectors beside them, to logits; no batch norm."""
    inputs = keras.Input((inputs_dim,))
    x = layers.Dense(1, dtype="float32")(hidden(inputs, widths))
    return keras.Model(inputs, x, name=name)


def trunk(image_shape, widths):
    """Images to features (batch, widths[-1])."""
    inputs = keras.Input(image_shape)
    return keras.Model(inputs, hidden(layers.Flatten()(inputs), widths), name="encoder")


def head(width, units, name):
    """Features to numbers."""
    inputs = keras.Input((width,))
    return keras.Model(inputs, layers.Dense(units, dtype="float32")(inputs), name=name)
