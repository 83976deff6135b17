"""Whether translations between two conditions on attributes meet them."""

import numpy as np

from keras_gen.core.inputs import IMAGE
from keras_gen.metrics.features import resized
from keras_gen.metrics.figures.judged import JUDGED, JudgedFigure, load_judge, test_rows
from keras_gen.metrics.translation import l1

ROWS = 16  # Rows of a picture.
SIZE = 128  # Size at which the pixels are found that may change.


class ConditionTranslations(JudgedFigure):
    """Whether translations meet the condition of the other set, and change no more.

    The two sets have a condition each, as in "faces/personas?glasses,!glasses".
    `attribute_asked`: the share of translations in which the `judge` finds what the
    other set's condition says, as a mean over both directions, and with a suffix for
    each; `attribute_kept`: the share of all other attributes that the judge finds as
    they are in the image; `attribute_kept_floor`: that share in the real images.
    `elsewhere_l1`: the mean absolute difference of images from their translations in
    the pixels that do not change with these attributes, if there are any;
    `reconstruction_l1`: that of
    images that are translated there and back, in all pixels.
    """

    title = "conditions of translations"
    splits = ("test",)

    def applies(self, context):
        """For models that translate between two sets, which differ in attributes."""
        return (
            context.source in JUDGED
            and context.takes_only("translate", IMAGE)
            and len(JUDGED[context.source].conditions(str(context.data))) == 2
        )

    def measure(self, context):
        """Translates test images of each set to the other, and back."""
        source = JUDGED[context.source]
        judge, judged = load_judge(context)
        names, translate = source.names(), context.model.translate
        data = str(context.data)
        conditions = source.conditions(data)
        sets = list(zip("ab", source.sides(data), conditions, strict=True))
        named = {t.removeprefix("!") for c in conditions for t in c.split("&")}
        others = [index for index, name in enumerate(names) if name not in named]
        covered = source.area(data, sorted(named), SIZE)[None, :, :, None]
        shades = np.where(covered, 1.0, -1.0).astype(np.float32)
        is_elsewhere = resized(shades, (*context.image_shape[:2], 1))[0, ..., 0] <= -1

        figures, means = {}, {}
        for (side, part, _), (to, _, goal) in (sets, sets[::-1]):
            images, own = test_rows(context, "image", "attributes", data=part)
            translated = translate(images, to=to)
            returned = translate(translated, to=side)
            found, real, own = judged(translated), judged(images), own == 1
            elsewhere = images[:, is_elsewhere], translated[:, is_elsewhere]
            asked = float(source.meets(goal, found).mean())
            figures[f"attribute_asked_{_words(goal)}"] = asked
            for name, value in {
                "attribute_asked": asked,
                "attribute_kept": (found == own)[:, others].mean(),
                "attribute_kept_floor": (real == own)[:, others].mean(),
                "reconstruction_l1": l1(returned, images),
                **({"elsewhere_l1": l1(*elsewhere)} if is_elsewhere.any() else {}),
            }.items():
                means[name] = means.get(name, 0.0) + float(value) / len(sets)
            title = f"Test images, translations to {_words(goal)}, and back"
            rows = np.stack([images, translated, returned], axis=1)[:ROWS]
            context.keep(self, title.replace("_", " "), rows)
        return {**judge, **means, **figures}


def _words(condition):
    """A condition as part of a name: "not_glasses" for "!glasses"."""
    return condition.replace("!", "not_").replace("&", "_and_")
