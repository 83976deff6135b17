"""DCGAN's networks: strided and transposed convolutions with batch normalization."""

import keras
from keras import layers

from keras_gen.layers.minibatch_stddev import MinibatchStdDev
from keras_gen.layers.spectral import SpectralConv2D, SpectralDense
from keras_gen.networks.initializers import dcgan_initializer
from keras_gen.networks.mlp import images_alone, logits


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


def dcgan_generator(image_shape, latent_dim, width, num_classes=None, hidden=None):
    """Latents (batch, latent_dim), and labels, to images in [-1, 1].

    Maps halve as their size doubles. `hidden`: units of a dense layer before the first
    map; None for none.
    """
    height, image_width, channels = image_shape
    doublings = num_doublings(image_shape)
    first = (height >> doublings, image_width >> doublings)
    maps = [width << i for i in reversed(range(doublings))]
    inputs = x = keras.Input((latent_dim,))
    if num_classes is not None:
        labels = keras.Input((), dtype="int64")
        inputs = [inputs, labels]
        x = layers.Concatenate()([x, layers.Embedding(num_classes, 32)(labels)])
    if hidden is not None:
        x = layers.Dense(
            hidden, use_bias=False, kernel_initializer=dcgan_initializer()
        )(x)
        x = layers.ReLU()(_norm()(x))
    x = layers.Dense(
        first[0] * first[1] * maps[0],
        use_bias=False,
        kernel_initializer=dcgan_initializer(),
    )(x)
    x = layers.Reshape((*first, maps[0]))(x)
    x = layers.ReLU()(_norm()(x))
    for filters in maps[1:]:
        x = layers.Conv2DTranspose(
            filters,
            4,
            strides=2,
            padding="same",
            use_bias=False,
            kernel_initializer=dcgan_initializer(),
        )(x)
        x = layers.ReLU()(_norm()(x))
    x = layers.Conv2DTranspose(
        channels, 4, strides=2, padding="same", kernel_initializer=dcgan_initializer()
    )(x)
    x = layers.Activation("tanh", dtype="float32")(x)
    return keras.Model(inputs, x, name="generator")


def dcgan_discriminator(
    image_shape,
    width,
    head=None,
    entry=None,
    norm=True,
    spectral=False,
    stddev=False,
    hidden=None,
):
    """Images to logits (batch, 1); maps double as their size halves.

    Args:
        image_shape: (height, width, channels).
        width: Feature maps next to the image.
        head: Inputs and features (batch, numbers) to a model; None for `gan.logits`.
        entry: The shape to inputs and what goes on from them; None for the images.
        norm: Whether layers after the first have batch norm.
        spectral: Whether kernels are spectrally normalised, in place of batch norm.
        stddev: Whether the last layer sees the minibatch's deviation.
        hidden: Units of a dense layer after the last map; None for none.
    """
    norm = norm and not spectral
    convolution = SpectralConv2D if spectral else layers.Conv2D
    inputs, x = (entry or images_alone)(image_shape)
    for i in range(num_doublings(image_shape)):
        x = convolution(
            width << i,
            4,
            strides=2,
            padding="same",
            use_bias=i == 0 or not norm,
            kernel_initializer=dcgan_initializer(),
        )(x)
        if i > 0 and norm:
            x = _norm()(x)
        x = layers.LeakyReLU(0.2)(x)
    if stddev:
        x = MinibatchStdDev()(x)
    x = layers.Flatten()(x)
    dense = SpectralDense if spectral else layers.Dense
    if hidden is not None:
        x = dense(hidden, use_bias=not norm, kernel_initializer=dcgan_initializer())(x)
        x = layers.LeakyReLU(0.2)(_norm()(x) if norm else x)
    return (head or logits)(inputs, x, dense, kernel_initializer=dcgan_initializer())
