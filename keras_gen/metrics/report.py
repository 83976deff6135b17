"""A page that shows an evaluation: one HTML file that needs no other files."""

import base64
import csv
import dataclasses
import html
import io
import textwrap

import matplotlib.figure

from keras_gen import images as image_files
from keras_gen.files import write_text
from keras_gen.metrics.words import Words, grouped, words

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto;
       padding: 0 1em; color: #222; }
table { border-collapse: collapse; }
th, td { padding: .2em .8em; border-bottom: 1px solid #ddd; text-align: left; }
td:nth-child(2), td:nth-child(3) { font-variant-numeric: tabular-nums; }
figure { margin: 2em 0; }
img { max-width: 100%; image-rendering: pixelated; }
"""


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
    parts = [f"<h1>{html.escape(title)}</h1>", "<h2>Figures</h2>", _figures(figures)]
    if log is not None:
        parts.append(_picture("Training", curves(log)))
    for caption, canvas in (pictures or {}).items():
        scale = max(1, 800 // canvas.shape[1])
        parts.append(_picture(caption, image_files.png(canvas, scale)))
    parts += ["<h2>Settings</h2>", _table(settings.items(), ("setting", "value"))]
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )
    write_text(path, page)


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


def curves(log) -> bytes:
    """All columns of a CSV log over epochs, validation and training in one plot each.

    Args:
        log: Path of a file with a column `epoch`.

    Returns:
        The contents of a PNG file.

    Raises:
        ValueError: For a log without epochs.
    """
    with open(log, encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    if not table:
        raise ValueError(f"Expected epochs in {log}, got none.")
    names = [n for n in table[0] if n != "epoch" and not n.startswith("val_")]
    columns = 3
    plot_rows = -(-len(names) // columns)
    figure = matplotlib.figure.Figure(figsize=(12, 3 * plot_rows), layout="constrained")
    for index, name in enumerate(names, start=1):
        axes = figure.add_subplot(plot_rows, columns, index)
        for column, label in ((name, "training"), (f"val_{name}", "validation")):
            points = [
                (int(row["epoch"]) + 1, float(row[column]))
                for row in table
                if row.get(column) not in (None, "")
            ]
            if points:
                axes.plot(*zip(*points, strict=True), label=label)
        axes.set(title=name, xlabel="epoch")
        if f"val_{name}" in table[0]:
            axes.legend(loc="upper right")  # "best" may warn that it is slow.
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100)
    return file.getvalue()


def _figures(figures):
    parts = []
    for heading, rows in groups(figures).items():
        parts.append(f"<h3>{html.escape(heading)}</h3>")
        cells = [
            (r.words.name, r.value, r.floor, r.words.better, r.words.meaning, r.name)
            for r in rows
        ]
        parts.append(_table(cells, _HEAD))
    return "\n".join(parts)


_HEAD = ("figure", "value", "floor: real images", "better", "meaning", "name in JSON")


def _table(lines, head):
    def cells(tag, line):
        return "".join(f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in line)

    body = "\n".join(f"<tr>{cells('td', line)}</tr>" for line in lines)
    return f"<table><tr>{cells('th', head)}</tr>\n{body}</table>"


def _picture(caption, png):
    source = base64.b64encode(png).decode()
    caption = html.escape(caption)
    return (
        f"<figure><figcaption>{caption}</figcaption>"
        f'<img alt="{caption}" src="data:image/png;base64,{source}"></figure>'
    )
