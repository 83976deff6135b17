"""Updates the README's table of models from the registry and the weights that ship.

.venv/bin/python tools/table.py
"""

import pathlib
from collections.abc import Iterator

import keras_gen
from keras_gen.files import write_text

HEAD = "| name | what it is | weights |\n| --- | --- | --- |\n"
README = pathlib.Path(__file__).parents[1] / "README.md"


def rows() -> Iterator[str]:
    """One line of Markdown for each model."""
    for name in keras_gen.zoo.names():
        card = keras_gen.zoo.card(name)
        cells = (name, card["summary"], ", ".join(card["weights"]))
        yield "| " + " | ".join(cells).rstrip() + " |"


def write() -> None:
    """Replaces the table in the README."""
    before, head, rest = README.read_text().partition(HEAD)
    if not head:
        raise ValueError(f"Expected a table with the head {HEAD!r} in {README}.")
    _, _, after = rest.partition("\n\n")
    text = before + HEAD + "\n".join(rows()) + "\n\n" + after
    write_text(README, text)


if __name__ == "__main__":
    write()
