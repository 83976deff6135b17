"""An image encoder, and vectors of length 1, for images and captions in one space."""

import keras
from keras import layers, ops


def image_encoder(image_shape, units, width):
    """Images to vectors (batch, units): halved until a side has fewer than 8 pixels."""
    inputs = x = keras.Input(image_shape)
    filters = width
    while True:
        x = layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9, synchronized=True)(x)
        x = layers.ReLU()(x)
        if min(x.shape[1:3]) < 8:
            break
        filters *= 2
    x = layers.Flatten()(x)
    x = layers.Dense(units, dtype="float32")(x)
    return keras.Model(inputs, x, name="image_encoder")


def unit(vectors):
    """Vectors (batch, numbers) of length 1."""
    return vectors * ops.rsqrt(ops.sum(ops.square(vectors), -1, keepdims=True) + 1e-8)
