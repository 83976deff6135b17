"""The command line: `keras-gen list | show | train | sample | export | ...`.

The modules of this package parse and print; the work is done by `keras_gen`.
"""

import inspect

import typer

from keras_gen import quiet
from keras_gen.cli.common import errors_in_one_line
from keras_gen.cli.evaluate import evaluate
from keras_gen.cli.export import export, label
from keras_gen.cli.models import list_models, show
from keras_gen.cli.query import query
from keras_gen.cli.sample import sample
from keras_gen.cli.train import train
from keras_gen.cli.walks import interpolate, traverse

COMMANDS = {
    "list": list_models,
    "show": show,
    "train": train,
    "sample": sample,
    "evaluate": evaluate,
    "export": export,
    "label": label,
    "query": query,
    "interpolate": interpolate,
    "traverse": traverse,
}

app = typer.Typer(
    help="Generative models for Keras 3: list, train, sample from and export them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

app.callback()(quiet.start)


def _help_of(command):
    """The docstring, with the lines of each paragraph joined."""
    paragraphs = inspect.getdoc(command).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


for _name, _command in COMMANDS.items():
    app.command(_name, help=_help_of(_command))(errors_in_one_line()(_command))
