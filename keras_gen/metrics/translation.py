"""How near translations are to the truth, where the truth is known."""

import numpy as np

from keras_gen.metrics import gaussian


def translation_figures(source, translated, truth, back, features) -> dict:
    """Translations against the true drawings of the same things, pair by pair.

    Args:
        source: Images, float32 (count, height, width, channels), in [-1, 1].
        translated: What was made of them.
        truth: The same things in the other set.
        back: The translations, translated back.
        features: A function of images to (count, num_features).

    Returns:
        `l1` and `frechet`, of translations; the same of the untranslated with
        `_untranslated`; `l1_gain` and `frechet_gain`, the share of it that is gone;
        `reconstruction_l1`, of the way back. L1 is a mean in units of images.
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
    return {**figures, "reconstruction_l1": l1(back, source)}


def l1(first, second):
    """Mean absolute difference."""
    return float(np.abs(np.asarray(first) - np.asarray(second)).mean())


def statistics(rows):
    """Mean and covariance of rows (count, numbers)."""
    found = gaussian.Statistics(rows.shape[1])
    found.update(rows)
    return found
