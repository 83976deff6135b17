"""Figures from a classifier's probabilities: its score, and the modes covered.

1. Salimans et al., "Improved Techniques for Training GANs", 2016.
2. Srivastava et al., "VEEGAN", 2017 (modes and reverse KL).
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


def modes(labels, data_labels, num_classes):
    """Modes covered, and how far their histogram is from the data's ([2]).

    Args:
        labels: int (batch,), classes of generated images.
        data_labels: int (batch,), classes of real images.
        num_classes: Labels lie below it.

    Returns:
        A dict of `modes` (classes with at least one generated image), `modes_of_data`
        and `modes_kl`, KL(generated || data) in nats; infinite where an image has a
        class that the data lack.
    """
    generated = np.bincount(labels, minlength=num_classes) / len(labels)
    data = np.bincount(data_labels, minlength=num_classes) / len(data_labels)
    return {
        "modes": int(np.sum(generated > 0)),
        "modes_of_data": int(np.sum(data > 0)),
        "modes_kl": float(np.sum(_x_log_ratio(generated, data))),
    }


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
