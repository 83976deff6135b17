"""Records the gradients that a training step applies, and computes each one again."""

import keras
import numpy as np
import tensorflow as tf

from keras_gen.core import game


class Recording(keras.optimizers.SGD):
    """Records each gradient that is applied, and all weights before it is applied.

    Args:
        name: Name of the player.
        model: Model whose weights are kept.
        records: List to which (player, weights, gradients) is appended for each move.
        rate: Learning rate.
    """

    def __init__(self, name, model, records, rate):
        super().__init__(rate)
        self.player, self.model = name, model
        self.record = records.append  # Keras would copy a list that is an attribute.

    def apply(self, gradients, variables=None):
        weights = [np.array(v.numpy()) for v in self.model.variables]
        gradients = [tf.convert_to_tensor(g) for g in gradients]
        self.record((self.player, weights, [g.numpy() for g in gradients]))
        super().apply(gradients, variables)


def record_step(model, batch, rate=0.1):
    """Takes one step of a model; returns the moves, with the weights before each.

    Args:
        model: Model, a `GenerativeModel`; it is compiled again.
        batch: Dict from feature name to array, as for `fit`.
        rate: Learning rate of plain SGD for all players.

    Returns:
        Triples of player, all weights before the move and the gradients applied; the
        weights after the last move; and the step's mini-batches.
    """
    batch = {name: tf.constant(value) for name, value in batch.items()}
    records = []
    optimizers = {n: Recording(n, model, records, rate) for n in model.players()}
    model.compile(optimizers, seed=0, run_eagerly=True)
    moves = max(player.moves for player in model.players().values())
    parts = [
        {name: tf.split(value, moves)[index] for name, value in batch.items()}
        for index in range(moves)
    ]
    game.train_step(model, batch)
    return records, [np.array(v.numpy()) for v in model.variables], parts


def gradient_at(model, name, batch, index, weights):
    """The gradient of a player's loss, including `forward`, at the given weights."""
    for variable, value in zip(model.variables, weights, strict=True):
        variable.assign(value)
    player = model.players()[name]
    with tf.GradientTape() as tape:
        with model.noise_scope(f"forward/{index}"):
            shared = model.forward(batch, training=True)
        with model.noise_scope(f"{name}/{index}"):
            loss = game.loss_of(model, name, player, batch, shared, training=True)
    gradients = tape.gradient(loss, player.variables)
    return [tf.convert_to_tensor(gradient).numpy() for gradient in gradients]


def check_applied_gradients(model, batch, rate=0.1):
    """Compares each gradient of a step with the loss's gradient at the same weights."""
    records, _, parts = record_step(model, batch, rate)
    index = {name: len(parts) - p.moves for name, p in model.players().items()}
    for name, weights, applied in records:
        expected = gradient_at(model, name, parts[index[name]], index[name], weights)
        for ours, theirs in zip(applied, expected, strict=True):
            # Equal up to rounding errors, which are larger for sums of large terms.
            most = np.max(np.abs(theirs), initial=0.0)
            np.testing.assert_allclose(
                ours, theirs, rtol=1e-3, atol=1e-6 + 1e-4 * most, err_msg=name
            )
        index[name] += 1
    assert all(count == len(parts) for count in index.values())
