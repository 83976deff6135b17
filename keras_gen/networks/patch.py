"""PatchGAN discriminator: one logit for each patch of an image.

1. Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
   Networks", 2017.
"""

import keras

from keras_gen.layers.leaky_relu import LeakyReLU
from keras_gen.networks.residual import convolution


def patch_discriminator(
    image_shape: tuple[int, int, int], width: int, num_blocks: int, name: str
) -> keras.Model:
    """Images to logits (batch, rows, columns, 1), one for each patch ([1], 7.2).

    Args:
        image_shape: Shape of an image, (height, width, channels).
        width: Feature maps of the first layer; they double in every layer.
        num_blocks: Number of halvings: 2 give patches of 34x34 pixels, 3 of 70x70.
        name: Name of the network.
    """
    inputs = x = keras.Input(image_shape)
    for i in range(num_blocks):
        x = convolution(x, width << i, 4, 2, reflect=False, norm=i > 0)
        x = LeakyReLU(0.2)(x)
    x = LeakyReLU(0.2)(convolution(x, width << num_blocks, 4, reflect=False))
    x = convolution(x, 1, 4, reflect=False, norm=False, dtype="float32")
    return keras.Model(inputs, x, name=name)
