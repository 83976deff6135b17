"""Image-to-image generator in the shape of a U-Net [1].

1. Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical Image
   Segmentation", 2015.
"""

import keras
from keras import layers

from keras_gen.layers.leaky_relu import LeakyReLU
from keras_gen.networks.initializers import dcgan_initializer
from keras_gen.networks.residual import conditioned, convolution, enlarge


def unet_generator(
    image_shape: tuple[int, int, int],
    width: int,
    num_blocks: int,
    name: str,
    maps: int = 0,
) -> keras.Model:
    """Network from images (and maps of conditions) to images in [-1, 1].

    The size is halved `num_blocks` times and doubled as often; every doubling is
    followed by a skip connection from the maps of the same size.

    Args:
        image_shape: Shape of an image, (height, width, channels).
        width: Feature maps after the first halving; they double at every halving, up to
            8 times as many.
        num_blocks: Number of halvings.
        name: Name of the network.
        maps: Number of maps of conditions, a second input (batch, height, width, maps);
            0 for none.
    """
    inputs, x = conditioned(image_shape, maps)
    skips = []
    for i in range(num_blocks):
        # A map of few pixels has no useful statistics for a normalization.
        is_last = i == num_blocks - 1
        filters = width << min(i, 3)
        x = convolution(x, filters, 4, 2, reflect=False, norm=0 < i and not is_last)
        x = LeakyReLU(0.2)(x)
        skips.append(x)
    for i in reversed(range(1, num_blocks)):
        x = layers.ReLU()(enlarge(x, width << min(i - 1, 3)))
        x = layers.Concatenate()([x, skips[i - 1]])
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
