"""Emoji: 1,906 things, each drawn by three hands, 64x64 in colour on white.

Features: `image`; `label`, the category; `caption`, name and keywords; `domain`, the
style; `id`, the code points, the same for all drawings of a thing: what is translated
from one style to another has a truth to be compared with. Things are split into train
and test by their id, so that none stands in both. `files/README.md` states sources and
licences, `tools/build_emoji.py` builds the files.
"""

import functools
import importlib.resources
import json

import numpy as np
import PIL.Image

from keras_gen.data.splits import select

STYLES = ("noto", "twemoji", "openmoji")
_SIDE = 64


def styles_of(text=""):
    """The styles that "noto,openmoji" names; all of them for "".

    Raises:
        ValueError: For others, or one twice.
    """
    chosen = tuple(text.split(",")) if text else STYLES
    if not set(chosen) <= set(STYLES) or len(set(chosen)) < len(chosen):
        raise ValueError(f"Expected styles of {STYLES}, each once, got {text!r}.")
    return chosen


def categories():
    """The names of the categories, by label."""
    return sorted({category for _, category, _, _ in _table()})


def load(split="train", styles=STYLES, paired=False):
    """All drawings of a split's things, thing by thing.

    Args:
        split: See `keras_gen.data.load`.
        styles: Of `STYLES`; `domain` counts them as they stand here.
        paired: Whether a row is a thing, with its drawing in the second style as
            `image_b` beside that in the first; no other styles then, and no `domain`.

    Returns:
        A dict of arrays of as many rows: image, uint8 (count, 64, 64, 3); label and
        domain, int64; caption and id, bytes.
    """
    parts = {name: functools.partial(_rows, name) for name in ("train", "test")}
    things = select(split, parts)
    images = [_sheet(style)[things["place"]] for style in styles]
    features = {name: things[name] for name in ("label", "caption", "id")}
    if paired:
        return {"image": images[0], "image_b": images[1], **features}
    count = len(things["place"])
    return {
        "image": np.stack(images, axis=1).reshape(-1, _SIDE, _SIDE, 3),
        **{name: value.repeat(len(styles)) for name, value in features.items()},
        "domain": np.tile(np.arange(len(styles)), count),
    }


def _rows(split):
    """What is known of the things of a split, and their places on the sheets."""
    names = categories()
    rows = [
        (place, names.index(category), caption.encode(), code.encode())
        for place, (code, category, caption, is_test) in enumerate(_table())
        if is_test == (split == "test")
    ]
    columns = map(np.array, zip(*rows, strict=True))
    return dict(zip(("place", "label", "caption", "id"), columns, strict=True))


@functools.cache
def _table():
    return json.loads((_files() / "emoji.json").read_text("utf-8"))


@functools.cache
def _sheet(style):
    """The drawings of a style by place, uint8 (count, 64, 64, 3)."""
    with (_files() / f"emoji_{style}.webp").open("rb") as file:
        sheet = np.asarray(PIL.Image.open(file).convert("RGB"))
    height, width, _ = sheet.shape
    tiles = sheet.reshape(height // _SIDE, _SIDE, width // _SIDE, _SIDE, 3)
    return tiles.swapaxes(1, 2).reshape(-1, _SIDE, _SIDE, 3)


def _files():
    return importlib.resources.files("keras_gen.data") / "files"
