"""Measures weights that ship again, and writes the figures into their cards.

.venv/bin/python tools/measure.py dcgan/mnist vae/mnist
"""

import json
import pathlib
from typing import Annotated, Any

import typer

import keras_gen
from keras_gen.files import write_text


def measured(model: keras_gen.GenerativeModel, data: str) -> dict[str, Any]:
    """All figures of a model, rounded to the digits that cards show."""
    model.compile(seed=0)
    figures = keras_gen.metrics.evaluate(model, data)
    return {k: round(v, 5) if isinstance(v, float) else v for k, v in figures.items()}


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
