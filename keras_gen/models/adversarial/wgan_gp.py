"""WGAN-GP [1]: a critic kept 1-Lipschitz by a gradient penalty.

The critic has no batch normalization, since the penalty applies to the gradient at each
image separately. The critic makes five updates per update of the generator, and its
loss estimates the distance between the distributions, which the logs show as
`wasserstein`.

What differs from [1]: the networks are DCGAN's, and the rates of the preset are 1e-3 in
place of 1e-4, with which the generator hardly moved in as many images as the other
models get.

1. Gulrajani et al., "Improved Training of Wasserstein GANs", 2017.
"""

import functools
from typing import Literal

from keras_gen import losses
from keras_gen.core.registry import register
from keras_gen.core.types import Count, ImageShape, Weight, Widths
from keras_gen.models.adversarial.base import AdversarialModel
from keras_gen.networks.dcgan import dcgan_discriminator, dcgan_generator, uncapped
from keras_gen.networks.mlp import logit_head, mlp_discriminator, mlp_generator


@register(
    "wgan_gp",
    image_shape=(32, 32, 1),
    discriminator_rate=1e-3,
    generator_rate=1e-3,
    average=0.999,
)
class WGANGP(AdversarialModel):
    """Wasserstein GAN with gradient penalty.

    Args:
        image_shape: Shape of an image, (height, width, channels). For "conv" height and
            width are at least 16.
        latent_dim: Dimension of a latent.
        network: Architecture of both networks: "conv" (convolutions, as in DCGAN) or
            "mlp" (dense layers, as in GAN).
        width: Feature maps in the layers next to the image, for "conv"; they double at
            every halving of the maps' sides, within `max_maps`.
        widths: Units of the generator's hidden layers, for "mlp". The critic has the
            same in reverse order.
        max_maps: Largest number of feature maps of a layer, for "conv"; None for no
            limit.
        halvings: Number of times that maps are halved from the image to the smallest
            map, for "conv"; None halves until the smaller side has 4 to 7 pixels.
        loss: Adversarial loss: "wasserstein", or another one for comparisons.
        gradient_penalty: Weight of the gradient penalty ([1], section 4).
        discriminator_moves: Critic updates per generator update ([1], algorithm 1).
        **options: Options of `AdversarialModel`, such as `average` or `packing`.
    """

    tiny = {
        "image_shape": (16, 16, 1),
        "latent_dim": 3,
        "width": 4,
        "discriminator_moves": 2,
    }
    fixed_options = ("num_classes",)

    def __init__(
        self,
        image_shape: ImageShape = (32, 32, 1),
        latent_dim: Count = 128,
        network: Literal["conv", "mlp"] = "conv",
        width: Count = 64,
        widths: Widths = (512, 512, 512),
        max_maps: Count | None = 512,
        halvings: Count | None = None,
        loss: losses.AdversarialName = "wasserstein",
        gradient_penalty: Weight = 10.0,
        discriminator_moves: Count = 5,
        **options,
    ):
        image_shape = tuple(image_shape)
        packed = (*image_shape[:2], image_shape[2] * options.get("packing", 1))
        # The loss is a difference of outputs: a bias would have no gradient.
        head = functools.partial(logit_head, use_bias=False)
        if network == "conv":
            limits = {"max_maps": max_maps, "halvings": halvings}
            generator = dcgan_generator(image_shape, latent_dim, width, **limits)
            critic = dcgan_discriminator(
                packed, width, head, normalization="none", **limits
            )
        else:
            generator = mlp_generator(image_shape, latent_dim, widths)
            critic = mlp_discriminator(packed, widths[::-1], head=head)
        super().__init__(
            generator=generator,
            discriminator=critic,
            latent_dim=latent_dim,
            loss=loss,
            gradient_penalty=gradient_penalty,
            discriminator_moves=discriminator_moves,
            **options,
        )

    @classmethod
    def upgrade_config(cls, config):
        """Gives files from before `max_maps` and `halvings` the networks they had."""
        return uncapped(super().upgrade_config(config))

    def default_optimizers(self):
        """Adam at 1e-4 with betas 0 and 0.9 ([1], algorithm 1)."""
        return self.adam(1e-4, beta_1=0.0, beta_2=0.9)
