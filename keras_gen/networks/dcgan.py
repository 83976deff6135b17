"""DCGAN's networks [1]: strided convolutions with batch normalization.

1. Radford, Metz and Chintala, "Unsupervised Representation Learning with Deep
   Convolutional Generative Adversarial Networks", 2016.
"""

import math
from collections.abc import Callable

import keras
from keras import layers

from keras_gen.core import checks
from keras_gen.layers.leaky_relu import LeakyReLU
from keras_gen.layers.minibatch_stddev import MinibatchStdDev
from keras_gen.layers.spectral import SpectralConv2D, SpectralDense
from keras_gen.networks.cropping import cropped
from keras_gen.networks.initializers import dcgan_initializer, he_initializer
from keras_gen.networks.mlp import image_entry, logit_head, with_label
from keras_gen.networks.normalization import (
    NORMALIZATIONS,
    batch_norm,
    instance_norm,
    layer_norm,
)


def dcgan_norm() -> layers.BatchNormalization:
    """Batch normalization with the settings of the authors' code of [1]."""
    return batch_norm(
        momentum=0.9,
        epsilon=1e-5,
        gamma_initializer=keras.initializers.RandomNormal(1.0, 0.02),
    )


def check_sides(image_shape: tuple[int, int, int]) -> None:
    """Refuses images that are too small.

    Raises:
        ValueError: If a side is below 16 pixels.
    """
    if min(image_shape[:2]) < 16:
        raise ValueError(
            "Expected an image_shape with sides of at least 16 pixels, got "
            f"{tuple(image_shape)}."
        )


