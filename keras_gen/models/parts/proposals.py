"""Key parts of images: boxes that hold whole outlines, found without training.

1. Zitnick and Dollar, "Edge Boxes: Locating Object Proposals from Edges", 2014: a box
   is good where much edge lies within and little crosses its border.
"""

import functools

import numpy as np
import tensorflow as tf

SIZES = (4, 5, 6)  # Sides of boxes, in sixteenths of the image's.
OVERLAP = 0.1  # Largest intersection over union of two boxes of an image.


@functools.cache
def candidates(height, width, sizes=SIZES):
    """All boxes that are looked at, a grid of sixteenths for each size.

    Args:
        height: Of the image, a multiple of 16.
        width: The same.
        sizes: Sides of boxes, in sixteenths of the image's, from 2 to 16.

    Returns:
        int32 (count, 4): top, left, bottom and right; bottom and right are without.

    Raises:
        ValueError: For sides that are no multiples of 16, or other sizes.
    """
    if height % 16 or width % 16 or not height or not width:
        raise ValueError(f"Expected sides in multiples of 16, got {height}x{width}.")
    if not sizes or not all(2 <= size <= 16 for size in sizes):
        raise ValueError(f"Expected sizes of 2 to 16 sixteenths, got {sizes}.")
    boxes = [
        (top, left, top + size, left + size)
        for size in sizes
        for top in range(17 - size)
        for left in range(17 - size)
    ]
    return np.array(boxes, np.int32) * np.int32([height // 16, width // 16] * 2)


def edges(images):
    """Sobel's gradients of grey, how strong: float32 (batch, height, width)."""
    grey = tf.reduce_mean(images, axis=-1, keepdims=True)
    return tf.norm(tf.image.sobel_edges(grey)[:, :, :, 0], axis=-1)


def scores(images, sizes=SIZES):
    """How well candidates enclose outlines, float32 (batch, count) ([1], equation 3).

    The strength of edges within, less that on the border, by the half circumference to
    the power of 1.5.
    """
    height, width = images.shape[1:3]
    boxes = candidates(height, width, sizes)
    table = tf.cumsum(tf.cumsum(edges(images), axis=1), axis=2)
    table = tf.reshape(tf.pad(table, [[0, 0], [1, 0], [1, 0]]), (-1, _size(images)))

    def within(top, left, bottom, right):
        def corner(row, column):
            return tf.gather(table, row * (width + 1) + column, axis=1)

        ends = corner(bottom, right) + corner(top, left)
        return ends - corner(bottom, left) - corner(top, right)

    whole = within(*boxes.T)
    inner = within(*(boxes + [1, 1, -1, -1]).T)
    sides = (boxes[:, 2:] - boxes[:, :2]).sum(axis=1)
    return (inner - (whole - inner)) / sides.astype(np.float32) ** 1.5


def _size(images):
    return (images.shape[1] + 1) * (images.shape[2] + 1)


def key_boxes(images, count, sizes=SIZES):
    """The best boxes of images that hardly overlap, the best first.

    Args:
        images: float32 (batch, height, width, channels), sides in multiples of 16.
        count: Boxes of an image.
        sizes: See `candidates`.

    Returns:
        int32 (batch, count, 4); see `candidates`.
    """
    boxes = candidates(*images.shape[1:3], sizes)
    apart = tf.constant(_overlaps(boxes) <= OVERLAP)
    left, chosen = scores(images, sizes), []
    for _ in range(count):
        best = tf.argmax(left, axis=1)
        chosen.append(tf.gather(boxes, best))
        left = tf.where(tf.gather(apart, best), left, -np.inf)
    return tf.stack(chosen, axis=1)


def _overlaps(boxes):
    """Intersection over union of boxes, (count, count)."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    common = np.clip(high - low, 0, None).prod(axis=-1)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=-1)
    return common / (area[:, None] + area[None] - common)


def cut(images, boxes):
    """What lies in boxes, each resized to the image's size.

    Args:
        images: float32 (batch, height, width, channels).
        boxes: int32 (batch, count, 4).

    Returns:
        float32 (batch, count, height, width, channels).
    """
    height, width, channels = images.shape[1:]
    count = boxes.shape[1]
    # crop_and_resize takes the places of corner pixels, 1 at the last one.
    corners = tf.cast(boxes - [0, 0, 1, 1], tf.float32)
    corners /= tf.constant([height - 1, width - 1] * 2, tf.float32)
    owners = tf.repeat(tf.range(tf.shape(images)[0]), count)
    parts = tf.image.crop_and_resize(
        images, tf.reshape(corners, (-1, 4)), owners, (height, width)
    )
    return tf.reshape(parts, (-1, count, height, width, channels))


def union(boxes, height, width):
    """1 within any box, else 0: float32 (batch, height, width, 1)."""
    boxes = tf.cast(boxes, tf.int32)[..., None]
    rows, columns = tf.range(height), tf.range(width)
    down = (rows >= boxes[:, :, 0]) & (rows < boxes[:, :, 2])
    across = (columns >= boxes[:, :, 1]) & (columns < boxes[:, :, 3])
    inside = tf.reduce_any(down[..., :, None] & across[..., None, :], axis=1)
    return tf.cast(inside, tf.float32)[..., None]
