"""Image files as arrays of bytes; see `decode` for what is done with each kind of file.

Pillow reads every file. Only `keras_gen.data.pipeline` then sets size and colour.
"""

import os

import numpy as np
import PIL.Image
import PIL.ImageOps

SUFFIXES = frozenset(
    ".avif .bmp .gif .jfif .jpe .jpeg .jpg .pbm .pgm .png .ppm .tif .tiff .webp".split()
)


def decode(path: str | os.PathLike) -> np.ndarray:
    """Reads an image: uint8 (height, width, channels).

    - The image is rotated by its EXIF orientation. Colour profiles are ignored.
    - Of animated files and of files with several pages, it is the first frame.
    - Palettes and CMYK become RGB; transparent files keep an alpha channel.
    - 16-bit greys are divided by 257. 16-bit colours lose their lower bytes.
    - Whole numbers of 32 bits are taken for 16-bit greys.
    - Floats count from 0 (black) to 1 (white).

    Args:
        path: Path of a file.

    Returns:
        The image with 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGBA) channels.

    Raises:
        ValueError: If the file cannot be read to its end, or has values outside of the
            ranges above; the message names it.
    """
    try:
        # A path would be mapped into memory, in which Pillow 12 and 13 scramble rotated
        # TIFF files.
        with open(path, "rb") as file, PIL.Image.open(file) as image:
            return _bytes(PIL.ImageOps.exif_transpose(image))
    except Exception as error:  # Decoders of damaged files raise many kinds of errors.
        raise ValueError(f"The image {path} cannot be read: {error}") from error


def _bytes(image):
    """The pixels of an image of any mode."""
    if image.mode == "F":
        return _grey(np.asarray(image), 1)
    if image.mode.startswith("I"):
        grey = _grey(np.asarray(image), 65535)
        clear = image.info.get("transparency")
        if not isinstance(clear, int):
            return grey
        alpha = np.where(np.asarray(image) == clear, 0, 255).astype(np.uint8)
        return np.concatenate([grey, alpha[..., None]], axis=-1)
    is_grey = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        image = image.convert("LA" if is_grey else "RGBA")
    else:
        image = image.convert("L" if is_grey else "RGB")
    array = np.asarray(image)
    return array[..., None] if array.ndim == 2 else array


def _grey(values, white):
    """Greys from 0 to `white` as uint8 (height, width, 1)."""
    # NaN compares false.
    if not (values.min() >= 0 and values.max() <= white):
        raise ValueError(
            f"its values go from {values.min():g} to {values.max():g}, where 0 is "
            f"black and {white} is white"
        )
    return np.rint(values * (255.0 / white)).astype(np.uint8)[..., None]
