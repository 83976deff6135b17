"""Measures weights that ship again, and writes the figures into their cards.

.venv/bin/python tools/measure.py dcgan/mnist vae/mnist
"""

import json
import pathlib
from typing import Annotated

import typer

import keras_gen
from keras_gen.files import write_text
from keras_gen.hub.publishing import measured


def main(
    cards: Annotated[
        list[str], typer.Argument(help="Folders in zoo/, such as dcgan/mnist.")
    ],
):
    """Measures weights on the data that their cards name."""
    for card in cards:
        path = pathlib.Path("zoo") / card / "card.json"
        contents = json.loads(path.read_text())
        model = keras_gen.zoo.load(contents["preset"], weights=path.parent)
        contents["figures"] = measured(model, contents["data"])
        text = json.dumps(contents, indent=2) + "\n"
        write_text(path, text)
        print(card, contents["figures"])


if __name__ == "__main__":
    typer.run(main)
