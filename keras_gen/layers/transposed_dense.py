"""A dense layer run backwards: the kernel is borrowed, only the bias is its own."""

import keras
from keras import layers, ops


class TransposedDense(layers.Layer):
    """The mirror of a dense layer, by the same kernel transposed.

        source:            h = f(x W + a)      W: (inputs, units)
        TransposedDense:   y = g(h W^T + b)    b: (inputs,)

    It owns b alone. W stays the source's: trained, saved and counted there, once.

    Args:
        source: A `keras.layers.Dense` that is built.
        activation: g, as for `keras.layers.Dense`.
        **kwargs: Of the layer.
    """

    def __init__(self, source, activation=None, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(source, layers.Dense) or not source.built:
            raise ValueError(f"Expected a dense layer that is built, got {source}.")
        self.activation = keras.activations.get(activation)
        # An attribute that is a layer would be tracked, and its kernel with it.
        self.kernel = lambda: source.kernel
        self.bias = self.add_weight(
            name="bias", shape=(source.kernel.shape[0],), initializer="zeros"
        )
        self.built = True

    def call(self, inputs):
        """(batch, units) to (batch, inputs)."""
        outputs = ops.matmul(inputs, ops.transpose(self.kernel()))
        return self.activation(outputs + self.bias)

    def compute_output_shape(self, input_shape):
        """As many numbers as the source takes."""
        return (*input_shape[:-1], self.bias.shape[0])
