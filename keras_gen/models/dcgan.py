"""DCGAN [1]: a GAN of strided convolutions that trains steadily.

Transposed convolutions from 4x4 or so up to the image, strided ones down to it, no
pooling, batch norm except at the generator's output and the discriminator's input.
NOTE: kernels are 4x4, which a stride of 2 covers evenly, instead of 5x5 as in [1].

1. Radford, Metz and Chintala, "Unsupervised Representation Learning with Deep
   Convolutional Generative Adversarial Networks", 2016.
"""

import keras
from keras import layers

from keras_gen.models.adversarial import AdversarialModel
from keras_gen.registry import register


def _initializer():
    return keras.initializers.RandomNormal(stddev=0.02)  # [1], section 4.


def _norm():
    # Statistics over all replicas, so that two see what one would have seen.
    return layers.BatchNormalization(
        momentum=0.9,
        epsilon=1e-5,
        gamma_initializer=keras.initializers.RandomNormal(1.0, 0.02),
        synchronized=True,
    )


def num_doublings(image_shape):
    """How often the smallest map, at least 4 pixels a side, doubles to the image.

    Raises:
        ValueError: If a side is below 16 or no multiple of 4.
    """
    sides = image_shape[:2]
    if any(side < 16 or side % 4 for side in sides):
        raise ValueError(
            "Expected an image_shape with sides of at least 16 that are multiples of "
            f"4, got {image_shape}."
        )
    count = 0
    while all(side % 2 ** (count + 1) == 0 for side in sides):
        if min(sides) < 4 * 2 ** (count + 1):
            break
        count += 1
    return count


def dcgan_generator(image_shape, latent_dim, width):
    """(batch, latent_dim) to images in [-1, 1]; maps halve as their size doubles."""
    height, image_width, channels = image_shape
    doublings = num_doublings(image_shape)
    first = (height >> doublings, image_width >> doublings)
    maps = [width << i for i in reversed(range(doublings))]
    inputs = keras.Input((latent_dim,))
    x = layers.Dense(
        first[0] * first[1] * maps[0], use_bias=False, kernel_initializer=_initializer()
    )(inputs)
    x = layers.Reshape((*first, maps[0]))(x)
    x = layers.ReLU()(_norm()(x))
    for filters in maps[1:]:
        x = layers.Conv2DTranspose(
            filters,
            4,
            strides=2,
            padding="same",
            use_bias=False,
            kernel_initializer=_initializer(),
        )(x)
        x = layers.ReLU()(_norm()(x))
    x = layers.Conv2DTranspose(
        channels, 4, strides=2, padding="same", kernel_initializer=_initializer()
    )(x)
    x = layers.Activation("tanh", dtype="float32")(x)
    return keras.Model(inputs, x, name="generator")


def dcgan_discriminator(image_shape, width):
    """Images to logits (batch, 1); maps double as their size halves."""
    inputs = x = keras.Input(image_shape)
    for i in range(num_doublings(image_shape)):
        x = layers.Conv2D(
            width << i,
            4,
            strides=2,
            padding="same",
            use_bias=i == 0,
            kernel_initializer=_initializer(),
        )(x)
        if i > 0:
            x = _norm()(x)
        x = layers.LeakyReLU(0.2)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(1, kernel_initializer=_initializer(), dtype="float32")(x)
    return keras.Model(inputs, x, name="discriminator")


@register("dcgan", image_shape=(32, 32, 1))
class DCGAN(AdversarialModel):
    """Deep convolutional generative adversarial network.

    Args:
        image_shape: (height, width, channels); sides are multiples of 4, at least 16.
        latent_dim: Numbers in a latent.
        width: Feature maps next to the image; they double at every halving. [1]: 128.
        prior: "uniform" (on [-1, 1], as in [1]) or "normal" (standard).
        **options: Of `AdversarialModel`: `loss`, `average`, `r1`, ...
    """

    tiny = {"image_shape": (16, 16, 1), "latent_dim": 3, "width": 4}

    def __init__(
        self,
        image_shape=(64, 64, 3),
        latent_dim=100,
        width=64,
        prior="uniform",
        **options,
    ):
        super().__init__(
            generator=dcgan_generator(image_shape, latent_dim, width),
            discriminator=dcgan_discriminator(image_shape, width),
            prior=prior,
            **options,
        )

    def default_optimizers(self):
        """Adam at 2e-4 with beta_1 0.5 ([1], section 4)."""
        return {
            "discriminator": keras.optimizers.Adam(2e-4, beta_1=0.5),
            "generator": keras.optimizers.Adam(2e-4, beta_1=0.5),
        }
