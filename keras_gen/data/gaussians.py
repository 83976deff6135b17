"""Mixtures of Gaussians in the plane, whose modes can be counted: a ring and a grid.

1. Srivastava et al., "VEEGAN", 2017, section 4.1 (8 in a ring, 5 by 5 in a grid).
2. Lin et al., "PacGAN", 2018, section 4.1 (the same mixtures).
"""

import functools

import numpy as np

from keras_gen.data.splits import select

COUNTS = {"train": 50_000, "test": 10_000}


def _ring():
    angles = np.arange(8) * np.pi / 4
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _grid():
    coordinates = np.arange(-4.0, 5.0, 2.0)
    return np.stack(np.meshgrid(coordinates, coordinates), axis=-1).reshape(-1, 2)


# Centres of the modes, (num_modes, 2), and their standard deviation, by name.
MIXTURES = {"gaussian_ring": (_ring(), 0.01), "gaussian_grid": (_grid(), 0.05)}


def load(name: str, split: str = "train") -> dict[str, np.ndarray]:
    """The points of a split and their modes.

    Args:
        name: Name of the mixture, one of `MIXTURES`.
        split: Name of a split, or a part of one, as for `keras_gen.data.load`.

    Returns:
        A dict of `point`, float32 (count, 2), and `label`, int64 (count,).
    """
    return select(
        split, {part: functools.partial(_draw, name, part) for part in COUNTS}
    )


def _draw(name, split):
    centres, deviation = MIXTURES[name]
    random = np.random.default_rng(list(COUNTS).index(split))
    modes = random.integers(len(centres), size=COUNTS[split])
    points = centres[modes] + deviation * random.normal(size=(len(modes), 2))
    return {"point": points.astype(np.float32), "label": modes}
