"""Measures weights that ship once more, and writes the figures into their cards.

.venv/bin/python tools/measure.py dcgan/mnist vae/mnist
"""

import json
import pathlib
from typing import Annotated

import typer

import keras_gen
from keras_gen.files import write_text


def measured(model, data):
    """All figures of a model, floats rounded to what a card shows."""
    model.compile(seed=0)
    figures = keras_gen.metrics.evaluate(model, data)
    return {k: round(v, 5) if isinstance(v, float) else v for k, v in figures.items()}


def main(
    cards: Annotated[list[str], typer.Argument(help="Folders of zoo/: dcgan/mnist.")],
):
    """Measures on the data that each card names."""
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
