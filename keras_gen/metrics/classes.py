"""Figures from a classifier's probabilities: its score, and the modes covered.

1. Salimans et al., "Improved Techniques for Training GANs", 2016.
2. Srivastava et al., "VEEGAN", 2017 (modes, reverse KL, samples of high quality).
"""

from __future__ import annotations  # `help` shows ArrayLike by its name.

import numpy as np
from numpy.typing import ArrayLike

from keras_gen.metrics.checks import check_features


def classifier_score(probabilities: ArrayLike, splits: int = 10) -> tuple[float, float]:
    """The formula of the inception score, exp E[KL(p(y|x) || p(y))] ([1], section 4).

    >>> classifier_score([[1.0, 0.0], [0.0, 1.0]], splits=1)  # Sure, and varied.
    (2.0, 0.0)

    Args:
        probabilities: Probabilities of the classes, (batch, num_classes); rows sum to
            1.
        splits: Number of equal parts that the images are split into, in their order; 10
            in [1].

    Returns:
        Mean and standard deviation over the parts; the mean lies between 1 and the
        number of classes.

    Raises:
        ValueError: If rows are not probabilities, or there are fewer rows than splits.
    """
    rows = check_probabilities(probabilities)
    if len(rows) < splits:
        raise ValueError(f"Expected at least {splits} images, got {len(rows)}.")
    scores = []
    for part in np.array_split(rows, splits):
        marginal = part.mean(axis=0)
        scores.append(np.exp(np.mean(np.sum(_x_log_ratio(part, marginal), axis=1))))
    return float(np.mean(scores)), float(np.std(scores))


def modes(counts: ArrayLike, data_counts: ArrayLike) -> dict:
    """Modes covered, and how far their histogram is from the data's ([2]).

    >>> modes([3, 3, 0], [5, 5, 0])
    {'modes': 2, 'modes_of_data': 2, 'modes_kl': 0.0}

    Args:
        counts: Number of generated images of each class, int (num_classes,).
        data_counts: Number of real images of each class, int (num_classes,).

    Returns:
        A dict of `modes` (classes with at least one generated image), `modes_of_data`
        and `modes_kl`, KL(generated || data) in nats; it is infinite if an image has a
        class that the data lack.
    """
    generated = np.asarray(counts) / np.sum(counts)
    data = np.asarray(data_counts) / np.sum(data_counts)
    return {
        "modes": int(np.sum(generated > 0)),
        "modes_of_data": int(np.sum(data > 0)),
        "modes_kl": float(np.sum(_x_log_ratio(generated, data))),
    }


def mixture_modes(
    points: ArrayLike, centres: ArrayLike, deviation: float, within: float = 3.0
) -> dict:
    """Modes of a mixture of equal round Gaussians that samples cover ([2], 4.1).

    Args:
        points: Samples, (count, dimensions).
        centres: Means of the Gaussians, (num_modes, dimensions).
        deviation: Standard deviation of every Gaussian.
        within: Largest distance from the nearest centre, in standard deviations, of a
            sample of high quality.

    Returns:
        A dict of `modes` (those with at least one sample of high quality),
        `modes_of_data`, `high_quality` (the share of such samples; 0.989 for the
        mixture itself in the plane) and `modes_kl`, the divergence in nats of the
        histogram of such samples from an even one; infinite if there is no such sample.

    Raises:
        ValueError: For points of other dimensions than the centres, or a deviation that
            is not above 0.
    """
    points, centres = check_features(points), np.asarray(centres, np.float64)
    if points.shape[1] != centres.shape[1] or not deviation > 0:
        raise ValueError(
            f"Expected points like the centres {centres.shape} and a deviation above "
            f"0, got points {points.shape} and {deviation}."
        )
    distances = np.linalg.norm(points[:, None] - centres[None], axis=-1)
    good = distances.min(axis=1) <= within * deviation
    counts = np.bincount(distances.argmin(axis=1)[good], minlength=len(centres))
    if not counts.any():
        found = {"modes": 0, "modes_of_data": len(centres), "modes_kl": float("inf")}
    else:
        found = modes(counts, np.ones(len(centres)))
    return {**found, "high_quality": float(good.mean())}


def check_probabilities(rows: ArrayLike) -> np.ndarray:
    """Rows that are at least 0 and sum to 1, as float64; ValueError otherwise."""
    rows = check_features(rows).astype(np.float64)
    if (rows < 0).any() or np.abs(rows.sum(axis=1) - 1).max() > 1e-3:
        raise ValueError("Expected rows of probabilities, got other numbers.")
    return rows


def _x_log_ratio(p, q):
    """P log(p / q): 0 where p is 0, infinite where only q is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(p > 0, p * (np.log(p) - np.log(q)), 0.0)
