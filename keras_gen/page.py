"""Pages for a browser: one HTML file each, with the style of `style.css`.

The page of a run and the report of an evaluation are made of these parts. Nothing is
loaded from elsewhere: the style, pictures and plots are in the file.
"""

import base64
import csv
import html
import importlib.resources
import math
import os
from collections.abc import Iterable, Sequence

from keras_gen.files import write_text

WIDTH, HEIGHT, LEFT, BOTTOM = 320, 180, 52, 22  # Of a plot, in units of its SVG.


def style() -> str:
    """The stylesheet of all pages."""
    return (importlib.resources.files("keras_gen") / "style.css").read_text("utf-8")


def write_page(
    path: str | os.PathLike, title: str, parts: Iterable[str], refresh: int = 0
) -> None:
    """Writes a page with a title and parts as one file.

    Args:
        path: Path of the HTML file.
        title: Title of the page, which is also its first heading.
        parts: HTML of the parts, from the functions below.
        refresh: Number of seconds after which a browser reads the page again; 0 for
            never.
    """
    name = html.escape(title)
    again = f'<meta http-equiv="refresh" content="{refresh}">\n' if refresh else ""
    lines = "\n".join(parts)
    write_text(
        path,
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"{again}<title>{name}</title>\n<style>\n{style()}</style>\n</head>\n"
        f'<body class="kg-page">\n<main>\n<h1>{name}</h1>\n{lines}\n</main>\n</body>\n'
        "</html>\n",
    )


def heading(text: str, level: int = 2) -> str:
    """A heading.

    Args:
        text: Text, not HTML.
        level: Level of the heading, from 2 to 6.
    """
    return f"<h{level}>{html.escape(text)}</h{level}>"


def code(text: str) -> str:
    """Lines of code, such as a shell command."""
    return f"<pre><code>{html.escape(text)}</code></pre>"


def table(rows: Iterable[Sequence], heads: Sequence[str]) -> str:
    """A table that scrolls if the screen is narrow.

    Args:
        rows: Values of each row, in the order of the columns.
        heads: Names of the columns.
    """
    top = "".join(f'<th scope="col">{html.escape(head)}</th>' for head in heads)
    body = "\n".join(
        f"<tr>{''.join(f'<td>{html.escape(str(cell))}</td>' for cell in row)}</tr>"
        for row in rows
    )
    return (
        '<div class="kg-table" tabindex="0"><table>\n'
        f"<thead><tr>{top}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
    )


def picture(caption: str, png: bytes) -> str:
    """A picture whose pixels stay sharp, with a caption that is also its description.

    Args:
        caption: Text above the picture.
        png: Contents of a PNG file.
    """
    source = base64.b64encode(png).decode()
    text = html.escape(caption)
    return (
        f"<figure><figcaption>{text}</figcaption>"
        f'<img class="kg-pixels" alt="{text}" src="data:image/png;base64,{source}">'
        "</figure>"
    )


def curves(log: str | os.PathLike) -> str:
    """Plots of the columns of a CSV log over epochs, validation beside training.

    Args:
        log: Path of a file with a column `epoch`. Values that are no finite numbers are
            left out.

    Raises:
        ValueError: For a log without epochs.
    """
    with open(log, encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    if not lines or "epoch" not in lines[0]:
        raise ValueError(f"Expected epochs in {log}, got none.")
    names = [n for n in lines[0] if n and n != "epoch" and not n.startswith("val_")]
    plots = []
    for name in names:
        parts = {"training": name, "validation": f"val_{name}"}
        series = {part: _points(lines, column) for part, column in parts.items()}
        plots.append(_plot(name, {part: p for part, p in series.items() if p}))
    return f'<div class="kg-plots">{"".join(plots)}</div>'


def _points(lines, column):
    """Pairs of an epoch, counted from 1, and a finite value."""
    points = []
    for line in lines:
        try:
            point = int(line["epoch"]) + 1, float(line[column])
        except (KeyError, TypeError, ValueError):  # No value in this epoch.
            continue
        if math.isfinite(point[1]):
            points.append(point)
    return points


def _plot(name, series):
    """A figure with one line for each series, which has dashes from the second on."""
    points = [point for found in series.values() for point in found]
    if not points:
        return ""
    (first, last), (low, high) = ((min(v), max(v)) for v in zip(*points, strict=True))
    told = "; ".join(
        f"{part} {found[0][1]:.4g} to {found[-1][1]:.4g}"
        for part, found in series.items()
    )
    label = html.escape(f"{name} over epochs {first} to {last}: {told}")
    legend = " (dashed: validation)" if len(series) > 1 else ""
    drawn = []
    for index, found in enumerate(series.values()):
        kind = ' class="kg-second"' if index else ""
        placed = [
            (
                LEFT + _share(x, first, last) * (WIDTH - LEFT - 12),
                HEIGHT - BOTTOM - _share(y, low, high) * (HEIGHT - BOTTOM - 12),
            )
            for x, y in found
        ]
        if len(placed) > 1:
            text = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
            drawn.append(f'<polyline{kind} points="{text}"/>')
        else:
            ((x, y),) = placed
            drawn.append(f'<circle{kind} cx="{x:.1f}" cy="{y:.1f}" r="3"/>')
    ticks = [
        _text(LEFT - 6, 16, "end", f"{high:.4g}"),
        _text(LEFT - 6, HEIGHT - BOTTOM, "end", f"{low:.4g}" if low < high else ""),
        _text(LEFT, HEIGHT - 6, "start", f"epoch {first}"),
        _text(WIDTH - 12, HEIGHT - 6, "end", f"{last}" if first < last else ""),
    ]
    return (
        f"<figure><figcaption>{html.escape(name)}{legend}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
        f"{''.join(drawn + ticks)}</svg></figure>"
    )


def _share(value, low, high):
    return (value - low) / (high - low) if high > low else 0.5


def _text(x, y, anchor, text):
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>'
