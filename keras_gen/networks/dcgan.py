"""DCGAN's networks [1]: strided convolutions with batch normalization.

1. Radford, Metz and Chintala, "Unsupervised Representation Learning with Deep
   Convolutional Generative Adversarial Networks", 2016.
"""

from collections.abc import Callable

import keras
from keras import layers

from keras_gen.layers.minibatch_stddev import MinibatchStdDev
from keras_gen.layers.spectral import SpectralConv2D, SpectralDense
from keras_gen.networks.initializers import dcgan_initializer
from keras_gen.networks.mlp import image_entry, logit_head, with_label
from keras_gen.networks.normalization import batch_norm


def dcgan_norm() -> layers.BatchNormalization:
    """Batch normalization with the settings of the authors' code of [1]."""
    return batch_norm(
        momentum=0.9,
        epsilon=1e-5,
        gamma_initializer=keras.initializers.RandomNormal(1.0, 0.02),
    )


def num_doublings(image_shape: tuple[int, int, int]) -> int:
    """Number of times that the smallest map doubles to reach the image's size.

    The smallest map has sides of at least 4 pixels.

    Args:
        image_shape: Shape of an image, (height, width, channels).

    Raises:
        ValueError: If a side is below 16 or not a multiple of 4.
    """
    sides = image_shape[:2]
    if any(side < 16 or side % 4 for side in sides):
        raise ValueError(
            "Expected an image_shape with sides of at least 16 that are multiples of "
            f"4, got {image_shape}."
        )
    count = 0
    while all(side % 2 ** (count + 1) == 0 for side in sides):
        if min(sides) < 4 * 2 ** (count + 1):
            break
        count += 1
    return count


def dcgan_generator(
    image_shape: tuple[int, int, int],
    latent_dim: int,
    width: int,
    num_classes: int | None = None,
    hidden: int | None = None,
) -> keras.Model:
    """Latents, with labels if there are classes, to images in [-1, 1].

    Args:
        image_shape: Shape of an image, (height, width, channels).
        latent_dim: Dimension of a latent.
        width: Feature maps before the last layer. Their number doubles at every halving
            of their sides, towards the latents.
        num_classes: Number of classes whose labels the network takes; None for no
            labels.
        hidden: Units of a dense layer before the first map; None for no such layer.
    """
    height, image_width, channels = image_shape
    doublings = num_doublings(image_shape)
    first = (height >> doublings, image_width >> doublings)
    maps = [width << i for i in reversed(range(doublings))]
    inputs = x = keras.Input((latent_dim,))
    if num_classes is not None:
        inputs, x = with_label(x, num_classes)
    if hidden is not None:
        x = layers.Dense(
            hidden, use_bias=False, kernel_initializer=dcgan_initializer()
        )(x)
        x = layers.ReLU()(dcgan_norm()(x))
    x = layers.Dense(
        first[0] * first[1] * maps[0],
        use_bias=False,
        kernel_initializer=dcgan_initializer(),
    )(x)
    x = layers.Reshape((*first, maps[0]))(x)
    x = layers.ReLU()(dcgan_norm()(x))
    for filters in maps[1:]:
        x = layers.Conv2DTranspose(
            filters,
            4,
            strides=2,
            padding="same",
            use_bias=False,
            kernel_initializer=dcgan_initializer(),
        )(x)
        x = layers.ReLU()(dcgan_norm()(x))
    x = layers.Conv2DTranspose(
        channels, 4, strides=2, padding="same", kernel_initializer=dcgan_initializer()
    )(x)
    x = layers.Activation("tanh", dtype="float32")(x)
    return keras.Model(inputs, x, name="generator")


def dcgan_discriminator(
    image_shape: tuple[int, int, int],
    width: int,
    head: Callable | None = None,
    entry: Callable | None = None,
    norm: bool = True,
    spectral: bool = False,
    stddev: bool = False,
    hidden: int | None = None,
) -> keras.Model:
    """Images to logits, float32 (batch, 1).

    Args:
        image_shape: Shape of an image, (height, width, channels).
        width: Feature maps of the first layer. Their number doubles at every halving
            of their sides.
        head: Function `head(inputs, features, dense, **options)` that builds the model
            from the inputs and the features (batch, num_features), with dense layers of
            the class `dense` that take the options; None uses `mlp.logit_head`.
        entry: Function from the shape to the inputs and to the tensor for the first
            layer; None uses `mlp.image_entry`.
        norm: Boolean, whether layers after the first have batch normalization.
        spectral: Boolean, whether kernels are spectrally normalised, instead of batch
            normalization.
        stddev: Boolean, whether the features include the minibatch's standard
            deviation.
        hidden: Units of a dense layer after the last map; None for no such layer.
    """
    norm = norm and not spectral
    convolution = SpectralConv2D if spectral else layers.Conv2D
    inputs, x = (entry or image_entry)(image_shape)
    for i in range(num_doublings(image_shape)):
        x = convolution(
            width << i,
            4,
            strides=2,
            padding="same",
            use_bias=i == 0 or not norm,
            kernel_initializer=dcgan_initializer(),
        )(x)
        if i > 0 and norm:
            x = dcgan_norm()(x)
        x = layers.LeakyReLU(0.2)(x)
    if stddev:
        x = MinibatchStdDev()(x)
    x = layers.Flatten()(x)
    dense = SpectralDense if spectral else layers.Dense
    if hidden is not None:
        x = dense(hidden, use_bias=not norm, kernel_initializer=dcgan_initializer())(x)
        x = layers.LeakyReLU(0.2)(dcgan_norm()(x) if norm else x)
    options = {"kernel_initializer": dcgan_initializer()}
    return (head or logit_head)(inputs, x, dense, **options)
