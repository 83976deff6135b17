"""Precision and recall, density and coverage, from nearest neighbours of features.

Time grows with the product of the numbers of images, memory with their sum: distances
are computed a block of rows at a time.

1. Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing Generative
   Models", 2019.
2. Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models", 2020.
"""

import numpy as np

from keras_gen.metrics.checks import check_pair

BLOCK = 1024  # Rows whose distances to all others are held at once.


def squared_distances(a, b):
    """|x - y|^2 for all pairs of rows, (len(a), len(b))."""
    squares = np.sum(a**2, 1)[:, None] + np.sum(b**2, 1)[None] - 2 * a @ b.T
    return np.clip(squares, 0, None)


def _blocks(rows):
    for start in range(0, len(rows), BLOCK):
        yield slice(start, start + BLOCK)


def radii(rows, k):
    """Squared distance from each row to its k-th nearest other one."""
    found = np.empty(len(rows))
    for block in _blocks(rows):
        squares = squared_distances(rows[block], rows)
        own = np.arange(block.start, block.start + len(squares))
        squares[np.arange(len(squares)), own] = -1.0  # Itself comes first.
        found[block] = np.partition(squares, k, axis=1)[:, k]
    return found


def precision_recall(real, fake, k=3):
    """Shares of generated images among the real, and of real among the generated ([1]).

    An image lies among others where it is no farther from one of them than that one's
    k-th nearest neighbour.

    Args:
        real: Features (batch, num_features).
        fake: Features (batch, num_features).
        k: [1] takes 3.

    Returns:
        A dict of `precision` and `recall`, in [0, 1].
    """
    real, fake = check_pair(real, fake, at_least=k + 1)
    real_radii, fake_radii = radii(real, k), radii(fake, k)
    hits, covered = 0, np.zeros(len(real), bool)
    for block in _blocks(fake):
        squares = squared_distances(fake[block], real)
        hits += np.sum(np.any(squares <= real_radii, axis=1))
        covered |= np.any(squares <= fake_radii[block][:, None], axis=0)
    return {"precision": float(hits / len(fake)), "recall": float(covered.mean())}


def density_coverage(real, fake, k=5):
    """How densely generated images lie among real ones, and how many of these ([2]).

    Args:
        real: Features (batch, num_features).
        fake: Features (batch, num_features).
        k: [2] takes 5.

    Returns:
        A dict of `density` (equation 3; 1 for equal distributions, may be more) and
        `coverage` (equation 4, in [0, 1]).
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
