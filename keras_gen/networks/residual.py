"""Image-to-image generator of residual blocks, and the layers that it consists of.

1. Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
   Networks", 2017.
"""

import keras
from keras import layers

from keras_gen.layers.reflection_padding import ReflectionPadding2D
from keras_gen.networks.initializers import dcgan_initializer
from keras_gen.networks.normalization import instance_norm


def convolution(
    x,
    filters: int,
    size: int,
    strides: int = 1,
    reflect: bool = True,
    norm: bool = True,
    dtype: str | None = None,
):
    """A convolution that keeps the size or halves it, and instance normalization.

    Args:
        x: Maps (batch, height, width, channels).
        filters: Number of output maps.
        size: Side of the kernel; odd with `reflect`.
        strides: Stride: 1 keeps the size, 2 halves it.
        reflect: Boolean, whether the padding reflects the maps at their edges, instead
            of zeros.
        norm: Boolean, whether instance normalization follows, in place of a bias.
        dtype: Dtype or policy of the convolution; None uses the global policy.

    Returns:
        Maps (batch, height / strides, width / strides, filters), without activation.
    """
    if reflect:
        x = ReflectionPadding2D(size // 2)(x)
    x = layers.Conv2D(
        filters,
        size,
        strides,
        padding="valid" if reflect else "same",
        use_bias=not norm,
        kernel_initializer=dcgan_initializer(),
        dtype=dtype,
    )(x)
    return instance_norm(x) if norm else x


def enlarge(x, filters: int):
    """A transposed convolution to twice the size, and instance normalization."""
    x = layers.Conv2DTranspose(
        filters,
        4,
        strides=2,
        padding="same",
        use_bias=False,
        kernel_initializer=dcgan_initializer(),
    )(x)
    return instance_norm(x)


def resnet_generator(
    image_shape: tuple[int, int, int],
    width: int,
    num_blocks: int,
    name: str,
    maps: int = 0,
    reflect: bool = True,
) -> keras.Model:
    """Network from images (and maps of conditions) to images in [-1, 1].

    The size is halved twice, residual blocks follow, and it is doubled twice ([1],
    section 7.2).

    Args:
        image_shape: Shape of an image, (height, width, channels).
        width: Feature maps at full size; they double at every halving.
        num_blocks: Number of residual blocks.
        name: Name of the network.
        maps: Number of maps of conditions, a second input (batch, height, width, maps);
            0 for none.
        reflect: Boolean, whether the padding reflects the maps at their edges, instead
            of zeros.
    """
    inputs, x = conditioned(image_shape, maps)
    x = layers.ReLU()(convolution(x, width, 7, reflect=reflect))
    for i in (1, 2):
        x = layers.ReLU()(convolution(x, width << i, 3, 2, reflect))
    for _ in range(num_blocks):
        inner = layers.ReLU()(convolution(x, width << 2, 3, reflect=reflect))
        x = layers.Add()([x, convolution(inner, width << 2, 3, reflect=reflect)])
    for i in (1, 0):
        x = layers.ReLU()(enlarge(x, width << i))
    x = convolution(x, image_shape[-1], 7, reflect=reflect, norm=False, dtype="float32")
    x = layers.Activation("tanh", dtype="float32")(x)
    return keras.Model(inputs, x, name=name)


def conditioned(image_shape: tuple[int, int, int], maps: int):
    """Inputs of a generator, and the images concatenated with maps of conditions.

    Args:
        image_shape: Shape of an image, (height, width, channels).
        maps: Number of maps of conditions; 0 for none.

    Returns:
        The input, or the two inputs, and a tensor (batch, height, width, channels +
        maps).
    """
    images = keras.Input(image_shape)
    if not maps:
        return images, images
    conditions = keras.Input((*image_shape[:2], maps))
    return [images, conditions], layers.Concatenate()([images, conditions])
