"""How close codes of images are to the prior that they are trained to match."""

import numpy as np

from keras_gen import latent
from keras_gen.metrics import codes
from keras_gen.metrics.figures.base import Figure

NUM_MMD = 2_000  # Codes and draws of the prior for the MMD, which compares all pairs.


class PriorMatch(Figure):
    """How far noisy codes of test images are from the prior.

    `prior_two_sample_accuracy`: accuracy of a classifier that tells codes from draws of
    the prior; 1/2 is best. `prior_mmd`: the squared maximum mean discrepancy between
    codes and draws.
    """

    title = "codes against the prior"
    splits = ("test",)

    def applies(self, context):
        """For models that draw codes of images (`draw_codes`)."""
        return hasattr(context.model, "draw_codes")

    def least_images(self, context):
        """As many as `two_sample_accuracy` needs."""
        return 20

    def measure(self, context):
        """Draws one code of each test image, and as many draws of the prior."""
        random = np.random.default_rng(context.seed)
        drawn = []
        for batch in context.test:
            images = batch["image"].numpy()
            noise = random.normal(size=(len(images), context.model.latent_dim))
            drawn.append(context.model.draw_codes(images, noise.astype(np.float32)))
        drawn = np.concatenate(drawn)
        prior = latent.draw(context.model, len(drawn), context.seed)
        return {
            "prior_two_sample_accuracy": codes.two_sample_accuracy(
                drawn, prior, context.seed
            ),
            "prior_mmd": codes.prior_mmd(drawn[:NUM_MMD], prior[:NUM_MMD]),
        }
