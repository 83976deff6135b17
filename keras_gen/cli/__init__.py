"""The command line: `keras-gen list | show | train | sample | run | export | ...`.

The modules of this package parse and print; the work is done by `keras_gen`. They
import it by its name alone, so that `keras-gen --help` loads only what it needs.
"""

import inspect
from typing import Annotated

import typer

import keras_gen
from keras_gen import quiet
from keras_gen.cli.common import errors_in_one_line, show_warnings_in_one_line
from keras_gen.cli.evaluate import evaluate
from keras_gen.cli.export import export, label
from keras_gen.cli.index import index
from keras_gen.cli.models import list_models, show
from keras_gen.cli.open_app import open_app
from keras_gen.cli.push import push
from keras_gen.cli.query import query
from keras_gen.cli.reproduce import reproduce
from keras_gen.cli.run import run
from keras_gen.cli.sample import sample
from keras_gen.cli.train import train
from keras_gen.cli.walks import interpolate, mix, nearest, traverse

COMMANDS = {
    "list": list_models,
    "show": show,
    "train": train,
    "reproduce": reproduce,
    "sample": sample,
    "run": run,
    "evaluate": evaluate,
    "interpolate": interpolate,
    "traverse": traverse,
    "mix": mix,
    "nearest": nearest,
    "index": index,
    "export": export,
    "label": label,
    "query": query,
    "push": push,
    "app": open_app,
}

# Without Rich, which would read brackets in help and in messages as markup, and wrap
# commands in boxes.
app = typer.Typer(
    help="Generative models for Keras 3: list, train, sample from and export them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(is_wanted):
    if is_wanted:
        print(f"keras-gen {keras_gen.__version__}")
        raise typer.Exit()


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version.",
            is_eager=True,
            callback=_print_version,
        ),
    ] = False,
):
    """Generative models for Keras 3: list, train, sample from, and export them."""
    quiet.start()
    show_warnings_in_one_line()


def _help_of(command):
    """The docstring, with the lines of each paragraph joined."""
    paragraphs = inspect.getdoc(command).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


for _name, _command in COMMANDS.items():
    app.command(_name, help=_help_of(_command))(errors_in_one_line()(_command))
