"""How close translations are to the true images, if these are known."""

from __future__ import annotations  # `help` shows ArrayLike by its name.

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from keras_gen.metrics import gaussian


def translation_figures(
    source: np.ndarray,
    translated: np.ndarray,
    truth: np.ndarray,
    returned: np.ndarray,
    features: Callable,
) -> dict:
    """Compares translations with the true images of the same objects, pair by pair.

    Args:
        source: Images of one domain, float32 (count, height, width, channels), in
            [-1, 1].
        translated: Translations of `source`.
        truth: Images of the same objects in the other domain.
        returned: The translations, translated back.
        features: Function of images to features, (count, num_features).

    Returns:
        `l1` and `frechet`, the distances of translations from the truth;
        `l1_untranslated` and `frechet_untranslated`, those of the source images;
        `l1_gain` and `frechet_gain`, the share of the latter that translation removes;
        `reconstruction_l1`, the distance of `returned` from `source`. L1 is the mean
        absolute difference in units of images.
    """
    real = statistics(features(truth))
    figures = {}
    for suffix, images in (("", translated), ("_untranslated", source)):
        figures[f"l1{suffix}"] = l1(images, truth)
        figures[f"frechet{suffix}"] = gaussian.frechet_distance(
            real, statistics(features(images))
        )
    for name in ("l1", "frechet"):
        figures[f"{name}_gain"] = 1.0 - figures[name] / figures[f"{name}_untranslated"]
    return {**figures, "reconstruction_l1": l1(returned, source)}


def l1(first: ArrayLike, second: ArrayLike) -> float:
    """Mean absolute difference of arrays of one shape."""
    return float(np.abs(np.asarray(first) - np.asarray(second)).mean())


def statistics(rows: np.ndarray) -> gaussian.Statistics:
    """Mean and covariance of rows (count, num_features)."""
    found = gaussian.Statistics(rows.shape[1])
    found.update(rows)
    return found
