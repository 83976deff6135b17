"""Runs the tutorials as notebooks, and writes these to build/tutorials/.

.venv/bin/python tools/run_tutorials.py                # All of them: minutes each
.venv/bin/python tools/run_tutorials.py vae --small    # One, in seconds

A tutorial is a Python file in jupytext's percent format. The cell with the tag
"parameters" holds its settings, one in a line; a comment `# small: VALUE` behind a
setting gives the value for a run that only shows that the code works. A cell that fails
ends the command with exit code 1, after its code and its error; the notebook is written
up to there.
"""

import os
import pathlib
import re
import tempfile
import time
from typing import Annotated

import jupytext
import nbclient
import nbformat
import typer

from keras_gen import quiet

ROOT = pathlib.Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "tutorials"
# What TensorFlow writes when it starts, traces several models, and saves.
NOISE = re.compile(
    rf"{quiet.GREETING.pattern.decode()}|INFO:tensorflow:Assets written|"
    r"WARNING:tensorflow:\d+ out of the last \d+ calls"
)
SETTING = re.compile(r"^(\w+ = )(.*?)(  # small: )(.*)$", re.MULTILINE)


def names() -> list[str]:
    """Names of all tutorials, in the order in which they are listed."""
    index = (FOLDER / "index.md").read_text("utf-8")
    return re.findall(r"\]\((\w+)\.py\)", index)


def notebook(name: str, small: bool = False) -> nbformat.NotebookNode:
    """A tutorial as a notebook that has not been run.

    Args:
        name: Name of the tutorial.
        small: Boolean, whether the small settings replace the full ones.

    Raises:
        ValueError: For an unknown name, or settings that cannot be found.
    """
    if name not in names():
        raise ValueError(f"Expected a tutorial of {names()}, got {name!r}.")
    text = (FOLDER / f"{name}.py").read_text("utf-8")
    found = jupytext.reads(text, fmt="py:percent")
    tagged = [c for c in found.cells if "parameters" in c.metadata.get("tags", [])]
    if len(tagged) != 1 or not SETTING.search(tagged[0].source):
        raise ValueError(
            f"Expected one cell of {name} with the tag 'parameters' and with small "
            f"settings, got {len(tagged)} cells."
        )
    if small:
        tagged[0].source = SETTING.sub(r"\1\4", tagged[0].source)
    found.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    return found


def run(
    name: str, folder: pathlib.Path, small: bool = False, timeout: int = 3600
) -> pathlib.Path:
    """Runs a tutorial in an empty folder, and writes the notebook with its pictures.

    Args:
        name: Name of the tutorial.
        folder: Folder for the notebook.
        small: Boolean, whether the small settings are used.
        timeout: Seconds that a cell may take.

    Returns:
        The path of the notebook.

    Raises:
        nbclient.exceptions.CellExecutionError: If a cell fails.
    """
    cells = notebook(name, small)
    path = folder / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        client = nbclient.NotebookClient(
            cells,
            timeout=timeout,
            resources={"metadata": {"path": work}},
            coalesce_streams=True,
        )
        try:
            client.execute(env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"})
        finally:
            nbformat.write(without_noise(cells), path)
    return path


def without_noise(found: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The same notebook without the lines of TensorFlow that say nothing to readers."""
    for cell in found.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                lines = output.text.splitlines(keepends=True)
                output.text = "".join(line for line in lines if not NOISE.match(line))
        if "outputs" in cell:
            cell.outputs = [o for o in cell.outputs if o.get("text", "-").strip()]
    return found


def main(
    chosen: Annotated[
        list[str] | None, typer.Argument(help="Names of tutorials; all by default.")
    ] = None,
    small: Annotated[bool, typer.Option(help="Use the small settings.")] = False,
    to: Annotated[pathlib.Path, typer.Option(help="Folder for the notebooks.")] = (
        ROOT / "build" / "tutorials"
    ),
    timeout: Annotated[int, typer.Option(help="Seconds that a cell may take.")] = 3600,
):
    """Runs tutorials as notebooks."""
    for name in chosen or names():
        start = time.monotonic()
        try:
            path = run(name, to, small, timeout)
        except (nbclient.exceptions.CellExecutionError, ValueError) as error:
            typer.echo(f"{name} failed.\n{error}", err=True)
            raise typer.Exit(1) from None
        typer.echo(f"{path}: {time.monotonic() - start:.0f} seconds")


if __name__ == "__main__":
    typer.run(main)
