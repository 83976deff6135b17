"""Conditional GAN [1]: generator and discriminator both get the label.

The generator takes latents concatenated with an embedding of the label. The
discriminator either takes an embedding as an additional channel of the image [1], or
adds the inner product of its features with an embedding to the logit [2], which is the
default.

What differs from [1]: the networks are convolutional by default, and labels are
embedded; `network="mlp"` with `conditioning="embedding"` is closest to [1].

1. Mirza and Osindero, "Conditional Generative Adversarial Nets", 2014.
2. Miyato and Koyama, "cGANs with Projection Discriminator", 2018.
"""

from collections.abc import Callable
from typing import Literal

import keras
from keras import layers, ops

from keras_gen.core.registry import register
from keras_gen.core.types import Classes, Count, ImageShape, Widths
from keras_gen.layers.spectral_embedding import SpectralEmbedding
from keras_gen.models.adversarial.base import AdversarialModel
from keras_gen.networks.dcgan import (
    batch_normalized,
    dcgan_discriminator,
    dcgan_generator,
    uncapped,
)
from keras_gen.networks.mlp import mlp_discriminator, mlp_generator
from keras_gen.networks.normalization import discriminator_normalization

NETWORKS = {
    "conv": (dcgan_generator, dcgan_discriminator),
    "mlp": (mlp_generator, mlp_discriminator),
}


def label_map(num_classes: int) -> Callable:
    """An entry that adds an embedding of the label to the image, as another channel.

    Args:
        num_classes: Number of classes.

    Returns:
        Function for the argument `entry` of discriminators.
    """

    def entry(image_shape):
        height, width, _ = image_shape
        images = keras.Input(image_shape)
        labels = keras.Input((), dtype="int64")
        # Pixels have a standard deviation of up to 1: from the first step on, the map
        # is as large as they are.
        unit = keras.initializers.RandomNormal(stddev=1.0)
        x = layers.Embedding(num_classes, height * width, unit)(labels)
        x = layers.Reshape((height, width, 1))(x)
        return [images, labels], layers.Concatenate()([images, x])

    return entry


def projection(num_classes: int, spectral: bool = False) -> Callable:
    """A head that adds the inner product of label and features ([2], equation 8).

    The embedding starts uniform on [-0.05, 0.05], with a standard deviation of 0.03,
    close to the 0.02 of the logit's weights in DCGAN's networks.

    Args:
        num_classes: Number of classes.
        spectral: Boolean, whether the embedding is divided by its spectral norm, as in
            the authors' code of [2].

    Returns:
        Function for the argument `head` of discriminators.
    """

    def head(images, features, dense, **options):
        labels = keras.Input((), dtype="int64")
        x = ops.cast(features, "float32")
        embedding = SpectralEmbedding if spectral else layers.Embedding
        embedded = embedding(num_classes, x.shape[-1], dtype="float32")(labels)
        agreement = ops.sum(embedded * x, axis=-1, keepdims=True)
        logits = dense(1, dtype="float32", **options)(x) + agreement
        return keras.Model([images, labels], logits, name="discriminator")

    return head


@register(
    "cgan",
    image_shape=(32, 32, 1),
    num_classes=10,
    r1=0.2,
    r1_every=4,
    discriminator_rate=1e-3,
    generator_rate=1e-3,
    average=0.999,
)
class ConditionalGAN(AdversarialModel):
    """Conditional GAN, which draws images of given classes.

    Args:
        image_shape: Shape of an image, (height, width, channels). For "conv" height and
            width are at least 16.
        num_classes: Number of classes, at least 2. Labels are ints from 0 to
            `num_classes - 1`.
        latent_dim: Dimension of a latent.
        network: Architecture of both networks: "conv" (convolutions, as in DCGAN) or
            "mlp" (dense layers, as in GAN).
        width: Feature maps in the layers next to the image, for "conv"; they double at
            every halving of the maps' sides, within `max_maps`.
        widths: Units of the generator's hidden layers, for "mlp". The discriminator has
            the same in reverse order.
        max_maps: Largest number of feature maps of a layer, for "conv"; None for no
            limit.
        halvings: Number of times that maps are halved from the image to the smallest
            map, for "conv"; None halves until the smaller side has 4 to 7 pixels.
        conditioning: How the discriminator uses the label: "projection" [2] or
            "embedding" [1].
        normalization: Normalization of the discriminator's layers after the first, for
            "conv": "batch", "layer", "instance" or "none". None uses "batch", as in
            DCGAN; or "none" with spectral normalization, R1 or a gradient penalty,
            which has to penalise the gradient at each image separately.
        spectral_normalization: Boolean, whether the discriminator's kernels, and the
            embedding of "projection", are divided by their spectral norms.
        minibatch_stddev: Boolean, whether the discriminator's last layer also gets the
            standard deviation of its features over the batch.
        **options: Options of `AdversarialModel`, such as `loss`, `average` or `r1`.
    """

    tiny = {
        "image_shape": (16, 16, 1),
        "num_classes": 3,
        "latent_dim": 3,
        "width": 4,
    }
    fixed_options = ("packing",)  # Images of a pack would have different labels.

    def __init__(
        self,
        image_shape: ImageShape = (32, 32, 1),
        num_classes: Classes = 10,
        latent_dim: Count = 100,
        network: Literal["conv", "mlp"] = "conv",
        width: Count = 64,
        widths: Widths = (256, 512),
        max_maps: Count | None = 512,
        halvings: Count | None = None,
        conditioning: Literal["projection", "embedding"] = "projection",
        normalization: Literal["batch", "layer", "instance", "none"] | None = None,
        spectral_normalization: bool = False,
        minibatch_stddev: bool = False,
        **options,
    ):
        generator, discriminator = NETWORKS[network]
        if network == "conv":
            size, limits = width, {"max_maps": max_maps, "halvings": halvings}
            normalization = discriminator_normalization(
                normalization, spectral_normalization, options
            )
            normalizations = {"normalization": normalization}
        elif normalization not in (None, "none"):
            raise ValueError(
                "Expected normalization=None with network='mlp', whose discriminator "
                f"has none, got {normalization!r}."
            )
        else:
            size, limits, normalizations = tuple(widths), {}, {}
        condition = (
            {"head": projection(num_classes, spectral_normalization)}
            if conditioning == "projection"
            else {"entry": label_map(num_classes)}
        )
        super().__init__(
            generator=generator(
                tuple(image_shape), latent_dim, size, num_classes, **limits
            ),
            discriminator=discriminator(
                tuple(image_shape),
                size if network == "conv" else size[::-1],
                spectral=spectral_normalization,
                stddev=minibatch_stddev,
                **condition,
                **limits,
                **normalizations,
            ),
            latent_dim=latent_dim,
            num_classes=num_classes,
            **options,
        )
        # Saved, so that a file keeps its networks when its penalties are changed.
        self.keep_arguments(normalization=normalization)

    @classmethod
    def upgrade_config(cls, config):
        """Gives files of version 0.1 the networks that they had."""
        return batch_normalized(uncapped(super().upgrade_config(config)))
