"""MADE [1]: a perceptron in which each output depends only on some of the inputs.

1. Germain et al., "MADE: Masked Autoencoder for Distribution Estimation", 2015.
"""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from keras_gen.layers.masked_dense import MaskedDense


class AffineNetwork(keras.layers.Layer):
    """Shift and log-scale of every output, from inputs of lower degree ([1], eq. 8-9).

    A hidden unit depends on inputs and units up to its own degree, an output on those
    below its own. Degrees 1, 2, 3 for inputs and outputs alike are autoregressive; the
    masks of four hidden units of degrees 1, 2, 1, 2 are then

        1 1 1 1        0 1 1
        0 1 0 1        0 0 1
        0 0 0 0        0 1 1
                       0 0 1

    Degree 0 for all inputs and 1 for all outputs removes no connection (a coupling
    layer).

    Args:
        in_degrees: Degree of each input, an int.
        out_degrees: Degree of each output, an int.
        widths: Units of each hidden layer.
        context_dim: Dimension of a context that all units depend on; 0 for no context.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(
        self,
        in_degrees: Sequence[int],
        out_degrees: Sequence[int],
        widths: Sequence[int],
        context_dim: int = 0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        before, out_degrees = np.asarray(in_degrees), np.asarray(out_degrees)
        low = before.min()
        count = max(out_degrees.max() - low, 1)
        self.hidden = []
        for width in widths:
            after = low + np.arange(width) % count
            mask = before[:, None] <= after
            self.hidden.append(MaskedDense(mask, dtype=self.dtype_policy))
            before = after
        mask = before[:, None] < out_degrees
        # Small initial weights: the flow starts close to the identity.
        small = keras.initializers.RandomNormal(stddev=0.01)
        self.output_layer = MaskedDense(
            np.concatenate([mask, mask], axis=1),
            kernel_initializer=small,
            dtype=self.dtype_policy,
        )
        self.from_context = None
        if context_dim:
            self.from_context = MaskedDense(
                np.ones((context_dim, widths[0])), dtype=self.dtype_policy
            )
        self.built = True

    def call(self, x, context=None):
        """Shift and log-scale of the outputs.

        Args:
            x: Inputs, (..., inputs).
            context: Context, (..., context_dim), if the network has one.

        Returns:
            Two tensors (..., outputs); log-scales lie within [-2, 2].
        """
        for index, layer in enumerate(self.hidden):
            x = layer(x)
            if index == 0 and self.from_context is not None:
                x = x + self.from_context(context)
            x = ops.relu(x)
        shift, log_scale = ops.split(self.output_layer(x), 2, axis=-1)
        return shift, 2.0 * ops.tanh(log_scale / 2.0)
