"""Key parts of images: boxes that enclose whole outlines, found without training.

1. Zitnick and Dollar, "Edge Boxes: Locating Object Proposals from Edges", 2014: a box
   is good if it contains many edges and few cross its border.
"""

import functools

import numpy as np
import tensorflow as tf

SIZES = (4, 5, 6)  # Sides of boxes, in sixteenths of the image's sides.
MAX_OVERLAP = 0.1  # Largest intersection over union of two boxes of an image.


@functools.cache
def candidates(height: int, width: int, sizes: tuple[int, ...] = SIZES) -> np.ndarray:
    """All candidate boxes: for each size, at all multiples of a sixteenth of a side.

    Args:
        height: Height of the image, a multiple of 16.
        width: Width of the image, a multiple of 16.
        sizes: Sides of boxes, in sixteenths of the image's sides, from 2 to 16.

    Returns:
        int32 (count, 4): top, left, bottom and right in pixels; bottom and right are
        exclusive.

    Raises:
        ValueError: For sides that are not multiples of 16, or sizes out of range.
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


def edges(images) -> tf.Tensor:
    """Edge strength: the norm of the Sobel gradients of the grey image.

    Args:
        images: float32 (batch, height, width, channels).

    Returns:
        float32 (batch, height, width).
    """
    grey = tf.reduce_mean(images, axis=-1, keepdims=True)
    return tf.norm(tf.image.sobel_edges(grey)[:, :, :, 0], axis=-1)


def scores(images, sizes: tuple[int, ...] = SIZES) -> tf.Tensor:
    """How well each candidate encloses outlines ([1], equation 3).

    A score is the edge strength inside a box minus that on its border, divided by half
    the box's perimeter to the power of 1.5.

    Args:
        images: float32 (batch, height, width, channels), sides in multiples of 16.
        sizes: Sides of boxes; see `candidates`.

    Returns:
        float32 (batch, count).
    """
    height, width = images.shape[1:3]
    boxes = candidates(height, width, sizes)
    # The sum over a rectangle follows from four entries of the table of all sums from
    # the upper left corner.
    table = tf.cumsum(tf.cumsum(edges(images), axis=1), axis=2)
    table = tf.reshape(
        tf.pad(table, [[0, 0], [1, 0], [1, 0]]), (-1, (height + 1) * (width + 1))
    )

    def sum_within(top, left, bottom, right):
        def corner(row, column):
            return tf.gather(table, row * (width + 1) + column, axis=1)

        ends = corner(bottom, right) + corner(top, left)
        return ends - corner(bottom, left) - corner(top, right)

    whole = sum_within(*boxes.T)
    inner = sum_within(*(boxes + [1, 1, -1, -1]).T)
    half_perimeter = (boxes[:, 2:] - boxes[:, :2]).sum(axis=1)
    return (inner - (whole - inner)) / half_perimeter.astype(np.float32) ** 1.5


def key_boxes(images, count: int, sizes: tuple[int, ...] = SIZES) -> tf.Tensor:
    """The boxes with the best scores that overlap by little, best first.

    Args:
        images: float32 (batch, height, width, channels), sides in multiples of 16.
        count: Number of boxes in each image.
        sizes: Sides of boxes; see `candidates`.

    Returns:
        int32 (batch, count, 4): top, left, bottom and right in pixels; bottom and right
        are exclusive.
    """
    boxes = candidates(*images.shape[1:3], sizes)
    is_apart = tf.constant(_overlaps(boxes) <= MAX_OVERLAP)
    remaining, chosen = scores(images, sizes), []
    for _ in range(count):
        best = tf.argmax(remaining, axis=1)
        chosen.append(tf.gather(boxes, best))
        remaining = tf.where(tf.gather(is_apart, best), remaining, -np.inf)
    return tf.stack(chosen, axis=1)


def _overlaps(boxes):
    """Intersection over union of all pairs of boxes, (count, count)."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    common = np.clip(high - low, 0, None).prod(axis=-1)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=-1)
    return common / (area[:, None] + area[None] - common)


def cut(images, boxes) -> tf.Tensor:
    """The parts of images inside boxes, each resized to the image's size.

    Args:
        images: float32 (batch, height, width, channels).
        boxes: int32 (batch, count, 4); see `key_boxes`.

    Returns:
        float32 (batch, count, height, width, channels).
    """
    height, width, channels = images.shape[1:]
    count = boxes.shape[1]
    # crop_and_resize takes the positions of corner pixels, 1 for the last one.
    corners = tf.cast(boxes - [0, 0, 1, 1], tf.float32)
    corners /= tf.constant([height - 1, width - 1] * 2, tf.float32)
    image_index = tf.repeat(tf.range(tf.shape(images)[0]), count)
    parts = tf.image.crop_and_resize(
        images, tf.reshape(corners, (-1, 4)), image_index, (height, width)
    )
    return tf.reshape(parts, (-1, count, height, width, channels))


def union(boxes, height: int, width: int) -> tf.Tensor:
    """A mask of the pixels that any box covers.

    Args:
        boxes: Boxes of each image, (batch, count, 4); see `key_boxes`.
        height: Height of the images.
        width: Width of the images.

    Returns:
        float32 (batch, height, width, 1): 1 inside a box, else 0.
    """
    boxes = tf.cast(boxes, tf.int32)[..., None]
    rows, columns = tf.range(height), tf.range(width)
    in_rows = (rows >= boxes[:, :, 0]) & (rows < boxes[:, :, 2])
    in_columns = (columns >= boxes[:, :, 1]) & (columns < boxes[:, :, 3])
    inside = tf.reduce_any(in_rows[..., :, None] & in_columns[..., None, :], axis=1)
    return tf.cast(inside, tf.float32)[..., None]
