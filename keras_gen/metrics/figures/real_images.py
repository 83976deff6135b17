"""The reading of real images, which samples are compared with."""

from keras_gen.metrics.figures.base import Figure


class RealImages(Figure):
    """No figures: reads real images of a split, for those that follow.

    Args:
        split: "train" or "test".
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
