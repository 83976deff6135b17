"""A page that shows an evaluation: one HTML file that needs no other files."""

import contextlib
import dataclasses
import textwrap

from keras_gen import images as image_files
from keras_gen import page
from keras_gen.metrics.words import Words, grouped, words


def write_report(
    path,
    title: str,
    figures: dict,
    settings: dict,
    pictures: dict | None = None,
    log=None,
) -> None:
    """Writes figures with their floors, pictures, curves and settings as one page.

    Args:
        path: Path of the HTML file.
        title: Title of the page: what was measured.
        figures: Dict from name to number or text; the floor of NAME is NAME_floor.
        settings: Dict from name to value of the settings of the figures.
        pictures: Dict from title to picture, uint8 (height, width, 1 or 3).
        log: Path of a run's log.csv, whose columns are drawn over epochs; None draws no
            curves.
    """
    parts = [page.heading("Figures"), *_figures(figures)]
    if log is not None:
        with contextlib.suppress(ValueError):  # A log without epochs.
            parts += [page.heading("Training"), page.curves(log)]
    if pictures:
        parts.append(page.heading("Pictures"))
    for caption, canvas in (pictures or {}).items():
        scale = max(1, 800 // canvas.shape[1])
        parts.append(page.picture(caption, image_files.png(canvas, scale)))
    parts += [page.heading("Settings"), page.table(settings.items(), _SETTINGS)]
    page.write_page(path, title, parts)


@dataclasses.dataclass(frozen=True)
class Row:
    """A figure as text, for tables.

    Attributes:
        name: Name of the figure.
        words: The figure in words.
        value: Value of the figure.
        floor: Value of the figure's floor, or the empty string.
    """

    name: str
    words: Words
    value: str
    floor: str


def groups(figures: dict) -> dict[str, list[Row]]:
    """Rows of figures by the heading of their group.

    >>> found = groups({"recall": 0.5, "recall_floor": 0.75, "features": "mnist"})
    >>> for heading, rows in found.items():
    ...     print(heading, [(row.name, row.value, row.floor) for row in rows])
    Samples against real images [('recall', '0.5', '0.75')]
    Settings of the measurement [('features', 'mnist', '')]
    """
    names = [name for name in figures if not name.endswith("_floor")]
    return {
        heading: [
            Row(
                name,
                words(name),
                number(figures[name]),
                number(figures.get(f"{name}_floor")),
            )
            for name in chosen
        ]
        for heading, chosen in grouped(names).items()
    }


def lines(figures: dict, width: int = 80) -> list[str]:
    """Lines of text that show figures in groups, with their meanings.

    >>> for line in lines({"recall": 0.5, "recall_floor": 0.75}):
    ...     print(line)
    Samples against real images                     value       floor  better
      recall                                          0.5        0.75  higher
        share of real images that lie among samples

    Args:
        figures: Dict from name to number or text; the floor of NAME is NAME_floor.
        width: Number of characters in a line.
    """
    found = []
    for heading, rows in groups(figures).items():
        if found:
            found.append("")
        found.append(_line(heading, "value", "floor", "better"))
        for row in rows:
            name = f"  {row.words.name}"
            if len(name) > _NAME:
                found.append(name)
                name = ""
            found.append(_line(name, row.value, row.floor, row.words.better))
            meaning = textwrap.wrap(row.words.meaning, width - 4)
            found += [f"    {line}" for line in meaning]
    return found


_NAME = 42  # Characters of a figure's name in a line.


def _line(name, value, floor, better):
    return f"{name:<{_NAME}} {value:>10}  {floor:>10}  {better}".rstrip()


def number(value) -> str:
    """A figure as text: five digits of a float, the empty string for None."""
    if isinstance(value, float):
        return f"{value:.5g}"
    return "" if value is None else str(value)


def _figures(figures):
    parts = []
    for title, rows in groups(figures).items():
        cells = [
            (r.words.name, r.value, r.floor, r.words.better, r.words.meaning, r.name)
            for r in rows
        ]
        parts += [page.heading(title, 3), page.table(cells, _HEADS)]
    return parts


_HEADS = ("figure", "value", "floor: real images", "better", "meaning", "name in JSON")
_SETTINGS = ("setting", "value")
