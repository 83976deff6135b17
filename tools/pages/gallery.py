"""The gallery, made from the cards in zoo/ and the docstrings of the models.

A page a model, an overview of all models, and a page on which all pictures that were
drawn from the same data stand side by side. Nothing here is written for one model.
"""

import dataclasses
import functools
import html
import json
import pathlib
import re

import links
import PIL.Image

from keras_gen import index, zoo
from keras_gen.hub import readme

ROOT = links.ROOT
# What the pictures of a card show, by the name of the file; for samples.png it follows
# from the model's abilities. {what} is the model, {data} its data.
CAPTIONS = {
    "activations": "How often the hidden units of {what} are active, {data}",
    "completions": "Images of which {what} completed the lower half, {data}",
    "filters": "Filters of the hidden units of {what}, {data}",
    "growth": "Samples of {what} while it grows, {data}",
    "mixing": "Styles of two images mixed by {what}, {data}: the first row and the "
    "first column are the sources",
    "noise": "Noise that becomes samples of {what}, {data}",
    "plane": "Codes of test images in the plane, and samples of the prior of {what}, "
    "{data}",
    "traversal": "Samples of {what}, {data}, as one code after the other changes",
}
# What samples.png shows for models with one of these abilities; the first counts.
SAMPLES = {
    "sample": "Samples of {what}, {data}",
    "translate": "Images and their translations by {what}, {data}",
    "assemble": "Parts and the images that {what} assembles from them, {data}",
    "denoise": "Images with noise, each above what {what} makes of it, {data}",
    "reconstruct": "Images, each above its reconstruction by {what}, {data}",
}
OTHER = "A picture of {what}, {data}"
# The order of data sets on the page that compares pictures.
DATA = ("faces", "emoji", "mnist")
WIDTH = 560  # Pixels, up to which a picture is enlarged by a whole factor.


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture of a card.

    Attributes:
        preset: Name of the model.
        weights: Name of the weights.
        data: Name of the data set.
        path: Path of the file in the repository.
        alt: Text in place of the picture.
    """

    preset: str
    weights: str
    data: str
    path: str
    alt: str

    def figure(self, page: str, pages: pathlib.Path, caption: str | None = None) -> str:
        """The picture in HTML, copied to the site, with a caption.

        Args:
            page: Path of the page within the site.
            pages: Folder of the site's pages.
            caption: Caption in HTML; None is the alternative text.
        """
        address = links.relative(links.copied(self.path, pages), page)
        with PIL.Image.open(ROOT / self.path) as image:
            width, height = image.size
        scale = max(1, WIDTH // width)
        return (
            f'<figure class="kg-picture"><a href="{address}">'
            f'<img src="{address}" alt="{html.escape(self.alt)}" loading="lazy" '
            f'width="{scale * width}" height="{scale * height}"></a>'
            f"<figcaption>{caption or html.escape(self.alt)}.</figcaption></figure>"
        )


def write(pages: pathlib.Path) -> dict[str, list[str]]:
    """Writes the pages of the gallery.

    Args:
        pages: Folder of the site's pages.

    Returns:
        The models' pages by family, for the navigation.
    """
    (pages / "gallery").mkdir(parents=True)
    families = {}
    for entry in sorted(index.own_entries(), key=lambda entry: entry.preset or ""):
        if entry.preset is None:
            continue
        page = f"gallery/{entry.preset}.md"
        (pages / page).write_text(_model_page(entry, page, pages), "utf-8")
        families.setdefault(_family(entry.module), []).append(entry)
    order = sorted(families, key=str.lower)
    families = {family: families[family] for family in order}
    _write_overview(families, pages)
    _write_comparison(pages)
    return {
        family: [f"gallery/{entry.preset}.md" for entry in entries]
        for family, entries in families.items()
    }


def _family(module):
    """The heading of a model's family: the name of its package in words."""
    words = module.split(".")[-2].replace("_", " ")
    return words[0].upper() + words[1:]


# A page a model.


def _model_page(entry, page, pages):
    described = zoo.card(entry.preset)
    parts = [f"# {entry.preset}", f"**{entry.summary}**"]
    names = sorted(described["weights"], key=lambda n: _rank(_data(entry.preset, n)))
    shown = {name: pictures(entry.preset, name) for name in names}
    first = next((found[0] for found in shown.values() if found), None)
    if first is not None:
        parts.append(first.figure(page, pages))
    parts += ["## Idea", _numbered(described["description"])]
    abilities = ", ".join(f"`{name}`" for name in described["abilities"])
    parts.append(f"Abilities: {abilities}.")
    parts.append(f"```bash\nkeras-gen show {entry.preset}\n```")
    if not shown:
        parts += ["## Weights", "No weights ship yet. To train the model:"]
        parts.append(f"```bash\nkeras-gen train {entry.preset} --data photos\n```")
    for name, found in shown.items():
        rest = [p.figure(page, pages) for p in found if p != first]
        parts += [f"## Weights: {name}", *rest, *_weights(described, name)]
    parts += [
        "## Code",
        f"[{entry.module.rpartition('.')[2]}.py on GitHub]"
        f"({links.source(entry.module.replace('.', '/') + '.py')})",
        f"::: keras_gen.models.{entry.name}\n    options:\n      show_source: true",
    ]
    return "\n\n".join(parts) + "\n"


def _numbered(text):
    """A docstring whose list of sources is a list; citations are no links."""
    return text.replace("][", "]\\[")


