"""LSTM that runs over an image along its diagonals, from both upper corners."""

import dataclasses
import functools

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from keras_gen.core.arguments import checked
from keras_gen.core.types import Count
from keras_gen.layers.raster import RasterLayer
from keras_gen.layers.row_lstm import lstm

# Diagonals of a band: longer bands have more padding, shorter ones more operations.
BAND = 10


@dataclasses.dataclass(frozen=True)
class Band:
    """Some consecutive diagonals of a map, padded to the same rows.

    Pixel (i, j) lies on diagonal i + j; its neighbours above and to the left lie on the
    diagonal before. The first row is that of the diagonal before the band, so that the
    states of that diagonal are known for all rows.

    Attributes:
        first: Index of the first row.
        rows: Number of rows.
        pixels: Index of the pixel in each row of each diagonal, for the LSTM from the
            left and for that from the right, int32 (diagonals, 2, rows); the number of
            pixels of the map, where a row has no pixel on the diagonal.
    """

    first: int
    rows: int
    pixels: np.ndarray


def bands(height: int, width: int, length: int) -> list[Band]:
    """Divides the diagonals of a map into bands.

    Args:
        height: Rows of the map.
        width: Columns of the map.
        length: Number of diagonals of a band; the last may have fewer.
    """
    found = []
    for start in range(0, height + width - 1, length):
        stop = min(start + length, height + width - 1)
        first = max(0, start - width)
        rows = np.arange(first, min(height, stop))
        columns = np.arange(start, stop)[:, None] - rows
        exists = (columns >= 0) & (columns < width)
        both = np.stack([columns, width - 1 - columns], axis=1)
        pixels = np.where(exists[:, None], rows * width + both, height * width)
        found.append(Band(first, len(rows), pixels.astype(np.int32)))
    return found


class DiagonalScan:
    """Two LSTMs over the diagonals of a map, with a hand-written gradient.

    The gradient of `tf.scan` stores and reads each intermediate tensor of each step,
    and took most of the time of training. Here a step is few operations: one product
    with all weights, the activations, and their gradients. Loops run over bands of
    diagonals, since diagonals of constant length would be half padding.

    Padding needs no masks. Its inputs are 0, that of the bias too, so that states to
    the left of a map stay 0; no pixel depends on states to the right of a map.

    Layers of equal sizes share one function, and one for its gradient, which are traced
    once.

    Args:
        height: Rows of the map.
        width: Columns of the map.
        features: Number of features of an input.
        hidden: Dimension of a state.
    """

    def __init__(self, height: int, width: int, features: int, hidden: int):
        self.width, self.features, self.hidden = width, features, hidden
        self.bands = bands(height, width, BAND)
        self.num_pixels = height * width
        # Where the states of pixels are, (2, pixels), among those of all bands.
        pixels, lstms = (
            np.concatenate([part.reshape(-1) for part in parts])
            for parts in (
                [band.pixels for band in self.bands],
                [np.indices(band.pixels.shape)[1] for band in self.bands],
            )
        )
        self.num_places = len(pixels)
        real = np.flatnonzero(pixels < self.num_pixels)
        self.places = np.zeros((2, self.num_pixels), np.int32)
        self.places[lstms[real], pixels[real]] = real
        options = {
            "autograph": False,
            "reduce_retracing": True,
            "experimental_attributes": {"_noinline": True},
        }
        self.run = tf.function(self._run, **options)
        self.gradient = tf.function(self._gradient, **options)

    def __call__(self, pixels, kernel, training=False):
        """The states of the LSTM from the left, and those from the right a row below.

        Args:
            pixels: Inputs, (pixels, batch, features).
            kernel: Weights of the gates, (2, 2 * hidden + features + 1, 4 * hidden):
                for the states to the left and above, for the inputs, and the biases.
            training: Boolean, whether to keep what the gradient needs; otherwise the
                gradient computes it again.

        Returns:
            The sum, (pixels, batch, hidden).
        """

        @tf.custom_gradient
        def scan(pixels, kernel):
            # For watched arguments, TensorFlow would trace a gradient of its own.
            inputs = tf.stop_gradient(pixels), tf.stop_gradient(kernel)
            states, kept = self.run(*inputs, training)

            def gradient(upstream):
                saved = kept if training else self.run(*inputs, True)[1]
                message = "DiagonalBiLSTM has first derivatives only."
                return [
                    tf.raw_ops.PreventGradient(input=x, message=message)
                    for x in self.gradient(upstream, kernel, saved)
                ]

            return states, gradient

        return scan(pixels, kernel)

    def _run(self, pixels, kernel, keep):
        hidden, batch = self.hidden, tf.shape(pixels)[1]
        # A last feature of 1 for the bias, and zeros where there is no pixel.
        pixels = tf.concat([pixels, tf.ones_like(pixels[..., :1])], axis=-1)
        pixels = _with_zeros(pixels)
        first, carry = 0, [tf.zeros((2, 0, hidden), pixels.dtype)] * 2
        states, kept = [], []
        for band in self.bands:
            carry = [
                _resized(x, batch * (band.first - first), batch * band.rows)
                for x in carry
            ]
            first = band.first
            *carry, of_band, saved = _run_band(band, pixels, kernel, carry, keep)
            states.append(tf.reshape(of_band, (-1, batch, hidden)))
            kept.append(saved)
        below = np.full_like(self.places[1], self.num_places)
        below[self.width :] = self.places[1, : -self.width]
        states = _with_zeros(tf.concat(states, axis=0))
        return tf.gather(states, self.places[0]) + tf.gather(states, below), kept

    def _gradient(self, upstream, kernel, kept):
        hidden, batch = self.hidden, tf.shape(upstream)[1]
        upstream = _with_zeros(upstream)
        # Half precision is too coarse for the sum over all pixels.
        precise = kernel.dtype if kernel.dtype.size > 2 else tf.float32
        to_kernel = tf.zeros(kernel.shape, precise)
        first, carry = 0, [tf.zeros((2, 0, hidden), kernel.dtype)] * 2
        to_pixels = []
        for band, saved in reversed(list(zip(self.bands, kept, strict=True))):
            carry = [
                _resized(x, batch * (band.first - first), batch * band.rows)
                for x in carry
            ]
            first = band.first
            below = np.minimum(
                band.pixels + [[0], [self.width]], self.num_pixels, dtype=np.int32
            )
            *carry, to_kernel, of_band = _gradient_of_band(
                below, upstream, kernel, carry, to_kernel, saved
            )
            to_pixels.insert(0, tf.reshape(of_band, (-1, batch, self.features)))
        to_pixels = tf.concat(to_pixels, axis=0)
        left, right = (tf.gather(to_pixels, places) for places in self.places)
        return left + right, tf.cast(to_kernel, kernel.dtype)


