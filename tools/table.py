"""Writes the README's table of models anew, from the registry and what ships.

.venv/bin/python tools/table.py
"""

import pathlib

import keras_gen
from keras_gen.files import write_text

HEAD = "| name | what it is | weights |\n| --- | --- | --- |\n"
README = pathlib.Path(__file__).parents[1] / "README.md"


def rows():
    """A line of Markdown for every model."""
    for name in keras_gen.zoo.names():
        card = keras_gen.zoo.card(name)
        cells = (name, card["summary"], ", ".join(card["weights"]))
        yield "| " + " | ".join(cells).rstrip() + " |"


def write():
    """Puts the table where the old one is."""
    before, _, rest = README.read_text().partition(HEAD)
    _, _, after = rest.partition("\n\n")
    text = before + HEAD + "\n".join(rows()) + "\n\n" + after
    write_text(README, text)


if __name__ == "__main__":
    write()
