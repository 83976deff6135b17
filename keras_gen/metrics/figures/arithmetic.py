"""Arithmetic of attributes with latents, judged by a classifier of attributes.

1. Radford, Metz and Chintala, "Unsupervised Representation Learning with Deep
   Convolutional Generative Adversarial Networks", 2016, section 6.3.2.
"""

import numpy as np

from keras_gen import latent
from keras_gen.core.inputs import LATENT
from keras_gen.metrics.figures.judged import JUDGED, JudgedFigure, load_judge

NUM_IMAGES = 2_000  # Images in which examples are searched.
NUM_DRAWS = 100
EXAMPLES = 3  # Latents that are averaged ([1]).
ROWS = 16  # Rows of a picture.


class Arithmetic(JudgedFigure):
    """Whether differences of latents are differences of attributes ([1], figure 7).

    Three latents are averaged for each of smiling faces with glasses, smiling faces
    without and serious faces without. First − second + third should be a serious face
    with glasses. `arithmetic_agreement`: the share of 100 such draws in which the
    `judge` finds the one attribute and not the other; `arithmetic_floor`: that share
    among samples.
    """

    title = "arithmetic"

    def applies(self, context):
        """For models that decode latents alone, on sources in `JUDGED`."""
        return (
            context.source in JUDGED
            and context.has_small_latents
            and context.takes_only("decode", LATENT)
            and context.model.latent_distribution() is not None
        )

    def measure(self, context):
        """Draws and judges samples, and what their latents add up to.

        Returns nothing if one of the three kinds has too few samples.
        """
        source, model = JUDGED[context.source], context.model
        judge, judged = load_judge(context, (source.added, source.absent))
        latents = latent.draw(model, NUM_IMAGES, context.seed)
        images = model.decode(latents)
        added, absent = judged(images).T
        kinds = (added & absent, ~added & absent, ~added & ~absent)
        groups = [np.flatnonzero(kind) for kind in kinds]
        if min(map(len, groups)) < EXAMPLES:
            return {}
        random = np.random.default_rng(context.seed)
        chosen = np.array(
            [
                [random.choice(group, EXAMPLES, replace=False) for group in groups]
                for _ in range(NUM_DRAWS)
            ]
        )
        means = latents[chosen].mean(axis=2)
        results = model.decode(means[:, 0] - means[:, 1] + means[:, 2])
        found, unwanted = judged(results).T
        shown = images[chosen[:ROWS].reshape(ROWS, -1)]
        rows = np.concatenate([shown, results[:ROWS, None]], axis=1)
        title = (
            f"Three images each with {source.absent} and {source.added}, with "
            f"{source.absent} alone, and with neither; first − second + third"
        )
        context.keep(self, title, rows)
        return {
            **judge,
            "arithmetic_agreement": float(np.mean(found & ~unwanted)),
            "arithmetic_floor": float(np.mean(added & ~absent)),
        }
