"""Common parts of the commands: options, values of --set, and error messages."""

import contextlib
import json
import pathlib
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import rich
import rich.markup
import typer

# Help texts must not contain square brackets, which rich reads as markup and does not
# print.
Name = Annotated[
    str, typer.Argument(help="Name of the model; `keras-gen list` shows all.")
]
Weights = Annotated[
    str | None,
    typer.Option(
        help="Name of weights that ship ('mnist'), or path of a .keras file, of the "
        "folder of a run, or of a folder with a card."
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Argument of the model and its value as JSON; may be repeated.",
    ),
]
Picture = Annotated[
    pathlib.Path, typer.Option("-o", "--output", help="Path of the PNG file.")
]
Scale = Annotated[
    int, typer.Option(help="Size of an image's pixel in pixels of the picture.")
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object instead of a table.")
]


def parse_values(items: Iterable[str] | None) -> dict[str, Any]:
    """Parses `KEY=VALUE` items: a value is JSON, or else a string.

    >>> parse_values(["width=32", "loss=hinge", "image_shape=[16,16,1]"])
    {'width': 32, 'loss': 'hinge', 'image_shape': [16, 16, 1]}
    """
    parsed = {}
    for item in items or ():
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise ValueError(f"Expected --set key=value, got {item!r}.")
        try:
            parsed[key] = json.loads(value)
        except json.JSONDecodeError:
            parsed[key] = value
    return parsed


@contextlib.contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Prints expected errors without a traceback, and ends with exit code 2."""
    try:
        yield
    except (ValueError, OSError, FloatingPointError) as error:
        rich.print("[red]Error:[/red]", end=" ")
        rich.print(rich.markup.escape(str(error)))
        raise typer.Exit(2) from error
