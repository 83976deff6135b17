"""Whether translations to attributes have those that were asked for."""

import numpy as np

from keras_gen.core.inputs import ATTRIBUTES
from keras_gen.metrics.figures.judged import JUDGED, JudgedFigure, load_judge, test_rows
from keras_gen.metrics.translation import l1
from keras_gen.models.translation.stargan import changed

ROWS = 16  # Rows of a picture.


class AttributeTranslations(JudgedFigure):
    """Whether translations to attributes have those that were asked for.

    Each attribute in turn is changed in test images, with those that exclude it.
    `attribute_asked`: the share of translations in which the `judge` finds the new
    value, as a mean over the attributes, and with a suffix for each; `attribute_kept`:
    the share of all other attributes of the model that the judge finds as they should
    be; `attribute_kept_floor`: that share in the real images. `reconstruction_l1` is
    the mean absolute difference of images that are translated there and back.
    """

    title = "attributes of translations"
    splits = ("test",)

    def applies(self, context):
        """For models that translate to attributes alone, on sources in `JUDGED`."""
        if context.source not in JUDGED or "translate" not in context.abilities:
            return False
        roles = [entry.role for entry in context.inputs_of("translate").values()]
        return roles[1:] == [ATTRIBUTES]

    def measure(self, context):
        """Translates test images to each attribute, and back."""
        names = context.real.load("test").attribute_names
        judge, judged = load_judge(context, names)
        images, own = test_rows(context, "image", "attributes")
        translate = context.model.translate
        figures, kept, distances, shown = {}, [], [], [images[:ROWS]]
        for index, name in enumerate(names):
            wanted = changed(own, index, own)
            translated = translate(images, attributes=wanted)
            right = judged(translated) == (wanted == 1)
            figures[f"attribute_asked_{name}"] = float(right[:, index].mean())
            kept.append(np.delete(right, index, axis=1).mean())
            distances.append(l1(translate(translated, attributes=own), images))
            shown.append(translated[:ROWS])
        title = f"Test images, and translations that change {', '.join(names)}"
        context.keep(self, title, np.stack(shown, axis=1))
        return {
            **judge,
            "attribute_asked": float(np.mean(list(figures.values()))),
            "attribute_kept": float(np.mean(kept)),
            "attribute_kept_floor": float(np.mean(judged(images) == (own == 1))),
            "reconstruction_l1": float(np.mean(distances)),
            **figures,
        }
