"""Checks of the features that figures are computed from, which raise ValueErrors."""

from __future__ import annotations  # `help` shows ArrayLike by its name.

import numpy as np
from numpy.typing import ArrayLike


def check_features(rows: ArrayLike) -> np.ndarray:
    """Finite features as an array of shape (batch, num_features).

    Raises:
        ValueError: For another shape, no rows, NaN or infinity.
    """
    rows = np.asarray(rows)
    if rows.ndim != 2 or not rows.size:
        raise ValueError(
            f"Expected features of shape (batch, num_features), got {rows.shape}."
        )
    if not np.isfinite(rows).all():
        raise ValueError("Expected finite features, got NaN or infinity.")
    return rows


def check_pair(
    real: ArrayLike, fake: ArrayLike, at_least: int
) -> tuple[np.ndarray, np.ndarray]:
    """Two sets of features that can be compared, as float64 arrays.

    Args:
        real: Features of real images, (batch, num_features).
        fake: Features of generated images, (batch, num_features).
        at_least: Smallest number of rows of either set.

    Raises:
        ValueError: For numbers of features that differ, too few rows, or real features
            that are constant.
    """
    real, fake = check_features(real), check_features(fake)
    if real.shape[1] != fake.shape[1]:
        raise ValueError(
            "Expected features of one extractor, got "
            f"{real.shape[1]} and {fake.shape[1]} numbers in a row."
        )
    for name, rows in (("real", real), ("generated", fake)):
        if len(rows) < at_least:
            raise ValueError(
                f"Expected at least {at_least} {name} images, got {len(rows)}."
            )
    if not np.ptp(real, axis=0).any():
        raise ValueError("Expected features that vary, got constant real ones.")
    return real.astype(np.float64), fake.astype(np.float64)
