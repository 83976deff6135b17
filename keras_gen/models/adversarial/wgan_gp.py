"""WGAN-GP [1]: a critic kept 1-Lipschitz by a gradient penalty.

The critic has no batch norm, since the penalty is on the gradient at each image alone,
and moves five times for each move of the generator; its loss estimates the distance
between the distributions, `wasserstein` in the logs.

1. Gulrajani et al., "Improved Training of Wasserstein GANs", 2017.
"""

import functools

from keras_gen.core.registry import register
from keras_gen.models.adversarial.base import AdversarialModel
from keras_gen.networks.dcgan import dcgan_discriminator, dcgan_generator
from keras_gen.networks.mlp import logits, mlp_discriminator, mlp_generator


@register("wgan_gp", image_shape=(32, 32, 1))
class WGANGP(AdversarialModel):
    """Wasserstein GAN with gradient penalty.

    Args:
        image_shape: (height, width, channels); as `DCGAN`'s for "conv".
        latent_dim: Numbers in a latent.
        network: "conv" (as DCGAN) or "mlp" (as GAN).
        width: Feature maps next to the image, of "conv".
        widths: Of the generator's hidden layers, of "mlp".
        loss: "wasserstein"; see `AdversarialModel`.
        gradient_penalty: Weight of the penalty ([1], section 4).
        discriminator_moves: Of the critic ([1], algorithm 1).
        **options: Of `AdversarialModel`: `average`, `packing`, ...
    """

    tiny = {
        "image_shape": (16, 16, 1),
        "latent_dim": 3,
        "width": 4,
        "discriminator_moves": 2,
    }

    def __init__(
        self,
        image_shape=(32, 32, 1),
        latent_dim=128,
        network="conv",
        width=64,
        widths=(512, 512, 512),
        loss="wasserstein",
        gradient_penalty=10.0,
        discriminator_moves=5,
        **options,
    ):
        if network not in ("conv", "mlp"):
            raise ValueError(f"Expected network of 'conv' or 'mlp', got {network!r}.")
        image_shape = tuple(image_shape)
        packed = (*image_shape[:2], image_shape[2] * options.get("packing", 1))
        # The loss is a difference of outputs: a bias would have no gradient.
        head = functools.partial(logits, use_bias=False)
        if network == "conv":
            generator = dcgan_generator(image_shape, latent_dim, width)
            critic = dcgan_discriminator(packed, width, head=head, norm=False)
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

    def default_optimizers(self):
        """Adam at 1e-4 with betas 0 and 0.9 ([1], algorithm 1)."""
        return self.adam(1e-4, beta_1=0.0, beta_2=0.9)
