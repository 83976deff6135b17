"""Multilayer perceptrons: a generator and a discriminator of dense layers."""

import keras
import numpy as np
from keras import layers

from keras_gen.layers.minibatch_stddev import MinibatchStdDev
from keras_gen.layers.spectral import SpectralDense


def mlp_generator(shape, latent_dim, widths, num_classes=None, activation="tanh"):
    """Latents (batch, latent_dim), and labels, to images or points of a shape."""
    inputs = x = keras.Input((latent_dim,))
    if num_classes is not None:
        labels = keras.Input((), dtype="int64")
        inputs = [inputs, labels]
        x = layers.Concatenate()([x, layers.Embedding(num_classes, 32)(labels)])
    for width in widths:
        x = layers.Dense(width)(x)
        x = layers.BatchNormalization(synchronized=True)(x)
        x = layers.ReLU()(x)
    x = layers.Dense(int(np.prod(shape)))(x)
    x = layers.Reshape(shape)(x)
    x = layers.Activation(activation, dtype="float32")(x)
    return keras.Model(inputs, x, name="generator")


def mlp_discriminator(
    shape, widths, head=None, entry=None, spectral=False, stddev=False
):
    """Images or points to logits (batch, 1).

    Args:
        shape: Without the batch.
        widths: Of the hidden layers.
        head: Inputs and features (batch, numbers) to a model; None for `logits`.
        entry: The shape to inputs and what goes on from them; None for the images.
        spectral: Whether kernels are spectrally normalised.
        stddev: Whether the last layer sees the minibatch's deviation.
    """
    dense = SpectralDense if spectral else layers.Dense
    inputs, x = (entry or images_alone)(shape)
    x = layers.Flatten()(x)
    for width in widths:
        x = layers.LeakyReLU(0.2)(dense(width)(x))
    if stddev:
        x = MinibatchStdDev()(x)
    return (head or logits)(inputs, x, dense)


def images_alone(shape):
    """A discriminator that takes images: its inputs, and what goes on from them."""
    inputs = keras.Input(shape)
    return inputs, inputs


def logits(inputs, x, dense=layers.Dense, **options):
    """A discriminator that ends in one dense layer on features (batch, numbers)."""
    return keras.Model(
        inputs, dense(1, dtype="float32", **options)(x), name="discriminator"
    )
