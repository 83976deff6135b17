"""Spectral normalisation [1] as a function of the kernel, without state.

1. Miyato et al., "Spectral Normalization for Generative Adversarial Networks", 2018.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

ITERATIONS = 8


def spectral_norm(kernel, iterations: int = ITERATIONS):
    """An estimate of the largest singular value of a kernel, (inputs, outputs).

    [1] keeps a vector from step to step and improves it once per step; but a variable
    that a forward pass changes would differ between replicas. Here power iteration
    starts from the same vector every time. The estimate is slightly below the singular
    value, most if the second largest one is close to it. Gradients flow through u' W v
    only, as in [1].

    Args:
        kernel: Kernel of a dense layer or a convolution; its last dimension is that of
            outputs.
        iterations: Number of power iterations.

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
    """`keras.layers.Dense` whose kernel is divided by `spectral_norm` [1].

    It takes the arguments of `keras.layers.Dense`.
    """


@keras.saving.register_keras_serializable("keras_gen")
class SpectralConv2D(_Normalized, layers.Conv2D):
    """`keras.layers.Conv2D` whose kernel is divided by `spectral_norm` [1].

    It takes the arguments of `keras.layers.Conv2D`.
    """
