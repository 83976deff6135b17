"""Reads the real images that samples are compared with."""

from keras_gen.metrics.figures.base import Figure


class RealImages(Figure):
    """Computes no figures: reads real images of a split for the figures that follow.

    Args:
        split: Name of the split, "train" or "test".
        title: Title that the progress of an evaluation shows.
    """

    def __init__(self, split: str, title: str):
        self.split, self.title = split, title

    def applies(self, context):
        """For models that `sample`, and for folders."""
        return context.has_images

    def measure(self, context):
        """Summarizes the real images."""
        context.scale.real(self.split)
        return {}
