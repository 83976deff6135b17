"""Builds the emoji data set from public npm packages: keras_gen/data/files/emoji*.

The tool writes one sheet of 64x64 drawings on white for each style, as lossless WebP,
and emoji.json, which describes the drawings in their order, which is the same in all
sheets. It needs npm, and resvg to draw SVGs:

.venv/bin/pip install resvg_py==0.5.0
.venv/bin/python tools/build_emoji.py

1. emoji-datasource-google, emoji-datasource-twitter: Noto and Twemoji, 64x64 PNG.
2. openmoji: SVG, 72x72 with a margin of 4, which is removed.
3. emojibase-data: names and keywords, from Unicode's CLDR.
"""

import functools
import hashlib
import io
import json
import pathlib
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Callable

import numpy as np
import PIL.Image
import resvg_py

PACKAGES = {
    "noto": "emoji-datasource-google@16.0.0",
    "twemoji": "emoji-datasource-twitter@16.0.0",
    "openmoji": "openmoji@17.0.0",
    "names": "emojibase-data@17.0.0",
}
FILES = pathlib.Path(__file__).parents[1] / "keras_gen" / "data" / "files"
SIDE = 64
COLUMNS = 44
TEST_SHARE = 0.1


def fetch(package: str, folder: str) -> dict[str, bytes]:
    """The files of an npm package by path, from the registry that npm is set to."""
    packed = subprocess.run(
        ["npm", "pack", "--silent", package],
        cwd=folder,
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split()[-1]
    wanted = re.compile(r"/64/|color/svg/|^package/emoji.json|/en/data.json")
    with tarfile.open(pathlib.Path(folder) / packed) as archive:
        return {
            member.name.removeprefix("package/"): archive.extractfile(member).read()
            for member in archive
            if member.isfile() and wanted.search(member.name)
        }


def on_white(picture: bytes) -> np.ndarray:
    """A picture on white, as RGB, uint8 (64, 64, 3)."""
    picture = PIL.Image.open(io.BytesIO(picture)).convert("RGBA")
    if picture.size != (SIDE, SIDE):
        raise ValueError(f"Expected pictures of {SIDE}x{SIDE}, got {picture.size}.")
    white = PIL.Image.new("RGBA", picture.size, "white")
    white.alpha_composite(picture)
    return np.asarray(white.convert("RGB"))


def draw_svg(text: str) -> bytes:
    """A PNG of one of OpenMoji's SVGs without the margin, at 1 pixel per unit."""
    text, count = re.subn(r'viewBox="0 0 72 72"', 'viewBox="4 4 64 64"', text)
    if count != 1:
        raise ValueError("Expected an SVG of 72x72.")
    return bytes(resvg_py.svg_to_bytes(svg_string=text, width=SIDE, height=SIDE))


def bare(code: str) -> str:
    """A sequence of code points without variation selectors, which request colour."""
    return code.upper().replace("-FE0F", "")


def test_split(code: str) -> bool:
    """Whether an emoji is a test image, which depends only on its code points."""
    digest = hashlib.sha256(code.encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 < TEST_SHARE


def pictures_of(files: dict[str, dict[str, bytes]]) -> dict[str, Callable]:
    """For each style, a function from an entry of emoji-datasource to its picture.

    The functions return None if the style has no picture.
    """

    def stored(style, folder, entry):
        path = f"img/{folder}/64/{entry['image']}"
        return on_white(files[style][path]) if path in files[style] else None

    svgs = {
        bare(pathlib.Path(path).stem): text
        for path, text in files["openmoji"].items()
        if "color/svg/" in path
    }

    def drawn(entry):
        text = svgs.get(bare(entry["unified"]))
        return None if text is None else on_white(draw_svg(text.decode()))

    return {
        "noto": functools.partial(stored, "noto", "google"),
        "twemoji": functools.partial(stored, "twemoji", "twitter"),
        "openmoji": drawn,
    }


def caption_of(named: dict) -> str:
    """Name and keywords of an emoji: "nerd face: brainy, clever, expert"."""
    name = named["label"]
    tags = [tag for tag in named.get("tags", ()) if tag != name]
    return f"{name}: {', '.join(tags)}" if tags else name


def main() -> None:
    """Writes the sheets and emoji.json."""
    with tempfile.TemporaryDirectory() as folder:
        files = {key: fetch(package, folder) for key, package in PACKAGES.items()}
    entries = json.loads(files["noto"]["emoji.json"])
    names = {bare(e["hexcode"]): e for e in json.loads(files["names"]["en/data.json"])}
    drawers = pictures_of(files)
    sheets, found = {style: [] for style in drawers}, []
    for entry in sorted(entries, key=lambda e: e["sort_order"]):
        named = names.get(bare(entry["unified"]))
        # Components are swatches of skin colours and hair styles.
        if entry["category"] == "Component" or named is None:
            continue
        drawings = {s: draw(entry) for s, draw in drawers.items()}
        if any(drawing is None for drawing in drawings.values()):
            continue
        code = entry["unified"].lower()
        found.append([code, entry["category"], caption_of(named), test_split(code)])
        for style, drawing in drawings.items():
            sheets[style].append(drawing)
    for style, drawings in sheets.items():
        write_sheet(FILES / f"emoji_{style}.webp", drawings)
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in found)
    (FILES / "emoji.json").write_text(f"[\n{lines}\n]\n", "utf-8")
    tests = sum(row[-1] for row in found)
    print(f"{len(found)} emoji in {len(sheets)} styles, {tests} of them test images.")


def write_sheet(path: pathlib.Path, drawings: list[np.ndarray]) -> None:
    """Writes drawings side by side, row by row, as lossless WebP."""
    rows = -(-len(drawings) // COLUMNS)
    canvas = np.full((rows * COLUMNS, SIDE, SIDE, 3), 255, np.uint8)
    canvas[: len(drawings)] = drawings
    canvas = canvas.reshape(rows, COLUMNS, SIDE, SIDE, 3).swapaxes(1, 2)
    sheet = PIL.Image.fromarray(canvas.reshape(rows * SIDE, COLUMNS * SIDE, 3))
    sheet.save(path, lossless=True, quality=100, method=6)


if __name__ == "__main__":
    main()
