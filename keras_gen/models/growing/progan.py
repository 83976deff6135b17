"""ProGAN [1]: networks that grow, and what keeps them in balance without batch norm.

Equalised learning rates, features normalised at every pixel, the minibatch's deviation,
and WGAN-GP whose critic is kept from drifting; samples come from averaged weights. What
differs from [1]: optimizers start anew at every level, as in the authors' code.

1. Karras et al., "Progressive Growing of GANs for Improved Quality, Stability, and
   Variation", 2018.
"""

from keras import ops

from keras_gen.core.registry import register
from keras_gen.models.growing.base import GrowingModel
from keras_gen.networks.growing import (
    check_shape,
    growing_discriminator,
    progan_generator,
)


@register("progan", image_shape=(32, 32, 1))
class ProGAN(GrowingModel):
    """Progressively growing GAN.

    Args:
        image_shape: Of the last level, (side, side, channels), the side a power of two.
        latent_dim: Numbers in a latent.
        base_maps: Sets the maps of a level; see `num_maps`. [1]: 8192.
        max_maps: Most maps of a level. [1]: 512.
        start: Pixels a side of the first level.
        phase_images: Images of either half of a level's time, in the default schedule.
            [1]: 800,000; the authors' code: 600,000.
        num_classes: Of labels that both networks take too; None for none.
        loss: See `AdversarialModel`; "non_saturating" goes with `r1`.
        gradient_penalty: Weight of WGAN-GP's penalty.
        drift: See `AdversarialModel`.
        average: Decay of the generator's moving average.
        **options: Of `AdversarialModel`: `r1`, `augmentation`, ...
    """

    tiny = {
        "image_shape": (8, 8, 1),
        "latent_dim": 3,
        "base_maps": 16,
        "max_maps": 4,
        "start": 4,
        "phase_images": 10**9,
    }

    def __init__(
        self,
        image_shape=(32, 32, 1),
        latent_dim=128,
        base_maps=1024,
        max_maps=128,
        start=4,
        phase_images=600_000,
        num_classes=None,
        loss="wasserstein",
        gradient_penalty=10.0,
        drift=0.001,
        average=0.999,
        **options,
    ):
        shape, first = check_shape(image_shape, start)
        sizes = (base_maps, max_maps, first, num_classes)
        super().__init__(
            generator=progan_generator(shape, latent_dim, *sizes),
            discriminator=growing_discriminator(shape, *sizes),
            latent_dim=latent_dim,
            start=start,
            phase_images=phase_images,
            num_classes=num_classes,
            loss=loss,
            gradient_penalty=gradient_penalty,
            drift=drift,
            average=average,
            **options,
        )

    def default_optimizers(self):
        """Adam at 1e-3 with betas 0 and 0.99 ([1], appendix A.1)."""
        return self.adam(1e-3, beta_1=0.0, beta_2=0.99, epsilon=1e-8)

    def render(self, latents, labels, training):
        """Images of the level from latents, by the network that trains."""
        generator = self.at_level(self.generator)
        return generator(self.with_alpha(latents, labels), training=training)

    def decode_rows(self, latents, labels=None):
        """What the averaged generator makes of latents, clipped to [-1, 1]."""
        generator = self.at_level(self.averaged(self.generator))
        return ops.clip(generator(self.with_alpha(latents, labels)), -1.0, 1.0)
