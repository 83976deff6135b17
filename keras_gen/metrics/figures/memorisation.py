"""Whether samples are copies of training images."""

import numpy as np

from keras_gen.metrics import memorisation
from keras_gen.metrics.features import check_images
from keras_gen.metrics.figures.base import Figure
from keras_gen.metrics.summary import with_suffix

NUM_COMPARED = 1_000  # Samples whose nearest training images are searched.
SHOWN = 8
NEIGHBOURS_SHOWN = 7


class Memorisation(Figure):
    """Distances of samples to the nearest training images.

    The figures are those of `keras_gen.metrics.memorisation_figures`, for 1,000 samples
    against the training images, in pixels (`_in_pixels`) and in features
    (`_in_features`). `num_searched` is the number of training images, which is that of
    the whole split unless `num_images` or `num_train` limits it; copies of images that
    are not among them are not found.
    """

    title = "nearest training images"

    def applies(self, context):
        """For models that `sample`, and for folders."""
        return context.has_images

    def measure(self, context):
        """Searches the training images for neighbours of samples and test images."""
        sets = (context.generated.images, context.scale.real("test").images)
        figures = {}
        for name, rows_of in context.spaces.items():
            searches = [
                memorisation.Neighbours(rows_of(images[:NUM_COMPARED]))
                for images in sets
            ]
            searched = 0
            for images in context.training_images():
                rows, searched = rows_of(images), searched + len(images)
                for search in searches:
                    search.update(rows)
            distances = [search.distances[:, 0] for search in searches]
            found = memorisation.memorisation_figures(*distances)
            figures |= with_suffix(f"_in_{name}", found)
        return {**figures, "num_searched": searched}

    def pictures(self, context):
        """The nearest training images of the first samples."""
        if context.model:
            samples = check_images(context.model.sample(SHOWN, seed=context.seed))
        else:
            samples = context.generated.images[:SHOWN]
        return {
            f"Samples (left) and their nearest training images, by {name}": (
                _nearest_images(context, samples, rows_of)
            )
            for name, rows_of in context.spaces.items()
        }


def _nearest_images(context, samples, rows_of):
    search = memorisation.Neighbours(rows_of(samples), NEIGHBOURS_SHOWN)
    for images in context.training_images():
        search.update(rows_of(images))
    # A second pass, since only images that are known to be neighbours are kept.
    wanted, start = {}, 0
    for images in context.training_images():
        inside = range(start, start + len(images))
        for index in set(search.places.ravel()) & set(inside):
            wanted[index] = images[index - start]
        start += len(images)
    neighbours = [[wanted[index] for index in row] for row in search.places]
    return memorisation.neighbours_grid(samples, np.array(neighbours))
