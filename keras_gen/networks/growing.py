"""Networks that grow: one functional model with an output for each level.

Level 0 has images of 4x4 pixels, and every level doubles the side.

1. Karras et al., "Progressive Growing of GANs for Improved Quality, Stability, and
   Variation", 2018.
"""

import math
from collections.abc import Callable

import keras
from keras import layers, ops

from keras_gen.layers import (
    EqualizedConv2D,
    EqualizedDense,
    Fade,
    MinibatchStdDev,
    PixelNorm,
)

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
    return layers.LeakyReLU(0.2)(x)


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
) -> tuple[keras.Model, dict[int, list]]:
    """Images of every level to logits (batch, 1) ([1], table 2).

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

    Returns:
        A functional model, and the hidden features of every level. The model takes
        images of every level from the first on, alpha (batch,), and labels if there are
        classes, and returns the logits of each of these levels. The features of a level
        are the outputs of its activations, a list of Keras tensors.
    """
    last = level_of(image_shape[0])
    maps = [num_maps(level, base_maps, max_maps) for level in range(last + 1)]
    alpha, extra, labels = keras.Input((), name="alpha"), [], None
    if num_classes is not None:
        labels = keras.Input((), dtype="int64", name="labels")
        extra = [labels]
    shrink = (lambda x: downsample(blur()(x))) if blur else downsample
    from_image = {
        level: EqualizedConv2D(maps[level], 1, name=f"from_image_{level}")
        for level in range(first, last + 1)
    }
    blocks = {
        level: [
            EqualizedConv2D(maps[level], name=f"level_{level}_a"),
            EqualizedConv2D(maps[level - 1], name=f"level_{level}_b"),
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
        embedding = layers.Embedding(num_classes, maps[0], dtype="float32")
    images, logits, hidden = [], [], {}
    for level in range(first, last + 1):
        side = SMALLEST << level
        image = keras.Input((side, side, image_shape[-1]), name=f"images_{side}")
        x = rectify(from_image[level](image))
        activations = []
        for below in range(level, 0, -1):
            for convolution in blocks[below]:
                x = rectify(convolution(x))
                activations.append(x)
            x = shrink(x)
            if below == level > first:
                old = rectify(from_image[level - 1](downsample(image)))
                x = Fade()(old, x, alpha)
        deviation, convolution, flatten, dense, to_logits = end
        x = rectify(convolution(deviation(x)))
        x = rectify(dense(flatten(x)))
        y = to_logits(x)
        if embedding is not None:
            wide = ops.cast(x, "float32")
            y = y + ops.sum(embedding(labels) * wide, axis=-1, keepdims=True)
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
) -> keras.Model:
    """Latents (batch, latent_dim) to images of every level ([1], table 2).

    Args:
        image_shape: Shape of images at the last level, (side, side, channels).
        latent_dim: Dimension of a latent; the network normalises them.
        base_maps: Twice the number of feature maps at 4x4; see `num_maps`.
        max_maps: Largest number of feature maps of a level.
        first: Lowest level that has images.
        num_classes: Number of classes whose labels it takes too; None for no labels.

    Returns:
        A functional model of latents, alpha (batch,), and labels if there are classes.
    """
    latents, alpha = keras.Input((latent_dim,)), keras.Input((), name="alpha")
    extra, x = condition(latents, num_classes)
    last = level_of(image_shape[0])
    maps = [num_maps(level, base_maps, max_maps) for level in range(last + 1)]
    x = EqualizedDense(SMALLEST**2 * maps[0], name="level_0_a")(PixelNorm()(x))
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
