"""MADE [1]: a perceptron in which each output depends only on some of the inputs.

1. Germain et al., "MADE: Masked Autoencoder for Distribution Estimation", 2015.
"""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from keras_gen.core.arguments import checked
from keras_gen.core.types import Count, Natural
from keras_gen.layers.masked_dense import MaskedDense


def spread(width: int, count: int) -> np.ndarray:
    """Degrees of a hidden layer's units, from 0 to count - 1, as evenly as possible.

    >>> spread(6, 4).tolist()
    [0, 1, 2, 3, 0, 1]
    >>> spread(3, 9).tolist()
    [0, 4, 8]

    Args:
        width: Number of units.
        count: Number of degrees.
    """
    if width >= count:
        return np.arange(width) % count
    return np.linspace(0, count - 1, width).round().astype(int)


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

    The degrees of a hidden layer are spread evenly between the smallest degree of the
    inputs and the largest degree of the outputs less 1. A path from an input of degree
    i to an output of degree i + 1 needs a unit of degree i in every hidden layer. If a
    layer has fewer units than there are degrees, inputs are therefore also connected to
    outputs directly, so that every output depends on all inputs of lower degree.

    Args:
        in_degrees: Degree of each input, an int.
        out_degrees: Degree of each output, an int.
        widths: Units of each hidden layer.
        context_dim: Dimension of a context that all units depend on; 0 for no context.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    @checked(unchecked=("in_degrees", "out_degrees"))
    def __init__(
        self,
        in_degrees: Sequence[int],
        out_degrees: Sequence[int],
        widths: Sequence[Count],
        context_dim: Natural = 0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        before, out_degrees = np.asarray(in_degrees), np.asarray(out_degrees)
        direct = before[:, None] < out_degrees
        low = before.min()
        count = max(out_degrees.max() - low, 1)
        self.hidden = []
        for width in widths:
            after = low + spread(width, count)
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
        self.direct = None
        if min(widths, default=count) < count:
            self.direct = MaskedDense(
                np.concatenate([direct, direct], axis=1),
                kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
                use_bias=False,
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
        inputs = x
        for index, layer in enumerate(self.hidden):
            x = layer(x)
            if index == 0 and self.from_context is not None:
                x = x + self.from_context(context)
            x = ops.relu(x)
        outputs = self.output_layer(x)
        if self.direct is not None:
            outputs = outputs + self.direct(inputs)
        shift, log_scale = ops.split(outputs, 2, axis=-1)
        return shift, 2.0 * ops.tanh(log_scale / 2.0)
