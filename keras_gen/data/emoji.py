"""Emoji: 1,906 emoji in three styles, 64x64 pixels in colour on white.

Features: `image`; `label`, the category; `caption`, name and keywords; `domain`, the
style; `id`, the code points, which are equal for all drawings of an emoji, so that a
translation to another style can be compared with the true drawing. Emoji are split into
train and test by their id: all drawings of one are in the same split.
`files/README.md` states sources and licences; `tools/build_emoji.py` builds the files.
"""

import functools
import importlib.resources
import json

import numpy as np
import PIL.Image

from keras_gen.data.splits import select

STYLES = ("noto", "twemoji", "openmoji")
_SIDE = 64


def styles_of(text: str = "") -> tuple[str, ...]:
    """The styles that a text names, separated by commas; all for an empty text.

    >>> styles_of("noto,openmoji")
    ('noto', 'openmoji')

    Raises:
        ValueError: For an unknown style, or one that is named twice.
    """
    chosen = tuple(text.split(",")) if text else STYLES
    if not set(chosen) <= set(STYLES) or len(set(chosen)) < len(chosen):
        raise ValueError(f"Expected styles of {STYLES}, each once, got {text!r}.")
    return chosen


def categories() -> list[str]:
    """The names of the categories, by label."""
    return sorted({category for _, category, _, _ in _table()})


def load(
    split: str = "train", styles: tuple[str, ...] = STYLES, paired: bool = False
) -> dict[str, np.ndarray]:
    """All drawings of a split, those of the same emoji one after the other.

    Args:
        split: Name of a split, or a part of one, as for `keras_gen.data.load`.
        styles: Some of `STYLES`; `domain` is the index in this tuple.
        paired: Boolean, whether each row is one emoji, with `image` in the first style
            and `image_b` in the second; other styles and `domain` are left out.

    Returns:
        A dict of arrays with equal numbers of rows: image, uint8 (count, 64, 64, 3);
        label and domain, int64 (count,); caption and id, bytes (count,).
    """
    parts = {name: functools.partial(_rows, name) for name in ("train", "test")}
    rows = select(split, parts)
    images = [_sheet(style)[rows["index"]] for style in styles]
    features = {name: rows[name] for name in ("label", "caption", "id")}
    if paired:
        return {"image": images[0], "image_b": images[1], **features}
    count = len(rows["index"])
    return {
        "image": np.stack(images, axis=1).reshape(-1, _SIDE, _SIDE, 3),
        **{name: value.repeat(len(styles)) for name, value in features.items()},
        "domain": np.tile(np.arange(len(styles)), count),
    }


def _rows(split):
    """Features of the emoji of a split, and their indices on the sheets."""
    names = categories()
    rows = [
        (index, names.index(category), caption.encode(), code.encode())
        for index, (code, category, caption, is_test) in enumerate(_table())
        if is_test == (split == "test")
    ]
    columns = map(np.array, zip(*rows, strict=True))
    return dict(zip(("index", "label", "caption", "id"), columns, strict=True))


@functools.cache
def _table():
    return json.loads((_files() / "emoji.json").read_text("utf-8"))


@functools.cache
def _sheet(style):
    """The drawings of a style, uint8 (count, 64, 64, 3), in the order of the table."""
    with (_files() / f"emoji_{style}.webp").open("rb") as file:
        sheet = np.asarray(PIL.Image.open(file).convert("RGB"))
    height, width, _ = sheet.shape
    tiles = sheet.reshape(height // _SIDE, _SIDE, width // _SIDE, _SIDE, 3)
    return tiles.swapaxes(1, 2).reshape(-1, _SIDE, _SIDE, 3)


def _files():
    return importlib.resources.files("keras_gen.data") / "files"
