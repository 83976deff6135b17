"""What figures need of a set of images, and the figures that compare two sets."""

import dataclasses
from collections.abc import Iterable

import numpy as np

from keras_gen.metrics import classes, gaussian, kernel, neighbours
from keras_gen.metrics.features import BATCH, Extractor, check_images, extractor

KEPT = 10_000  # Rows of features that figures on pairs of images look at.
KEPT_IMAGES = 2_000  # Images that figures on pixels look at,
KEPT_BYTES = 2**28  # or fewer, if they are large.


@dataclasses.dataclass
class Summary:
    """What figures need of a set of images, taken in one pass.

    The mean, the covariance and the histogram of classes are of all images; of the rest
    so many rows are held, drawn evenly, that memory does not grow with the number of
    images.

    Attributes:
        count: Images seen.
        statistics: Of the features of all of them.
        features: float32 (at most KEPT, num_features).
        probabilities: float32 (at most KEPT, num_classes), or None.
        class_counts: int (num_classes,), likeliest classes of all images, or None.
        images: float32 (at most KEPT_IMAGES, height, width, channels).
    """

    count: int
    statistics: gaussian.Statistics
    features: np.ndarray
    probabilities: np.ndarray | None
    class_counts: np.ndarray | None
    images: np.ndarray


def summarize(images, features="mnist", seed=0, kept=KEPT) -> Summary:
    """Takes in images batch by batch.

    Args:
        images: An array (count, height, width, channels) in [-1, 1], or an iterable of
            such batches or of dicts with "image" (a dataset).
        features: See `keras_gen.metrics.extractor`.
        seed: Of the draw of rows that are held.
        kept: Rows of features that are held.
    """
    extract = extractor(features)
    random = np.random.default_rng(seed)
    statistics, class_counts = None, 0
    rows, guesses, pictures = _Draw(kept), _Draw(kept), None
    for batch in _batches(images):
        found, odds = extract.features(batch), random.random(len(batch))
        if statistics is None:
            statistics = gaussian.Statistics(found.shape[1])
            pictures = _Draw(min(KEPT_IMAGES, KEPT_BYTES // batch[0].nbytes))
        statistics.update(found)
        rows.add(found, odds)
        pictures.add(np.asarray(batch, np.float32), odds)
        if extract.has_classes:
            guess = extract.probabilities(batch)
            guesses.add(guess, odds)
            likeliest = guess.argmax(axis=1)
            class_counts += np.bincount(likeliest, minlength=guess.shape[1])
    if statistics is None:
        raise ValueError("Expected images, got none.")
    return Summary(
        statistics.count,
        statistics,
        rows.held,
        guesses.held,
        class_counts if extract.has_classes else None,
        pictures.held,
    )


class _Draw:
    """An even draw of rows that come in batches: those with the largest odds."""

    def __init__(self, size):
        self.size, self.held, self.odds = size, None, np.empty(0)

    def add(self, rows, odds):
        """Takes in rows with independent uniform odds."""
        self.held = rows if self.held is None else np.concatenate([self.held, rows])
        self.odds = np.concatenate([self.odds, odds])
        if len(self.odds) > self.size:
            best = np.sort(np.argpartition(-self.odds, self.size)[: self.size])
            self.held, self.odds = self.held[best], self.odds[best]


def _batches(images) -> Iterable[np.ndarray]:
    if isinstance(images, np.ndarray):
        check_images(images)
        for start in range(0, len(images), BATCH):
            yield images[start : start + BATCH]
        return
    for batch in images:
        yield np.asarray(batch["image"] if isinstance(batch, dict) else batch)


def image_figures(
    generated, real, held_out=None, *, features="mnist", seed=0, subsets=100
) -> dict:
    """The quality of generated images against real ones.

    Args:
        generated: Images, see `summarize`, or a `Summary` of them.
        real: Real images, the reference; the same.
        held_out: Real images that are not among `real`: every figure is given for them
            too, by the name with `_floor`, as what a perfect model would get. None
            leaves the floor out.
        features: See `keras_gen.metrics.extractor`; one for all.
        seed: Of subsets and of the rows that are held.
        subsets: Of the kernel distance.

    Returns:
        A dict of numbers, and of what they were made with: `features`,
        `num_generated`, `num_real`, `seed`.
    """
    extract = extractor(features)
    real = _summary(real, extract, seed)
    generated = _summary(generated, extract, seed)
    figures = _compare(generated, real, seed, subsets)
    if held_out is not None:
        held_out = _summary(held_out, extract, seed)
        figures |= with_suffix("_floor", _compare(held_out, real, seed, subsets))
        figures["num_held_out"] = held_out.count
    return {
        **figures,
        "features": extract.name,
        "num_generated": generated.count,
        "num_real": real.count,
        "seed": seed,
    }


def with_suffix(suffix, figures):
    """The same figures by longer names."""
    return {f"{name}{suffix}": value for name, value in figures.items()}


def _summary(images, extract: Extractor, seed):
    if isinstance(images, Summary):
        return images
    return summarize(images, extract, seed)


def _compare(generated, real, seed, subsets):
    distance, error = kernel.kernel_distance(
        real.features, generated.features, subsets=subsets, seed=seed
    )
    figures = {
        "frechet_distance": gaussian.frechet_distance(
            real.statistics, generated.statistics
        ),
        "kernel_distance": distance,
        "kernel_distance_error": error,
        **neighbours.precision_recall(real.features, generated.features),
        **neighbours.density_coverage(real.features, generated.features),
    }
    if generated.probabilities is not None:
        score, deviation = classes.classifier_score(generated.probabilities)
        figures |= {"classifier_score": score, "classifier_score_deviation": deviation}
        figures |= classes.modes(generated.class_counts, real.class_counts)
    return figures
