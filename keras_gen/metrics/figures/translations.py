"""Distances of translations from the true images, for sources that have them."""

import dataclasses
import itertools

import numpy as np

from keras_gen.core.inputs import LABEL
from keras_gen.data import emoji
from keras_gen.metrics.features import resized
from keras_gen.metrics.figures.base import Figure
from keras_gen.metrics.translation import translation_figures

ROWS = 16  # Rows of a picture.


@dataclasses.dataclass(frozen=True)
class AlignedSource:
    """A source whose test split shows the same things in every domain.

    Its feature "id" names what a row shows.

    Attributes:
        domains: Names of the domains, in the order of the classifier's classes. The
            source "NAME/DOMAIN" is a single domain.
        judge: Preset and weights of a classifier of these domains.
    """

    domains: tuple[str, ...]
    judge: tuple[str, str]


ALIGNED = {"emoji": AlignedSource(emoji.STYLES, ("classifier", "emoji_style"))}


class Translations(Figure):
    """How close translations of test images are to the true images.

    For every direction from one domain to another, the figures are those of
    `translation_figures`, with a suffix such as `_noto_to_openmoji`; without a suffix,
    they are means over all directions. `agreement` is the share of translations that a
    classifier of domains, the `judge`, assigns to the requested domain.
    """

    title = "translations"

    def applies(self, context):
        """For models that `translate`, on sources in `ALIGNED`."""
        return "translate" in context.abilities and context.source in ALIGNED

    def check(self, context):
        """Refuses a missing classifier."""
        context.check_judge(*ALIGNED[context.source].judge)

    def measure(self, context):
        """Translates the test images in every direction, and back.

        Raises:
            ValueError: For a judge with another number of classes.
        """
        aligned = ALIGNED[context.source]
        judge, judge_name = context.load_judge(*aligned.judge)
        if judge.num_classes != len(aligned.domains):
            raise ValueError(
                f"Expected a classifier of {aligned.domains}, got {judge.num_classes} "
                "classes."
            )
        to_domains = _translators(context)
        names = _names_of(context, aligned)[: len(to_domains)]
        images_of = [_test_images(context, name) for name in names]
        directions = list(itertools.permutations(range(len(names)), 2))
        means, figures = {}, {}
        for source, target in directions:
            images, truth = images_of[source], images_of[target]
            translated = to_domains[target](images)
            returned = to_domains[source](translated)
            found = translation_figures(
                images, translated, truth, returned, context.extractor.features
            )
            probabilities = judge.classify(resized(translated, judge.image_shape))
            wanted = aligned.domains.index(names[target])
            found["agreement"] = float(np.mean(probabilities.argmax(axis=1) == wanted))
            suffix = f"{names[source]}_to_{names[target]}"
            figures |= {f"{name}_{suffix}": value for name, value in found.items()}
            for name, value in found.items():
                means[name] = means.get(name, 0.0) + value / len(directions)
            step = max(len(images) // ROWS, 1)
            rows = [x[::step] for x in (images, translated, truth, returned)]
            title = (
                f"Test images {names[source]} to {names[target]}: image, translation, "
                "truth, and the translation back"
            )
            context.keep(self, title, np.stack(rows, axis=1))
        return {"judge": judge_name, **means, **figures}


def _names_of(context, aligned):
    """Names of the domains of the data, in the order of the model's domain numbers."""
    part = str(context.data).partition("/")[2]
    return tuple(part.split(",")) if part else aligned.domains


def _test_images(context, domain):
    # By the names of things, so that all domains show the same ones.
    batches = context.draw("test", data=f"{context.source}/{domain}", by=("id",))
    return np.concatenate([batch["image"].numpy() for batch in batches])


def _translators(context):
    """A function from images to translations for each of the model's domains."""

    def translator(**domain):
        return lambda images: context.model.translate(images, **domain)

    domain = context.condition("translate", LABEL)
    if domain is None:  # A model of two domains.
        return [translator(to=side) for side in "ab"]
    return [translator(**{domain.name: i}) for i in range(domain.range[1] + 1)]
