"""Outcomes: what a call or several gave, as a page shows it and as code makes it."""

import dataclasses
import io
from collections.abc import Callable, Mapping

import numpy as np
import PIL.Image

from keras_gen import images
from keras_gen.app import pictures, snippets
from keras_gen.app.calls import Call, call_of
from keras_gen.app.source import Offer, Source, spoken
from keras_gen.core.inputs import IMAGE, IMAGES, MASK

WIDTH = 128  # Pixels of the file for an image, about.
BARS = "probabilities"  # Outputs that are shown as bars.


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What is shown of a call.

    Attributes:
        html: What the page shows.
        name: Name of the file with the result.
        content: Contents of that file: a PNG of all images, or a `.npy` file.
        python: Python program that writes the same file, or prints the same numbers.
        curl: Command that asks a server for the same, or a comment.
        files: Contents of the files that these read, by name.
        frames: Pictures for a page, of which a slider shows one; empty for no slider.
    """

    html: str
    name: str
    content: bytes
    python: str
    curl: str
    files: dict[str, bytes] = dataclasses.field(default_factory=dict)
    frames: tuple[str, ...] = ()


def of_offer(
    source: Source,
    offer: Offer,
    given: Mapping,
    n: int | None = None,
    options: Mapping | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> Outcome:
    """The outcome of an ability.

    Args:
        source: The model.
        offer: What it does.
        given: Values of the form by name.
        n: Number of rows to draw.
        options: Values of options by name.
        progress: Function that gets the share that is done.

    Raises:
        ValueError: For values that do not fit.
        OSError: If a server does not answer.
    """
    call = call_of(offer, given, n, options or {})
    answer = call.run(source, progress)
    shown = as_images(offer, answer)
    if shown is None:
        return _of_numbers(source, call, answer)
    return _of_images(source, call, answer, shown)


def as_images(offer: Offer, answer: np.ndarray) -> np.ndarray | None:
    """All images of an answer, (count, height, width, channels); None without any."""
    is_mask = offer.output == "masks"
    entry = offer.inputs.get(offer.output)
    is_image = offer.output in (IMAGES, "parts") or (entry and entry.role == IMAGE)
    if answer.ndim not in (4, 5) or not (is_image or is_mask):
        return None
    flat = answer.reshape(-1, *answer.shape[-3:])
    if flat.shape[-1] not in (1, 3, 4):
        return None
    return 2 * flat - 1 if is_mask else flat


def scale_of(shown: np.ndarray) -> int:
    """Pixels of a file for each pixel of an image."""
    return max(1, WIDTH // shown.shape[2])


def grid_of(shown: np.ndarray, columns: int | None = None) -> bytes:
    """The contents of a PNG file with all images."""
    return images.png(images.grid(shown, columns), scale_of(shown))


def saving(name: str, shown: np.ndarray, columns: int | None, what: str) -> str:
    """The line of Python that writes the file of `grid_of`."""
    words = (
        [what, f'"{name}"', f"columns={columns}"] if columns else [what, f'"{name}"']
    )
    return f"keras_gen.images.save_grid({', '.join(words)}, scale={scale_of(shown)})"


def _of_images(source, call, answer, shown):
    name = f"{call.offer.name}.png"
    what = "answer"
    if call.offer.output == "masks":
        what = "2 * answer - 1"
    if answer.ndim == 5:
        what = f"({what}).reshape(-1, *answer.shape[2:])"
    each = len(shown) // call.count
    texts = [text for text in call.texts(source) for _ in range(each)]
    columns = each if each > 1 else None
    return Outcome(
        pictures.gallery(shown, texts, f"{spoken(call.offer.name)}:", columns),
        name,
        grid_of(shown, columns),
        snippets.python(source, call, saving(name, shown, columns, what)),
        snippets.curl(source, call),
        files_of(call),
    )


def _of_numbers(source, call, answer):
    file = io.BytesIO()
    np.save(file, answer)
    titles = [text or f"{spoken(call.offer.output)}:" for text in call.texts(source)]
    if call.offer.output == BARS and answer.ndim == 2:
        names = source.names_of(answer.shape[1]) or range(answer.shape[1])
        parts = [
            pictures.bars(list(map(str, names)), row, title)
            for row, title in zip(answer, titles, strict=True)
        ]
    else:
        parts = [
            pictures.numbers(row, t) for row, t in zip(answer, titles, strict=True)
        ]
    return Outcome(
        "".join(parts),
        f"{call.offer.name}.npy",
        file.getvalue(),
        snippets.python(source, call, "print(answer.tolist())"),
        snippets.curl(source, call),
        files_of(call),
    )


def files_of(call: Call) -> dict[str, bytes]:
    """Contents of the files that the code of a call reads, by name."""
    found = {}
    for name, value in call.values.items():
        entry = call.entry(name)
        if entry.role == MASK:
            found[f"{name}.png"] = _png(np.uint8(255 * value[..., 0]))
        elif entry.role == IMAGE and len(entry.shape) == 4:
            found |= {f"{name}-{i}.png": _png(part) for i, part in enumerate(value)}
        elif entry.role == IMAGE:
            found[f"{name}.png"] = _png(value)
    return found


def _png(pixels):
    file = io.BytesIO()
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    PIL.Image.fromarray(pixels).save(file, format="png")
    return file.getvalue()
