"""Likelihood of held-out images."""

import numpy as np

from keras_gen import images as image_files
from keras_gen.core.inputs import IMAGE, LABEL, TEXT
from keras_gen.metrics import densities
from keras_gen.metrics.figures.base import Figure

LEVELS = 256  # Levels of a pixel, for bits per dimension of densities.
# The feature of a batch that an input of `log_prob` takes, by the input's role.
FEATURES = {IMAGE: "image", LABEL: "label", TEXT: "caption"}


class Likelihood(Figure):
    """`nll_nats` and `bits_per_dim`: negative log-likelihood of test images.

    For models of binary pixels, each pixel is drawn black or white once. For a density,
    bits per dimension assume 256 levels. For models with classes or captions, it is the
    likelihood given those of the test images. `nll_samples` is the number of importance
    samples for models whose likelihood is an estimate. `nll_images` is the number of
    test images for models whose network runs many times for each (their attribute
    `likelihood_images`), and `nll_nats_error` the standard error of their mean.
    """

    title = "likelihood"

    def applies(self, context):
        """For models with `log_prob`, and data with the conditions that it takes."""
        needed = set(_features(context).values())
        return bool(needed) and needed <= set(context.test.element_spec)

    def measure(self, context):
        """Calls `log_prob` for test images."""
        model, figures, options = context.model, {}, {}
        if "num_samples" in context.abilities["log_prob"].options:
            options["num_samples"] = context.num_samples
            figures["nll_samples"] = context.num_samples
        batches, most = context.test, getattr(model, "likelihood_images", None)
        if most is not None:
            count = min(most, context.num_images)
            batches = context.draw("test", count=count)
        rows = _rows(batches, _features(context))
        if getattr(model, "is_binary", False):
            rows["images"] = image_files.binarize(rows["images"], context.seed)
        each = -np.asarray(model.log_prob(**rows, **options), np.float64)
        figures["nll_nats"] = nats = float(np.mean(each))
        if most is not None:
            figures["nll_images"] = len(each)
            figures["nll_nats_error"] = float(np.std(each) / np.sqrt(len(each)))
        dimensions = int(np.prod(context.image_shape))
        levels = LEVELS if getattr(model, "is_density", False) else None
        figures["bits_per_dim"] = densities.bits_per_dim(nats, dimensions, levels)
        return figures


def _features(context):
    """The features of a batch that `log_prob` takes, by the name of the argument."""
    inputs = context.inputs_of("log_prob")
    return {name: FEATURES[entry.role] for name, entry in inputs.items()}


def _rows(batches, features):
    """The rows of all batches, by the name of the argument that takes them."""
    batches = list(batches)
    return {
        name: np.concatenate([batch[feature].numpy() for batch in batches])
        for name, feature in features.items()
    }
