"""Networks that grow: one functional model with an output for each level.

Level 0 has images of 4x4 pixels, and every level doubles the side.

1. Karras et al., "Progressive Growing of GANs for Improved Quality, Stability, and
   Variation", 2018.
2. Karras, Laine and Aila, "A Style-Based Generator Architecture for Generative
   Adversarial Networks", 2019.
"""

import math
from collections.abc import Callable
from typing import Literal

import keras
from keras import layers, ops

from keras_gen.core import checks
from keras_gen.layers import (
    EqualizedConv2D,
    EqualizedDense,
    Fade,
    LeakyReLU,
    MinibatchStdDev,
    PixelNorm,
)
from keras_gen.layers.equalized import HE

SMALLEST = 4  # Side of images at level 0, in pixels.


def level_of(side: int) -> int:
    """The level of images with the given side in pixels: 0 for 4, 1 for 8, ...

    Raises:
        ValueError: If the side is not a power of two, or below 4.
    """
    level = int(math.log2(side / SMALLEST)) if side >= SMALLEST else -1
    if SMALLEST << max(level, 0) != side:
        raise ValueError(f"Expected a power of two from 4 on as side, got {side}.")
    return level


def check_shape(
    image_shape: tuple[int, int, int], start: int
) -> tuple[tuple[int, int, int], int]:
    """Checks the shape of images at the last level.

    Args:
        image_shape: Shape of images at the last level, (side, side, channels).
        start: Side of images at the first level, in pixels.

    Returns:
        The shape as a tuple, and the first level.

    Raises:
        ValueError: If images are not square, sides are not powers of two, or the last
            level is below the first.
    """
    height, width, channels = image_shape
    first = level_of(start)
    if height != width or level_of(height) < first:
        raise ValueError(
            f"Expected square images of at least {start} pixels a side, got "
            f"{tuple(image_shape)}."
        )
    return (height, width, channels), first


def chosen_maps(side: int, base: int | None, most: int | None) -> dict[str, int]:
    """The numbers that set the feature maps of networks for images of a size.

    By default they are those of [1], table 2, from 128 pixels on: 16 maps at 1024
    pixels, 128 at 128, and 512 at 32 and below. For smaller images, where [1] has up to
    512 maps at full size, there are twice as many maps as pixels along a side at full
    size, and twice that many at most.

    >>> chosen_maps(128, None, None)
    {'base_maps': 8192, 'max_maps': 512}
    >>> chosen_maps(32, None, None)
    {'base_maps': 1024, 'max_maps': 128}

    Args:
        side: Height and width of images at the last level, in pixels.
        base: Argument `base_maps` of a model; None uses the squared side, up to 8192.
        most: Argument `max_maps` of a model; None uses four times the side, up to 512.

    Returns:
        `base_maps` and `max_maps`, as `num_maps` takes them.

    Raises:
        ValueError: For numbers below 1.
    """
    base = min(side**2, 8192) if base is None else base
    most = min(4 * side, 512) if most is None else most
    checks.at_least(1, base_maps=base, max_maps=most)
    return {"base_maps": base, "max_maps": most}


def num_maps(level: int, base: int, most: int) -> int:
    """The number of feature maps of a level ([1], table 2).

    Args:
        level: Level, from 0.
        base: Twice the number of maps of level 0; every level halves it.
        most: Largest number of maps.
    """
    return max(min(base >> (level + 1), most), 1)


def upsample(x, dtype=None):
    """Doubles both sides: every pixel becomes four."""
    return layers.UpSampling2D(dtype=dtype)(x)


def downsample(x):
    """Halves both sides: every four pixels become their mean."""
    return layers.AveragePooling2D(2)(x)


def rectify(x):
    """Leaky ReLU with slope 0.2."""
    return LeakyReLU(0.2)(x)


def condition(latents, num_classes: int | None) -> tuple[list, object]:
    """Adds an input of labels, whose embedding is concatenated to the latents.

    Args:
        latents: Keras tensor (batch, latent_dim).
        num_classes: Number of classes; None for no labels.

    Returns:
        A list of the new input, or an empty one, and the tensor (batch, numbers) that a
        network starts from.
    """
    if num_classes is None:
        return [], latents
    labels = keras.Input((), dtype="int64", name="labels")
    unit = keras.initializers.RandomNormal(stddev=1.0)  # As latents have.
    embedding = layers.Embedding(num_classes, latents.shape[-1], unit)
    return [labels], layers.Concatenate()([latents, embedding(labels)])


def faded_images(features: list, first: int, channels: int, alpha) -> list:
    """Images of every level from the first on, each faded in over the one below.

    Args:
        features: Feature maps of every level, level 0 first.
        first: Lowest level that has images.
        channels: Channels of the images.
        alpha: Share of the new level in the images, (batch,).

    Returns:
        Images (batch, side, side, channels), float32, one tensor for each level.
    """
    images, old = [], None
    for level, x in list(enumerate(features))[first:]:
        name = f"to_image_{level}"
        new = EqualizedConv2D(channels, 1, gain=1.0, dtype="float32", name=name)(x)
        image = new
        if old is not None:
            image = Fade(dtype="float32")(upsample(old, "float32"), new, alpha)
        images.append(image)
        old = new
    return images


