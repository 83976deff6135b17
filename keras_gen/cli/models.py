"""`keras-gen list` and `keras-gen show`: the models and their cards."""

import json

import rich
import rich.markup
import rich.table

import keras_gen
from keras_gen import index
from keras_gen.cli.common import AsJson, Name, Weights


def list_models():
    """Lists all models, with the weights that ship for them."""
    table = rich.table.Table("name", "what it is", "weights")
    for name, summary in index.models().items():
        table.add_row(name, summary, ", ".join(index.weights_of(name)))
    rich.print(table)


def show(name: Name, weights: Weights = None, as_json: AsJson = False):
    """Shows the card of a model, with its arguments and abilities, or of weights."""
    card = keras_gen.zoo.card(name, weights)
    if as_json:
        print(json.dumps(card))
        return
    for key, value in card.items():
        if isinstance(value, (dict, list)):
            value = json.dumps(value, indent=2)
        rich.print(f"[bold]{key}[/bold]: {rich.markup.escape(str(value))}")