def _with_zeros(x):
    """X with one more row in dimension 0, of zeros."""
    return tf.pad(x, [(0, 1)] + [(0, 0)] * (len(x.shape) - 1))


def _resized(x, start, size):
    """Rows start to start + size of (2, rows, n), zeros where x has no rows."""
    before = tf.maximum(-start, 0)
    x = x[:, tf.maximum(start, 0) :]
    return tf.pad(x, [(0, 0), (before, size), (0, 0)])[:, :size]


def _run_band(band, pixels, kernel, carry, keep):
    """Runs both LSTMs over a band.

    Args:
        band: The `Band`.
        pixels: Inputs with 1 for the bias, and a pixel of zeros, (pixels + 1, batch,
            features + 1).
        kernel: Weights of the gates; see `DiagonalScan`.
        carry: Hidden and cell states of the diagonal before, (2, rows * batch, hidden).
        keep: Boolean, whether to keep what the gradient needs.

    Returns:
        Hidden and cell states of the last diagonal, hidden states of all, (diagonals,
        2, rows * batch, hidden), and what the gradient needs.
    """
    hidden = kernel.shape[-1] // 4
    steps, indices = len(band.pixels), tf.constant(band.pixels)

    def step(d, state, cell, arrays):
        batch = tf.shape(pixels)[1]  # XLA needs it as a constant of the loop's body.
        above = tf.pad(state[:, :-batch], [(0, 0), (batch, 0), (0, 0)])
        here = tf.gather(pixels, indices[d])
        here = tf.reshape(here, (2, -1, pixels.shape[-1]))
        inputs = tf.concat([state, above, here], axis=-1)
        out, forget, new, content = tf.split(tf.matmul(inputs, kernel), 4, axis=-1)
        out, forget, new = tf.sigmoid(out), tf.sigmoid(forget + 1.0), tf.sigmoid(new)
        content, before = tf.tanh(content), cell
        cell = forget * before + new * content
        squashed = tf.tanh(cell)
        state = out * squashed
        # In the order of `_gradient_of_band`.
        found = [state, inputs, before, out, forget, new, content, squashed]
        arrays = [
            array.write(d, x)
            for array, x in zip(arrays, found[: len(arrays)], strict=True)
        ]
        for x in (state, cell):
            x.set_shape(carry[0].shape)
        return d + 1, state, cell, arrays

    sizes = [hidden, kernel.shape[1]] + [hidden] * 6
    arrays = [
        tf.TensorArray(pixels.dtype, steps, element_shape=(2, None, n))
        for n in (sizes if keep else sizes[:1])
    ]
    _, state, cell, (states, *kept) = tf.while_loop(
        lambda d, *_: d < steps,
        step,
        (0, *carry, arrays),
    )
    return state, cell, states.stack(), [array.flow for array in kept]


