"""Conditional GAN [1]: both players are told the label.

The generator sees an embedding of the label beside its latents. The discriminator sees
one as a further map of the image [1], or projects its features on one [2], which is the
default. What differs from [1]: convolutions and embeddings; "mlp" is the nearest.

1. Mirza and Osindero, "Conditional Generative Adversarial Nets", 2014.
2. Miyato and Koyama, "cGANs with Projection Discriminator", 2018.
"""

import keras
from keras import layers, ops

from keras_gen.core.registry import register
from keras_gen.models.adversarial.base import AdversarialModel
from keras_gen.networks.dcgan import dcgan_discriminator, dcgan_generator
from keras_gen.networks.mlp import mlp_discriminator, mlp_generator

NETWORKS = {
    "conv": (dcgan_generator, dcgan_discriminator),
    "mlp": (mlp_generator, mlp_discriminator),
}


def label_map(num_classes):
    """An entry that lays an embedding of the label beside the image, as a map."""

    def entry(image_shape):
        height, width, _ = image_shape
        images = keras.Input(image_shape)
        labels = keras.Input((), dtype="int64")
        x = layers.Embedding(num_classes, height * width)(labels)
        x = layers.Reshape((height, width, 1))(x)
        return [images, labels], layers.Concatenate()([images, x])

    return entry


def projection(num_classes):
    """A head that adds the label's agreement with the features ([2], equation 8)."""

    def head(images, x, dense, **options):
        labels = keras.Input((), dtype="int64")
        x = ops.cast(x, "float32")
        embedded = layers.Embedding(num_classes, x.shape[-1], dtype="float32")(labels)
        agreement = ops.sum(embedded * x, axis=-1, keepdims=True)
        logits = dense(1, dtype="float32", **options)(x) + agreement
        return keras.Model([images, labels], logits, name="discriminator")

    return head


@register("cgan", image_shape=(32, 32, 1), num_classes=10)
class ConditionalGAN(AdversarialModel):
    """Conditional GAN, which draws the class that it is asked for.

    Args:
        image_shape: (height, width, channels); as `DCGAN`'s for "conv".
        num_classes: Labels are ints from 0 to below it.
        latent_dim: Numbers in a latent.
        network: "conv" (as DCGAN) or "mlp" (as GAN).
        width: Feature maps next to the image, of "conv".
        widths: Of the generator's hidden layers, of "mlp".
        conditioning: Of the discriminator: "projection" or "embedding".
        spectral_normalization: Whether its kernels have norm 1.
        minibatch_stddev: Whether its last layer sees how varied the batch is.
        **options: Of `AdversarialModel`: `loss`, `average`, `r1`, ...
    """

    tiny = {
        "image_shape": (16, 16, 1),
        "num_classes": 3,
        "latent_dim": 3,
        "width": 4,
    }

    def __init__(
        self,
        image_shape=(32, 32, 1),
        num_classes=10,
        latent_dim=100,
        network="conv",
        width=64,
        widths=(256, 512),
        conditioning="projection",
        spectral_normalization=False,
        minibatch_stddev=False,
        **options,
    ):
        if network not in NETWORKS:
            raise ValueError(f"Expected network of {list(NETWORKS)}, got {network!r}.")
        if conditioning not in ("projection", "embedding"):
            raise ValueError(
                "Expected conditioning of 'projection' or 'embedding', got "
                f"{conditioning!r}."
            )
        if num_classes < 2:
            raise ValueError(f"Expected num_classes >= 2, got {num_classes}.")
        if options.get("packing", 1) > 1:
            raise ValueError("Expected packing=1: images of one pack have labels each.")
        generator, discriminator = NETWORKS[network]
        size = width if network == "conv" else tuple(widths)
        condition = (
            {"head": projection(num_classes)}
            if conditioning == "projection"
            else {"entry": label_map(num_classes)}
        )
        super().__init__(
            generator=generator(tuple(image_shape), latent_dim, size, num_classes),
            discriminator=discriminator(
                tuple(image_shape),
                size if network == "conv" else size[::-1],
                spectral=spectral_normalization,
                stddev=minibatch_stddev,
                **condition,
            ),
            latent_dim=latent_dim,
            num_classes=num_classes,
            **options,
        )
