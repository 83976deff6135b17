"""Figures for which models judge attributes and captions, and the sources of these."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from keras_gen.data import faces
from keras_gen.metrics.features import resized
from keras_gen.metrics.figures.base import Figure

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
        shown: Attributes of pictures of many attributes.
        conditions: Function from the name of data to the conditions on attributes that
            are their domains; none if the domains are others.
        sides: Function from the name of data to the names of its two domains.
        meets: Function from a condition and attributes (count, attributes) to whether
            they meet it, bool (count,).
        area: Function from the name of data, names of attributes and a size to the
            pixels that can change with them, bool (size, size).
    """

    judge: tuple[str, str]
    matcher: tuple[str, str]
    names: Callable[[], list[str]]
    added: str
    absent: str
    unnamed: Callable[[], list[str]]
    shown: tuple[str, ...]
    conditions: Callable[[str], tuple[str, ...]]
    sides: Callable[[str], list[str]]
    meets: Callable[[str, np.ndarray], np.ndarray]
    area: Callable[[str, list[str], int], np.ndarray]


JUDGED = {
    "faces": JudgedSource(
        judge=("classifier", "faces"),
        matcher=("matcher", "faces"),
        names=faces.attribute_names,
        added="glasses",
        absent="smile",
        unnamed=faces.unnamed_attributes,
        shown=("glasses", "smile", "beard", "long_hair", "red_hair", "dark_skin"),
        conditions=lambda name: faces.parse(name).conditions,
        sides=faces.sides,
        meets=faces.meets,
        area=faces.area,
    )
}


class JudgedFigure(Figure):
    """A figure for which a classifier finds attributes in images."""

    def check(self, context):
        """Refuses a missing classifier."""
        context.check_judge(*JUDGED[context.source].judge)


def load_judge(
    context, names: Sequence[str] | None = None
) -> tuple[dict, Callable[[np.ndarray], np.ndarray]]:
    """The entry of figures that names the judge, and what it finds in images.

    Args:
        context: Context of the evaluation.
        names: Names of attributes; None takes all of the source.

    Returns:
        A dict with "judge", and a function from images (count, height, width,
        channels) to whether they have each attribute, bool (count, attributes).
    """
    source = JUDGED[context.source]
    judge, title = context.load_judge(*source.judge)
    known = source.names()
    columns = [known.index(name) for name in (known if names is None else names)]

    def judged(images):
        found = judge.classify(resized(images, judge.image_shape))
        return found[:, columns] > 0.5

    return {"judge": title}, judged


def test_rows(context, *features: str, **options) -> list[np.ndarray]:
    """Features of at most `NUM_IMAGES` rows of the test split, an array for each.

    Args:
        context: Context of the evaluation, which draws the rows at random.
        *features: Names of the features.
        **options: Arguments of `Context.draw`: `split`, if it is another, or `data`.
    """
    count = min(NUM_IMAGES, context.num_images)
    options = {"split": "test", "features": features, "count": count, **options}
    batches = list(context.draw(**options))
    return [
        np.concatenate([batch[name].numpy() for batch in batches]) for name in features
    ]
