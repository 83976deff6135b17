"""Sources of which models judge attributes and captions; rows of their test split."""

import dataclasses
from collections.abc import Callable

import numpy as np

from keras_gen.data import faces

NUM_IMAGES = 1_000


@dataclasses.dataclass(frozen=True)
class JudgedSource:
    """A source for whose attributes a classifier ships, and for captions a matcher.

    Attributes:
        judge: Preset and weights of the classifier.
        matcher: Preset and weights of the matcher.
        names: Function that returns the names of its attributes.
        added: Attribute that the arithmetic adds.
        absent: Attribute that the images have from which it is taken, but not the
            result.
        unnamed: Function that returns the names of those of which captions say nothing.
    """

    judge: tuple[str, str]
    matcher: tuple[str, str]
    names: Callable[[], list[str]]
    added: str
    absent: str
    unnamed: Callable[[], list[str]]


JUDGED = {
    "faces": JudgedSource(
        judge=("classifier", "faces"),
        matcher=("matcher", "faces"),
        names=faces.attribute_names,
        added="glasses",
        absent="smile",
        unnamed=faces.unnamed_attributes,
    )
}


def test_rows(context, *features: str) -> list[np.ndarray]:
    """Features of at most `NUM_IMAGES` rows of the test split, an array for each.

    Args:
        context: Context of the evaluation, which draws the rows at random.
        *features: Names of the features.
    """
    count = min(NUM_IMAGES, context.num_images)
    batches = list(context.draw("test", features=features, count=count))
    return [
        np.concatenate([batch[name].numpy() for batch in batches]) for name in features
    ]
