"""Precision and recall, density and coverage, from nearest neighbours of features.

Time grows with the product of the numbers of images, memory with their sum: distances
are computed for one block of rows at a time.

1. Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing Generative
   Models", 2019.
2. Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models", 2020.
"""

from __future__ import annotations  # `help` shows ArrayLike by its name.

import numpy as np
from numpy.typing import ArrayLike

from keras_gen.metrics.checks import check_pair

BLOCK = 1024  # Rows whose distances to all others are in memory at once.


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """|x - y|^2 for all pairs of rows, (len(a), len(b))."""
    squares = np.sum(a**2, 1)[:, None] + np.sum(b**2, 1)[None] - 2 * a @ b.T
    return np.clip(squares, 0, None)


def _blocks(rows):
    for start in range(0, len(rows), BLOCK):
        yield slice(start, start + BLOCK)


def radii(rows: np.ndarray, k: int) -> np.ndarray:
    """Squared distance from each row to its k-th nearest other row, (batch,)."""
    found = np.empty(len(rows))
    for block in _blocks(rows):
        squares = squared_distances(rows[block], rows)
        own = np.arange(block.start, block.start + len(squares))
        squares[np.arange(len(squares)), own] = -1.0  # The row itself comes first.
        found[block] = np.partition(squares, k, axis=1)[:, k]
    return found


def precision_recall(real: ArrayLike, fake: ArrayLike, k: int = 3) -> dict:
    """Share of generated images among the real ones, and of real among generated ([1]).

    An image lies among the images of a set if its distance to one of them is at most
    the distance from that one to its k-th nearest neighbour in the set.

    >>> precision_recall([[0.0], [1.0], [2.0]], [[0.5], [1.5], [9.0]], k=1)
    {'precision': 0.6666666666666666, 'recall': 1.0}

    Args:
        real: Features of real images, (batch, num_features).
        fake: Features of generated images, (batch, num_features).
        k: Rank of the neighbour whose distance is the radius around an image; 3 in [1].

    Returns:
        A dict of `precision` and `recall`, in [0, 1].

    Raises:
        ValueError: For at most k rows, or features that cannot be compared.
    """
    real, fake = check_pair(real, fake, at_least=k + 1)
    real_radii, fake_radii = radii(real, k), radii(fake, k)
    hits, covered = 0, np.zeros(len(real), bool)
    for block in _blocks(fake):
        squares = squared_distances(fake[block], real)
        hits += np.sum(np.any(squares <= real_radii, axis=1))
        covered |= np.any(squares <= fake_radii[block][:, None], axis=0)
    return {"precision": float(hits / len(fake)), "recall": float(covered.mean())}


def density_coverage(real: ArrayLike, fake: ArrayLike, k: int = 5) -> dict:
    """Density of generated images around real ones, and coverage of real ones ([2]).

    Args:
        real: Features of real images, (batch, num_features).
        fake: Features of generated images, (batch, num_features).
        k: Rank of the neighbour whose distance is the radius around a real image; 5 in
            [2].

    Returns:
        A dict of `density` (equation 3; 1 for equal distributions, may exceed 1) and
        `coverage` (equation 4; the share of real images with a generated one within
        their radius, in [0, 1]).

    Raises:
        ValueError: For at most k rows, or features that cannot be compared.
    """
    real, fake = check_pair(real, fake, at_least=k + 1)
    real_radii = radii(real, k)
    inside, covered = 0, np.zeros(len(real), bool)
    for block in _blocks(fake):
        near = squared_distances(fake[block], real) <= real_radii
        inside += near.sum()
        covered |= near.any(axis=0)
    return {
        "density": float(inside / (k * len(fake))),
        "coverage": float(covered.mean()),
    }
