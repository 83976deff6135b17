"""The binomial filter that keeps upsampled maps free of blocks."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("keras_gen")
class Blur(layers.Layer):
    """Convolution with [1, 2, 1] / 4 along either side (Karras et al., 2019, B.2).

    Edges are repeated outwards, so that a constant image stays what it is.
    """

    def call(self, x):
        """(batch, height, width, maps) to the same shape."""
        x = ops.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)], mode="symmetric")
        x = (x[:, :-2] + 2 * x[:, 1:-1] + x[:, 2:]) / 4
        return (x[:, :, :-2] + 2 * x[:, :, 1:-1] + x[:, :, 2:]) / 4

    def compute_output_shape(self, shape):
        """As it came."""
        return shape
