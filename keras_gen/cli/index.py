"""`keras-gen index`: an index of a folder of weights, for a web server."""

import pathlib
from typing import Annotated

import typer

from keras_gen import weight_index
from keras_gen.catalogue import VARIABLE
from keras_gen.cli import bars


def index(
    folder: Annotated[
        pathlib.Path,
        typer.Argument(
            help="Folder with <preset>/<weights>/card.json and weights.safetensors."
        ),
    ],
):
    """Writes index.json into a folder of weights, so that a web server can share them.

    Copy the folder to the server. KERAS_GEN_ZOO with the https:// address of the index
    then adds its weights to `keras-gen list`, and they load by name.
    """
    with bars.work("reading weights"):
        path = weight_index.write_index(folder)
    print(f"{path}: for {VARIABLE}=https://<server>/<folder>/{path.name}")
