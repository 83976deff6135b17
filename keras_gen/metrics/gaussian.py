"""Fréchet distance between Gaussians fitted to features, from streamed statistics.

1. Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
   Equilibrium", 2017.
2. Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing
   Sample Variances", 1979.
"""

from __future__ import annotations  # `help` shows ArrayLike by its name.

import numpy as np
from numpy.typing import ArrayLike

from keras_gen.metrics.checks import check_features


class Statistics:
    """Mean and covariance of rows that arrive in batches, in float64 ([2]).

    Memory does not grow with the number of rows.

    Attributes:
        count: Number of rows so far.
        mean: Mean of the rows, float64 (num_features,).
    """

    def __init__(self, num_features: int):
        """Starts with no rows.

        Args:
            num_features: Numbers in a row.
        """
        self.count = 0
        self.mean = np.zeros(num_features)
        self._scatter = np.zeros((num_features, num_features))

    def update(self, rows: ArrayLike) -> None:
        """Adds rows, (batch, num_features)."""
        rows = check_features(rows).astype(np.float64)
        mean = rows.mean(axis=0)
        centred = rows - mean
        total = self.count + len(rows)
        shift = mean - self.mean
        self._scatter += centred.T @ centred
        self._scatter += np.outer(shift, shift) * self.count * len(rows) / total
        self.mean = self.mean + shift * len(rows) / total
        self.count = total

    @property
    def covariance(self) -> np.ndarray:
        """Unbiased covariance, float64 (num_features, num_features).

        Raises:
            ValueError: If there are not more rows than features, so that it would be
                singular, or if all features are constant.
        """
        if self.count <= len(self.mean):
            raise ValueError(
                f"Expected more images than the {len(self.mean)} features (their "
                f"covariance would be singular), got {self.count} images."
            )
        covariance = self._scatter / (self.count - 1)
        if not covariance.any():
            raise ValueError("Expected features that vary, got constant ones.")
        return covariance


def frechet_distance(a: Statistics, b: Statistics) -> float:
    """|m - n|^2 + tr(A + B - 2 (A B)^(1/2)) ([1], equation 6), at least 0.

    The trace of the root equals that of (A^(1/2) B A^(1/2))^(1/2), which is symmetric:
    its eigenvalues are real, and negative only by rounding.

    >>> a, b = Statistics(1), Statistics(1)
    >>> a.update([[0.0], [2.0]])
    >>> b.update([[3.0], [5.0]])
    >>> round(frechet_distance(a, b), 6)  # Equal variances, means 3 apart.
    9.0
    """
    root = _root(a.covariance)
    eigenvalues = np.linalg.eigvalsh(root @ b.covariance @ root)
    cross = np.sqrt(np.clip(eigenvalues, 0, None)).sum()
    spread = np.trace(a.covariance) + np.trace(b.covariance) - 2 * cross
    return float(max(np.sum((a.mean - b.mean) ** 2) + spread, 0.0))


def _root(matrix):
    """The symmetric root of a positive semi-definite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
