"""An image encoder, and vectors of length 1, for images and captions in one space."""

import keras
from keras import layers, ops

from keras_gen.networks.normalization import batch_norm


def image_encoder(
    image_shape: tuple[int, int, int], units: int, width: int, max_maps: int | None
) -> keras.Model:
    """Images to vectors, float32 (batch, units).

    Args:
        image_shape: Shape of an image, (height, width, channels).
        units: Dimension of a vector.
        width: Feature maps of the first layer. Every layer halves the maps' sides and
            doubles their number; the last is the first with a side below 8 pixels.
        max_maps: Largest number of feature maps of a layer; None for no limit.
    """
    inputs = x = keras.Input(image_shape)
    filters = width
    while True:
        x = layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(x)
        x = batch_norm(momentum=0.9)(x)
        x = layers.ReLU()(x)
        if min(x.shape[1:3]) < 8:
            break
        filters = min(2 * filters, max_maps or 2 * filters)
    x = layers.Flatten()(x)
    x = layers.Dense(units, dtype="float32")(x)
    return keras.Model(inputs, x, name="image_encoder")


def unit(vectors):
    """Vectors (batch, numbers), divided by their lengths."""
    return vectors * ops.rsqrt(ops.sum(ops.square(vectors), -1, keepdims=True) + 1e-8)
