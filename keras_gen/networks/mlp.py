"""Multilayer perceptrons: a generator and a discriminator of dense layers."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import layers

from keras_gen.layers.leaky_relu import LeakyReLU
from keras_gen.layers.minibatch_stddev import MinibatchStdDev
from keras_gen.layers.spectral import SpectralDense
from keras_gen.networks.normalization import batch_norm


def mlp_generator(
    shape: tuple[int, ...],
    latent_dim: int,
    widths: Sequence[int],
    num_classes: int | None = None,
    activation: str = "tanh",
) -> keras.Model:
    """Latents, with labels if there are classes, to images or points.

    Args:
        shape: Shape of an image or a point, without the batch dimension.
        latent_dim: Dimension of a latent.
        widths: Units of the hidden layers.
        num_classes: Number of classes whose labels the network takes; None for no
            labels.
        activation: Activation of the last layer.
    """
    inputs = x = keras.Input((latent_dim,))
    if num_classes is not None:
        inputs, x = with_label(x, num_classes)
    for width in widths:
        x = layers.Dense(width)(x)
        x = batch_norm()(x)
        x = layers.ReLU()(x)
    x = layers.Dense(int(np.prod(shape)))(x)
    x = layers.Reshape(shape)(x)
    x = layers.Activation(activation, dtype="float32")(x)
    return keras.Model(inputs, x, name="generator")


def mlp_discriminator(
    shape: tuple[int, ...],
    widths: Sequence[int],
    head: Callable | None = None,
    entry: Callable | None = None,
    spectral: bool = False,
    stddev: bool = False,
) -> keras.Model:
    """Images or points to logits, float32 (batch, 1).

    Args:
        shape: Shape of an image or a point, without the batch dimension.
        widths: Units of the hidden layers.
        head: Function `head(inputs, features, dense)` that builds the model from the
            inputs and the features (batch, num_features), with dense layers of the
            class `dense`; None uses `logit_head`.
        entry: Function from the shape to the inputs and to the tensor for the first
            layer; None uses `image_entry`.
        spectral: Boolean, whether kernels are spectrally normalised.
        stddev: Boolean, whether the features include the minibatch's standard
            deviation.
    """
    dense = SpectralDense if spectral else layers.Dense
    inputs, x = (entry or image_entry)(shape)
    x = layers.Flatten()(x)
    for width in widths:
        x = LeakyReLU(0.2)(dense(width)(x))
    if stddev:
        x = MinibatchStdDev()(x)
    return (head or logit_head)(inputs, x, dense)


def with_label(latents, num_classes: int) -> tuple:
    """A generator's inputs, and its latents concatenated with an embedded label.

    Args:
        latents: Symbolic latents (batch, latent_dim).
        num_classes: Number of classes.
    """
    labels = keras.Input((), dtype="int64")
    # Latents have a standard deviation of about 1 too, so that labels matter from the
    # first step on.
    unit = keras.initializers.RandomNormal(stddev=1.0)
    embedded = layers.Embedding(num_classes, 32, unit)(labels)
    return [latents, labels], layers.Concatenate()([latents, embedded])


def image_entry(shape: tuple[int, ...]) -> tuple:
    """The entry of a discriminator that takes images or points alone."""
    inputs = keras.Input(shape)
    return inputs, inputs


def logit_head(inputs, features, dense=layers.Dense, **options) -> keras.Model:
    """The head of a discriminator that ends in one dense layer.

    Args:
        inputs: Symbolic inputs of the discriminator.
        features: Symbolic features (batch, numbers).
        dense: Class of the layer.
        **options: Further arguments of the layer.
    """
    logits = dense(1, dtype="float32", **options)(features)
    return keras.Model(inputs, logits, name="discriminator")
