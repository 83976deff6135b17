"""A dense layer without some of its connections."""

import keras
import numpy as np
from keras import ops

from keras_gen.core.arguments import checked


class MaskedDense(keras.layers.Layer):
    """y = activation(x (W * mask) + b), for inputs of any rank, 1 included.

    Args:
        mask: Array (inputs, units) of 0 and 1; where it is 0, the unit does not depend
            on the input.
        activation: Name of a Keras activation; None for none.
        kernel_initializer: Initializer of W.
        use_bias: Boolean, whether the layer has the bias b.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    @checked(unchecked=("mask",))
    def __init__(
        self,
        mask,
        activation: str | None = None,
        kernel_initializer: str | keras.initializers.Initializer = "glorot_uniform",
        use_bias: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.mask = np.asarray(mask, "float32")
        self.activation = keras.activations.get(activation)
        shape = self.mask.shape
        self.kernel = self.add_weight(
            name="kernel", shape=shape, initializer=kernel_initializer
        )
        self.bias = None
        if use_bias:
            self.bias = self.add_weight(
                name="bias", shape=shape[1:], initializer="zeros"
            )
        self.built = True

    def call(self, x):
        """(..., inputs) to (..., units)."""
        kernel = self.kernel * ops.cast(self.mask, self.compute_dtype)
        x = ops.matmul(x, kernel)
        return self.activation(x if self.bias is None else x + self.bias)
