"""Image-to-image generators by name, and a learned zoom in front of them.

1. Jaderberg et al., "Spatial Transformer Networks", 2015.
"""

import keras
from keras import layers, ops

from keras_gen.core import checks
from keras_gen.layers.leaky_relu import LeakyReLU
from keras_gen.layers.zoom import Zoom
from keras_gen.networks.initializers import dcgan_initializer
from keras_gen.networks.residual import resnet_generator
from keras_gen.networks.unet import unet_generator

GENERATORS = {"resnet": resnet_generator, "unet": unet_generator}


def zooming(network: keras.Model, width: int = 16) -> keras.Model:
    """A generator with a small spatial transformer [1] that zooms its images first.

    The factor of each image, from 1/e to e, is predicted from the image and the maps of
    conditions.

    Args:
        network: Generator from images (and maps of conditions) to images.
        width: Feature maps of the first convolution that predicts the factor.

    Returns:
        A network with the inputs, the outputs and the name of `network`.
    """
    inputs = [keras.Input(x.shape[1:]) for x in network.inputs]
    images, *maps = inputs
    x = layers.Concatenate()(inputs) if maps else images
    for i in range(2):
        x = layers.Conv2D(width << i, 4, strides=2, padding="same")(x)
        x = LeakyReLU(0.2)(x)
    x = layers.Flatten()(x)
    x = LeakyReLU(0.2)(layers.Dense(2 * width)(x))
    # With small random weights the initial factors are near 1, but not equal to 1,
    # where bilinear interpolation has no gradient.
    x = layers.Dense(
        1,
        "tanh",
        kernel_initializer=dcgan_initializer(),
        dtype="float32",
        name="factor",
    )(x)
    factors = ops.exp(x[:, 0])
    zoomed = Zoom(name="zoom")(images, factors)
    images = network([zoomed, *maps] if maps else zoomed)
    return keras.Model(inputs if maps else inputs[0], images, name=network.name)


def check_sides(
    image_shape: tuple[int, int, int], network: str, num_blocks: int
) -> None:
    """Refuses images whose sides a generator cannot halve as often as it needs.

    Args:
        image_shape: Shape of an image, (height, width, channels).
        network: Name of the generator, one of `GENERATORS`.
        num_blocks: Residual blocks of a "resnet", or halvings of a "unet".

    Raises:
        ValueError: For such sides, or for another name.
    """
    checks.one_of(GENERATORS, network=network)
    multiple = 4 if network == "resnet" else 1 << min(num_blocks, 63)
    if any(side < 8 or side % multiple for side in image_shape[:2]):
        raise ValueError(
            f"Expected sides of at least 8, multiples of {multiple}, with "
            f"network={network!r}, got {image_shape}."
        )
