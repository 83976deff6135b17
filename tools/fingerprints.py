"""Writes fingerprints of what abilities return with the weights that ship, for tests.

For each preset, weights and ability, the file holds three numbers for each of four
rows: projections of the result on fixed random directions of length 1, which change if
any value of the result changes.

.venv/bin/python tools/fingerprints.py          # All weights that ship.
.venv/bin/python tools/fingerprints.py dcgan    # Those of one preset.
"""

import json
import pathlib
import sys

import numpy as np

import keras_gen
from keras_gen.core.abilities import Ability
from keras_gen.core.inputs import ATTRIBUTES, MASK, NUMBER, SEED, Input

PATH = pathlib.Path(__file__).parents[1] / "tests" / "data" / "fingerprints.json"
ROWS, DIRECTIONS = 4, 3


def inputs_of(declared: dict[str, Input]) -> dict[str, np.ndarray]:
    """Four rows of each input, the same at every call."""
    random = np.random.default_rng(0)
    arrays = {}
    for name, entry in declared.items():
        shape = (ROWS, *(5 if d is None else d for d in entry.shape))
        if entry.dtype == "string":
            words = ("red heart", "cat face", "a green apple", "woman")
            arrays[name] = np.array([word.encode() for word in words])
        elif entry.role == SEED:
            arrays[name] = np.arange(ROWS, dtype=np.int64) + 7
        elif entry.dtype == "int64":
            arrays[name] = np.arange(ROWS, dtype=np.int64) % 2
        elif entry.role == NUMBER and entry.range is not None:
            arrays[name] = random.uniform(*entry.range, shape).astype(np.float32)
        elif entry.role in (MASK, ATTRIBUTES):
            arrays[name] = random.integers(0, 2, shape).astype(np.float32)
        else:
            arrays[name] = random.uniform(-1, 1, shape).astype(np.float32)
    return arrays


def answer(
    model: keras_gen.GenerativeModel, ability: Ability, arrays: dict
) -> np.ndarray:
    """The result of the public method."""
    arrays = dict(arrays)
    if "steps" in ability.options:
        arrays["steps"] = 3
    if ability.draws:
        seed = arrays.pop("seed")
        return getattr(model, ability.name)(len(seed), seed=seed, **arrays)
    if "num_samples" in ability.options:
        arrays["num_samples"] = 50
    return getattr(model, ability.name)(**arrays)


def fingerprint(
    model: keras_gen.GenerativeModel, rows: int = ROWS
) -> dict[str, list[list[float]]]:
    """Projections (rows, DIRECTIONS) of the results for the first rows, by ability."""
    found = {}
    for name, ability in sorted(model.abilities().items()):
        arrays = {n: a[:rows] for n, a in inputs_of(ability.declared(model)).items()}
        result = np.asarray(answer(model, ability, arrays), np.float64)
        result = result.reshape(rows, -1)
        directions = np.random.default_rng(1).normal(size=(result.shape[1], DIRECTIONS))
        directions /= np.linalg.norm(directions, axis=0)
        found[name] = [[float(f"{x:.7g}") for x in row] for row in result @ directions]
    return found


def main(names: list[str]) -> None:
    """Updates the entries of these presets, or of all if no names are given."""
    known = json.loads(PATH.read_text()) if PATH.is_file() else {}
    for name in names or keras_gen.zoo.names():
        for weights in keras_gen.zoo.weights_of(name):
            model = keras_gen.zoo.load(name, weights=weights)
            known[f"{name}:{weights}"] = fingerprint(model)
            print(name, weights, list(known[f"{name}:{weights}"]), flush=True)
    PATH.parent.mkdir(exist_ok=True)
    lines = (f" {json.dumps(key)}: {json.dumps(known[key])}" for key in sorted(known))
    PATH.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
