"""DCGAN [1]: a GAN of strided convolutions that trains steadily.

The generator enlarges maps of about 4x4 pixels to an image by transposed convolutions;
the discriminator shrinks images by strided convolutions. There are no pooling layers.
All layers except the generator's last and the discriminator's first and last have batch
normalization.

What differs from [1]: kernels are 4x4, which a stride of 2 covers evenly, instead of
5x5; the number of maps, which doubles at every halving, has a limit, since [1] ends at
64 pixels and goes up to 1,024 maps; and the discriminator has no batch normalization
where it has a gradient penalty.

1. Radford, Metz and Chintala, "Unsupervised Representation Learning with Deep
   Convolutional Generative Adversarial Networks", 2016.
"""

from typing import Literal

from keras_gen.core.registry import register
from keras_gen.core.types import Count, ImageShape
from keras_gen.models.adversarial.base import AdversarialModel
from keras_gen.networks.dcgan import (
    batch_normalized,
    dcgan_discriminator,
    dcgan_generator,
    uncapped,
)
from keras_gen.networks.normalization import discriminator_normalization


@register(
    "dcgan",
    image_shape=(32, 32, 1),
    r1=0.2,
    r1_every=4,
    discriminator_rate=1e-3,
    generator_rate=1e-3,
    average=0.999,
)
class DCGAN(AdversarialModel):
    """Deep convolutional generative adversarial network.

    >>> import numpy as np
    >>> from keras_gen.models import DCGAN
    >>> model = DCGAN(image_shape=(16, 16, 1), width=4, average=0.99)
    >>> model.compile(seed=0)
    >>> images = np.random.default_rng(0).uniform(-1, 1, (32, 16, 16, 1))
    >>> history = model.fit(images, batch_size=16, epochs=1, verbose=0)
    >>> sorted(history.history)
    ['d_fake', 'd_real', 'discriminator_loss', 'generator_loss']
    >>> model.sample(4, seed=0).shape
    (4, 16, 16, 1)

    Args:
        image_shape: Shape of an image, (height, width, channels). Height and width are
            at least 16.
        latent_dim: Dimension of a latent.
        width: Feature maps in the layers next to the image; they double at every
            halving of the maps' sides, within `max_maps`. In [1] there are 128.
        max_maps: Largest number of feature maps of a layer; None for no limit.
        halvings: Number of times that maps are halved from the image to the smallest
            map; None halves until the smaller side has 4 to 7 pixels.
        prior: Distribution of latents: "uniform" (on [-1, 1], as in [1]) or "normal"
            (standard).
        normalization: Normalization of the discriminator's layers after the first:
            "batch", "layer", "instance" or "none". None uses "batch", as in [1]; or
            "none" with spectral normalization, R1 or a gradient penalty, which has to
            penalise the gradient at each image separately.
        spectral_normalization: Boolean, whether the discriminator's kernels are divided
            by their spectral norms.
        minibatch_stddev: Boolean, whether the discriminator's last layer also gets the
            standard deviation of its features over the batch.
        **options: Options of `AdversarialModel`, such as `loss`, `average` or `r1`.
    """

    tiny = {"image_shape": (16, 16, 1), "latent_dim": 3, "width": 4}
    fixed_options = ("num_classes",)

    def __init__(
        self,
        image_shape: ImageShape = (64, 64, 3),
        latent_dim: Count = 100,
        width: Count = 64,
        max_maps: Count | None = 512,
        halvings: Count | None = None,
        prior: Literal["normal", "uniform"] = "uniform",
        normalization: Literal["batch", "layer", "instance", "none"] | None = None,
        spectral_normalization: bool = False,
        minibatch_stddev: bool = False,
        **options,
    ):
        height, image_width, channels = image_shape
        packed = (height, image_width, channels * options.get("packing", 1))
        normalization = discriminator_normalization(
            normalization, spectral_normalization, options
        )
        super().__init__(
            generator=dcgan_generator(
                image_shape, latent_dim, width, max_maps=max_maps, halvings=halvings
            ),
            discriminator=dcgan_discriminator(
                packed,
                width,
                normalization=normalization,
                spectral=spectral_normalization,
                stddev=minibatch_stddev,
                max_maps=max_maps,
                halvings=halvings,
            ),
            latent_dim=latent_dim,
            prior=prior,
            **options,
        )
        # Saved, so that a file keeps its networks when its penalties are changed.
        self.keep_arguments(normalization=normalization)

    @classmethod
    def upgrade_config(cls, config):
        """Gives files of version 0.1 the networks that they had."""
        return batch_normalized(uncapped(super().upgrade_config(config)))
