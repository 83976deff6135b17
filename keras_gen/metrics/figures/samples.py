"""Draws the samples that other figures measure."""

from keras_gen import images as image_files
from keras_gen.metrics.figures.base import Figure

SHOWN = 64


class Samples(Figure):
    """Computes no figures: draws samples, or reads the folder, for later figures."""

    title = "samples"

    def applies(self, context):
        """For models that `sample`, and for folders."""
        return context.has_images

    def measure(self, context):
        """Summarizes the generated images."""
        _ = context.generated
        return {}

    def pictures(self, context):
        """The first samples."""
        samples = context.generated.images
        if context.model:
            samples = context.model.sample(SHOWN, seed=context.seed)
        return {"Samples, not picked": image_files.grid(samples[:SHOWN])}