def growing_discriminator(
    image_shape: tuple[int, int, int],
    base_maps: int,
    max_maps: int,
    first: int,
    num_classes: int | None = None,
    group_size: int = 4,
    blur: Callable | None = None,
    downsampling: Literal["pooled", "strided"] = "pooled",
) -> tuple[keras.Model, dict[int, list]]:
    """Images of every level to logits (batch, 1) ([1], table 2).

    Where maps are halved, they are blurred first if there is a `blur`. Weights do not
    depend on `downsampling`.

    Args:
        image_shape: Shape of images at the last level, (side, side, channels).
        base_maps: Twice the number of feature maps at 4x4; see `num_maps`.
        max_maps: Largest number of feature maps of a level.
        first: Lowest level that has images.
        num_classes: Number of classes; the features' inner product with an embedding of
            the label is added to the logits. None for no labels.
        group_size: Images in a group of `MinibatchStdDev`.
        blur: Function that makes a layer to be applied before every downsampling, such
            as the class `Blur`; None applies no such layer.
        downsampling: Order of a level's second convolution and of downsampling.
            "pooled" convolves, rectifies and takes the mean of four pixels, as in [1];
            "strided" takes the mean within the convolution, and rectifies what comes
            out, as the code of [2] does.

    Returns:
        A functional model, and the hidden features of every level. The model takes
        images of every level from the first on, alpha (batch,), and labels if there are
        classes, and returns the logits of each of these levels. The features of a level
        are the outputs of its activations, a list of Keras tensors.
    """
    checks.one_of(("pooled", "strided"), downsampling=downsampling)
    strided = downsampling == "strided"
    last = level_of(image_shape[0])
    maps = [num_maps(level, base_maps, max_maps) for level in range(last + 1)]
    alpha, extra, labels = keras.Input((), name="alpha"), [], None
    if num_classes is not None:
        labels = keras.Input((), dtype="int64", name="labels")
        extra = [labels]
    smooth = (lambda x: blur()(x)) if blur else (lambda x: x)
    from_image = {
        level: EqualizedConv2D(maps[level], 1, name=f"from_image_{level}")
        for level in range(first, last + 1)
    }
    blocks = {
        level: [
            EqualizedConv2D(maps[level], name=f"level_{level}_a"),
            EqualizedConv2D(maps[level - 1], halves=strided, name=f"level_{level}_b"),
        ]
        for level in range(1, last + 1)
    }
    end = [
        MinibatchStdDev(group_size),
        EqualizedConv2D(maps[0], name="level_0_a"),
        layers.Flatten(),
        EqualizedDense(maps[0], name="level_0_b"),
        EqualizedDense(1, gain=1.0, dtype="float32", name="logits"),
    ]
    embedding = None
    if num_classes is not None:
        # As all other weights, with an equalized learning rate.
        embedding = layers.Embedding(
            num_classes,
            maps[0],
            keras.initializers.RandomNormal(stddev=1.0),
            dtype="float32",
        )
    images, logits, hidden = [], [], {}
    for level in range(first, last + 1):
        side = SMALLEST << level
        image = keras.Input((side, side, image_shape[-1]), name=f"images_{side}")
        x = rectify(from_image[level](image))
        activations = []
        for below in range(level, 0, -1):
            first_convolution, second_convolution = blocks[below]
            x = rectify(first_convolution(x))
            activations.append(x)
            x = rectify(second_convolution(smooth(x) if strided else x))
            activations.append(x)
            if not strided:
                x = downsample(smooth(x))
            if below == level > first:
                old = rectify(from_image[level - 1](downsample(image)))
                x = Fade()(old, x, alpha)
        deviation, convolution, flatten, dense, to_logits = end
        x = rectify(convolution(deviation(x)))
        x = rectify(dense(flatten(x)))
        y = to_logits(x)
        if embedding is not None:
            wide = ops.cast(x, "float32")
            product = ops.sum(embedding(labels) * wide, axis=-1, keepdims=True)
            y = y + product / maps[0] ** 0.5
        images.append(image)
        logits.append(y)
        hidden[level] = [*activations, x]
    inputs = [*images, alpha, *extra]
    return keras.Model(inputs, logits, name="discriminator"), hidden


def progan_generator(
    image_shape: tuple[int, int, int],
    latent_dim: int,
    base_maps: int,
    max_maps: int,
    first: int,
    num_classes: int | None = None,
    first_gain: float = HE / 4,
) -> keras.Model:
    """Latents (batch, latent_dim) to images of every level ([1], table 2).

    Args:
        image_shape: Shape of images at the last level, (side, side, channels).
        latent_dim: Dimension of a latent; the network normalises them.
        base_maps: Twice the number of feature maps at 4x4; see `num_maps`.
        max_maps: Largest number of feature maps of a level.
        first: Lowest level that has images.
        num_classes: Number of classes whose labels it takes too; None for no labels.
        first_gain: Gain of the first dense layer, a quarter of He's in the authors'
            code.

    Returns:
        A functional model of latents, alpha (batch,), and labels if there are classes.
    """
    latents, alpha = keras.Input((latent_dim,)), keras.Input((), name="alpha")
    extra, x = condition(latents, num_classes)
    last = level_of(image_shape[0])
    maps = [num_maps(level, base_maps, max_maps) for level in range(last + 1)]
    x = PixelNorm()(x)
    units = SMALLEST**2 * maps[0]
    x = EqualizedDense(units, gain=first_gain, name="level_0_a")(x)
    x = PixelNorm()(rectify(layers.Reshape((SMALLEST, SMALLEST, maps[0]))(x)))
    x = PixelNorm()(rectify(EqualizedConv2D(maps[0], name="level_0_b")(x)))
    features = []
    for level in range(last + 1):
        if level > 0:
            x = upsample(x)
            for part in "ab":
                name = f"level_{level}_{part}"
                x = PixelNorm()(rectify(EqualizedConv2D(maps[level], name=name)(x)))
        features.append(x)
    images = faded_images(features, first, image_shape[-1], alpha)
    return keras.Model([latents, alpha, *extra], images, name="generator")
