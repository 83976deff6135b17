"""Figure: one kind of measurement of a model or of a folder of images."""

from typing import ClassVar

import numpy as np

from keras_gen import images as image_files
from keras_gen.metrics.figures.context import Context


class Figure:
    """One kind of measurement: figures that are computed together.

    Instances are listed in `keras_gen.metrics.figures.FIGURES` or returned by a model's
    `own_figures`. They hold no results: one instance serves all evaluations.

        class Brightness(Figure):
            title = "brightness"

            def applies(self, context):
                return context.has_images

            def measure(self, context):
                return {"brightness": float(context.generated.images.mean())}

    Attributes:
        title: Title that the progress of an evaluation shows.
        splits: Names of the splits that must have `least_images` rows.
    """

    title: ClassVar[str] = ""
    splits: ClassVar[tuple[str, ...]] = ()

    def applies(self, context: Context) -> bool:
        """Whether this can be measured in the given context."""
        raise NotImplementedError

    def least_images(self, context: Context) -> int:
        """Smallest number of images with which this can be measured.

        An evaluation with fewer images is refused before it starts.
        """
        return 1

    def check(self, context: Context) -> None:
        """Refuses, before an evaluation starts, what this could not measure with.

        Raises:
            ValueError: For example, for weights that are not installed.
        """

    def measure(self, context: Context) -> dict:
        """Computes the figures.

        Returns:
            A dict from name to number, or to a text that says how a number was
            computed.
        """
        raise NotImplementedError

    def pictures(self, context: Context) -> dict[str, np.ndarray]:
        """Pictures of the measured images, for a report; called after `measure`.

        Returns:
            A dict from title to grid, uint8 (height, width, 1 or 3). By default, there
            is a grid for each array that `measure` stored with `context.keep`.
        """
        return {
            title: image_files.grid(rows.reshape(-1, *rows.shape[2:]), rows.shape[1])
            for title, rows in context.kept(self).items()
        }
