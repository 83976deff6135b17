"""LSTM that goes down an image, a row at a time."""

import keras
import tensorflow as tf
from keras import layers, ops

from keras_gen.layers.masked_convolution import MaskedConv2D
from keras_gen.layers.raster import RasterLayer


def lstm(gates, cell):
    """Hidden and cell state from gates and the cell state before (equation 3).

    Forget gates start near 1, by a constant in their argument.
    """
    out, forget, new, content = ops.split(gates, 4, axis=-1)
    cell = ops.sigmoid(forget + 1.0) * cell + ops.sigmoid(new) * ops.tanh(content)
    return ops.sigmoid(out) * ops.tanh(cell), cell


@keras.saving.register_keras_serializable("keras_gen")
class RowLSTM(RasterLayer):
    """Row LSTM with a residual connection (van den Oord et al., 2016a, section 3.1).

    All columns of a row have their states at once, from the row above by a convolution
    of three columns, and from the input by one that is masked. So a pixel sees a
    triangle above it. What differs from the paper: the mean over the row above goes
    into the gates too, which shows the rest of it, and leaves no blind spot:

        paper           here
        . 1 1 1 1 1 .   m 1 1 1 1 1 m
        . . 1 1 1 . .   m m 1 1 1 m m
        . . 1 x . . .   . . 1 x . . .

    On its own row a pixel sees one farther to the left with every layer.

    Args:
        hidden: Numbers in a state; images have twice as many features.
        **kwargs: Of the layer.
    """

    def __init__(self, hidden, **kwargs):
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
        # Not ops.scan, whose loop XLA cannot differentiate.
        hidden, _ = tf.scan(step, gates, (zeros, zeros))
        return x + self.mix(ops.transpose(hidden, (1, 0, 2, 3)))

    def _from_above(self, hidden):
        """What the states of the row above, (batch, width, hidden), give to gates."""
        mean = ops.mean(hidden, axis=1, keepdims=True)
        return self.state_to_state(hidden) + self.mean_to_state(mean)

    def start(self, batch_size, width, labels=None):
        """The states of the row above, column first."""
        states = ops.zeros((width, batch_size, self.hidden), self.compute_dtype)
        return {
            "input": self.input_to_state.start(batch_size, width),
            "hidden": states,
            "cell": states,
            "from_above": ops.concatenate([states] * 4, axis=-1),
        }

    def row(self, newest, index, cache):
        """Takes the finished row above into the gates."""
        hidden = ops.transpose(cache["hidden"], (1, 0, 2))
        from_above = ops.transpose(self._from_above(hidden), (1, 0, 2))
        left = {name: ops.zeros_like(value) for name, value in cache["input"].items()}
        return None, {**cache, "from_above": from_above, "input": left}

    def pixel(self, newest, column, cache):
        """A step of one column, whose states take the place of those above."""
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

    def compute_output_shape(self, shape):
        """The shape is kept."""
        return shape

    def get_config(self):
        """The constructor's arguments."""
        return {**super().get_config(), "hidden": self.hidden}
