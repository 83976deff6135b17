"""A dense layer some of whose connections are cut."""

import keras
import numpy as np
from keras import ops


class MaskedDense(keras.layers.Layer):
    """y = activation(x (W * mask) + b), for inputs of any rank, one included.

    Args:
        mask: (inputs, units) of 0 and 1: where 0 stands an input has no say.
        activation: A name; None is linear.
        kernel_initializer: Of W.
        **kwargs: Of the layer.
    """

    def __init__(
        self, mask, activation=None, kernel_initializer="glorot_uniform", **kwargs
    ):
        super().__init__(**kwargs)
        self.mask = np.asarray(mask, "float32")
        self.activation = keras.activations.get(activation)
        shape = self.mask.shape
        self.kernel = self.add_weight(
            name="kernel", shape=shape, initializer=kernel_initializer
        )
        self.bias = self.add_weight(name="bias", shape=shape[1:], initializer="zeros")
        self.built = True

    def call(self, x):
        """(..., inputs) to (..., units)."""
        kernel = self.kernel * ops.cast(self.mask, self.compute_dtype)
        return self.activation(ops.matmul(x, kernel) + self.bias)
