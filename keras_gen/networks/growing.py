"""Networks that grow: one functional model with an output for each level."""

import math

import keras
from keras import layers, ops

from keras_gen.layers import (
    EqualizedConv2D,
    EqualizedDense,
    Fade,
    MinibatchStdDev,
    PixelNorm,
)

SMALLEST = 4  # Pixels a side of level 0.


def level_of(side):
    """The level of images with so many pixels a side: 0 for 4.

    Raises:
        ValueError: If the side is no power of two, or below 4.
    """
    level = int(math.log2(side / SMALLEST)) if side >= SMALLEST else -1
    if SMALLEST << max(level, 0) != side:
        raise ValueError(f"Expected a power of two from 4 on as side, got {side}.")
    return level


def check_shape(image_shape, start):
    """The last level's shape, and the first level.

    Raises:
        ValueError: If images are not square, or sides are no powers of two.
    """
    height, width, channels = image_shape
    first = level_of(start)
    if height != width or level_of(height) < first:
        raise ValueError(
            f"Expected square images of at least {start} pixels a side, got "
            f"{tuple(image_shape)}."
        )
    return (height, width, channels), first


def num_maps(level, base, most):
    """Maps of a level ([1], table 2): halved with every level, but at most so many."""
    return max(min(base >> (level + 1), most), 1)


def upsample(x, dtype=None):
    """Every pixel becomes four."""
    return layers.UpSampling2D(dtype=dtype)(x)


def downsample(x):
    """Every four pixels become their mean."""
    return layers.AveragePooling2D(2)(x)


def rectify(x):
    """Leaky ReLU with slope 0.2."""
    return layers.LeakyReLU(0.2)(x)


def condition(latents, num_classes):
    """Inputs, and latents with an embedding of the labels beside them if any."""
    if num_classes is None:
        return [], latents
    labels = keras.Input((), dtype="int64", name="labels")
    unit = keras.initializers.RandomNormal(stddev=1.0)  # As latents are.
    embedding = layers.Embedding(num_classes, latents.shape[-1], unit)
    return [labels], layers.Concatenate()([latents, embedding(labels)])


def faded_images(features, first, channels, alpha):
    """Images of every level from the first on, each faded in over the one below.

    Args:
        features: Maps of every level from 0 on.
        first: The lowest level that has images.
        channels: Of the images.
        alpha: (batch,).
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
    image_shape, base_maps, max_maps, first, num_classes=None, group_size=4, blur=None
):
    """Logits (batch, 1) of images, a level each ([1], table 2).

    Args:
        image_shape: Of the last level, (side, side, channels).
        base_maps: See `num_maps`.
        max_maps: See `num_maps`.
        first: The lowest level.
        num_classes: Of labels, whose embedding the features are projected on; None for
            none.
        group_size: Of `MinibatchStdDev`.
        blur: A layer in front of every downsampling; None for none.

    Returns:
        A functional model of the images of every level from the first on, alpha
        (batch,) and labels, and the hidden features of every level, a list each.
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
        seen = []
        for below in range(level, 0, -1):
            for convolution in blocks[below]:
                x = rectify(convolution(x))
                seen.append(x)
            x = shrink(x)
            if below == level > first:
                old = rectify(from_image[level - 1](downsample(image)))
                x = Fade()(old, x, alpha)
        spread, convolution, flatten, dense, verdict = end
        x = rectify(convolution(spread(x)))
        x = rectify(dense(flatten(x)))
        y = verdict(x)
        if embedding is not None:
            wide = ops.cast(x, "float32")
            y = y + ops.sum(embedding(labels) * wide, axis=-1, keepdims=True)
        images.append(image)
        logits.append(y)
        hidden[level] = [*seen, x]
    inputs = [*images, alpha, *extra]
    return keras.Model(inputs, logits, name="discriminator"), hidden


def progan_generator(
    image_shape, latent_dim, base_maps, max_maps, first, num_classes=None
):
    """Latents (batch, latent_dim) to images of every level ([1], table 2).

    Args:
        image_shape: Of the last level, (side, side, channels).
        latent_dim: Numbers in a latent; the network normalises them.
        base_maps: See `num_maps`.
        max_maps: See `num_maps`.
        first: The lowest level.
        num_classes: Of labels that it takes too; None for none.

    Returns:
        A functional model of latents, alpha (batch,) and labels.
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
