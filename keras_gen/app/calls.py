"""Calls of abilities, made of the values of a form.

A value of a form is a list of rows for labels and captions, a picture of uint8 for
images, and otherwise one value that holds for all rows.
"""

import dataclasses
import itertools
from collections.abc import Callable, Mapping

import numpy as np

from keras_gen import images
from keras_gen.app.source import Offer, Source, spoken
from keras_gen.core.abilities import default_conditions
from keras_gen.core.inputs import ATTRIBUTES, IMAGE, LABEL, MASK, SEED, TEXT, Input
from keras_gen.core.noise import row_seeds

LISTED = (LABEL, TEXT)  # Roles of inputs with a list of values.
FILES = (IMAGE, MASK)  # Roles of inputs whose values are pictures.


@dataclasses.dataclass(frozen=True)
class Call:
    """One call of an ability.

    Attributes:
        offer: What is called.
        count: Number of rows.
        values: Value of each input that is given, by name.
        options: Options that differ from their defaults, by name.
    """

    offer: Offer
    count: int
    values: dict
    options: dict

    def entry(self, name: str) -> Input:
        """The declaration of an input."""
        return self.offer.inputs[name]

    def arguments(self) -> dict:
        """The arguments of the method, by name."""
        return {
            n: rows_of(self.entry(n), v, self.count) for n, v in self.values.items()
        }

    def run(
        self, source: Source, progress: Callable[[float], None] = lambda share: None
    ) -> np.ndarray:
        """The answer of a model."""
        n = self.count if self.offer.draws else None
        return source.call(self.offer.name, n, self.arguments(), self.options, progress)

    def texts(self, source: Source) -> list[str]:
        """What each row was made with: classes, captions, attributes."""
        rows = {
            name: rows_of(self.entry(name), self.values[name], self.count)
            for name in self.values
            if self.entry(name).role in LISTED
        }
        if self.offer.draws and "seed" in self.values:
            seeds = row_seeds(self.count, self.values["seed"])
            conditions = {
                n: e for n, e in self.offer.inputs.items() if e.role in LISTED
            }
            rows |= default_conditions(conditions, seeds, rows)
        words = [[] for _ in range(self.count)]
        for name, values in rows.items():
            entry = self.entry(name)
            known = source.names(entry) if entry.role == LABEL else ()
            for row, value in zip(words, values, strict=True):
                number = f"{name.removesuffix('s')} {value}"
                is_number = entry.role == LABEL
                row.append(
                    known[value] if known else number if is_number else str(value)
                )
        return [", ".join(row) for row in words]


def call_of(offer: Offer, given: Mapping, n: int | None, options: Mapping) -> Call:
    """The call that a form describes.

    Args:
        offer: What is called.
        given: Values of the form by name; None where the user gave none.
        n: Number of rows to draw; ignored for abilities that take rows.
        options: Values of options by name; None where the user gave none.

    Raises:
        ValueError: For an input without a value and without a default.
    """
    values = {name: given.get(name) for name in offer.inputs}
    for name, entry in offer.inputs.items():
        has_default = entry.default is not None and (
            offer.draws or not callable(entry.default)
        )
        if values[name] is None and not has_default and entry.role != SEED:
            what = "a picture" if entry.role == IMAGE else f"a value of {spoken(name)}"
            raise ValueError(f"Expected {what}, got none.")
        if values[name] is None and not offer.draws and entry.role != SEED:
            values[name] = entry.default
    values = {name: value for name, value in values.items() if value is not None}
    lists = [n for n in values if offer.inputs[n].role in LISTED]
    combined = list(zip(*itertools.product(*(values[n] for n in lists)), strict=True))
    values |= {n: list(rows) for n, rows in zip(lists, combined, strict=True)}
    count = max((len(values[n]) for n in lists), default=1)
    if offer.draws:
        count = int(n)
    chosen = {
        name: value
        for name, value in options.items()
        if value is not None and value != offer.options[name].default
    }
    return Call(offer, count, values, chosen)


def rows_of(entry: Input, value, count: int):
    """The rows of an argument: one plain value, or an array with `count` rows."""
    if entry.role in LISTED:
        return [value[i % len(value)] for i in range(count)]
    if not entry.shape:
        return value
    if entry.role == IMAGE:
        value = images.from_uint8(value)
    return np.repeat(np.asarray(value, np.float32)[None], count, axis=0)


def is_vector(entry: Input) -> bool:
    """Whether a row of an input is numbers that a user types."""
    return bool(entry.shape) and entry.role not in (*FILES, ATTRIBUTES)
