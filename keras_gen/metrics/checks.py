"""What no figure is made of: refused with a sentence."""

import numpy as np


def check_features(rows):
    """Finite numbers (batch, num_features); ValueError otherwise."""
    rows = np.asarray(rows)
    if rows.ndim != 2 or not rows.size:
        raise ValueError(
            f"Expected features of shape (batch, num_features), got {rows.shape}."
        )
    if not np.isfinite(rows).all():
        raise ValueError("Expected finite features, got NaN or infinity.")
    return rows


def check_pair(real, fake, at_least):
    """Two sets of features of one width, with enough rows; they may not be constant."""
    real, fake = check_features(real), check_features(fake)
    if real.shape[1] != fake.shape[1]:
        raise ValueError(
            "Expected features of one extractor, got "
            f"{real.shape[1]} and {fake.shape[1]} in a row."
        )
    for name, rows in (("real", real), ("generated", fake)):
        if len(rows) < at_least:
            raise ValueError(
                f"Expected at least {at_least} {name} images, got {len(rows)}."
            )
    if not np.ptp(real, axis=0).any():
        raise ValueError("Expected features that vary, got constant real ones.")
    return real.astype(np.float64), fake.astype(np.float64)
