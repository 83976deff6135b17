"""Images: value ranges, grids and PNG files.

Images are float32 (batch, height, width, channels), in [-1, 1], everywhere in
keras_gen; here they become bytes and back.
"""

import io
import pathlib

import numpy as np
import PIL.Image
import tensorflow as tf

from keras_gen.files import write_aside


def from_uint8(images):
    """0..255 to float32 in [-1, 1]: -1 is 0 and 1 is 255."""
    return np.asarray(images, np.float32) / 127.5 - 1.0


def to_uint8(images):
    """[-1, 1] to the nearest of 0..255, values outside clipped."""
    images = np.asarray(images, np.float32)
    return np.clip(np.rint((images + 1.0) * 127.5), 0, 255).astype(np.uint8)


def binarize(images, seed):
    """Draws black or white for every pixel, its grey value the probability of white.

    Likelihoods of binary images are measured on one such draw with a fixed seed; in
    training every step has its own.

    Args:
        images: (batch, height, width, channels), in [-1, 1].
        seed: An int, of the whole array's noise: the same images in another order, or
            fewer of them, are other draws.

    Returns:
        float32 of the same shape, -1 or 1.

    Raises:
        ValueError: For values outside [-1, 1].
    """
    images = np.asarray(images, np.float32)
    if not (np.abs(images) <= 1.01).all():  # NaN compares false.
        raise ValueError("Expected images with values in [-1, 1].")
    uniform = np.random.default_rng(seed).random(images.shape, np.float32)
    return np.where(uniform < (images + 1) / 2, 1, -1).astype(np.float32)


def to_png_bytes(images):
    """`to_uint8`, then PNG, inside a graph: string (batch,)."""
    levels = tf.round((tf.cast(images, tf.float32) + 1.0) * 127.5)
    levels = tf.cast(tf.clip_by_value(levels, 0.0, 255.0), tf.uint8)
    return tf.io.encode_png(levels)


def grid(images, columns=None, gap=2):
    """Images side by side on white.

    Args:
        images: float32 (batch, height, width, 1 or 3), in [-1, 1].
        columns: Images in a row; None makes the grid as square as can be.
        gap: Pixels between images.

    Returns:
        uint8 (grid height, grid width, 1 or 3).
    """
    images = to_uint8(images)
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or not len(images):
        raise ValueError(
            "Expected images of shape (batch, height, width, 1 or 3), got "
            f"{images.shape}."
        )
    count, height, width, channels = images.shape
    columns = columns or int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    shape = (rows * (height + gap) - gap, columns * (width + gap) - gap, channels)
    canvas = np.full(shape, 255, np.uint8)
    for i, image in enumerate(images):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        canvas[top : top + height, left : left + width] = image
    return canvas


def save_grid(images, path, columns=None, scale=1):
    """Writes `grid(images)` as a PNG, each pixel `scale` times as large."""
    picture = png(grid(images, columns), scale)
    write_aside(path, lambda aside: pathlib.Path(aside).write_bytes(picture))


def png(canvas, scale=1):
    """A grid, uint8 (height, width, 1 or 3), as the bytes of a PNG file."""
    canvas = canvas.repeat(scale, axis=0).repeat(scale, axis=1)
    file = io.BytesIO()
    _picture(canvas).save(file, format="png")
    return file.getvalue()


def _picture(canvas):
    return PIL.Image.fromarray(canvas.squeeze(-1) if canvas.shape[-1] == 1 else canvas)


def save_animation(frames, path, columns=None, scale=1, milliseconds=80):
    """Writes a GIF that runs to and fro for ever, each frame a grid.

    Args:
        frames: float32 (frames, batch, height, width, 1 or 3), in [-1, 1].
        path: Of the file.
        columns: Images in a row of a frame; None makes it as square as can be.
        scale: Pixels of the GIF for one of an image, each way.
        milliseconds: That a frame stays.
    """
    pictures = [
        _picture(grid(images, columns).repeat(scale, axis=0).repeat(scale, axis=1))
        for images in frames
    ]
    first, *rest = pictures + pictures[-2:0:-1]
    options = {"append_images": rest, "duration": milliseconds, "loop": 0}
    write_aside(
        path, lambda aside: first.save(aside, format="gif", save_all=True, **options)
    )