def num_halvings(image_shape: tuple[int, int, int]) -> int:
    """Number of halvings after which the smaller side has 4 to 7 pixels.

    A side of an odd number of pixels is rounded up: 100, 50, 25, 13, 7.

    >>> [num_halvings((side, side, 3)) for side in (16, 28, 32, 64, 100)]
    [2, 2, 3, 4, 4]

    Args:
        image_shape: Shape of an image, (height, width, channels).

    Raises:
        ValueError: If a side is below 16 pixels.
    """
    check_sides(image_shape)
    side, count = min(image_shape[:2]), 0
    while side > 7:
        side, count = -(-side // 2), count + 1
    return count


def num_exact_halvings(image_shape: tuple[int, int, int]) -> int:
    """Largest number of halvings without rounding that leaves at least 4 pixels.

    >>> [num_exact_halvings((side, side, 3)) for side in (16, 28, 32, 64, 100)]
    [2, 2, 3, 4, 2]

    Args:
        image_shape: Shape of an image, (height, width, channels).

    Raises:
        ValueError: If a side is below 16 pixels.
    """
    check_sides(image_shape)
    sides, count = image_shape[:2], 0
    while all(side % 2 ** (count + 1) == 0 for side in sides):
        if min(sides) < 4 * 2 ** (count + 1):
            break
        count += 1
    return count


def uncapped(config: dict) -> dict:
    """Completes a configuration that was saved before `max_maps` and `halvings`.

    Args:
        config: A model's configuration.

    Returns:
        The configuration with the values that give the networks of that time: maps
        without a limit, and only halvings without rounding. One that has `max_maps` is
        returned as it is.
    """
    if "max_maps" in config:
        return config
    shape, halvings = config.get("image_shape"), None
    if shape is not None and config.get("network") != "mlp":
        halvings = num_exact_halvings(shape)
    return {"halvings": halvings, **config, "max_maps": None}


def batch_normalized(config: dict) -> dict:
    """Completes a configuration that was saved before models had `normalization`.

    Args:
        config: A model's configuration.

    Returns:
        The configuration with the normalization that discriminators had at that time,
        whatever their penalties. One that has `normalization` is returned as it is.
    """
    if config.get("network") == "mlp":
        return config
    spectral = config.get("spectral_normalization")
    return {"normalization": "none" if spectral else "batch", **config}


def scales(
    image_shape: tuple[int, int, int],
    width: int,
    max_maps: int | None,
    halvings: int | None,
) -> list[tuple[int, int, int]]:
    """Height, width and number of the maps after each halving, the largest first.

    >>> scales((100, 64, 3), 64, max_maps=256, halvings=None)
    [(50, 32, 64), (25, 16, 128), (13, 8, 256), (7, 4, 256)]

    Args:
        image_shape: Shape of an image, (height, width, channels).
        width: Number of maps after the first halving; each further one doubles it.
        max_maps: Largest number of maps; None for no limit.
        halvings: Number of halvings; None for `num_halvings`.

    Raises:
        ValueError: If a side is below 16 pixels, or numbers are below 1.
    """
    check_sides(image_shape)
    if halvings is None:
        halvings = num_halvings(image_shape)
    limits = {} if max_maps is None else {"max_maps": max_maps}
    checks.at_least(1, halvings=halvings, width=width, **limits)
    most = limits.get("max_maps", math.inf)
    height, image_width, _ = image_shape
    return [
        (-(-height >> i), -(-image_width >> i), min(width << (i - 1), most))
        for i in range(1, halvings + 1)
    ]


def dcgan_generator(
    image_shape: tuple[int, int, int],
    latent_dim: int,
    width: int,
    num_classes: int | None = None,
    hidden: int | None = None,
    max_maps: int | None = None,
    halvings: int | None = None,
) -> keras.Model:
    """Latents, with labels if there are classes, to images in [-1, 1].

    Args:
        image_shape: Shape of an image, (height, width, channels).
        latent_dim: Dimension of a latent.
        width: Feature maps before the last layer. Their number doubles at every halving
            of their sides, towards the latents, within `max_maps`.
        num_classes: Number of classes whose labels the network takes; None for no
            labels.
        hidden: Units of a dense layer before the first map; None for no such layer.
        max_maps: Largest number of feature maps of a layer; None for no limit.
        halvings: Number of times that the first maps double to reach the image's size;
            None for `num_halvings`. A side that was rounded up when halved loses its
            last row or column when doubled.
    """
    *rest, first = scales(image_shape, width, max_maps, halvings)
    inputs = x = keras.Input((latent_dim,))
    if num_classes is not None:
        inputs, x = with_label(x, num_classes)
    if hidden is not None:
        x = layers.Dense(
            hidden, use_bias=False, kernel_initializer=dcgan_initializer()
        )(x)
        x = layers.ReLU()(dcgan_norm()(x))
    x = layers.Dense(
        math.prod(first),
        use_bias=False,
        kernel_initializer=dcgan_initializer(),
    )(x)
    x = layers.Reshape(first)(x)
    x = layers.ReLU()(dcgan_norm()(x))
    for height, image_width, filters in reversed(rest):
        x = layers.Conv2DTranspose(
            filters,
            4,
            strides=2,
            padding="same",
            use_bias=False,
            kernel_initializer=dcgan_initializer(),
        )(x)
        x = layers.ReLU()(dcgan_norm()(cropped(x, height, image_width)))
    height, image_width, channels = image_shape
    x = layers.Conv2DTranspose(
        channels, 4, strides=2, padding="same", kernel_initializer=dcgan_initializer()
    )(x)
    x = layers.Activation("tanh", dtype="float32")(cropped(x, height, image_width))
    return keras.Model(inputs, x, name="generator")


def dcgan_discriminator(
    image_shape: tuple[int, int, int],
    width: int,
    head: Callable | None = None,
    entry: Callable | None = None,
    normalization: str = "batch",
    spectral: bool = False,
    stddev: bool = False,
    hidden: int | None = None,
    max_maps: int | None = None,
    halvings: int | None = None,
) -> keras.Model:
    """Images to logits, float32 (batch, 1).

    With batch or spectral normalization, kernels start with a standard deviation of
    0.02 as in [1]. Otherwise they start with He's variance, since with 0.02 the norm of
    the gradient would start at a few hundredths.

    Args:
        image_shape: Shape of an image, (height, width, channels).
        width: Feature maps of the first layer. Their number doubles at every halving
            of their sides, within `max_maps`.
        head: Function `head(inputs, features, dense, **options)` that builds the model
            from the inputs and the features (batch, num_features), with dense layers of
            the class `dense` that take the options; None uses `mlp.logit_head`.
        entry: Function from the shape to the inputs and to the tensor for the first
            layer; None uses `mlp.image_entry`.
        normalization: Normalization of the layers after the first: "batch", "layer",
            "instance" or "none".
        spectral: Boolean, whether kernels are spectrally normalised.
        stddev: Boolean, whether the features include the minibatch's standard
            deviation.
        hidden: Units of a dense layer after the last map; None for no such layer.
        max_maps: Largest number of feature maps of a layer; None for no limit.
        halvings: Number of times that maps are halved, rounded up; None for
            `num_halvings`.
    """
    checks.one_of(NORMALIZATIONS, normalization=normalization)
    is_classic = spectral or normalization == "batch"
    initializer = dcgan_initializer if is_classic else he_initializer
    is_bare = normalization == "none"
    convolution = SpectralConv2D if spectral else layers.Conv2D
    inputs, x = (entry or image_entry)(image_shape)
    for i, (*_, filters) in enumerate(scales(image_shape, width, max_maps, halvings)):
        x = convolution(
            filters,
            4,
            strides=2,
            padding="same",
            use_bias=i == 0 or is_bare,
            kernel_initializer=initializer(),
        )(x)
        if i > 0:
            x = _normalized(x, normalization)
        x = LeakyReLU(0.2)(x)
    if stddev:
        x = MinibatchStdDev()(x)
    x = layers.Flatten()(x)
    dense = SpectralDense if spectral else layers.Dense
    if hidden is not None:
        x = dense(hidden, use_bias=is_bare, kernel_initializer=initializer())(x)
        x = LeakyReLU(0.2)(_normalized(x, normalization))
    options = {"kernel_initializer": initializer()}
    return (head or logit_head)(inputs, x, dense, **options)


def _normalized(x, normalization):
    """Maps, or the outputs of a dense layer, after normalization."""
    if normalization == "none":
        return x
    if normalization == "batch":
        return dcgan_norm()(x)
    # A dense layer's outputs are maps of one pixel, which have no instance norm.
    if normalization == "instance" and len(x.shape) == 4:
        return instance_norm(x)
    return layer_norm(x)
