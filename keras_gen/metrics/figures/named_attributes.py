"""Whether samples show what their captions say, by a classifier and a matcher."""

import numpy as np

from keras_gen.core.inputs import TEXT
from keras_gen.metrics.figures.captions import (
    distances,
    drawing,
    keep_samples,
    precisions,
)
from keras_gen.metrics.figures.judged import JUDGED, JudgedFigure, load_judge, test_rows


class NamedAttributes(JudgedFigure):
    """Whether samples have the attributes that captions of the test split name.

    `named_found`: the share of samples in which the `judge` finds an attribute that the
    caption names, as a mean over the attributes, and with a suffix for each;
    `unnamed_found`: that share for attributes that the caption does not name; both with
    the suffix `_floor` for the real images. `r_precision`, `seed_l1` and `caption_l1`
    are those of `Captions`, whose matcher is the source's own.
    """

    title = "attributes of captions"
    splits = ("test",)

    def applies(self, context):
        """For models whose `sample` takes captions, on sources in `JUDGED`."""
        is_judged = context.source in JUDGED
        return is_judged and context.condition("sample", TEXT) is not None

    def check(self, context):
        """Refuses a missing classifier or matcher."""
        super().check(context)
        context.check_shipped(*JUDGED[context.source].matcher)

    def measure(self, context):
        """Draws two samples of each caption."""
        source = JUDGED[context.source]
        matcher = context.load_shipped(*source.matcher)
        names = [n for n in source.names() if n not in source.unnamed()]
        columns = [source.names().index(name) for name in names]
        judge, judged = load_judge(context, names)
        features = ("image", "caption", "attributes")
        real, captions, attributes = test_rows(context, *features)
        wanted = attributes[:, columns] > 0.5

        def shares(images):
            found = judged(images)
            of_each = {
                f"named_found_{name}": float(found[wanted[:, i], i].mean())
                for i, name in enumerate(names)
                if wanted[:, i].any()
            }
            mean = float(np.mean(list(of_each.values())))
            return mean, float(found[~wanted].mean()), of_each

        draw = drawing(context)
        drawn, again = (draw(captions, context.seed + i) for i in range(2))
        named, unnamed, of_each = shares(drawn)
        named_floor, unnamed_floor, _ = shares(real)
        keep_samples(context, self, real, captions)
        return {
            **judge,
            "named_found": named,
            "named_found_floor": named_floor,
            "unnamed_found": unnamed,
            "unnamed_found_floor": unnamed_floor,
            **precisions(matcher, drawn, real, captions, context.seed),
            **distances(drawn, again),
            **of_each,
        }
