"""GAN [1]: a generator learns to make images that a discriminator takes for real.

What differs from [1]: rectifiers and dropout instead of maxout, Adam instead of
momentum, and the generator's last layer is tanh for images. Points are made, too: the
plane shows what a GAN learns and what it forgets.

1. Goodfellow et al., "Generative Adversarial Networks", 2014.
"""

import keras
import numpy as np
from keras import layers

from keras_gen.abilities import ability
from keras_gen.layers.minibatch_stddev import MinibatchStdDev
from keras_gen.layers.spectral import SpectralDense
from keras_gen.models.adversarial import AdversarialModel
from keras_gen.registry import register


def mlp_generator(shape, latent_dim, widths, num_classes=None, activation="tanh"):
    """Latents (batch, latent_dim), and labels, to images or points of a shape."""
    inputs = x = keras.Input((latent_dim,))
    if num_classes is not None:
        labels = keras.Input((), dtype="int64")
        inputs = [inputs, labels]
        x = layers.Concatenate()([x, layers.Embedding(num_classes, 32)(labels)])
    for width in widths:
        x = layers.Dense(width)(x)
        x = layers.BatchNormalization(synchronized=True)(x)
        x = layers.ReLU()(x)
    x = layers.Dense(int(np.prod(shape)))(x)
    x = layers.Reshape(shape)(x)
    x = layers.Activation(activation, dtype="float32")(x)
    return keras.Model(inputs, x, name="generator")


def mlp_discriminator(
    shape, widths, head=None, entry=None, spectral=False, stddev=False
):
    """Images or points to logits (batch, 1).

    Args:
        shape: Without the batch.
        widths: Of the hidden layers.
        head: Inputs and features (batch, numbers) to a model; None for `logits`.
        entry: The shape to inputs and what goes on from them; None for the images.
        spectral: Whether kernels are spectrally normalised.
        stddev: Whether the last layer sees the minibatch's deviation.
    """
    dense = SpectralDense if spectral else layers.Dense
    inputs, x = (entry or images_alone)(shape)
    x = layers.Flatten()(x)
    for width in widths:
        x = layers.LeakyReLU(0.2)(dense(width)(x))
    if stddev:
        x = MinibatchStdDev()(x)
    return (head or logits)(inputs, x, dense)


def images_alone(shape):
    """A discriminator that takes images: its inputs, and what goes on from them."""
    inputs = keras.Input(shape)
    return inputs, inputs


def logits(inputs, x, dense=layers.Dense, **options):
    """A discriminator that ends in one dense layer on features (batch, numbers)."""
    return keras.Model(
        inputs, dense(1, dtype="float32", **options)(x), name="discriminator"
    )


@register("gan", image_shape=(28, 28, 1))
class GAN(AdversarialModel):
    """Generative adversarial network of multilayer perceptrons.

    Args:
        image_shape: (height, width, channels); None for points.
        point_dim: Numbers in a point, 2 for the plane, where there are no images.
        latent_dim: Numbers in a latent.
        widths: Of the generator's hidden layers; the discriminator's are reversed.
        spectral_normalization: Whether the discriminator's kernels have norm 1.
        minibatch_stddev: Whether its last layer sees how varied the batch is.
        **options: Of `AdversarialModel`: `loss`, `average`, `r1`, ...
    """

    tiny = {"image_shape": (8, 8, 1), "latent_dim": 3, "widths": (8,)}

    def __init__(
        self,
        image_shape=(28, 28, 1),
        point_dim=None,
        latent_dim=100,
        widths=(256, 512),
        spectral_normalization=False,
        minibatch_stddev=False,
        **options,
    ):
        if (image_shape is None) == (point_dim is None):
            raise ValueError(
                "Expected image_shape, or image_shape=None and point_dim, got "
                f"{image_shape} and {point_dim}."
            )
        shape = (point_dim,) if image_shape is None else tuple(image_shape)
        packed = (*shape[:-1], shape[-1] * options.get("packing", 1))
        super().__init__(
            generator=mlp_generator(
                shape,
                latent_dim,
                widths,
                activation="linear" if image_shape is None else "tanh",
            ),
            discriminator=mlp_discriminator(
                packed,
                widths[::-1],
                spectral=spectral_normalization,
                stddev=minibatch_stddev,
            ),
            latent_dim=latent_dim,
            **options,
        )

    @ability("points", needs="point_dim")
    def sample_points(self, seed):
        """Draws points, float32 (n, point_dim)."""
        return self.decode_rows(self.latents(seed))
