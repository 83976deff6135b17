"""Kernel distance: the maximum mean discrepancy of features under a cubic kernel.

1. Binkowski et al., "Demystifying MMD GANs", 2018.
2. Gretton et al., "A Kernel Two-Sample Test", 2012.
"""

import numpy as np

from keras_gen.metrics.checks import check_pair


def cubic_kernel(a, b):
    """(x . y / d + 1)^3 for all pairs of rows ([1], section 4)."""
    return (a @ b.T / a.shape[1] + 1.0) ** 3


def squared_mmd(a, b, kernel=cubic_kernel):
    """The unbiased estimate of the squared MMD ([2], equation 3); may be negative."""
    within_a, within_b = kernel(a, a), kernel(b, b)
    m, n = len(a), len(b)
    inner_a = (within_a.sum() - np.trace(within_a)) / (m * (m - 1))
    inner_b = (within_b.sum() - np.trace(within_b)) / (n * (n - 1))
    return float(inner_a + inner_b - 2 * kernel(a, b).mean())


def kernel_distance(real, fake, *, subsets=100, subset_size=1000, seed=0):
    """Mean squared MMD over random subsets ([1], section 4.3), and its standard error.

    Args:
        real: Features (batch, num_features).
        fake: Features (batch, num_features).
        subsets: How many are drawn from either set, without replacement within one.
        subset_size: Rows of each; at most what the smaller set has.
        seed: Of the subsets.

    Returns:
        The distance and the standard error of the mean over subsets (0 for one). The
        subsets overlap where the sets are small, and the error is then too low.
    """
    real, fake = check_pair(real, fake, at_least=2)
    size = min(subset_size, len(real), len(fake))
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
