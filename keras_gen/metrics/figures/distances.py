"""Distances between the features of generated and of real images."""

from keras_gen.metrics.features import features_note
from keras_gen.metrics.figures.base import Figure

LEAST = 10  # Number of images that the classifier score needs.


class Distances(Figure):
    """The figures of `keras_gen.metrics.image_figures`, with their floors.

    `features_note` says what features are worth that were learnt from other images.
    """

    title = "distances"
    splits = ("train", "test")

    def applies(self, context):
        """For models that `sample`, and for folders."""
        return context.has_images

    def least_images(self, context):
        """More images than features, for covariances, and at least 10."""
        return max(context.scale.extractor.num_features + 1, LEAST)

    def measure(self, context):
        """Compares samples, and test images, with training images."""
        figures = context.scale.measure(context.generated)
        note = features_note(context.data, context.scale.extractor)
        return figures if note is None else {**figures, "features_note": note}