def _weights(described, name):
    """What a page says of weights: commands, figures, training, licence, notes."""
    preset = described["preset"]
    card = cards()[preset, name]
    python, commands = examples(described, card, name)
    again = card.get("figures_again") or (
        f"keras-gen evaluate {preset} --weights {name}" if card.get("figures") else ""
    )
    parts = [
        f"```python\n{python}\n```",
        "```bash\n" + "\n".join(commands) + "\n```",
        *map(_lower, readme.figures(card, again)),
        *map(_lower, readme.training(card)),
    ]
    notes = ROOT / "zoo" / preset / "NOTES.md"
    if card.get("notes"):
        parts.append(str(card["notes"]))
    if notes.exists():
        parts.append(f"[What was tried]({links.source(f'zoo/{preset}/NOTES.md')})")
    return parts


def _lower(part):
    """A part of a text, whose heading is lower in a page of the gallery."""
    part = re.sub(r"\A### (.*)", r"**\1**", part)
    return re.sub(r"\A## ", "### ", part)


def examples(described: dict, card: dict, weights: str) -> tuple[str, list[str]]:
    """Code that uses weights which ship, and commands that do the same.

    Args:
        described: Description of the model, from `keras_gen.zoo.card(name)`.
        card: The card of the weights.
        weights: Name of the weights.
    """
    preset, abilities = described["preset"], described["abilities"]
    load = f'"{preset}", weights="{weights}"'
    commands = [
        f"keras-gen export {preset}:{weights} --to serving",
        f"keras-gen reproduce {preset}:{weights}",
    ]
    if "sample" in abilities:
        python = readme.SAMPLING.format(load=load)
        first = f"keras-gen sample {preset} --weights {weights} -n 64 -o samples.png"
        return python, [first, *commands]
    model = zoo.load(preset, **card["configuration"])  # Without its weights.
    first = f"keras-gen run {preset} --weights {weights}"
    return readme.python_example(card, model, load), [first, *commands]


# All pictures.


@functools.cache
def cards() -> dict[tuple[str, str], dict]:
    """The cards in zoo/ by model and weights."""
    return {
        path.parts[-3:-1]: json.loads(path.read_text("utf-8"))
        for path in sorted((ROOT / "zoo").glob("*/*/card.json"))
    }


def pictures(preset: str, weights: str) -> list[Picture]:
    """The pictures of a card, samples first.

    Args:
        preset: Name of the model.
        weights: Name of the weights.
    """
    folder = ROOT / "zoo" / preset / weights
    described = zoo.card(preset)
    abilities = described["abilities"]
    kind = next((text for name, text in SAMPLES.items() if name in abilities), OTHER)
    data = _data(preset, weights)
    found = []
    for path in folder.iterdir():
        if path.suffix in (".png", ".gif", ".jpg"):
            text = kind if path.stem == "samples" else CAPTIONS.get(path.stem, OTHER)
            alt = text.format(
                what=described["model"], data=f"weights {weights}, trained on {data}"
            )
            place = path.relative_to(ROOT).as_posix()
            found.append(Picture(preset, weights, data, place, alt))
    return sorted(found, key=lambda p: ("samples" not in p.path, p.path))


def _write_overview(families, pages):
    page = "gallery/index.md"
    parts = [
        "# Gallery",
        "Every model, with the first picture of its weights. The pages are made from "
        "the cards of the weights and the docstrings of the models. [All pictures side "
        "by side](compare.md) shows every picture in its full size.",
    ]
    for family, entries in families.items():
        tiles = [_tile(entry, page, pages) for entry in entries]
        parts += [f"## {family}", '<div class="kg-tiles">', *tiles, "</div>"]
    (pages / page).write_text("\n\n".join(parts) + "\n", "utf-8")


def _tile(entry, page, pages):
    names = zoo.card(entry.preset)["weights"]
    found = [p for name in names for p in pictures(entry.preset, name)]
    found.sort(key=lambda p: _rank(p.data))
    picture = '<span class="kg-none">no picture</span>'
    if found:
        address = links.relative(links.copied(found[0].path, pages), page)
        alt = html.escape(found[0].alt)
        picture = f'<img src="{address}" alt="{alt}" loading="lazy">'
    return (
        f'<a class="kg-tile" href="{entry.preset}.html"><span class="kg-crop">{picture}'
        f"</span><strong>{entry.preset}</strong> {html.escape(entry.summary)}</a>"
    )


def _rank(data):
    """The place of a data set in the order in which pictures are shown."""
    first = _first(data)
    return DATA.index(first) if first in DATA else len(DATA)


def _data(preset, weights):
    """The data that weights were trained on; the empty string if unknown."""
    return str(cards()[preset, weights].get("data") or "")


def _first(data):
    """The data set of which a source takes a part: "faces" for "faces/micah?smile"."""
    return re.split("[/?]", data)[0]


def _write_comparison(pages):
    page = "gallery/compare.md"
    found = [p for preset, weights in cards() for p in pictures(preset, weights)]
    parts = [
        "---\nhide: [navigation, toc]\n---",
        "# All pictures side by side",
        "Pictures under a heading come from models that were trained on the same data. "
        "Samples are the first 64 seeds of a model: none was chosen.",
    ]
    groups = {}
    for picture in sorted(found, key=lambda p: _rank(p.data)):
        groups.setdefault(_first(picture.data), []).append(picture)
    for data, shown in groups.items():
        figures = []
        for p in shown:
            name = f'<a href="{p.preset}.html">{p.preset} {p.weights}</a>'
            what = pathlib.PurePath(p.path).stem
            figures.append(p.figure(page, pages, f"{name}: {what}"))
        parts += [f"## {data}", '<div class="kg-compare">', *figures, "</div>"]
    (pages / page).write_text("\n\n".join(parts) + "\n", "utf-8")
