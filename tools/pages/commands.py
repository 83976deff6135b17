"""The page of the command line: the help of every command, as it is printed."""

import pathlib

import typer.main
from typer.testing import CliRunner

from keras_gen.cli import app

PAGE = "api/command-line.md"


def write(pages: pathlib.Path) -> str:
    """Writes the page of the command line; returns its path.

    Args:
        pages: Folder of the site's pages.
    """
    parts = [
        "# keras-gen",
        _help(),
        "The guide has [examples](../guides/command-line.md).",
    ]
    for name in sorted(typer.main.get_command(app).commands):
        parts += [f"## {name}", _help(name)]
    (pages / PAGE).write_text("\n\n".join(parts) + "\n", "utf-8")
    return PAGE


def _help(*command):
    environment = {"COLUMNS": "80", "TERM": "dumb"}
    options = {"env": environment, "prog_name": "keras-gen", "color": False}
    result = CliRunner().invoke(app, [*command, "--help"], **options)
    if result.exit_code:
        raise SystemExit(f"`keras-gen {' '.join(command)} --help` failed.")
    return f"```text\n{result.output.strip()}\n```"
