"""The binomial filter, which keeps upsampled maps free of block artefacts."""

import keras
import numpy as np
from keras import layers, ops


@keras.saving.register_keras_serializable("keras_gen")
class Blur(layers.Layer):
    """Convolution with [1, 2, 1] / 4 along both sides (Karras et al., 2019, B.2).

    Edges are repeated outwards, so that a constant image stays unchanged.
    """

    def call(self, x):
        """Maps (batch, height, width, maps) to blurred ones of the same shape."""
        height, width, maps = x.shape[1:]
        # Products with a matrix of each side: up to 64 pixels, they and their gradients
        # take half as long as a depthwise convolution.
        rows = ops.reshape(x, (-1, height, width * maps))
        rows = ops.matmul(_filter_matrix(height, x.dtype), rows)
        columns = ops.reshape(rows, (-1, width, maps))
        columns = ops.matmul(_filter_matrix(width, x.dtype), columns)
        return ops.reshape(columns, (-1, height, width, maps))

    def compute_output_shape(self, shape: tuple) -> tuple:
        """The shape of the input."""
        return shape


def _filter_matrix(side, dtype):
    """Matrix (side, side) that filters a vector: [1, 2, 1] / 4 around the diagonal."""
    matrix = 2 * np.eye(side) + np.eye(side, k=1) + np.eye(side, k=-1)
    matrix[0, 0] += 1
    matrix[-1, -1] += 1
    return ops.convert_to_tensor(matrix / 4, dtype)
