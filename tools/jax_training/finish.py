"""Writes the weights that `train.py` left in a run's folder into its `model.keras`.

python tools/jax_training/finish.py RUN
"""

import pathlib
import sys

import numpy as np

from keras_gen import runs, zoo


def main(folder: pathlib.Path):
    """Writes `model.keras`."""
    settings = runs.Settings.read(folder / runs.SETTINGS)
    found = np.load(folder / "weights.npz")
    model = zoo.load(settings.name, dtype=settings.dtype, **settings.overrides)
    for name, network in model.networks().items():
        if network.weights:
            count = range(len(network.weights))
            network.set_weights([found[f"{name}/{i}"] for i in count])
    model.compile(seed=settings.seed)
    model.save(folder / runs.MODEL)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
