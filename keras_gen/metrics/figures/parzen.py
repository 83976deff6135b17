"""Parzen-window estimate of the likelihood of held-out images."""

import numpy as np

from keras_gen.metrics import densities
from keras_gen.metrics.figures.base import Figure
from keras_gen.metrics.summary import with_suffix


class Parzen(Figure):
    """Log-density of test images under Gaussians around samples, pixels in [0, 1].

    `parzen_nats` and `parzen_nats_error`: the mean and its standard error;
    `parzen_bandwidth`: the deviation of the Gaussians, chosen on a tenth of the test
    images, which is not scored. Each has a floor: the figure with training images in
    place of samples.
    """

    title = "Parzen windows"
    splits = ("train", "test")

    def applies(self, context):
        """For models of grey images that `sample` and have no likelihood."""
        return (
            "sample" in context.abilities
            and "log_prob" not in context.abilities
            and context.image_shape[-1] == 1
        )

    def least_images(self, context):
        """Images of which a tenth chooses the bandwidth, and others are scored."""
        return 20

    def measure(self, context):
        """Scores test images with samples and with training images as centres."""
        scale, count = context.scale, context.num_images
        real = _unit_rows(scale.draw_real("test"))
        validation, test = np.split(real, [len(real) // 10])
        sets = {
            "": [context.model.sample(count, seed=context.seed)],
            "_floor": scale.draw_real("train"),
        }
        figures = {}
        for suffix, samples in sets.items():
            mean, error, bandwidth = densities.parzen(
                _unit_rows(samples), test, validation
            )
            found = {"nats": mean, "nats_error": error, "bandwidth": bandwidth}
            found = {f"parzen_{name}": value for name, value in found.items()}
            figures |= with_suffix(suffix, found)
        return figures


def _unit_rows(batches):
    """Rows of numbers in [0, 1] from batches of images in [-1, 1]."""
    images = np.concatenate(list(batches))
    return images.reshape(len(images), -1) / 2.0 + 0.5
