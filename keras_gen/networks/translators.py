"""Image-to-image generators by name, and a learned zoom in front of them."""

import keras
from keras import layers, ops

from keras_gen.layers.zoom import Zoom
from keras_gen.networks.initializers import dcgan_initializer
from keras_gen.networks.residual import resnet_generator
from keras_gen.networks.unet import unet_generator


def zooming(network, width=16):
    """A translator of images that are first zoomed, by factors from 1/e to e [4].

    Args:
        network: Images, and maps of conditions if any, to images.
        width: Maps of the first convolution that looks for the factor.
    """
    inputs = [keras.Input(x.shape[1:]) for x in network.inputs]
    images, *maps = inputs
    x = layers.Concatenate()(inputs) if maps else images
    for i in range(2):
        x = layers.Conv2D(width << i, 4, strides=2, padding="same")(x)
        x = layers.LeakyReLU(0.2)(x)
    x = layers.Flatten()(x)
    x = layers.LeakyReLU(0.2)(layers.Dense(2 * width)(x))
    # At a factor of just 1 bilinear interpolation has no gradient: near it, not there.
    x = layers.Dense(
        1,
        "tanh",
        kernel_initializer=dcgan_initializer(),
        dtype="float32",
        name="factor",
    )(x)
    factors = ops.exp(x[:, 0])
    zoomed = Zoom(dtype="float32", name="zoom")(images, factors)
    images = network([zoomed, *maps] if maps else zoomed)
    return keras.Model(inputs if maps else inputs[0], images, name=network.name)


GENERATORS = {"resnet": resnet_generator, "unet": unet_generator}


def check_sides(image_shape, network, num_blocks):
    """Whether a generator of this name can take such images.

    Raises:
        ValueError: If not, or if there is none of this name.
    """
    if network not in GENERATORS:
        raise ValueError(f"Expected network of {list(GENERATORS)}, got {network!r}.")
    multiple = 4 if network == "resnet" else 1 << num_blocks
    if any(side < 8 or side % multiple for side in image_shape[:2]):
        raise ValueError(
            f"Expected sides of at least 8, multiples of {multiple}, with "
            f"network={network!r}, got {image_shape}."
        )
