"""Reconstruction error on held-out images."""

import numpy as np

from keras_gen import images as image_files
from keras_gen.metrics.figures.base import Figure

SHOWN = 32


class Reconstructions(Figure):
    """`test_reconstruction_mse`: mean squared error per pixel, in [-1, 1] units."""

    title = "reconstructions"

    def applies(self, context):
        """For models that `reconstruct`."""
        return "reconstruct" in context.abilities

    def measure(self, context):
        """Reconstructs test images."""
        total, count = 0.0, 0
        for batch in context.test:
            images = batch["image"].numpy()
            error = (context.model.reconstruct(images) - images) ** 2
            total += float(np.mean(error, axis=(1, 2, 3)).sum())
            count += len(images)
        return {"test_reconstruction_mse": total / count}

    def pictures(self, context):
        """Test images beside their reconstructions."""
        images = context.first_test_images[:SHOWN]
        pairs = np.stack([images, context.model.reconstruct(images)], axis=1)
        flat = pairs.reshape(-1, *images.shape[1:])
        title = "Test images, each beside its reconstruction"
        return {title: image_files.grid(flat, columns=8)}
