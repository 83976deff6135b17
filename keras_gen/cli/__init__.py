"""The command line: `keras-gen list | show | train | sample | run | export | ...`.

The modules of this package parse and print; the work is done by `keras_gen`. They
import it by its name alone, so that `keras-gen --help` loads only what it needs.
"""

import functools
import inspect
from typing import Annotated

import typer

import keras_gen
from keras_gen import quiet
from keras_gen.cli import bars
from keras_gen.cli.common import errors_in_one_line, show_warnings_in_one_line
from keras_gen.cli.evaluate import evaluate
from keras_gen.cli.examples import text_of
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


Quiet = Annotated[
    bool, typer.Option("--quiet", help="Show no bars of progress on the terminal.")
]


def _with_bars(command):
    """A command that shows bars of progress unless it is called with `quiet`."""

    @functools.wraps(command)
    def called(*args, quiet=False, **options):
        with bars.shown(quiet or options.get("as_json", False)):
            return command(*args, **options)

    signature, kind = inspect.signature(command), inspect.Parameter.KEYWORD_ONLY
    last = inspect.Parameter("quiet", kind, default=False, annotation=Quiet)
    parameters = [*signature.parameters.values(), last]
    called.__signature__ = signature.replace(parameters=parameters)
    called.__annotations__ = {**command.__annotations__, "quiet": Quiet}
    return called


for _name, _command in COMMANDS.items():
    _add = app.command(_name, help=_help_of(_command), epilog=text_of(_name))
    _add(errors_in_one_line()(_with_bars(_command)))
