"""GAN [1]: a generator learns to make images that a discriminator takes for real.

It can also generate points, for example in the plane, where a plot shows what a GAN
learns and which modes it loses.

What differs from [1]: rectifiers instead of maxout, batch normalization in the
generator and no dropout, Adam instead of momentum, and tanh as the activation of the
generator's last layer for images.

1. Goodfellow et al., "Generative Adversarial Networks", 2014.
"""

from collections.abc import Sequence

from keras_gen.core.abilities import draws
from keras_gen.core.registry import register
from keras_gen.core.types import Count, ImageShape
from keras_gen.models.adversarial.base import AdversarialModel
from keras_gen.networks.mlp import mlp_discriminator, mlp_generator


@register("gan", image_shape=(28, 28, 1), average=0.999)
class GAN(AdversarialModel):
    """Generative adversarial network of multilayer perceptrons.

    Args:
        image_shape: Shape of an image, (height, width, channels); None for points.
        point_dim: Dimension of a point, such as 2 for the plane; only with
            `image_shape=None`.
        latent_dim: Dimension of a latent.
        widths: Units of the generator's hidden layers. The discriminator has the same
            in reverse order.
        spectral_normalization: Boolean, whether the discriminator's kernels are divided
            by their spectral norms.
        minibatch_stddev: Boolean, whether the discriminator's last layer also gets the
            standard deviation of its features over the batch.
        **options: Options of `AdversarialModel`, such as `loss`, `average` or `r1`.
    """

    tiny = {"image_shape": (8, 8, 1), "latent_dim": 3, "widths": (8,)}
    fixed_options = ("num_classes",)

    def __init__(
        self,
        image_shape: ImageShape | None = (28, 28, 1),
        point_dim: Count | None = None,
        latent_dim: Count = 100,
        widths: Sequence[Count] = (256, 512),
        spectral_normalization: bool = False,
        minibatch_stddev: bool = False,
        **options,
    ):
        if (image_shape is None) == (point_dim is None):
            raise ValueError(
                "Expected image_shape, or image_shape=None and point_dim, got "
                f"{image_shape} and {point_dim}."
            )
        shape = (point_dim,) if image_shape is None else tuple(image_shape)
        packed = (*shape[:-1], shape[-1] * options.get("packing", 1))
        super().__init__(
            generator=mlp_generator(
                shape,
                latent_dim,
                widths,
                activation="linear" if image_shape is None else "tanh",
            ),
            discriminator=mlp_discriminator(
                packed,
                widths[::-1],
                spectral=spectral_normalization,
                stddev=minibatch_stddev,
            ),
            latent_dim=latent_dim,
            **options,
        )

    @draws("points", needs="point_dim")
    def sample_points(self, seed):
        """Draws points, float32 (n, point_dim)."""
        return self.decode_rows(self.latents(seed))
