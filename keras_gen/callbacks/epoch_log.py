"""The log of a run: a CSV file with a line for each epoch."""

import csv
import io
import os
import pathlib

import keras

from keras_gen import distribute
from keras_gen.files import read_text, write_text


class EpochLog(keras.callbacks.Callback):
    """Appends the losses and figures of each epoch to a CSV file.

    Its columns are `epoch`, counted from 0, and the names of the values. A run that
    goes on may log others, such as those of another loss: the file then gets their
    columns, which are empty in earlier lines. Of several workers, only the chief
    writes.

    Args:
        path: Path of the file.
    """

    def __init__(self, path: str | os.PathLike):
        super().__init__()
        self.path = pathlib.Path(path)

    def on_epoch_end(self, epoch, logs=None):
        """Appends a line; writes the file anew if it needs more columns."""
        if not distribute.is_chief(self.model.distribute_strategy):
            return
        row = {"epoch": epoch}
        row |= {name: float(value) for name, value in sorted((logs or {}).items())}
        rows, names = [], []
        if self.path.is_file():
            reader = csv.DictReader(io.StringIO(read_text(self.path), newline=""))
            names, rows = list(reader.fieldnames or ()), list(reader)
        if set(row) <= set(names):
            with open(self.path, "a", encoding="utf-8", newline="") as file:
                file.write(_lines(names, [row]))
            return
        names += [name for name in row if name not in names]
        header = _lines(names, [dict(zip(names, names, strict=True))])
        write_text(self.path, header + _lines(names, [*rows, row]))


def _lines(names, rows):
    """The lines of rows with these columns; a row may lack some."""
    buffer = io.StringIO(newline="")
    options = {"lineterminator": "\n", "extrasaction": "ignore"}
    csv.DictWriter(buffer, names, **options).writerows(rows)
    return buffer.getvalue()
