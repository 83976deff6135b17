"""LSTM that runs over an image along its diagonals, from both upper corners."""

import functools

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from keras_gen.layers.raster import RasterLayer
from keras_gen.layers.row_lstm import lstm


class Diagonals:
    """The diagonals of a map, for a scan that takes one of them in each step.

    Pixel (i, j) lies on diagonal i + j; its neighbours above and to the left lie on the
    diagonal before. Pixels of one diagonal are ordered by row. Only pixels of the map
    are computed: in a map whose rows are shifted until diagonals are columns, half of
    all places would be padding.

    Args:
        height: Rows of the map.
        width: Columns of the map.
    """

    def __init__(self, height: int, width: int):
        # The first and the last row of each diagonal.
        self.rows = [
            (max(0, d - width + 1), min(height - 1, d))
            for d in range(height + width - 1)
        ]
        self.sizes = [last - first + 1 for first, last in self.rows]
        order = [
            row * width + d - row
            for d, (first, last) in enumerate(self.rows)
            for row in range(first, last + 1)
        ]
        self.order = np.array(order)
        # The same of a map that is flipped from left to right.
        self.flipped = self.order // width * width + width - 1 - self.order % width

    def left(self, d, x):
        """What the left neighbours of diagonal d hold, 0 where there is none.

        Args:
            d: Index of the diagonal, at least 1.
            x: (2, pixels of diagonal d - 1, ...).
        """
        (first, last), (start, end) = self.rows[d], self.rows[d - 1]
        return _with_zeros(x[:, first - start :], 0, last - end)

    def above(self, d, x):
        """What the neighbours above diagonal d hold, as `left`."""
        (first, last), (start, _) = self.rows[d], self.rows[d - 1]
        x = _with_zeros(x, int(first == start), 0)
        return x[:, : last - first + 1]

    def left_gradient(self, d, gradient):
        """The gradient with respect to the argument of `left`."""
        (first, _), (start, end) = self.rows[d], self.rows[d - 1]
        return _with_zeros(gradient[:, : end - first + 1], first - start, 0)

    def above_gradient(self, d, gradient):
        """The gradient with respect to the argument of `above`."""
        (first, last), (start, end) = self.rows[d], self.rows[d - 1]
        return _with_zeros(gradient[:, int(first == start) :], 0, end - last + 1)


def _with_zeros(x, before, after):
    """(2, pixels, ...) with so many pixels of zeros before and after."""
    parts = [x]
    if before:
        parts.insert(0, tf.zeros_like(x[:, :before]))
    if after:
        parts.append(tf.zeros_like(x[:, :after]))
    return tf.concat(parts, axis=1) if len(parts) > 1 else x


def reordered(x, order):
    """Rows of dimension 0 in another order, with a gradient that gathers too.

    The gradient of `tf.gather` adds into zeros, index by index, which is far slower.

    Args:
        x: (rows, ...).
        order: A permutation of the rows, int (rows,).
    """
    inverse = np.argsort(order)

    @tf.custom_gradient
    def gather(x):
        return tf.gather(x, order), lambda gradient: tf.gather(gradient, inverse)

    return gather(x)


def scan_diagonals(gates, kernel, diagonals: Diagonals):
    """The hidden states of two LSTMs along the diagonals of a map.

    The loop is unrolled and has a gradient of its own. That of `tf.scan` stores and
    reads each intermediate tensor of each step, with the padding, and took most of the
    time of training.

    Args:
        gates: What the pixels add to the gates, in the order of `diagonals`, (2,
            pixels, batch, 4 * hidden).
        kernel: From the states left and above to the gates, (2, 2 * hidden, 4 *
            hidden).
        diagonals: The `Diagonals` of the map.

    Returns:
        (2, pixels, batch, hidden).
    """
    hidden = kernel.shape[-1] // 4
    count = len(diagonals.sizes)

    def times(x, kernel):
        """X (2, pixels, batch, n) times kernel (2, n, m), as one matrix product."""
        shape = tf.concat([tf.shape(x)[:-1], [kernel.shape[-1]]], axis=0)
        flat = tf.reshape(x, (2, -1, x.shape[-1]))
        return tf.reshape(tf.matmul(flat, kernel), shape)

    @tf.custom_gradient
    def scan(gates, kernel):
        states, cells, kept, sides = [], [], [], []
        for d, gate in enumerate(tf.split(gates, diagonals.sizes, axis=1)):
            before = None
            if d:
                sides.append(
                    tf.concat(
                        [diagonals.left(d, states[-1]), diagonals.above(d, states[-1])],
                        axis=-1,
                    )
                )
                gate += times(sides[-1], kernel)
                before = diagonals.left(d, cells[-1])
            state, cell, parts = lstm_parts(gate, before)
            states.append(state)
            cells.append(cell)
            kept.append((*parts, before))

        def gradient(upstream):
            transposed = tf.transpose(kernel, (0, 2, 1))
            upstream = tf.split(upstream, diagonals.sizes, axis=1)
            gate_gradients = [None] * count
            from_state = from_cell = None
            for d in reversed(range(count)):
                to_state = (
                    upstream[d] if from_state is None else upstream[d] + from_state
                )
                to_gates, to_before = lstm_gradient(to_state, from_cell, kept[d])
                gate_gradients[d] = to_gates
                if d:
                    to_side = times(to_gates, transposed)
                    from_state = diagonals.left_gradient(
                        d, to_side[..., :hidden]
                    ) + diagonals.above_gradient(d, to_side[..., hidden:])
                    from_cell = diagonals.left_gradient(d, to_before)
            to_gates = tf.concat(gate_gradients, axis=1)
            rows = tf.reshape(tf.concat(sides, axis=1), (2, -1, 2 * hidden))
            later = tf.reshape(to_gates[:, diagonals.sizes[0] :], (2, -1, 4 * hidden))
            return to_gates, tf.matmul(rows, later, transpose_a=True)

        return tf.concat(states, axis=1), gradient

    return scan(gates, kernel)


