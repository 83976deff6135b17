"""Whether samples show the requested classes."""

import numpy as np

from keras_gen.core.inputs import LABEL
from keras_gen.metrics.figures.base import Figure


class LabelAgreement(Figure):
    """`label_agreement`: share of samples that are classified as requested."""

    title = "labels asked for"

    def applies(self, context):
        """For models whose `sample` takes the labels that the extractor classifies."""
        label = context.condition("sample", LABEL)
        if label is None or not context.scale.extractor.has_classes:
            return False
        blank = np.zeros((1, *context.image_shape), np.float32)
        classes = context.scale.extractor.probabilities(blank).shape[1]
        return label.range == (0, classes - 1)

    def measure(self, context):
        """Draws samples of all labels in turn."""
        label = context.condition("sample", LABEL)
        labels = np.arange(context.num_images) % (label.range[1] + 1)
        images = context.model.sample(
            len(labels), seed=context.seed, **{label.name: labels}
        )
        found = context.scale.extractor.probabilities(images).argmax(axis=1)
        return {"label_agreement": float(np.mean(found == labels))}
