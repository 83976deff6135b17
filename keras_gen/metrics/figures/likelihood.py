"""Likelihood of held-out images."""

import numpy as np

from keras_gen import images as image_files
from keras_gen.metrics import densities
from keras_gen.metrics.figures.base import Figure

LEVELS = 256  # Levels of a pixel, for bits per dimension of densities.
NUM_INTEGRALS = 1_000  # Images whose likelihood is an integral over many steps.


class Likelihood(Figure):
    """`nll_nats` and `bits_per_dim`: negative log-likelihood of test images.

    For models of binary pixels, each pixel is drawn black or white once. For a density,
    bits per dimension assume 256 levels. `nll_samples` is the number of importance
    samples for models whose likelihood is an estimate. `nll_images` is the number of
    test images for models whose likelihood is an integral over steps, each of which
    evaluates the network: 1,000, or fewer.
    """

    title = "likelihood"

    def applies(self, context):
        """For models with `log_prob`."""
        return "log_prob" in context.abilities

    def measure(self, context):
        """Calls `log_prob` for test images."""
        model, figures, options = context.model, {}, {}
        if "num_samples" in context.abilities["log_prob"].options:
            options["num_samples"] = context.num_samples
            figures["nll_samples"] = context.num_samples
        batches = context.test
        if "steps" in context.abilities["log_prob"].options:
            count = min(NUM_INTEGRALS, context.num_images)
            batches = context.draw("test", count=count)
        images = np.concatenate([batch["image"].numpy() for batch in batches])
        if batches is not context.test:
            figures["nll_images"] = len(images)
        if getattr(model, "is_binary", False):
            images = image_files.binarize(images, context.seed)
        nats = -float(np.mean(model.log_prob(images, **options)))
        dimensions = int(np.prod(context.image_shape))
        levels = LEVELS if getattr(model, "is_density", False) else None
        figures["nll_nats"] = nats
        figures["bits_per_dim"] = densities.bits_per_dim(nats, dimensions, levels)
        return figures
