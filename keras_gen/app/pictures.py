"""Pictures: those that users give, and those that the page shows."""

import base64
import html
import math
import pathlib
import warnings
from collections.abc import Sequence

import numpy as np
import PIL.Image

from keras_gen import data, images
from keras_gen.cli.rows import HALVES
from keras_gen.data.summary import cropped

PAINTED = "what is not painted"
KEPT = (PAINTED, *HALVES)
WIDEST = 512  # Pixels of a picture that is painted on.


def prepare(path: str, shape: tuple[int, int, int]) -> tuple[np.ndarray, str]:
    """A picture with the size and the colours that a model takes.

    Args:
        path: Path of an image file.
        shape: Shape that the model takes, (height, width, 1 or 3).

    Returns:
        uint8 of that shape, and a sentence on what was done to the picture.

    Raises:
        ValueError: For a file that is no picture.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)
            with PIL.Image.open(path) as picture:
                picture.verify()
    except (OSError, SyntaxError, ValueError, Warning) as error:
        raise ValueError(
            f"Expected a picture, such as a JPEG or PNG file, got "
            f"{pathlib.Path(path).name!r}, which cannot be read."
        ) from error
    options = {"image_shape": None if None in shape else shape, "test_fraction": 0.0}
    about = data.describe([path], "all", **options)
    batches = data.load([path], "all", shuffle=False, **options)
    prepared = next(iter(batches))["image"].numpy()[0]
    return images.to_uint8(prepared), _told(about, prepared.shape)


def _told(about, shape):
    """A sentence on what is done to a picture."""
    height, width, channels = shape
    size = about.sizes[0]
    done = []
    if cropped(size, (width, height)) != size:
        kept = "x".join(map(str, cropped(size, (width, height))))
        done.append(f"is cropped around its centre to {kept}")
    if cropped(size, (width, height)) != (width, height):
        done.append(f"is resized to {width}x{height}")
    if channels == 1 and "colour" in about.kinds:
        done.append("becomes grey")
    if channels != 4 and "transparent" in about.kinds:
        done.append("becomes white where it is transparent")
    if "animated" in about.kinds:
        done.append("gives its first frame")
    words = ", ".join(done[:-1]) + " and " * (len(done) > 1) + "".join(done[-1:])
    return f"Your picture of {size[0]}x{size[1]} {words or 'is used as it is'}."


def enlarged(pixels: np.ndarray) -> np.ndarray:
    """A picture in RGB whose pixels are large enough to be painted on."""
    scale = max(1, WIDEST // max(pixels.shape[:2]))
    colour = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
    return colour.repeat(scale, axis=0).repeat(scale, axis=1)


def mask_of(kept: str, layers: Sequence[np.ndarray], shape: tuple) -> np.ndarray:
    """A mask, float32 of a shape: 1 for pixels that are kept, 0 for the others.

    Args:
        kept: One of `KEPT`.
        layers: What was painted, RGBA uint8 (height, width, 4) of any size.
        shape: Shape of the mask.

    Raises:
        ValueError: If nothing is painted that could be filled.
    """
    height, width = shape[:2]
    mask = np.ones(shape, np.float32)
    if kept != PAINTED:
        halves = {
            "upper": np.s_[height // 2 :],
            "lower": np.s_[: height // 2],
            "left": np.s_[:, width // 2 :],
            "right": np.s_[:, : width // 2],
        }
        mask[halves[kept]] = 0.0
        return mask
    for layer in layers:
        alpha = PIL.Image.fromarray(layer[..., -1]).resize(
            (width, height), PIL.Image.Resampling.BOX
        )
        mask[np.asarray(alpha) > 127] = 0.0
    if mask.all():
        raise ValueError("Expected pixels that are painted over, got none.")
    return mask


# What the page shows.


def address_of(image: np.ndarray) -> str:
    """An image in [-1, 1] as the address of a picture for a page."""
    pixels = images.to_uint8(image)
    if pixels.ndim == 3 and pixels.shape[-1] not in (1, 3, 4):
        pixels = pixels[..., :1]
    return address_of_file(images.png(pixels))


def address_of_file(content: bytes, kind: str = "png") -> str:
    """The contents of a picture's file as an address for a page."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def gallery(
    shown: Sequence[np.ndarray],
    texts: Sequence[str],
    what: str,
    columns: int | None = None,
) -> str:
    """A table of images for a page, each above its text.

    Args:
        shown: Images (height, width, channels), in [-1, 1].
        texts: Text under each image; "" for none.
        what: Noun for the images, from which alternative texts are made.
        columns: Number of images in a row; None makes the table nearly square.
    """
    columns = columns or math.ceil(math.sqrt(len(shown)))
    cells = []
    for i, (image, text) in enumerate(zip(shown, texts, strict=True), start=1):
        words = html.escape(text)
        alternative = f"{html.escape(what)} {i} of {len(shown)}"
        alternative += f": {words}" if words else ""
        caption = f"<figcaption>{words}</figcaption>" if words else ""
        cells.append(
            f'<figure><img src="{address_of(image)}" alt="{alternative}">'
            f"{caption}</figure>"
        )
    width = max(image.shape[1] for image in shown)
    side = min(192, max(96, 2 * width)) if len(shown) > 1 else 256
    style = f"--columns: {columns}; --side: {side}px"
    return f'<div class="gallery" style="{style}">{"".join(cells)}</div>'


def bars(names: Sequence[str], shares: np.ndarray, title: str) -> str:
    """Probabilities as bars, the largest first.

    Args:
        names: Name of each class.
        shares: Probability of each class, (classes,).
        title: Text above the bars.
    """
    lines = []
    for i in np.argsort(-shares, kind="stable")[:10]:
        share = float(shares[i])
        lines.append(
            f"<tr><th scope=row>{html.escape(names[i])}</th><td>"
            f'<meter min=0 max=1 value="{share:.4f}">{share:.3f}</meter></td>'
            f"<td>{share:.3f}</td></tr>"
        )
    caption = f"<caption>{html.escape(title)}</caption>" if title else ""
    return f'<table class="bars">{caption}{"".join(lines)}</table>'


def numbers(row: np.ndarray, title: str) -> str:
    """The numbers of a row as text, those of long rows cut.

    Args:
        row: Numbers of any shape.
        title: Text above the numbers.
    """
    flat = np.ravel(row)
    words = ", ".join(f"{value:.4g}" for value in flat[:64])
    rest = f", … ({flat.size} numbers)" if flat.size > 64 else ""
    return f'<p class="numbers"><b>{html.escape(title)}</b> {words}{rest}</p>'


def problem(text: str) -> str:
    """A sentence on what went wrong."""
    return f'<p class="problem" role="alert">{html.escape(text)}</p>'


def note(text: str) -> str:
    """A sentence that explains."""
    return f'<p class="note">{html.escape(text)}</p>'
