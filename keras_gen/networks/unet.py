"""Image-to-image generator in the shape of a U-Net."""

import keras
from keras import layers

from keras_gen.networks.initializers import dcgan_initializer
from keras_gen.networks.residual import conditioned, convolution, enlarge


def unet_generator(image_shape, width, num_blocks, name, maps=0):
    """Images to images in [-1, 1]: halved so often, doubled with what was seen [3].

    Args:
        image_shape: (height, width, channels).
        width: Feature maps after the first halving; they double up to 8 times as many.
        num_blocks: Halvings.
        name: Of the network.
        maps: As in `resnet_generator`.
    """
    inputs, x = conditioned(image_shape, maps)
    seen = []
    for i in range(num_blocks):
        last = i == num_blocks - 1  # A map of few pixels has no statistics.
        filters = width << min(i, 3)
        x = convolution(x, filters, 4, 2, reflect=False, norm=0 < i and not last)
        x = layers.LeakyReLU(0.2)(x)
        seen.append(x)
    for i in reversed(range(1, num_blocks)):
        x = layers.ReLU()(enlarge(x, width << min(i - 1, 3)))
        x = layers.Concatenate()([x, seen[i - 1]])
    x = layers.Conv2DTranspose(
        image_shape[-1],
        4,
        2,
        "same",
        kernel_initializer=dcgan_initializer(),
        dtype="float32",
    )(x)
    x = layers.Activation("tanh", dtype="float32")(x)
    return keras.Model(inputs, x, name=name)
