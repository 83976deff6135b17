"""Random changes of images before they enter a network.

`augment` is differentiable augmentation [1]: real and generated images change in the
same ways. A discriminator that gets only changed images cannot memorise a small data
set, and gradients flow through the changes to the generator. `distort` does not change
the class of an image: it is for classifiers, and for codes that should represent
classes. `mirror` is for data in which a mirrored image is as likely as the original.

1. Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", 2020.
"""

from collections.abc import Sequence
from typing import Literal

import tensorflow as tf


def _uniform(images, seed, low, high):
    """One uniformly distributed number for each image, float32 (batch, 1, 1, 1)."""
    shape = (tf.shape(images)[0], 1, 1, 1)
    return tf.random.stateless_uniform(shape, seed, low, high)


def color(images, seed) -> tf.Tensor:
    """Changes brightness, saturation and contrast.

    Brightness changes by up to 1/2 in either direction; saturation is multiplied by a
    number from 0 to 2, contrast by one from 1/2 to 3/2.

    Args:
        images: Images, float32 (batch, height, width, channels).
        seed: Seed of the draws, int32 (2,).
    """
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 3))
    images = images + _uniform(images, seeds[0], -0.5, 0.5)
    grey = tf.reduce_mean(images, axis=-1, keepdims=True)
    images = grey + (images - grey) * _uniform(images, seeds[1], 0.0, 2.0)
    mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
    return mean + (images - mean) * _uniform(images, seeds[2], 0.5, 1.5)


def translation(images, seed) -> tf.Tensor:
    """Shifts by whole pixels, up to an eighth of either side; the border becomes 0.

    Args:
        images: Images, float32 (batch, height, width, channels).
        seed: Seed of the draws, int32 (2,).
    """
    height, width = images.shape[1:3]
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 2))

    def shifted(images, side, axis, seed):
        reach = side // 8
        padding = [[0, 0], [0, 0], [0, 0], [0, 0]]
        padding[axis] = [reach, reach]
        count = tf.shape(images)[0]
        shift = tf.random.stateless_uniform(
            (count, 1), seed, 0, 2 * reach + 1, tf.int32
        )
        return tf.gather(
            tf.pad(images, padding), shift + tf.range(side), axis=axis, batch_dims=1
        )

    images = shifted(images, height, 1, seeds[0])
    columns = tf.transpose(images, (0, 2, 1, 3))  # To gather along dimension 1 again.
    return tf.transpose(shifted(columns, width, 1, seeds[1]), (0, 2, 1, 3))


def cutout(images, seed) -> tf.Tensor:
    """Sets a rectangle with half the image's sides, at a random position, to 0.

    Args:
        images: Images, float32 (batch, height, width, channels).
        seed: Seed of the draws, int32 (2,).
    """
    height, width = images.shape[1:3]
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    masks = []
    for side, own in zip((height, width), seeds, strict=True):
        count = tf.shape(images)[0]
        centre = tf.random.stateless_uniform((count, 1), own, 0, side, tf.int32)
        distance = tf.range(side) - centre + side // 4
        masks.append((distance >= 0) & (distance < side // 2))
    hole = masks[0][:, :, None, None] & masks[1][:, None, :, None]
    return tf.where(hole, 0.0, images)


Augmentations = Sequence[Literal["color", "translation", "cutout"]]
AUGMENTATIONS = {"color": color, "translation": translation, "cutout": cutout}


def augment(images, seed, kinds: Sequence[str]) -> tf.Tensor:
    """Applies augmentations one after the other.

    Args:
        images: Images, float32 (batch, height, width, channels).
        seed: Seed of the draws, int32 (2,).
        kinds: Names in `AUGMENTATIONS`, in the order in which they are applied.
    """
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, max(len(kinds), 1)))
    for kind, own in zip(kinds, seeds, strict=False):
        images = AUGMENTATIONS[kind](images, own)
    return images


def mirror(images, seed) -> tf.Tensor:
    """Mirrors each image, left to right, with probability 1/2.

    Args:
        images: Images, float32 (batch, height, width, channels).
        seed: Seed of the draws, int32 (2,).
    """
    flipped = _uniform(images, seed, 0.0, 1.0) < 0.5
    return tf.where(flipped, images[:, :, ::-1], images)


def distort(images, seed, turn: float, scale: float, shift: float) -> tf.Tensor:
    """Rotates, scales and shifts each image by random amounts; edges are repeated.

    Args:
        images: Images, float32 (batch, height, width, channels).
        seed: Seed of the draws, int32 (2,).
        turn: Largest angle of rotation, in radians.
        scale: Largest change of size, as a fraction.
        shift: Largest shift, in pixels.
    """
    shape = tf.shape(images)
    draws = tf.random.stateless_uniform((4, shape[0]), seed, -1.0, 1.0)
    angle, size = turn * draws[0], 1.0 + scale * draws[1]
    cosine, sine = tf.cos(angle) / size, tf.sin(angle) / size
    y, x = tf.cast(shape[1] - 1, tf.float32) / 2, tf.cast(shape[2] - 1, tf.float32) / 2
    right = x - cosine * x + sine * y + shift * draws[2]  # Around the centre.
    down = y - sine * x - cosine * y + shift * draws[3]
    rows = tf.range(tf.cast(shape[1], tf.float32))[:, None]
    columns = tf.range(tf.cast(shape[2], tf.float32))
    cosine, sine, right, down = (
        value[:, None, None] for value in (cosine, sine, right, down)
    )
    return interpolated(
        images,
        sine * columns + cosine * rows + down,
        cosine * columns - sine * rows + right,
    )


def interpolated(images, rows, columns) -> tf.Tensor:
    """Values of images at positions between pixels, from the four nearest pixels.

    Positions outside of an image take the value of the nearest edge. The values are a
    weighted sum of pixels, so that their gradient with respect to the images is exact.
    TensorFlow's `ImageProjectiveTransformV3` has only an approximate gradient, which
    leaves out the contributions of repeated edges.

    >>> image = tf.reshape(tf.constant([0.0, 1.0, 2.0, 3.0]), (1, 2, 2, 1))
    >>> rows, columns = tf.constant([[[0.5]]]), tf.constant([[[0.25]]])
    >>> float(interpolated(image, rows, columns)[0, 0, 0, 0])
    1.25

    Args:
        images: Images, float32 (batch, height, width, channels).
        rows: Positions from the top in pixels, float32 (batch, new height, new width).
        columns: Positions from the left, of the same shape.

    Returns:
        float32 (batch, new height, new width, channels).
    """
    shape = tf.shape(images)
    height, width = shape[1], shape[2]
    pixels = tf.reshape(images, (shape[0], height * width, images.shape[-1]))
    (top, bottom, below), (left, right, beside) = (
        _neighbours(positions, side)
        for positions, side in ((rows, height), (columns, width))
    )

    def between(row):
        first = tf.gather(pixels, row * width + left, axis=1, batch_dims=1)
        second = tf.gather(pixels, row * width + right, axis=1, batch_dims=1)
        return (1.0 - beside) * first + beside * second

    return (1.0 - below) * between(top) + below * between(bottom)


def _neighbours(positions, side):
    """Indices of the two pixels around each position, and the second one's weight.

    Returns:
        int32, int32 of the shape of the positions, and float32 (..., 1).
    """
    positions = tf.clip_by_value(positions, 0.0, tf.cast(side - 1, tf.float32))
    first = tf.floor(positions)
    index = tf.cast(first, tf.int32)
    return index, tf.minimum(index + 1, side - 1), (positions - first)[..., None]
