"""Grids of images with a line of text under each."""

import functools
import importlib.resources
import io
import pathlib
from collections.abc import Sequence

import keras_gen

TEXT_HEIGHT = 16  # Pixels of a line, with letters of 11 pixels.
GAP = 4  # Pixels between cells.


def save_labelled(
    images: Sequence,
    texts: Sequence[str],
    path: pathlib.Path,
    columns: int,
    scale: int | None = None,
) -> None:
    """Writes images in a grid, each above its text, as a PNG file.

    Args:
        images: Images of one size (height, width, 1, 3 or 4), in [-1, 1].
        texts: Text of each image, which is cut where it is wider than the image; ""
            for none.
        path: Path of the file.
        columns: Number of images in a row.
        scale: Pixels of the file for each pixel of an image; None makes images about
            128 pixels wide.
    """
    import numpy as np
    import PIL.Image
    import PIL.ImageDraw

    pixels = keras_gen.images.to_uint8(np.stack(images))
    count, height, width, _ = pixels.shape
    scale = scale or max(1, 128 // width)
    height, width = height * scale, width * scale
    line = TEXT_HEIGHT if any(texts) else 0
    rows = -(-count // columns)
    size = (columns * (width + GAP) - GAP, rows * (height + line + GAP) - GAP)
    canvas = PIL.Image.new("RGB", size, "white")
    pen = PIL.ImageDraw.Draw(canvas)
    for i, (array, text) in enumerate(zip(pixels, texts, strict=True)):
        left, top = i % columns * (width + GAP), i // columns * (height + line + GAP)
        picture = PIL.Image.fromarray(
            array.squeeze(-1) if array.shape[-1] == 1 else array
        )
        picture = picture.resize((width, height), PIL.Image.Resampling.NEAREST)
        mask = picture if picture.mode == "RGBA" else None
        canvas.paste(picture, (left, top), mask)
        if text:
            pen.text((left, top + height), _fitting(text, width), "black", font=_font())
    content = io.BytesIO()
    canvas.save(content, format="png")
    keras_gen.files.write_aside(
        path, lambda aside: pathlib.Path(aside).write_bytes(content.getvalue())
    )


def _fitting(text, width):
    """As much of a text as fits, with dots in place of its end."""
    if _font().getlength(text) <= width:
        return text
    while text and _font().getlength(f"{text}...") > width:
        text = text[:-1]
    return f"{text.rstrip()}..."


@functools.cache
def _font():
    """DejaVu Sans, which matplotlib brings, with the letters of many scripts."""
    import PIL.ImageFont

    folder = importlib.resources.files("matplotlib") / "mpl-data" / "fonts" / "ttf"
    return PIL.ImageFont.truetype(str(folder / "DejaVuSans.ttf"), 11)
