"""DCGAN [1]: a GAN of strided convolutions that trains steadily.

Transposed convolutions from 4x4 or so up to the image, strided ones down to it, no
pooling, batch norm except at the generator's output and the discriminator's input.
NOTE: kernels are 4x4, which a stride of 2 covers evenly, instead of 5x5 as in [1].

1. Radford, Metz and Chintala, "Unsupervised Representation Learning with Deep
   Convolutional Generative Adversarial Networks", 2016.
"""

from keras_gen.core.registry import register
from keras_gen.models.adversarial.base import AdversarialModel
from keras_gen.networks.dcgan import dcgan_discriminator, dcgan_generator


@register("dcgan", image_shape=(32, 32, 1))
class DCGAN(AdversarialModel):
    """Deep convolutional generative adversarial network.

    Args:
        image_shape: (height, width, channels); sides are multiples of 4, at least 16.
        latent_dim: Numbers in a latent.
        width: Feature maps next to the image; they double at every halving. [1]: 128.
        prior: "uniform" (on [-1, 1], as in [1]) or "normal" (standard).
        spectral_normalization: Whether the discriminator's kernels have norm 1, in
            place of its batch norm.
        minibatch_stddev: Whether its last layer sees how varied the batch is.
        **options: Of `AdversarialModel`: `loss`, `average`, `r1`, ...
    """

    tiny = {"image_shape": (16, 16, 1), "latent_dim": 3, "width": 4}

    def __init__(
        self,
        image_shape=(64, 64, 3),
        latent_dim=100,
        width=64,
        prior="uniform",
        spectral_normalization=False,
        minibatch_stddev=False,
        **options,
    ):
        height, image_width, channels = image_shape
        packed = (height, image_width, channels * options.get("packing", 1))
        super().__init__(
            generator=dcgan_generator(image_shape, latent_dim, width),
            discriminator=dcgan_discriminator(
                packed,
                width,
                spectral=spectral_normalization,
                stddev=minibatch_stddev,
            ),
            latent_dim=latent_dim,
            prior=prior,
            **options,
        )
