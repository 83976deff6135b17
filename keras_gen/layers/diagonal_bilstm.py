"""LSTM that runs over an image along its diagonals, from both upper corners."""

import keras
import tensorflow as tf
from keras import layers, ops

from keras_gen.layers.raster import RasterLayer
from keras_gen.layers.row_lstm import lstm


def skew(x):
    """Shifts every row right by one more than the row above: diagonals become columns.

        a b c       a b c . .
        d e f   to  . d e f .
        g h i       . . g h i

    Args:
        x: Maps, (..., height, width, features).

    Returns:
        (..., height, width + height - 1, features), padded with zeros.
    """
    *rest, height, width, features = x.shape
    none = [(0, 0)] * len(rest)
    x = ops.pad(x, [*none, (0, 0), (0, height), (0, 0)])
    x = ops.reshape(x, (*_sizes(rest), height * (width + height), features))
    x = x[..., : height * (width + height - 1), :]
    return ops.reshape(x, (*_sizes(rest), height, width + height - 1, features))


def unskew(x, width: int):
    """The inverse of `skew`.

    Args:
        x: Skewed maps, (..., height, width + height - 1, features).
        width: Number of columns before `skew`.

    Returns:
        (..., height, width, features).
    """
    *rest, height, skewed, features = x.shape
    none = [(0, 0)] * len(rest)
    x = ops.reshape(x, (*_sizes(rest), height * skewed, features))
    x = ops.pad(x, [*none, (0, height), (0, 0)])
    x = ops.reshape(x, (*_sizes(rest), height, skewed + 1, features))
    return x[..., :width, :]


def _sizes(shape):
    return [-1 if size is None else size for size in shape]


@keras.saving.register_keras_serializable("keras_gen")
class DiagonalBiLSTM(RasterLayer):
    """Diagonal BiLSTM with a residual connection (van den Oord et al., 2016a, 3.2).

    One LSTM starts in the upper left corner, one in the upper right; each uses the
    states above and beside the pixel. In skewed rows (`skew`) a whole diagonal is one
    column and takes one step. The states of the LSTM from the right are used one row
    below, so that they cannot carry information about later pixels: the output at a
    pixel depends on this pixel and on all pixels before it,

        left            right           together
        1 1 1 . .       . . 1 1 1       1 1 1 1 1
        1 1 1 . .       . . 1 1 1       1 1 1 1 1
        1 1 x . .       . . x . .       1 1 x . .

    Args:
        hidden: Dimension of a state; maps have twice as many features.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, hidden: int, **kwargs):
        super().__init__(**kwargs)
        self.hidden = hidden
        options = {"dtype": self.dtype_policy}
        self.input_to_state = layers.Dense(8 * hidden, name="input_to_state", **options)
        self.mix = layers.Dense(2 * hidden, name="mix", **options)

    def build(self, shape):
        """Builds for (batch, height, width, 2 * hidden)."""
        self.input_to_state.build(shape)
        self.mix.build((*shape[:-1], self.hidden))
        self.state_to_state = self.add_weight(
            name="state_to_state", shape=(2, 2 * self.hidden, 4 * self.hidden)
        )

    def call(self, x):
        """(batch, height, width, 2 * hidden) to the same shape."""
        left, right = ops.split(self.input_to_state(x), 2, axis=-1)
        gates = skew(ops.stack([left, ops.flip(right, axis=2)]))
        gates = ops.transpose(gates, (3, 0, 2, 1, 4))  # Diagonals, directions, rows.
        kernel = ops.cast(self.state_to_state, x.dtype)

        # No mask is needed: states left of a row depend only on such states, all 0, and
        # no pixel depends on states right of a row.
        def step(states, gates):
            hidden, cell = states
            above = ops.pad(hidden[:, :-1], [(0, 0), (1, 0), (0, 0), (0, 0)])
            beside = ops.reshape(
                ops.concatenate([hidden, above], axis=-1), (2, -1, 2 * self.hidden)
            )
            from_states = ops.reshape(ops.matmul(beside, kernel), ops.shape(gates))
            return lstm(gates + from_states, cell)

        zeros = ops.zeros_like(gates[0, ..., : self.hidden])
        # tf.scan, since XLA cannot differentiate the loop of ops.scan.
        hidden, _ = tf.scan(step, gates, (zeros, zeros))
        hidden = unskew(ops.transpose(hidden, (1, 3, 2, 0, 4)), x.shape[2])
        right = ops.flip(hidden[1], axis=2)
        right = ops.pad(right[:, :-1], [(0, 0), (1, 0), (0, 0), (0, 0)])
        return x + self.mix(hidden[0] + right)

    def start(self, batch_size, width, labels=None):
        """Zero states of the row above (dimension 0: columns) and the pixel beside."""
        states = ops.zeros((width, batch_size, self.hidden), self.compute_dtype)
        return {
            "gates": ops.concatenate([states] * 4, axis=-1),
            "left": states,
            "right": states,
            "beside": states[0],
            "cell": states[0],
        }

    def row(self, newest, index, cache):
        """Runs the LSTM from the right over the finished row above."""
        kernel = ops.cast(self.state_to_state[1], self.compute_dtype)

        def step(states, inputs):
            gates, above = inputs
            beside = ops.concatenate([states[0], above], axis=-1)
            return lstm(gates + ops.matmul(beside, kernel), states[1])

        zeros = ops.zeros_like(cache["beside"])
        inputs = (cache["gates"], cache["right"])
        right, _ = tf.scan(step, inputs, (zeros, zeros), reverse=True)
        right = ops.where(index > 0, right, ops.zeros_like(right))
        return None, {**cache, "right": right, "beside": zeros, "cell": zeros}

    def pixel(self, newest, column, cache):
        """Runs the LSTM from the left; caches gates of the other for the next row."""
        left, right = ops.split(self.input_to_state(newest), 2, axis=-1)
        beside = ops.concatenate([cache["beside"], cache["left"][column]], axis=-1)
        kernel = ops.cast(self.state_to_state[0], self.compute_dtype)
        hidden, cell = lstm(left + ops.matmul(beside, kernel), cache["cell"])
        pixel = newest + self.mix(hidden + cache["right"][column])
        return pixel, {
            "gates": ops.scatter_update(cache["gates"], [[column]], right[None]),
            "left": ops.scatter_update(cache["left"], [[column]], hidden[None]),
            "right": cache["right"],
            "beside": hidden,
            "cell": cell,
        }

    def compute_output_shape(self, shape: tuple) -> tuple:
        """The shape of the input."""
        return shape

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return {**super().get_config(), "hidden": self.hidden}
