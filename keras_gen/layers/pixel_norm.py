"""Normalisation of every pixel's features to a mean square of 1."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("keras_gen")
class PixelNorm(layers.Layer):
    """x / sqrt(mean(x^2) + 1e-8), the mean over features (Karras et al., 2018, 4.2).

    It computes in float32 under every dtype policy, since squares overflow float16.
    """

    def call(self, x):
        """(..., features) to the same shape."""
        wide = ops.cast(x, "float32")
        square = ops.mean(ops.square(wide), axis=-1, keepdims=True)
        return ops.cast(wide * ops.rsqrt(square + 1e-8), self.compute_dtype)

    def compute_output_shape(self, shape: tuple) -> tuple:
        """The shape of the input."""
        return shape