def _gradient_of_band(indices, upstream, kernel, carry, to_kernel, kept):
    """The gradient of `_run_band`.

    Args:
        indices: Where the gradients of the band's states are in `upstream`, int32
            (diagonals, 2, rows).
        upstream: Gradients of states, and a row of zeros, (pixels + 1, batch, hidden).
        kernel: Weights of the gates; see `DiagonalScan`.
        carry: Gradients of the hidden and the cell states of the last diagonal, (2,
            rows * batch, hidden).
        to_kernel: Gradient of the kernel that later bands add up to.
        kept: What `_run_band` kept.

    Returns:
        Gradients of the states of the diagonal before, of the kernel, and of the
        inputs, (diagonals, 2, rows * batch, features).
    """
    hidden = kernel.shape[-1] // 4
    features = kernel.shape[1] - 2 * hidden - 1
    steps, indices = len(indices), tf.constant(indices)
    transposed = tf.transpose(kernel[:, :-1], (0, 2, 1))  # Without the bias.
    sizes = [kernel.shape[1]] + [hidden] * 6
    kept = [tf.TensorArray(upstream.dtype, flow=flow) for flow in kept]

    def read(d):
        found = [array.read(d) for array in kept]
        return [
            tf.ensure_shape(x, (2, None, n)) for x, n in zip(found, sizes, strict=True)
        ]

    def step(d, to_state, to_cell, to_kernel, array):
        inputs, before, out, forget, new, content, squashed = read(d)
        here = tf.gather(upstream, indices[d])
        to_state += tf.reshape(here, (2, -1, hidden))
        to_cell += through_tanh(squashed, to_state * out)
        to_gates = tf.concat(
            [
                through_sigmoid(out, to_state * squashed),
                through_sigmoid(forget, to_cell * before),
                through_sigmoid(new, to_cell * content),
                through_tanh(content, to_cell * new),
            ],
            axis=-1,
        )
        product = tf.matmul(inputs, to_gates, transpose_a=True)
        to_kernel += tf.cast(product, to_kernel.dtype)
        to_state, to_above, to_here = tf.split(
            tf.matmul(to_gates, transposed), [hidden, hidden, features], axis=-1
        )
        batch = tf.shape(upstream)[1]
        to_state += tf.pad(to_above[:, batch:], [(0, 0), (0, batch), (0, 0)])
        to_cell *= forget
        for x in (to_state, to_cell):
            x.set_shape(carry[0].shape)
        return d - 1, to_state, to_cell, to_kernel, array.write(d, to_here)

    array = tf.TensorArray(upstream.dtype, steps, element_shape=(2, None, features))
    _, to_state, to_cell, to_kernel, array = tf.while_loop(
        lambda d, *_: d >= 0,
        step,
        (steps - 1, *carry, to_kernel, array),
    )
    return to_state, to_cell, to_kernel, array.stack()


def through_sigmoid(y, gradient):
    """The gradient with respect to the argument of a sigmoid whose value is y."""
    return tf.raw_ops.SigmoidGrad(y=y, dy=gradient)


def through_tanh(y, gradient):
    """The gradient with respect to the argument of a tanh whose value is y."""
    return tf.raw_ops.TanhGrad(y=y, dy=gradient)


@functools.cache
def diagonal_scan(*sizes: int) -> DiagonalScan:
    """The `DiagonalScan` that layers share whose maps and states have these sizes."""
    return DiagonalScan(*sizes)


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

    @checked
    def __init__(self, hidden: Count, **kwargs):
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

    def call(self, x, training=False):
        """(batch, height, width, 2 * hidden) to the same shape."""
        height, width, features = x.shape[1:]
        pixels = ops.reshape(x, (-1, height * width, features))
        inputs = ops.concatenate(
            [self.input_to_state.kernel, self.input_to_state.bias[None]], axis=0
        )
        inputs = ops.stack(ops.split(inputs, 2, axis=-1))
        kernel = ops.concatenate([self.state_to_state, inputs], axis=1)
        scan = diagonal_scan(height, width, features, self.hidden)
        states = scan(
            ops.transpose(pixels, (1, 0, 2)), ops.cast(kernel, x.dtype), training
        )
        mixed = ops.transpose(self.mix(states), (1, 0, 2))
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
