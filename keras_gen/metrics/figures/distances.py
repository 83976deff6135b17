"""Distances between the features of generated and of real images."""

from keras_gen.metrics.figures.base import Figure


class Distances(Figure):
    """The figures of `keras_gen.metrics.image_figures`, with their floors."""

    title = "distances"

    def applies(self, context):
        """For models that `sample`, and for folders."""
        return context.has_images

    def measure(self, context):
        """Compares samples, and test images, with training images."""
        return context.scale.measure(context.generated)
