"""Files of text: each line is a sequence of characters, one-hot, for `RecurrentAE`.

    data = keras_gen.data.load("names.txt")
    model = RecurrentAE(image_shape=None, features=len(data.characters))
    model.fit(data)
    rows = to_sequences(["anna", "bo"], data.characters)
    to_lines(model.reconstruct_sequences(rows), data.characters)

The characters of a file, each once and in the order of Unicode, are its alphabet. A
step of a sequence has a 1 at its character's index and 0 elsewhere; after the end of a
line all its numbers are `PADDING`, the default of `RecurrentAE`'s argument `padding`.
"""

import os
import pathlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from keras_gen.data import summary
from keras_gen.data.pipeline import array_batches
from keras_gen.data.splits import at_random, digest, parse

PADDING = -2.0
MAX_LENGTH = 1000  # Characters of a line: longer ones need another model.


def load(
    path: str | os.PathLike,
    split: str,
    test_fraction: float,
    *,
    image_shape: None = None,
    value_range: None = None,
    seed: int | None = None,
    **batching,
) -> tf.data.Dataset:
    """Batches of a file's lines; the arguments are those of `keras_gen.data.load`.

    Args:
        path: Path of a file in UTF-8. Empty lines are left out.
        split: Name of a split, or a part of one.
        test_fraction: Share of the lines in the test split, in [0, 1).
        image_shape: None.
        value_range: None.
        seed: Seed of the order and of the split.
        **batching: Arguments of `pipeline.array_batches`.

    Returns:
        A dataset of {"sequence": float32 (batch, characters of the longest line,
        characters of the alphabet)}. Its attribute `characters` is the alphabet of the
        whole file, a str, and `split_digest` the `splits.digest` of its lines.

    Raises:
        ValueError: For a file that is missing, empty or not in UTF-8, a line of more
            than `MAX_LENGTH` characters, an empty split, or options of images.
    """
    if image_shape is not None or value_range is not None:
        raise ValueError(
            "Expected no image_shape and no value_range with a file of text, got "
            f"{image_shape} and {value_range}."
        )
    lines = read(path)
    characters = "".join(sorted(set().union(*lines)))
    chosen = _rows_of(path, lines, split, test_fraction, seed)
    # One-hot rows are made batch by batch: they are far larger than the indices.
    indices = _indices(lines, characters, max(map(len, lines)))[chosen]
    dataset = array_batches({"sequence": indices}, seed=seed, **batching).map(
        lambda batch: {"sequence": _one_hot(batch["sequence"], len(characters))}
    )
    dataset.characters = characters
    if test_fraction:
        dataset.split_digest = digest(lines)
    return dataset


def describe(
    path: str | os.PathLike,
    split: str,
    test_fraction: float,
    seed: int | None,
    **facts,
) -> summary.Description:
    """The facts about a file; the arguments are those of `load`.

    Args:
        path: Path of a file in UTF-8.
        split: Name of a split, or a part of one.
        test_fraction: Share of the lines in the test split, in [0, 1).
        seed: Seed of the split.
        **facts: Further attributes of `Description`.

    Raises:
        ValueError: As for `load`.
    """
    lines = read(path)
    longest = max(map(len, lines))
    return summary.Description(
        str(path),
        **summary.division_at_random(len(lines), test_fraction, seed),
        split=split,
        num_selected=len(_rows_of(path, lines, split, test_fraction, seed)),
        unit="lines",
        details=(
            f"up to {longest} characters long",
            f"{len(set().union(*lines))} different characters",
        ),
        **facts,
    )


def _rows_of(path, lines, split, test_fraction, seed):
    """The indices of the lines of a split, or of a part of one."""
    name, part = parse(split, ("train", "test", "all"))
    chosen = at_random(len(lines), test_fraction, seed)[name]
    chosen = chosen[part(len(chosen))]
    if not len(chosen):
        raise ValueError(f"Expected lines in {split!r} of {path}, got none.")
    return chosen


def read(path: str | os.PathLike) -> list[str]:
    """The lines of a file in UTF-8, without empty ones.

    Raises:
        ValueError: As for `load`.
    """
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"Expected a text file in UTF-8, got {path}: {error}."
        raise ValueError(message) from error
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LENGTH:
            raise ValueError(
                f"Expected lines of at most {MAX_LENGTH} characters, got {len(line)} "
                f"in line {number} of {path}."
            )
    lines = [line for line in lines if line]
    if not lines:
        raise ValueError(f"Expected lines of text, got none in {path}.")
    return lines


def to_sequences(lines: Sequence[str], characters: str) -> np.ndarray:
    """Lines as sequences of one-hot rows.

    >>> to_sequences(["ba", "c"], "abc").astype(int).tolist()
    [[[0, 1, 0], [1, 0, 0]], [[0, 0, 1], [-2, -2, -2]]]

    Args:
        lines: Lines of text.
        characters: The alphabet, each character once.

    Returns:
        float32 (lines, characters of the longest line, characters of the alphabet).

    Raises:
        ValueError: For a character outside of the alphabet, or no lines.
    """
    if not len(lines):
        raise ValueError("Expected lines of text, got none.")
    indices = _indices(lines, characters, max(map(len, lines)))
    return _one_hot(indices, len(characters)).numpy()


def to_lines(sequences: ArrayLike, characters: str) -> list[str]:
    """Sequences as lines: the character with the greatest number at each step.

    >>> to_lines([[[0.1, 0.7, 0.2], [0.9, 0.4, 0.3], [-2, -2, -2]]], "abc")
    ['ba']

    Args:
        sequences: Sequences (batch, time, characters of the alphabet). A line ends at
            the first step whose numbers are all `PADDING`.
        characters: The alphabet, each character once.

    Raises:
        ValueError: For sequences of another shape.
    """
    sequences = np.asarray(sequences)
    if sequences.ndim != 3 or sequences.shape[-1] != len(characters):
        raise ValueError(
            f"Expected sequences of shape (batch, time, {len(characters)}), got "
            f"{sequences.shape}."
        )
    ended = np.logical_or.accumulate((sequences == PADDING).all(axis=-1), axis=1)
    lines = []
    for indices, length in zip(
        sequences.argmax(axis=-1), (~ended).sum(axis=1), strict=True
    ):
        lines.append("".join(characters[index] for index in indices[:length]))
    return lines


def _indices(lines, characters, length):
    """The index of every character, int32 (lines, length), -1 after the end."""
    known = {character: index for index, character in enumerate(characters)}
    indices = np.full((len(lines), length), -1, np.int32)
    for row, line in zip(indices, lines, strict=True):
        for position, character in enumerate(line):
            if character not in known:
                raise ValueError(
                    f"Expected characters of {characters!r}, got {character!r} in "
                    f"{line!r}."
                )
            row[position] = known[character]
    return indices


def _one_hot(indices, count):
    rows = tf.one_hot(indices, count)
    return tf.where(indices[..., None] < 0, PADDING, rows)
