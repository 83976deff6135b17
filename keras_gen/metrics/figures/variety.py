"""How similar samples are to each other, and their patches to those of real images."""

from keras_gen.metrics import variety
from keras_gen.metrics.figures.base import Figure
from keras_gen.metrics.summary import with_suffix


class Variety(Figure):
    """Similarity of samples, and distance of their patches, with their floors.

    `ms_ssim` and `ms_ssim_error`: mean similarity between samples, and its standard
    error. `sliced_wasserstein_...`: distance of patches from those of training images,
    for each side of a pyramid's level. Images with a side below 11 pixels have neither.
    """

    title = "variety"

    def applies(self, context):
        """For models that `sample`, and for folders."""
        return context.has_images

    def measure(self, context):
        """Compares samples, and test images, with each other and training images."""
        sets = {
            "": context.generated.images,
            "_floor": context.scale.real("test").images,
        }
        reference = context.scale.real("train").images
        figures = {}
        for suffix, images in sets.items():
            if min(images.shape[1:3]) < variety.WINDOW or len(images) < 2:
                continue
            mean, error = variety.sample_similarity(images, seed=context.seed)
            levels = variety.sliced_wasserstein(images, reference, seed=context.seed)
            found = {"ms_ssim": mean, "ms_ssim_error": error}
            found |= {f"sliced_wasserstein_{k}": v for k, v in levels.items()}
            figures |= with_suffix(suffix, found)
        return figures
