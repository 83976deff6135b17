"""Denoising autoencoder [1]: the input is noisy, the target is clean.

What differs from [1]: the squared error, and convolutions where they are chosen.

1. Vincent et al., "Stacked Denoising Autoencoders", 2010.
"""

import tensorflow as tf
from keras import ops

from keras_gen.core.abilities import transforms
from keras_gen.core.registry import register
from keras_gen.models.autoencoders.base import Autoencoder, check_counts, squared_error
from keras_gen.networks.autoencoder import (
    conv_decoder,
    conv_encoder,
    stacked_decoder,
    stacked_encoder,
)

NETWORKS = {
    "stacked": (stacked_encoder, stacked_decoder),
    "conv": (conv_encoder, conv_decoder),
}


def gaussian(images, level, seed):
    """Adds noise of deviation `level` in units of [0, 1], and clips to [-1, 1]."""
    noise = tf.random.stateless_normal(tf.shape(images), seed)
    return tf.clip_by_value(images + 2.0 * level * noise, -1.0, 1.0)


def masking(images, level, seed):
    """Makes a share `level` of all pixels black: -1 ([1], section 3.3)."""
    uniform = tf.random.stateless_uniform(tf.shape(images), seed)
    return tf.where(uniform < level, -1.0, images)


def salt_and_pepper(images, level, seed):
    """Makes a share `level` of all pixels black or white, by a fair coin."""
    uniform = tf.random.stateless_uniform(tf.shape(images), seed)
    extreme = tf.where(uniform < level / 2, -1.0, 1.0)
    return tf.where(uniform < level, extreme, images)


NOISES = {"gaussian": gaussian, "masking": masking, "salt_and_pepper": salt_and_pepper}


def psnr(images, clean):
    """Peak signal-to-noise ratio of each image, in dB: float32 (batch,)."""
    errors = ops.mean(ops.square(images - clean), axis=(1, 2, 3))
    return 10.0 * ops.log10(4.0 / ops.maximum(errors, 1e-10))  # The peak is 2.


@register("denoising_ae", image_shape=(28, 28, 1))
class DenoisingAE(Autoencoder):
    """Denoising autoencoder, which cleans images of noise.

    The logs show `psnr_gain`: the dB that it gains over its noisy input.

    Args:
        image_shape: (height, width, channels).
        network: "stacked" or "conv".
        widths: Of the encoder's hidden layers, or its feature maps; the decoder's are
            reversed. None takes (500,) and (32, 64).
        latent_dim: Numbers in a code.
        noise: "gaussian" (clipped to [-1, 1]), "masking" or "salt_and_pepper".
        level: The noise's deviation in units of [0, 1], or the share of pixels hit.
        **options: Of `Autoencoder`: `learning_rate`, `density_components`, ...
    """

    figures = ("psnr_gain",)
    tiny = {"image_shape": (8, 8, 1), "widths": (8,), "latent_dim": 6}

    def __init__(
        self,
        image_shape=(28, 28, 1),
        network="conv",
        widths=None,
        latent_dim=128,
        noise="gaussian",
        level=0.5,
        **options,
    ):
        if network not in NETWORKS:
            raise ValueError(f"Expected network of {list(NETWORKS)}, got {network!r}.")
        if noise not in NOISES:
            raise ValueError(f"Expected noise of {list(NOISES)}, got {noise!r}.")
        if not 0 <= level or (noise != "gaussian" and level > 1):
            raise ValueError(f"Expected a level of noise in [0, 1], got {level}.")
        if widths is None:
            widths = (500,) if network == "stacked" else (32, 64)
        check_counts(
            latent_dim=latent_dim, **{f"widths[{i}]": w for i, w in enumerate(widths)}
        )
        encoder, decoder = NETWORKS[network]
        super().__init__(
            encoder=encoder(image_shape, widths, latent_dim),
            decoder=decoder(image_shape, widths, latent_dim),
            image_shape=image_shape,
            **options,
        )
        self.noise, self.level = NOISES[noise], level

    def autoencoder_loss(self, batch, training):
        """Squared error per pixel against the clean image ([1], equation 6)."""
        images = batch["image"]
        noisy = self.noise(images, self.level, self.draw_seed())
        codes = self.encoder(noisy, training=training)
        outputs = self.decoder(codes, training=training)
        gain = psnr(ops.clip(outputs, -1.0, 1.0), images) - psnr(noisy, images)
        self.report(psnr_gain=ops.mean(gain))
        return squared_error(outputs, images)

    @transforms("images")
    def denoise(self, images):
        """Clean images of noisy ones, both float32 in [-1, 1]."""
        codes = self.encoder(images, training=False)
        return ops.clip(self.decoder(codes, training=False), -1.0, 1.0)

    @transforms("images")
    def corrupt(self, images, seed):
        """Images with the noise that the model is trained on, a seed a row."""
        return tf.map_fn(
            lambda row: self.noise(row[0], self.level, tf.bitcast(row[1], tf.int32)),
            (images, seed),
            fn_output_signature=tf.TensorSpec(self.image_shape, tf.float32),
        )
