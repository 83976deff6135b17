"""Image-to-image generator of residual blocks."""

import keras
from keras import layers

from keras_gen.layers.reflection_padding import ReflectionPadding2D
from keras_gen.networks.initializers import dcgan_initializer


def instance_norm(x):
    """Maps normalised one by one, each with a scale and a shift of its own."""
    return layers.GroupNormalization(groups=-1, epsilon=1e-5)(x)


def convolution(x, filters, size, strides=1, reflect=True, norm=True, dtype=None):
    """A convolution that keeps the size (or halves it), and instance norm.

    Args:
        x: Maps.
        filters: Maps that come out.
        size: Of the kernel, odd where it reflects.
        strides: 1 or 2.
        reflect: Whether edges are reflected; else zeros lie beyond.
        norm: Whether instance norm follows, without an activation.
        dtype: Of the convolution; None for the policy's.
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


def enlarge(x, filters):
    """A transposed convolution to twice the size, with instance norm."""
    x = layers.Conv2DTranspose(
        filters,
        4,
        strides=2,
        padding="same",
        use_bias=False,
        kernel_initializer=dcgan_initializer(),
    )(x)
    return instance_norm(x)


def resnet_generator(image_shape, width, num_blocks, name, maps=0, reflect=True):
    """Images, and maps of conditions beside them, to images in [-1, 1].

    Halved twice, residual blocks, doubled twice ([1], section 7.2).

    Args:
        image_shape: (height, width, channels).
        width: Feature maps at full size; they double at every halving.
        num_blocks: Residual blocks.
        name: Of the network.
        maps: Of conditions, a second input (batch, height, width, maps); 0 for none.
        reflect: See `convolution`.
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


def conditioned(image_shape, maps):
    """Inputs of a generator, and images with the maps of conditions beside them."""
    images = keras.Input(image_shape)
    if not maps:
        return images, images
    conditions = keras.Input((*image_shape[:2], maps))
    return [images, conditions], layers.Concatenate()([images, conditions])
