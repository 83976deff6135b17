"""The binomial filter, which keeps upsampled maps free of block artefacts."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("keras_gen")
class Blur(layers.Layer):
    """Convolution with [1, 2, 1] / 4 along both sides (Karras et al., 2019, B.2).

    Edges are repeated outwards, so that a constant image stays unchanged.
    """

    def call(self, x):
        """Maps (batch, height, width, maps) to blurred ones of the same shape."""
        # Uses splits, since gradients of padding and of strided slices take ten times
        # as long.
        for axis in (1, 2):
            top, below = ops.split(x, [1], axis)
            above, bottom = ops.split(x, [x.shape[axis] - 1], axis)
            above, below = (
                ops.concatenate(rows, axis) for rows in ((top, above), (below, bottom))
            )
            x = (above + 2 * x + below) / 4
        return x

    def compute_output_shape(self, shape: tuple) -> tuple:
        """The shape of the input."""
        return shape
