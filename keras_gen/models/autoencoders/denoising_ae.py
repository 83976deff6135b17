"""Denoising autoencoder [1]: it learns to reconstruct clean images from corrupted ones.

What differs from [1]: the squared error instead of the cross-entropy, and optional
convolutional networks.

1. Vincent et al., "Stacked Denoising Autoencoders", 2010.
"""

from typing import Literal

from keras import ops

from keras_gen import losses
from keras_gen.core.abilities import transforms
from keras_gen.core.noise import for_each_row
from keras_gen.core.registry import register
from keras_gen.core.types import Count, ImageShape, Weight, Widths
from keras_gen.models.autoencoders.base import Autoencoder
from keras_gen.models.autoencoders.corruptions import OF_PIXELS, check_level
from keras_gen.networks.autoencoder import (
    conv_decoder,
    conv_encoder,
    stacked_decoder,
    stacked_encoder,
)
from keras_gen.networks.vae import default_widths

NETWORKS = {
    "stacked": (stacked_encoder, stacked_decoder),
    "conv": (conv_encoder, conv_decoder),
}


def psnr(images, clean):
    """Peak signal-to-noise ratio of each image in dB, float32 (batch,).

    Args:
        images: float32 (batch, height, width, channels), in [-1, 1].
        clean: Images without noise, of the same shape.
    """
    errors = ops.mean(ops.square(images - clean), axis=(1, 2, 3))
    return 10.0 * ops.log10(4.0 / ops.maximum(errors, 1e-10))  # The peak is 2.


@register("denoising_ae", image_shape=(28, 28, 1))
class DenoisingAE(Autoencoder):
    """Denoising autoencoder, which removes noise from images.

    The logs show `psnr_gain`: the PSNR of the outputs minus that of the noisy inputs,
    in dB.

    Args:
        image_shape: (height, width, channels).
        network: Kind of the networks: "stacked" (dense layers) or "conv".
        widths: Widths of the encoder's hidden layers, or its numbers of feature maps;
            the decoder's are reversed. None uses (500,) for "stacked". For "conv" it
            uses 32 maps, which double up to 256, and halves them while both sides are
            above 8.
        latent_dim: Dimension of a code.
        noise: Kind of the noise: "gaussian" (clipped to [-1, 1]), "masking" or
            "salt_and_pepper".
        level: Standard deviation of Gaussian noise in units of [0, 1], or the fraction
            of pixels that the other kinds replace.
        **options: Options of `Autoencoder`, such as `learning_rate`.
    """

    figures = ("psnr_gain",)
    tiny = {"image_shape": (8, 8, 1), "widths": (8,), "latent_dim": 6}

    def __init__(
        self,
        image_shape: ImageShape = (28, 28, 1),
        network: Literal["stacked", "conv"] = "conv",
        widths: Widths | None = None,
        latent_dim: Count = 128,
        noise: Literal["gaussian", "masking", "salt_and_pepper"] = "gaussian",
        level: Weight = 0.5,
        **options,
    ):
        check_level(noise, level)
        if widths is None:
            is_dense = network == "stacked"
            widths = (500,) if is_dense else default_widths("conv", image_shape)
        encoder, decoder = NETWORKS[network]
        super().__init__(
            encoder=encoder(image_shape, widths, latent_dim),
            decoder=decoder(image_shape, widths, latent_dim),
            image_shape=image_shape,
            **options,
        )
        self.corruption, self.level = OF_PIXELS[noise], level
        self.keep_arguments(widths=list(widths))

    @classmethod
    def upgrade_config(cls, config):
        """Gives files that name no widths those that were the defaults then."""
        config = super().upgrade_config(config)
        if config.get("widths", ()) is None:
            is_dense = config.get("network") == "stacked"
            config = {**config, "widths": (500,) if is_dense else (32, 64)}
        return config

    def autoencoder_loss(self, batch, shared, training):
        """Mean squared error per pixel against clean images ([1], equation 6)."""
        images = batch["image"]
        noisy = self.corruption(images, self.level, self.noise_seed("corruption"))
        codes = self.encoder(noisy, training=training)
        outputs = self.decoder(codes, training=training)
        gain = psnr(ops.clip(outputs, -1.0, 1.0), images) - psnr(noisy, images)
        loss = losses.mean_squared_error(outputs, images)
        return loss, {"psnr_gain": ops.mean(gain)}

    @transforms("images")
    def denoise(self, images):
        """Removes noise from images, float32 in [-1, 1]."""
        return self.decoded(self.encoder(images, training=False))

    @transforms("images")
    def corrupt(self, images, seed=None):
        """Adds the noise of training to images, drawn with each row's seed."""
        return for_each_row(
            lambda key, image: self.corruption(image, self.level, key),
            seed,
            self.image_shape,
            rows=images,
        )
