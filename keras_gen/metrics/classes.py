"""Figures from a classifier's probabilities: its score, and the modes covered.

1. Salimans et al., "Improved Techniques for Training GANs", 2016.
2. Srivastava et al., "VEEGAN", 2017 (modes, reverse KL, samples of high quality).
"""

import numpy as np

from keras_gen.metrics.checks import check_features


def classifier_score(probabilities, splits=10):
    """The inception score's formula, exp E[KL(p(y | x) || p(y))] ([1], section 4).

    Args:
        probabilities: (batch, num_classes), rows that sum to 1.
        splits: Equal parts of the images, in their order; [1] takes 10.

    Returns:
        Mean and standard deviation over the parts; between 1 and the number of classes.

    Raises:
        ValueError: If rows are not probabilities, or there are fewer than splits.
    """
    rows = check_probabilities(probabilities)
    if len(rows) < splits:
        raise ValueError(f"Expected at least {splits} images, got {len(rows)}.")
    scores = []
    for part in np.array_split(rows, splits):
        marginal = part.mean(axis=0)
        scores.append(np.exp(np.mean(np.sum(_x_log_ratio(part, marginal), axis=1))))
    return float(np.mean(scores)), float(np.std(scores))


def modes(counts, data_counts):
    """Modes covered, and how far their histogram is from the data's ([2]).

    Args:
        counts: int (num_classes,), generated images of each class.
        data_counts: int (num_classes,), real images of each class.

    Returns:
        A dict of `modes` (classes with at least one generated image), `modes_of_data`
        and `modes_kl`, KL(generated || data) in nats; infinite where an image has a
        class that the data lack.
    """
    generated = np.asarray(counts) / np.sum(counts)
    data = np.asarray(data_counts) / np.sum(data_counts)
    return {
        "modes": int(np.sum(generated > 0)),
        "modes_of_data": int(np.sum(data > 0)),
        "modes_kl": float(np.sum(_x_log_ratio(generated, data))),
    }


def mixture_modes(points, centres, deviation, within=3.0):
    """Modes that samples cover, of a mixture of equal round Gaussians ([2], 4.1).

    Args:
        points: Samples, (count, dimensions).
        centres: Of the modes, (num_modes, dimensions).
        deviation: Of every mode.
        within: Deviations from the nearest centre up to which a sample is of high
            quality.

    Returns:
        A dict of `modes` (those with at least one sample of high quality),
        `modes_of_data`, `high_quality` (the share of such samples; 0.989 for the
        mixture itself in the plane) and `modes_kl`, of the histogram of such samples
        against an even one, in nats; infinite where there is none.
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


def check_probabilities(rows):
    """Rows that are at least 0 and sum to 1; ValueError otherwise."""
    rows = check_features(rows).astype(np.float64)
    if (rows < 0).any() or np.abs(rows.sum(axis=1) - 1).max() > 1e-3:
        raise ValueError("Expected rows of probabilities, got others.")
    return rows


def _x_log_ratio(p, q):
    """P log(p / q), 0 where p is 0, infinite where q alone is."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(p > 0, p * (np.log(p) - np.log(q)), 0.0)
