"""Summaries of sets of images, and the figures that compare two sets."""

import dataclasses
from collections.abc import Iterable

import numpy as np

from keras_gen.metrics import classes, gaussian, kernel, neighbours
from keras_gen.metrics.features import BATCH, Extractor, check_images, extractor

KEPT = 10_000  # Largest number of rows of features in a summary.
KEPT_IMAGES = 2_000  # Largest number of images in a summary,
KEPT_BYTES = 2**28  # and of bytes that they occupy.


@dataclasses.dataclass
class Summary:
    """The statistics, features and images of a set that figures need, from one pass.

    The mean, the covariance and the histogram of classes are those of all images. Only
    a limited number of features and images is kept, a uniform random subset, so that
    memory does not grow with the number of images.

    Attributes:
        count: Number of images.
        statistics: Mean and covariance of the features of all images.
        features: float32 (at most KEPT, num_features).
        probabilities: float32 (at most KEPT, num_classes), or None without classes.
        class_counts: Number of images that are classified as each class, int
            (num_classes,), or None without classes.
        images: float32 (at most KEPT_IMAGES, height, width, channels).
    """

    count: int
    statistics: gaussian.Statistics
    features: np.ndarray
    probabilities: np.ndarray | None
    class_counts: np.ndarray | None
    images: np.ndarray


def summarize(
    images: np.ndarray | Iterable, features="mnist", seed: int = 0, kept: int = KEPT
) -> Summary:
    """Summarizes images batch by batch.

    Args:
        images: Images, an array (count, height, width, channels) in [-1, 1], or an
            iterable of such batches or of dicts with "image" (a dataset). Images with
            alpha are measured on white.
        features: Feature extractor, or an argument for `keras_gen.metrics.extractor`.
        seed: Seed of the draw of rows that are kept.
        kept: Number of rows of features that are kept.

    Raises:
        ValueError: For no images, or images of a wrong shape or range.
    """
    extract = extractor(features)
    random = np.random.default_rng(seed)
    statistics, class_counts = None, 0
    rows, guesses, pictures = _EvenDraw(kept), _EvenDraw(kept), None
    for batch in map(check_images, _batches(images)):
        found, odds = extract.features(batch), random.random(len(batch))
        if statistics is None:
            statistics = gaussian.Statistics(found.shape[1])
            pictures = _EvenDraw(min(KEPT_IMAGES, KEPT_BYTES // batch[0].nbytes))
        statistics.update(found)
        rows.add(found, odds)
        pictures.add(batch, odds)
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
        rows.kept,
        guesses.kept,
        class_counts if extract.has_classes else None,
        pictures.kept,
    )


class _EvenDraw:
    """A uniform draw from rows that arrive in batches: those with the largest odds."""

    def __init__(self, size):
        self.size, self.kept, self.odds = size, None, np.empty(0)

    def add(self, rows, odds):
        """Adds rows with independent uniform odds."""
        self.kept = rows if self.kept is None else np.concatenate([self.kept, rows])
        self.odds = np.concatenate([self.odds, odds])
        if len(self.odds) > self.size:
            best = np.sort(np.argpartition(-self.odds, self.size)[: self.size])
            self.kept, self.odds = self.kept[best], self.odds[best]


def _batches(images) -> Iterable[np.ndarray]:
    if isinstance(images, np.ndarray):
        check_images(images[:1])
        for start in range(0, len(images), BATCH):
            yield images[start : start + BATCH]
        return
    for batch in images:
        yield np.asarray(batch["image"] if isinstance(batch, dict) else batch)


def image_figures(
    generated, real, held_out=None, *, features="mnist", seed: int = 0, subsets=100
) -> dict:
    """The quality of generated images compared with real ones.

    >>> samples = keras_gen.zoo.load("gan", weights="mnist").sample(128, seed=0)
    >>> train = keras_gen.data.load("mnist", "train[:128]")
    >>> figures = image_figures(samples, train)
    >>> figures["num_generated"], figures["num_real"]
    (128, 128)

    Args:
        generated: Generated images, as for `summarize`, or a `Summary` of them.
        real: Real images, the reference: images or a `Summary`.
        held_out: Real images that are not among `real`: images or a `Summary`. Every
            figure is computed for them too, under its name with `_floor`: the value
            that a perfect model would reach. None leaves these out.
        features: Feature extractor of all images, or what `keras_gen.metrics.extractor`
            makes one of.
        seed: Seed of subsets and of the draw of rows that are kept.
        subsets: Number of subsets of the kernel distance.

    Returns:
        A dict of numbers and of the settings that they were computed with: `features`,
        `num_generated`, `num_real`, `seed`. There is no `kernel_distance_error` if all
        subsets are the same.
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


def with_suffix(suffix: str, figures: dict) -> dict:
    """Figures with a suffix added to their names."""
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
        **({"kernel_distance_error": error} if error else {}),
        **neighbours.precision_recall(real.features, generated.features),
        **neighbours.density_coverage(real.features, generated.features),
    }
    if generated.probabilities is not None:
        score, deviation = classes.classifier_score(generated.probabilities)
        figures |= {"classifier_score": score, "classifier_score_deviation": deviation}
        figures |= classes.modes(generated.class_counts, real.class_counts)
    return figures
