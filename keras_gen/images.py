"""Conversion of images to and from bytes, grids of images, PNG and GIF files.

Images are float32 (batch, height, width, channels), in [-1, 1], everywhere in
keras_gen.
"""

import io
import os
import pathlib

import numpy as np
import PIL.Image
import tensorflow as tf

from keras_gen.core.inputs import check_image_range
from keras_gen.files import write_aside


def from_uint8(images: np.ndarray) -> np.ndarray:
    """Converts images from 0..255 to float32 in [-1, 1].

    >>> from_uint8([0, 255]).tolist()
    [-1.0, 1.0]

    Args:
        images: Images of any shape, with values from 0 to 255.
    """
    return np.asarray(images, np.float32) / 127.5 - 1.0


def to_uint8(images: np.ndarray) -> np.ndarray:
    """Converts images from [-1, 1] to the nearest of 0..255, as uint8.

    >>> to_uint8([-1.0, 0.25, 1.0]).tolist()
    [0, 159, 255]

    Args:
        images: Images of any shape; values outside [-1, 1] are clipped.
    """
    images = np.asarray(images, np.float32)
    return np.clip(np.rint((images + 1.0) * 127.5), 0, 255).astype(np.uint8)


def binarize(images: np.ndarray, seed: int) -> np.ndarray:
    """Draws each pixel black or white, with its grey value as probability of white.

    Likelihoods of binary images are measured on one such draw with a fixed seed; in
    training, pixels are drawn again in every step.

    Args:
        images: Images (batch, height, width, channels), in [-1, 1].
        seed: Seed of the noise for the whole array: with another order or number of
            images, each image gets different noise.

    Returns:
        float32 of the same shape, with the values -1 and 1.

    Raises:
        ValueError: For values outside [-1, 1].
    """
    images = np.asarray(images, np.float32)
    check_image_range(images)
    uniform = np.random.default_rng(seed).random(images.shape, np.float32)
    return np.where(uniform < (images + 1) / 2, 1, -1).astype(np.float32)


def to_png_bytes(images: tf.Tensor) -> tf.Tensor:
    """Encodes images as PNG files inside a graph, with the levels of `to_uint8`.

    Args:
        images: Images (batch, height, width, 1 to 4), in [-1, 1].

    Returns:
        string (batch,).
    """
    levels = tf.round((tf.cast(images, tf.float32) + 1.0) * 127.5)
    levels = tf.cast(tf.clip_by_value(levels, 0.0, 255.0), tf.uint8)
    return tf.io.encode_png(levels)


def grid(images: np.ndarray, columns: int | None = None, gap: int = 2) -> np.ndarray:
    """Arranges images in a grid on a white background.

    >>> grid(np.zeros((6, 8, 8, 1)), columns=3).shape
    (18, 28, 1)

    Args:
        images: Images (batch, height, width, 1, 3 or 4), in [-1, 1].
        columns: Number of images in a row; None makes the grid nearly square.
        gap: Number of pixels between images.

    Returns:
        uint8 (grid height, grid width, 1, 3 or 4).

    Raises:
        ValueError: For images of another shape, or no images.
    """
    images = to_uint8(images)
    if images.ndim != 4 or images.shape[-1] not in (1, 3, 4) or not len(images):
        raise ValueError(
            "Expected images of shape (batch, height, width, 1, 3 or 4), got "
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


def is_photo(image_shape: tuple[int, int, int]) -> bool:
    """Whether images of a shape are likely to be photos: in colour, or large.

    >>> is_photo((28, 28, 1)), is_photo((32, 32, 3)), is_photo((64, 64, 1))
    (False, True, True)

    Args:
        image_shape: (height, width, channels); photos have several channels, or a side
            above 32 pixels.
    """
    height, width, channels = image_shape
    return channels > 1 or max(height, width) > 32


def save_grid(
    images: np.ndarray,
    path: str | os.PathLike,
    columns: int | None = None,
    scale: int = 1,
) -> None:
    """Writes a grid of images as a PNG file.

    >>> save_grid(np.zeros((6, 8, 8, 1)), "grid.png", scale=2)
    >>> with PIL.Image.open("grid.png") as picture:
    ...     picture.size
    (56, 36)

    Args:
        images: Images (batch, height, width, 1, 3 or 4), in [-1, 1].
        path: Path of the file.
        columns: Number of images in a row; None makes the grid nearly square.
        scale: Pixels of the file for each pixel of an image, in both directions.
    """
    content = png(grid(images, columns), scale)
    write_aside(path, lambda aside: pathlib.Path(aside).write_bytes(content))


def png(canvas: np.ndarray, scale: int = 1) -> bytes:
    """Encodes one image as a PNG file.

    Args:
        canvas: Image, uint8 (height, width, 1, 3 or 4), from `grid` for example.
        scale: Pixels of the file for each pixel of the image, in both directions.
    """
    canvas = canvas.repeat(scale, axis=0).repeat(scale, axis=1)
    file = io.BytesIO()
    _picture(canvas).save(file, format="png")
    return file.getvalue()


def _picture(canvas):
    return PIL.Image.fromarray(canvas.squeeze(-1) if canvas.shape[-1] == 1 else canvas)


def show(
    images: np.ndarray,
    title: str = "",
    columns: int | None = None,
    inches: float = 8.0,
) -> None:
    """Shows a grid of images, in a notebook or in a window, by matplotlib.

    Args:
        images: Images (batch, height, width, 1, 3 or 4), in [-1, 1].
        title: Text above the grid.
        columns: Number of images in a row; None makes the grid nearly square.
        inches: Width of the figure, in inches.

    Raises:
        ValueError: For images of another shape, or no images.
    """
    from matplotlib import pyplot  # It chooses a backend when it is imported.

    canvas = grid(images, columns)
    height, width = canvas.shape[:2]
    size = inches, inches * height / width + 0.4 * bool(title)
    figure, axes = pyplot.subplots(figsize=size, layout="constrained")
    axes.imshow(canvas, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set_axis_off()
    axes.set_title(title)
    pyplot.show()


def save_animation(
    frames: np.ndarray,
    path: str | os.PathLike,
    columns: int | None = None,
    scale: int = 1,
    milliseconds: int = 80,
    returns: bool = True,
) -> None:
    """Writes an animated GIF that plays in an endless loop.

    Args:
        frames: Images of each frame, (frames, batch, height, width, 1 or 3), in
            [-1, 1]; a frame is a grid of them.
        path: Path of the file.
        columns: Number of images in a row of a frame; None makes frames nearly square.
        scale: Pixels of the file for each pixel of an image, in both directions.
        milliseconds: Duration of each frame.
        returns: Boolean, whether it plays forwards and backwards; else the last frame
            is shown for two seconds before the first.
    """
    pictures = [
        _picture(grid(images, columns).repeat(scale, axis=0).repeat(scale, axis=1))
        for images in frames
    ]
    first, *rest = pictures + pictures[-2:0:-1] if returns else pictures
    durations = [milliseconds] * len(rest) + [milliseconds if returns else 2000]
    options = {"append_images": rest, "duration": durations, "loop": 0}
    write_aside(
        path, lambda aside: first.save(aside, format="gif", save_all=True, **options)
    )
