"""Kernel distance: the maximum mean discrepancy of features under a cubic kernel.

1. Binkowski et al., "Demystifying MMD GANs", 2018.
2. Gretton et al., "A Kernel Two-Sample Test", 2012.
"""

from __future__ import annotations  # `help` shows ArrayLike by its name.

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from keras_gen.metrics.checks import check_pair


def cubic_kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(x . y / d + 1)^3 for all pairs of rows ([1], section 4), (len(a), len(b))."""
    return (a @ b.T / a.shape[1] + 1.0) ** 3


def squared_mmd(a: np.ndarray, b: np.ndarray, kernel: Callable = cubic_kernel) -> float:
    """The unbiased estimate of the squared MMD ([2], equation 3); may be negative.

    Args:
        a: Rows (batch, num_features), at least 2.
        b: Rows (batch, num_features), at least 2.
        kernel: Function of two sets of rows to the kernel's values for all pairs.
    """
    within_a, within_b = kernel(a, a), kernel(b, b)
    m, n = len(a), len(b)
    inner_a = (within_a.sum() - np.trace(within_a)) / (m * (m - 1))
    inner_b = (within_b.sum() - np.trace(within_b)) / (n * (n - 1))
    return float(inner_a + inner_b - 2 * kernel(a, b).mean())


def kernel_distance(
    real: ArrayLike,
    fake: ArrayLike,
    *,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Mean squared MMD over random subsets ([1], section 4.3), and its standard error.

    >>> rows = [[0.0], [1.0], [2.0]]
    >>> distance, error = kernel_distance(rows, rows, subsets=1)
    >>> error
    0.0

    Args:
        real: Features of real images, (batch, num_features).
        fake: Features of generated images, (batch, num_features).
        subsets: Number of subsets drawn from either set, each without replacement.
        subset_size: Number of rows of a subset; at most as many as the smaller set has.
        seed: Seed of the draw of subsets.

    Returns:
        The distance and the standard error of the mean over subsets. Subsets of small
        sets overlap, and the error is then too low; for one subset, or if every subset
        would be the whole of both sets, the error is 0, which means that it is unknown.

    Raises:
        ValueError: For features that cannot be compared; see `checks.check_pair`.
    """
    real, fake = check_pair(real, fake, at_least=2)
    size = min(subset_size, len(real), len(fake))
    if size == len(real) == len(fake):  # All subsets would be the same.
        return squared_mmd(real, fake), 0.0
    random = np.random.default_rng(seed)
    values = [
        squared_mmd(
            real[random.choice(len(real), size, replace=False)],
            fake[random.choice(len(fake), size, replace=False)],
        )
        for _ in range(subsets)
    ]
    error = np.std(values, ddof=1) / np.sqrt(subsets) if subsets > 1 else 0.0
    return float(np.mean(values)), float(error)
