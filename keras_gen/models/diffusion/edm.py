"""EDM [1]: diffusion with preconditioned networks and Heun's sampler.

1. Karras et al., "Elucidating the Design Space of Diffusion-Based Generative Models",
   2022.
"""

import tensorflow as tf

from keras_gen.core.registry import register
from keras_gen.core.types import Count, ImageShape, Rate
from keras_gen.models.diffusion.denoising import DenoisingModel, Sampler
from keras_gen.models.diffusion.processes import VarianceExploding


@register("edm", batch_size=64, image_shape=(32, 32, 1))
class EDM(DenoisingModel):
    """Diffusion by the design of Karras et al.: inputs, outputs and errors of size 1.

    Args:
        image_shape: Shape of an image, (height, width, channels); None for points.
        data_deviation: Standard deviation of the data, over all numbers.
        mean: Mean of the logarithm of the noise's deviation in training.
        deviation: Standard deviation of that logarithm.
        smallest: Least deviation of the noise that samplers visit, but for 0.
        largest: Deviation of the noise at which samplers start.
        rho: Exponent of the spacing of the samplers' noise levels.
        steps: Default number of steps of a sampler.
        sampler: Default sampler, as for `DenoisingModel`.
        **options: Options of `DenoisingModel`, such as `network`, `settings` or
            `num_classes`.
    """

    tiny = {
        "image_shape": (8, 8, 1),
        "network": "dit",
        "settings": {"width": 8, "depth": 1, "heads": 2},
        "steps": 2,
        "learning_rate": 0.01,
    }
    fixed_options = ("outputs",)

    def __init__(
        self,
        image_shape: ImageShape | None = (32, 32, 1),
        data_deviation: Rate = 0.5,
        mean: float = -1.2,
        deviation: Rate = 1.2,
        smallest: Rate = 0.002,
        largest: Rate = 80.0,
        rho: Rate = 7.0,
        steps: Count = 18,
        sampler: Sampler = "heun",
        **options,
    ):
        if smallest >= largest:
            raise ValueError(
                f"Expected smallest below largest, got {smallest} and {largest}."
            )
        super().__init__(
            process=VarianceExploding(smallest, largest, rho, mean, deviation),
            image_shape=image_shape,
            steps=steps,
            sampler=sampler,
            **options,
        )
        self.data_deviation = data_deviation

    def precondition(self, alpha, sigma):
        """The numbers of [1], table 1, column "Ours"."""
        data = self.data_deviation
        total = tf.square(sigma) + data**2
        return (
            data**2 / total,
            sigma * data * tf.math.rsqrt(total),
            tf.math.rsqrt(total),
        )
