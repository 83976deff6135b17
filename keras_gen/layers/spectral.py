"""Spectral normalisation [1] as a function of the kernel, without a state.

1. Miyato et al., "Spectral Normalization for Generative Adversarial Networks", 2018.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

ITERATIONS = 8


def spectral_norm(kernel, iterations=ITERATIONS):
    """The largest singular value of a kernel as a matrix (inputs, outputs), estimated.

    [1] keeps a vector from step to step and improves it once a step; a variable that a
    forward pass changes would differ between replicas. Here power iteration starts from
    the same vector every time. The estimate lies below the value, by little where the
    second largest one is not close. Gradients flow through u' W v alone, as in [1].

    Args:
        kernel: Of a dense layer or a convolution; the last dimension is the outputs.
        iterations: Of the power method.

    Returns:
        A float32 scalar.
    """
    matrix = ops.reshape(ops.cast(kernel, "float32"), (-1, kernel.shape[-1]))
    fixed = tf.stop_gradient(matrix)
    start = np.random.default_rng(0).normal(size=(matrix.shape[-1], 1))
    right = tf.math.l2_normalize(tf.constant(start, tf.float32))
    for _ in range(iterations):
        left = tf.math.l2_normalize(fixed @ right)
        right = tf.math.l2_normalize(tf.transpose(fixed) @ left)
    return ops.sum(left * (matrix @ right))


class _Normalized:
    """Divides the kernel of a layer by its spectral norm, wherever it is used."""

    @property
    def kernel(self):
        kernel = super().kernel
        return ops.cast(kernel / spectral_norm(kernel), self.compute_dtype)


@keras.saving.register_keras_serializable("keras_gen")
class SpectralDense(_Normalized, layers.Dense):
    """`keras.layers.Dense` whose kernel has spectral norm 1."""


@keras.saving.register_keras_serializable("keras_gen")
class SpectralConv2D(_Normalized, layers.Conv2D):
    """`keras.layers.Conv2D` whose kernel, as a matrix, has spectral norm 1."""
