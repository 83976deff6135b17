"""GAN [1]: a generator learns to make images that a discriminator takes for real.

What differs from [1]: rectifiers and dropout instead of maxout, Adam instead of
momentum, and the generator's last layer is tanh for images. Points are made, too: the
plane shows what a GAN learns and what it forgets.

1. Goodfellow et al., "Generative Adversarial Networks", 2014.
"""

from keras_gen.core.abilities import draws
from keras_gen.core.registry import register
from keras_gen.models.adversarial.base import AdversarialModel
from keras_gen.networks.mlp import mlp_discriminator, mlp_generator


@register("gan", image_shape=(28, 28, 1))
class GAN(AdversarialModel):
    """Generative adversarial network of multilayer perceptrons.

    Args:
        image_shape: (height, width, channels); None for points.
        point_dim: Numbers in a point, 2 for the plane, where there are no images.
        latent_dim: Numbers in a latent.
        widths: Of the generator's hidden layers; the discriminator's are reversed.
        spectral_normalization: Whether the discriminator's kernels have norm 1.
        minibatch_stddev: Whether its last layer sees how varied the batch is.
        **options: Of `AdversarialModel`: `loss`, `average`, `r1`, ...
    """

    tiny = {"image_shape": (8, 8, 1), "latent_dim": 3, "widths": (8,)}

    def __init__(
        self,
        image_shape=(28, 28, 1),
        point_dim=None,
        latent_dim=100,
        widths=(256, 512),
        spectral_normalization=False,
        minibatch_stddev=False,
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
