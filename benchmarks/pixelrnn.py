"""Compares training steps of PixelRNN's diagonal LSTMs with a plain `tf.scan`.

    .venv/bin/python benchmarks/pixelrnn.py
    .venv/bin/python benchmarks/pixelrnn.py --num-layers 1 --hidden 32 --jit
    taskset -c 0 .venv/bin/python benchmarks/pixelrnn.py --num-layers 1 --hidden 32

The scan runs over whole skewed maps, half of which are padding, and TensorFlow derives
its gradient. Steps of the two models alternate, so that other work on the machine slows
both; the medians of the ratios can be compared, of wall-clock and of processor time.
Both models start with equal weights, and their first losses must be equal.
"""

import time
from typing import Annotated

import keras
import numpy as np
import rich.console
import rich.table
import tensorflow as tf
import typer
from keras import ops

from keras_gen.layers import DiagonalBiLSTM
from keras_gen.layers.row_lstm import lstm
from keras_gen.models import PixelRNN
from keras_gen.models.autoregressive import pixelrnn


def skew(x):
    """Shifts each row right by one more than the row above, and pads with zeros.

    Args:
        x: Maps, (2, batch, height, width, features).

    Returns:
        (2, batch, height, width + height - 1, features).
    """
    _, _, height, width, features = x.shape
    x = tf.pad(x, [(0, 0)] * 3 + [(0, height), (0, 0)])
    x = tf.reshape(x, (2, -1, height * (width + height), features))
    x = x[:, :, : height * (width + height - 1)]
    return tf.reshape(x, (2, -1, height, width + height - 1, features))


def unskew(x, width):
    """The inverse of `skew`."""
    _, _, height, skewed, features = x.shape
    x = tf.reshape(x, (2, -1, height * skewed, features))
    x = tf.pad(x, [(0, 0), (0, 0), (0, height), (0, 0)])
    return tf.reshape(x, (2, -1, height, skewed + 1, features))[..., :width, :]


@keras.saving.register_keras_serializable("benchmark")
class ScannedBiLSTM(DiagonalBiLSTM):
    """`DiagonalBiLSTM` by `tf.scan`, as it was in version 0.1."""

    def call(self, x, training=False):
        """(batch, height, width, 2 * hidden) to the same shape."""
        left, right = ops.split(self.input_to_state(x), 2, axis=-1)
        gates = skew(ops.stack([left, ops.flip(right, axis=2)]))
        gates = ops.transpose(gates, (3, 0, 2, 1, 4))  # Diagonals, LSTMs, rows.

        def step(states, gates):
            hidden, cell = states
            above = tf.pad(hidden[:, :-1], [(0, 0), (1, 0), (0, 0), (0, 0)])
            beside = ops.reshape(
                ops.concatenate([hidden, above], axis=-1), (2, -1, 2 * self.hidden)
            )
            product = ops.matmul(beside, self.state_to_state)
            return lstm(gates + ops.reshape(product, ops.shape(gates)), cell)

        zeros = ops.zeros_like(gates[0, ..., : self.hidden])
        hidden, _ = tf.scan(step, gates, (zeros, zeros))
        hidden = unskew(ops.transpose(hidden, (1, 3, 2, 0, 4)), x.shape[2])
        right = ops.flip(hidden[1], axis=2)
        right = ops.pad(right[:, :-1], [(0, 0), (1, 0), (0, 0), (0, 0)])
        return x + self.mix(hidden[0] + right)


def main(
    num_layers: Annotated[int, typer.Option(help="Number of LSTM layers.")] = 7,
    hidden: Annotated[int, typer.Option(help="Dimension of a state.")] = 16,
    batch_size: Annotated[int, typer.Option(help="Images of a step.")] = 16,
    rounds: Annotated[int, typer.Option(help="Steps of each model.")] = 15,
    jit: Annotated[bool, typer.Option("--jit", help="Compile with XLA.")] = False,
):
    """Prints a table."""
    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (batch_size, 28, 28, 1)).astype(np.float32)
    batch = {"image": tf.constant(images)}
    steps, first, losses = {}, {}, {}
    for name, layer in (("scan", ScannedBiLSTM), ("bands", DiagonalBiLSTM)):
        pixelrnn.CELLS["diagonal_bilstm"] = layer
        keras.utils.set_random_seed(0)
        model = PixelRNN(num_layers=num_layers, hidden=hidden)
        model.compile(seed=0)
        steps[name] = tf.function(model.train_step, jit_compile=jit or None)
        start = time.perf_counter()
        logs = steps[name](batch)
        losses[name] = float(logs["pixelrnn_loss"])
        first[name] = time.perf_counter() - start
    np.testing.assert_allclose(losses["bands"], losses["scan"], rtol=1e-5)
    wall, processor = ({name: [] for name in steps} for _ in range(2))
    for _ in range(rounds):
        for name, step in steps.items():
            before = time.perf_counter(), time.process_time()
            float(step(batch)["pixelrnn_loss"])
            wall[name].append(time.perf_counter() - before[0])
            processor[name].append(time.process_time() - before[1])
    table = rich.table.Table(
        *("layer", "first step, s", "ms per image", "processor ms per image"),
        *("times faster", "by processor time"),
    )
    for name in steps:
        ratios = [
            np.median(np.divide(times["scan"], times[name]))
            for times in (wall, processor)
        ]
        table.add_row(
            name,
            f"{first[name]:.1f}",
            *(
                f"{1000 * np.median(times[name]) / batch_size:.2f}"
                for times in (wall, processor)
            ),
            *(f"{ratio:.2f}" for ratio in ratios),
        )
    rich.console.Console(width=110).print(table)


if __name__ == "__main__":
    typer.run(main)
