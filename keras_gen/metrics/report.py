"""All figures of a set of images at once, with the floor that real images set."""

import dataclasses
from collections.abc import Iterable

import numpy as np

from keras_gen.metrics import classes, gaussian, kernel, neighbours
from keras_gen.metrics.features import BATCH, Extractor, check_images, extractor

KEPT = 10_000  # Rows of features that figures on pairs of images look at.


@dataclasses.dataclass
class Summary:
    """What figures need of a set of images, taken in one pass.

    The mean and covariance are of all images; of the rest at most `KEPT` rows are
    held, drawn evenly, so that memory does not grow with the number of images.

    Attributes:
        count: Images seen.
        statistics: Of the features of all of them.
        features: float32 (at most KEPT, num_features).
        probabilities: float32 (at most KEPT, num_classes), or None.
    """

    count: int
    statistics: gaussian.Statistics
    features: np.ndarray
    probabilities: np.ndarray | None


def summarize(images, features="mnist", seed=0, kept=KEPT) -> Summary:
    """Takes in images batch by batch.

    Args:
        images: An array (count, height, width, channels) in [-1, 1], or an iterable of
            such batches or of dicts with "image" (a dataset).
        features: See `keras_gen.metrics.extractor`.
        seed: Of the draw of rows that are held.
        kept: Rows that are held.
    """
    extract = extractor(features)
    random = np.random.default_rng(seed)
    statistics, count, rows, odds = None, 0, None, None
    probabilities = None
    for batch in _batches(images):
        found = extract.features(batch)
        if statistics is None:
            statistics = gaussian.Statistics(found.shape[1])
        statistics.update(found)
        count += len(found)
        guess = extract.probabilities(batch) if extract.has_classes else None
        # The `kept` largest of independent uniform numbers are an even draw.
        rows, odds, probabilities = _keep(
            kept,
            (rows, found),
            (odds, random.random(len(found))),
            (probabilities, guess),
        )
    if statistics is None:
        raise ValueError("Expected images, got none.")
    return Summary(count, statistics, rows, probabilities)


def _keep(kept, rows, odds, probabilities):
    """Joins what was held and what came, and holds the rows with the best odds."""

    def join(pair):
        old, new = pair
        return new if old is None else np.concatenate([old, new])

    odds = join(odds)
    best = np.sort(np.argpartition(-odds, min(kept, len(odds) - 1))[:kept])
    held = None if probabilities[1] is None else join(probabilities)[best]
    return join(rows)[best], odds[best], held


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
        floor = _compare(held_out, real, seed, subsets)
        figures |= {f"{name}_floor": value for name, value in floor.items()}
        figures["num_held_out"] = held_out.count
    return {
        **figures,
        "features": extract.name,
        "num_generated": generated.count,
        "num_real": real.count,
        "seed": seed,
    }


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
        figures |= classes.modes(
            generated.probabilities.argmax(axis=1),
            real.probabilities.argmax(axis=1),
            real.probabilities.shape[1],
        )
    return figures
