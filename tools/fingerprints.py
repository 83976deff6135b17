"""Writes what shipped weights answer, which the tests hold every change to.

For each preset and weights, and each ability, three projections of each of four rows
of the answer on fixed random directions of length 1: a change of any number shows.

.venv/bin/python tools/fingerprints.py          # All that ships.
.venv/bin/python tools/fingerprints.py dcgan    # One preset anew.
"""

import json
import pathlib
import sys

import numpy as np

import keras_gen

PATH = pathlib.Path(__file__).parents[1] / "tests" / "data" / "fingerprints.json"
ROWS, DIRECTIONS = 4, 3


def inputs_of(model, specs):
    """Four rows of every input, the same at every call."""
    random = np.random.default_rng(0)
    arrays = {}
    for name, spec in specs.items():
        shape = (ROWS, *(5 if d is None else d for d in spec.shape[1:]))
        if spec.dtype.name == "string":
            words = ("red heart", "cat face", "a green apple", "woman")
            arrays[name] = np.array([word.encode() for word in words])
        elif spec.dtype.is_integer:
            arrays[name] = np.arange(ROWS, dtype=np.int64) % 2
            if name.endswith("seed"):
                arrays[name] = np.arange(ROWS, dtype=np.int64) + 7
        elif name == "mask":
            arrays[name] = random.integers(0, 2, shape).astype(np.float32)
        else:
            arrays[name] = random.uniform(-1, 1, shape).astype(np.float32)
    return arrays


def answer(model, ability, arrays):
    """The public method on four rows."""
    arrays = dict(arrays)
    if ability.inputs[0] == "seed":
        seed = arrays.pop("seed")
        return getattr(model, ability.name)(len(seed), seed=seed, **arrays)
    if "num_samples" in ability.options:
        arrays["num_samples"] = 50
    return getattr(model, ability.name)(**arrays)


def fingerprint(model) -> dict:
    """Ability to projections, a list of (ROWS, DIRECTIONS) numbers."""
    found = {}
    for name, ability in sorted(model.abilities().items()):
        arrays = inputs_of(model, ability.specs(model))
        rows = np.asarray(answer(model, ability, arrays), np.float64).reshape(ROWS, -1)
        directions = np.random.default_rng(1).normal(size=(rows.shape[1], DIRECTIONS))
        directions /= np.linalg.norm(directions, axis=0)
        found[name] = [[float(f"{x:.7g}") for x in row] for row in rows @ directions]
    return found


def main(names):
    """Measures the presets of these names, or all, and keeps the others."""
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
