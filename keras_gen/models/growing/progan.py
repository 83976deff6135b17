"""ProGAN [1]: networks that grow, and that train stably without batch normalization.

Training is stabilised by equalised learning rates, features normalised at every pixel,
the minibatch's standard deviation as a feature, and WGAN-GP with a penalty against
drift of the critic; samples come from averaged weights.

What differs from [1]: optimizers are reset at every level, and the gain of the
generator's first dense layer is a quarter of He's, as in the authors' code; and
networks for images of less than 128 pixels have fewer maps. What differs from that
code: the critic takes means of four pixels after the rectifier ([1], table 2), where
the code takes them within the convolution before it.

1. Karras et al., "Progressive Growing of GANs for Improved Quality, Stability, and
   Variation", 2018.
"""

from keras import ops

from keras_gen import losses
from keras_gen.core.registry import register
from keras_gen.core.types import Classes, Count, Decay, ImageShape, Rate, Weight
from keras_gen.layers.equalized import HE
from keras_gen.models.growing.base import DEFAULTS_BEFORE, GrowingModel
from keras_gen.networks.growing import (
    check_shape,
    chosen_maps,
    growing_discriminator,
    progan_generator,
)


@register(
    "progan",
    batch_size=32,
    image_shape=(32, 32, 1),
    loss="non_saturating",
    gradient_penalty=0.0,
    drift=0.0,
    r1=0.5,
    r1_every=8,
    discriminator_rate=2.5e-3,
    generator_rate=2.5e-3,
)
class ProGAN(GrowingModel):
    """Progressively growing GAN.

    The preset has the non-saturating loss with R1, which all weights that ship were
    trained with, in place of WGAN-GP.

    Args:
        image_shape: Shape of images at the last level, (side, side, channels); the side
            is a power of two.
        latent_dim: Dimension of a latent.
        base_maps: Number that sets the feature maps: images with side s have
            `2 * base_maps / s` of them, within `max_maps`. 8192 in [1]; None uses the
            squared side of `image_shape`, up to 8192.
        max_maps: Largest number of feature maps of a level. 512 in [1]; None uses four
            times the side of `image_shape`, up to 512.
        start: Height and width of images at the first level, in pixels.
        phase_images: Number of images in each of the two halves of a level's training,
            fading and stable, in the default schedule. 800,000 in [1], 600,000 in the
            authors' code; None uses half of the run's images for growth, in phases of
            up to 800,000.
        num_classes: Number of classes whose labels both networks take; None for no
            labels.
        loss: Adversarial loss, one of those of `AdversarialModel`; "non_saturating"
            goes with `r1`.
        gradient_penalty: Weight of WGAN-GP's gradient penalty.
        drift: Weight of the squared logits of real images, which keeps the critic's
            outputs near 0 ([1], appendix A.1).
        average: Decay of the generator's moving average, which `sample`, saving and
            export use; None keeps no average.
        first_gain: Gain of the generator's first dense layer: sqrt(2) / 4 as in the
            authors' code. It was sqrt(2) in version 0.1.
        **options: Options of `AdversarialModel`: `r1`, `augmentation`, ...
    """

    longest_phase = 800_000

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
        image_shape: ImageShape = (32, 32, 1),
        latent_dim: Count = 128,
        base_maps: Count | None = None,
        max_maps: Count | None = None,
        start: Count = 4,
        phase_images: Count | None = None,
        num_classes: Classes | None = None,
        loss: losses.AdversarialName = "wasserstein",
        gradient_penalty: Weight = 10.0,
        drift: Weight = 0.001,
        average: Decay | None = 0.999,
        first_gain: Rate = HE / 4,
        **options,
    ):
        shape, first = check_shape(image_shape, start)
        maps = chosen_maps(shape[0], base_maps, max_maps)
        sizes = (*maps.values(), first, num_classes)
        super().__init__(
            generator=progan_generator(shape, latent_dim, *sizes, first_gain),
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
        self.keep_arguments(**maps)

    @classmethod
    def upgrade_config(cls, config):
        """Gives files of version 0.1 the values that they had."""
        config = super().upgrade_config(config)
        if "first_gain" in config:
            return config
        return {**DEFAULTS_BEFORE, "first_gain": HE, **config}

    def default_optimizers(self):
        """Adam at 1e-3 with betas 0 and 0.99 ([1], appendix A.1)."""
        return self.adam(1e-3, beta_1=0.0, beta_2=0.99, epsilon=1e-8)

    def generate(self, latents, labels, training):
        """Images at the current level, by the network that is trained."""
        generator = self.at_level(self.generator)
        return generator(self.with_alpha(latents, labels), training=training)

    def decode_rows(self, latents, labels=None):
        """Images from latents, by the averaged generator, clipped to [-1, 1]."""
        generator = self.at_level(self.averaged(self.generator))
        return ops.clip(generator(self.with_alpha(latents, labels)), -1.0, 1.0)
