"""PatchGAN discriminator: one logit for each patch of an image."""

import keras
from keras import layers

from keras_gen.networks.residual import convolution


def patch_discriminator(image_shape, width, num_blocks, name):
    """Images to a map of logits, one a patch of the image ([1], section 7.2)."""
    inputs = x = keras.Input(image_shape)
    for i in range(num_blocks):
        x = convolution(x, width << i, 4, 2, reflect=False, norm=i > 0)
        x = layers.LeakyReLU(0.2)(x)
    x = layers.LeakyReLU(0.2)(convolution(x, width << num_blocks, 4, reflect=False))
    x = convolution(x, 1, 4, reflect=False, norm=False, dtype="float32")
    return keras.Model(inputs, x, name=name)
