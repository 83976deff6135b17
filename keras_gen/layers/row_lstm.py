"""LSTM that runs down an image, one row at a time."""

import keras
import tensorflow as tf
from keras import layers, ops

from keras_gen.core.arguments import checked
from keras_gen.core.types import Count
from keras_gen.layers.masked_convolution import MaskedConv2D
from keras_gen.layers.raster import RasterLayer


def lstm(gates, cell):
    """One step of an LSTM (van den Oord et al., 2016a, equation 3).

    A constant of 1 in the argument of the forget gates lets them start near 1.

    Args:
        gates: Arguments of the gates, (..., 4 * hidden).
        cell: Cell state of the step before, (..., hidden).

    Returns:
        Hidden state and cell state, each (..., hidden).
    """
    out, forget, new, content = ops.split(gates, 4, axis=-1)
    cell = ops.sigmoid(forget + 1.0) * cell + ops.sigmoid(new) * ops.tanh(content)
    return ops.sigmoid(out) * ops.tanh(cell), cell


@keras.saving.register_keras_serializable("keras_gen")
class RowLSTM(RasterLayer):
    """Row LSTM with a residual connection (van den Oord et al., 2016a, section 3.1).

    The states of all columns of a row are computed at once, from the row above by a
    convolution of three columns, and from the input by a masked convolution. So a pixel
    depends on a triangle above it. What differs from the paper: the gates also get the
    mean over the row above, which covers the rest of that row (m) and leaves no blind
    spot:

        paper           here
        . 1 1 1 1 1 .   m 1 1 1 1 1 m
        . . 1 1 1 . .   m m 1 1 1 m m
        . . 1 x . . .   . . 1 x . . .

    In its own row a pixel depends on one more pixel to the left with every layer.

    Args:
        hidden: Dimension of a state; maps have twice as many features.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    @checked
    def __init__(self, hidden: Count, **kwargs):
        super().__init__(**kwargs)
        self.hidden = hidden
        options = {"dtype": self.dtype_policy}
        self.input_to_state = MaskedConv2D(
            4 * hidden, 3, "B", "horizontal", name="input_to_state", **options
        )
        options["use_bias"] = False
        self.state_to_state = layers.Conv1D(
            4 * hidden, 3, padding="same", name="state_to_state", **options
        )
        self.mean_to_state = layers.Dense(4 * hidden, name="mean_to_state", **options)
        self.mix = layers.Dense(2 * hidden, name="mix", dtype=self.dtype_policy)

    def build(self, shape):
        """Builds for (batch, height, width, 2 * hidden)."""
        row = (shape[0], shape[2], self.hidden)
        self.input_to_state.build(shape)
        self.state_to_state.build(row)
        self.mean_to_state.build(row)
        self.mix.build(row)
        self.built = True

    def call(self, x):
        """(batch, height, width, 2 * hidden) to the same shape."""

        def step(states, gates):
            return lstm(gates + self._from_above(states[0]), states[1])

        gates = ops.transpose(self.input_to_state(x), (1, 0, 2, 3))
        zeros = ops.zeros_like(x[:, 0, :, : self.hidden])
        # tf.scan, since XLA cannot differentiate the loop of ops.scan.
        hidden, _ = tf.scan(step, gates, (zeros, zeros))
        return x + self.mix(ops.transpose(hidden, (1, 0, 2, 3)))

    def _from_above(self, hidden):
        """The share of the gates' arguments from the row above.

        Args:
            hidden: Hidden states of that row, (batch, width, hidden).

        Returns:
            (batch, width, 4 * hidden).
        """
        mean = ops.mean(hidden, axis=1, keepdims=True)
        return self.state_to_state(hidden) + self.mean_to_state(mean)

    def start(self, batch_size, width, labels=None):
        """Zero states of the row above, with columns in dimension 0."""
        states = ops.zeros((width, batch_size, self.hidden), self.compute_dtype)
        return {
            "input": self.input_to_state.start(batch_size, width),
            "hidden": states,
            "cell": states,
            "from_above": ops.concatenate([states] * 4, axis=-1),
        }

    def row(self, newest, index, cache):
        """Computes the share of the gates' arguments from the finished row above."""
        hidden = ops.transpose(cache["hidden"], (1, 0, 2))
        from_above = ops.transpose(self._from_above(hidden), (1, 0, 2))
        left = {name: ops.zeros_like(value) for name, value in cache["input"].items()}
        return None, {**cache, "from_above": from_above, "input": left}

    def pixel(self, newest, column, cache):
        """One step for one column, whose new states replace those of the row above."""
        gates, left = self.input_to_state.pixel(newest, column, cache["input"])
        gates = gates + cache["from_above"][column]
        hidden, cell = lstm(gates, cache["cell"][column])
        cache = {
            **cache,
            "input": left,
            "hidden": ops.scatter_update(cache["hidden"], [[column]], hidden[None]),
            "cell": ops.scatter_update(cache["cell"], [[column]], cell[None]),
        }
        return newest + self.mix(hidden), cache

    def compute_output_shape(self, shape: tuple) -> tuple:
        """The shape of the input."""
        return shape

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return {**super().get_config(), "hidden": self.hidden}