@functools.cache
def diagonal_scan(height: int, width: int):
    """`scan_diagonals` for maps of a size, as a function that all layers share.

    It is traced once and called by each layer: an unrolled loop has thousands of
    operations.
    """
    diagonals = Diagonals(height, width)
    return diagonals, tf.function(
        lambda gates, kernel: scan_diagonals(gates, kernel, diagonals),
        autograph=False,
        experimental_attributes={"_noinline": True},
    )


def lstm_parts(gates, cell):
    """`row_lstm.lstm`, with what its gradient needs.

    Args:
        gates: (..., 4 * hidden).
        cell: The cell state before, (..., hidden), or None for 0.

    Returns:
        Hidden state, cell state, and the activations of the four gates and of the cell.
    """
    out, forget, new, content = tf.split(gates, 4, axis=-1)
    out, forget = tf.sigmoid(out), tf.sigmoid(forget + 1.0)
    new, content = tf.sigmoid(new), tf.tanh(content)
    cell = new * content if cell is None else forget * cell + new * content
    squashed = tf.tanh(cell)
    return out * squashed, cell, (out, forget, new, content, squashed)


def lstm_gradient(to_state, to_cell, kept):
    """The gradients of `lstm_parts` with respect to gates and the cell state before.

    Args:
        to_state: Gradient of the hidden state.
        to_cell: Gradient of the cell state, None for 0.
        kept: The activations that `lstm_parts` returned, and the cell state before.
    """
    out, forget, new, content, squashed, before = kept
    inner = to_state * out * (1.0 - squashed * squashed)
    if to_cell is not None:
        inner += to_cell
    to_forget = tf.zeros_like(out)
    if before is not None:
        to_forget = inner * before * forget * (1.0 - forget)
    to_gates = tf.concat(
        [
            to_state * squashed * out * (1.0 - out),
            to_forget,
            inner * content * new * (1.0 - new),
            inner * new * (1.0 - content * content),
        ],
        axis=-1,
    )
    return to_gates, inner * forget


@keras.saving.register_keras_serializable("keras_gen")
class DiagonalBiLSTM(RasterLayer):
    """Diagonal BiLSTM with a residual connection (van den Oord et al., 2016a, 3.2).

    One LSTM starts in the upper left corner, one in the upper right; each uses the
    states above and beside the pixel. A whole diagonal takes one step. The states of
    the LSTM from the right are used one row below, so that they cannot carry
    information about later pixels: the output at a pixel depends on this pixel and on
    all pixels before it,

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
        height, width, features = x.shape[1:]
        diagonals, scan = diagonal_scan(height, width)
        pixels = ops.transpose(
            ops.reshape(x, (-1, height * width, features)), (1, 0, 2)
        )
        # Each LSTM gets the pixels in the order in which it visits them.
        kernel, bias = (
            ops.cast(weight, x.dtype)
            for weight in (self.input_to_state.kernel, self.input_to_state.bias)
        )
        orders = (diagonals.order, diagonals.flipped)
        gates = ops.stack(
            [
                ops.matmul(reordered(pixels, order), part)
                for order, part in zip(
                    orders, ops.split(kernel, 2, axis=1), strict=True
                )
            ]
        )
        gates += ops.reshape(bias, (2, 1, 1, 4 * self.hidden))
        states = scan(gates, ops.cast(self.state_to_state, x.dtype))
        left, right = (
            reordered(states[i], np.argsort(order)) for i, order in enumerate(orders)
        )
        right = ops.pad(right[:-width], [(width, 0), (0, 0), (0, 0)])  # A row below.
        mixed = ops.transpose(self.mix(left + right), (1, 0, 2))
        return x + ops.reshape(mixed, ops.shape(x))

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
