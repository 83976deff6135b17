"""A dense layer in reverse: it uses another layer's kernel and owns only its bias."""

import keras
from keras import layers, ops

from keras_gen.core.arguments import checked


class TransposedDense(layers.Layer):
    """The transpose of a dense layer, with the same kernel.

        source:            h = f(x W + a)      W: (inputs, units)
        TransposedDense:   y = g(h W^T + b)    b: (inputs,)

    It owns b only. W belongs to the source, with which it is trained, saved and
    counted once.

    Args:
        source: Dense layer, a `keras.layers.Dense` that is built.
        activation: Activation g, as for `keras.layers.Dense`; None for none.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If the source is not a dense layer, or not built.
    """

    @checked(unchecked=("source",))
    def __init__(self, source: layers.Dense, activation: str | None = None, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(source, layers.Dense) or not source.built:
            raise ValueError(f"Expected a dense layer that is built, got {source}.")
        self.activation = keras.activations.get(activation)
        # A function, since Keras would track the source as an attribute, and its kernel
        # too.
        self.kernel = lambda: source.kernel
        self.bias = self.add_weight(
            name="bias", shape=(source.kernel.shape[0],), initializer="zeros"
        )
        self.built = True

    def call(self, inputs):
        """(batch, units) to (batch, inputs), in the terms of the source."""
        outputs = ops.matmul(inputs, ops.transpose(self.kernel()))
        return self.activation(outputs + self.bias)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """The shape of the input, with the source's number of inputs."""
        return (*input_shape[:-1], self.bias.shape[0])
