"""How well labels of images can be predicted from their codes or features."""

import numpy as np

from keras_gen.core.inputs import IMAGE
from keras_gen.metrics import codes
from keras_gen.metrics.figures.base import Figure


class Codes(Figure):
    """How well labels of the test split can be predicted from codes or features.

    `probe_accuracy`: accuracy of a logistic regression. `neighbour_accuracy`: accuracy
    of the vote of the nearest training images.
    """

    title = "codes"
    splits = ("train",)

    def applies(self, context):
        """For models that `encode`, or have `features`, on data with labels."""
        return _encoder(context) is not None and context.has_labels

    def least_images(self, context):
        """As many as vote in `neighbour_accuracy`."""
        return 5

    def measure(self, context):
        """Encodes `num_images` of each split."""
        encode, sets = _encoder(context), []
        for split in ("train", "test"):
            rows, labels = [], []
            for batch in context.draw(split):
                rows.append(encode(batch["image"].numpy()))
                labels.append(batch["label"].numpy())
            rows = np.concatenate(rows)
            sets += [rows.reshape(len(rows), -1), np.concatenate(labels)]
        return {
            "probe_accuracy": codes.linear_probe(*sets),
            "neighbour_accuracy": codes.neighbour_accuracy(*sets),
        }


def _encoder(context):
    """A function from images to codes, or else to features; None if there is neither.

    An ability that also takes labels is not used: it would reveal the labels to the
    probe.
    """
    names = ("encode", "features") if context.has_small_latents else ("features",)
    for name in names:
        if context.takes_only(name, IMAGE):
            return getattr(context.model, name)
    return None
