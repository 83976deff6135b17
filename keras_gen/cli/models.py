"""`keras-gen list` and `keras-gen show`: the models and their cards."""

import json

import rich
import rich.markup
import rich.table

from keras_gen import zoo
from keras_gen.cli.common import AsJson, Name, Weights


def list_models():
    """Lists all models, with the weights that ship for them."""
    table = rich.table.Table("name", "what it is", "weights")
    for name in zoo.names():
        card = zoo.card(name)
        table.add_row(name, card["summary"], ", ".join(card["weights"]))
    rich.print(table)


def show(name: Name, weights: Weights = None, as_json: AsJson = False):
    """Shows the card of a model, with its arguments and abilities, or of weights."""
    card = zoo.card(name, weights)
    if as_json:
        print(json.dumps(card))
        return
    for key, value in card.items():
        if isinstance(value, (dict, list)):
            value = json.dumps(value, indent=2)
        rich.print(f"[bold]{key}[/bold]: {rich.markup.escape(str(value))}")
