"""The game: players, and the one training step. Gradients are taken here alone.

A model is a set of players. A player is some networks, the loss that they minimise, and
how often they move in a step: an autoencoder is a game of one player, a GAN of two.

    forward(batch)            once for each mini-batch, before any player moves on it
    loss(batch, shared)       of each player in turn, at the weights as they are then
    updates(batch, shared)    state that no gradient learns, once after the step

Losses read `batch` and what `forward` returned, and can write to neither. A player may
differentiate what `forward` computed only with networks that have not moved since: a
generator its fakes, since only the discriminator moved in between.

1. Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", 2020,
   appendix B (lazy regularization).
"""

import dataclasses
import types
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Lazy:
    """A regularizer that is added in one of `every` steps, `every` times as strong [1].

    >>> penalty = Lazy(lambda batch, shared, training: tf.constant(0.5), every=16)
    >>> [float(penalty({}, {}, training=True, step=step)) for step in (0, 1, 16)]
    [8.0, 0.0, 8.0]

    Attributes:
        penalty: `penalty(batch, shared, training)`, a float32 scalar.
        every: Steps from one penalty to the next. Outside of training it is always
            added, as it is.
    """

    penalty: Callable
    every: int = 1

    def __call__(self, batch, shared, training, step):
        """The penalty as it counts at a step."""
        if self.every == 1 or not training:
            return self.penalty(batch, shared, training)
        return tf.cond(
            step % self.every == 0,
            lambda: self.every * self.penalty(batch, shared, training),
            lambda: 0.0,
        )


def lazy_adam(rate: float, beta_1: float, beta_2: float, every: int = 1, **settings):
    """Adam for a player whose regularizer is added in one of `every` steps.

    With c = every / (every + 1), the rate becomes c * rate and the betas beta ** c, so
    that rate and memory are those of training without laziness ([1], appendix B).

    Args:
        rate: Learning rate, or a schedule, which is left as it is.
        beta_1: Decay of the mean of gradients.
        beta_2: Decay of the mean of their squares.
        every: Interval of the regularizer; 1 changes nothing.
        **settings: Further arguments of `keras.optimizers.Adam`.
    """
    c = 1.0 if every == 1 else every / (every + 1)
    if isinstance(rate, (int, float)):
        rate = c * rate
    return keras.optimizers.Adam(rate, beta_1=beta_1**c, beta_2=beta_2**c, **settings)


@dataclasses.dataclass(frozen=True)
class Player:
    """Networks, the loss that they minimise, and how often they move in a step.

    >>> network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> def loss(batch, shared, training):
    ...     outputs = network(batch["point"], training=training)
    ...     return tf.reduce_mean(outputs**2), {"mean": tf.reduce_mean(outputs)}
    >>> player = Player([network], loss, moves=2)
    >>> [variable.name for variable in player.variables]
    ['kernel', 'bias']

    Attributes:
        networks: What the player trains. Players may share one, as an autoencoder and a
            generator share an encoder.
        loss: `loss(batch, shared, training)`: a float32 scalar, the mean over the
            batch; or that and a dict of figures to log, scalars or pairs of a scalar
            and its weight in the log's mean. `shared` is what the model's `forward`
            returned for this mini-batch.
        moves: Moves per step, each on a mini-batch of its own: 5 for a WGAN critic.
        active: The subset of the networks' layers trained in this phase; None trains
            everything.
        regularizers: Penalties that are added to the loss: `Lazy` ones, or functions
            like a loss that return a scalar.
    """

    networks: Sequence[keras.Layer]
    loss: Callable
    moves: int = 1
    active: Sequence[keras.Layer] | None = None
    regularizers: Sequence[Callable] = ()

    @property
    def variables(self) -> list:
        """The trainable variables of what is trained now, each once, in order."""
        return _variables_of(self.networks if self.active is None else self.active)

    @property
    def all_variables(self) -> list:
        """The trainable variables of all networks, each once, in order."""
        return _variables_of(self.networks)


def _variables_of(networks):
    found = {
        id(variable): variable
        for network in networks
        for variable in network.trainable_variables
    }
    return list(found.values())


def train_step(model, batch: dict):
    """One step: every player moves, then the state that is not learned changes.

    With K moves and an accumulation of A, the batch holds K * A mini-batches one after
    the other; a player with fewer moves takes the last ones.
    """
    players = model.players()
    moves = max(player.moves for player in players.values())
    parts = _split(batch, moves * model.accumulate_steps)
    play = _play if model.accumulate_steps == 1 else _play_accumulating
    shared = play(model, players, parts, moves)
    for variable, value in model.updates(_read_only(batch), shared):
        variable.assign(value)


def test_step(model, batch: dict):
    """Losses and figures of a batch, without a move."""
    batch = _read_only(batch)
    with model.noise_scope("forward/0", training=False):
        shared = _read_only(model.forward(batch, training=False))
    for name, player in model.players().items():
        with model.noise_scope(f"{name}/0", training=False):
            loss_of(model, name, player, batch, shared, training=False)


def _play(model, players, parts, moves):
    """All moves under one tape; returns what was shared on the last mini-batch."""
    shared = {}
    # One tape for the whole step, so that a player can differentiate what `forward`
    # computed. In a graph what nobody needs is pruned.
    with tf.GradientTape(persistent=True) as tape:
        for name, player in players.items():
            for index in range(moves - player.moves, moves):
                if index not in shared:
                    shared[index] = _forward(model, parts[index], index)
                with model.noise_scope(f"{name}/{index}"):
                    loss = loss_of(
                        model, name, player, parts[index], shared[index], training=True
                    )
                scaled = _scaled(model, name, loss)
                with tape.stop_recording():
                    gradients = _gradients(tape, name, player, scaled)
                    _apply(model, name, player, gradients)
    return shared[moves - 1]


def _play_accumulating(model, players, parts, moves):
    """The same for several mini-batches per move, whose gradients are summed first.

    Mini-batches run one after the other, and `forward` runs again for every player
    (with the same noise), so that memory is that of one mini-batch.
    """
    count = model.accumulate_steps
    last = {}
    for name, player in players.items():
        for move in range(moves - player.moves, moves):
            total = None
            for index in range(move * count, (move + 1) * count):
                with tf.control_dependencies(total or []):
                    with tf.GradientTape() as tape:
                        shared = _forward(model, parts[index], index)
                        with model.noise_scope(f"{name}/{index}"):
                            loss = loss_of(
                                model, name, player, parts[index], shared, training=True
                            )
                        scaled = _scaled(model, name, loss)
                    gradients = _gradients(tape, name, player, scaled)
                    if total is not None:
                        pairs = zip(total, gradients, strict=True)
                        gradients = [a + b for a, b in pairs]
                    total = gradients
                if move == moves - 1:
                    last.setdefault(index, shared)
            _apply(model, name, player, total)
    rows = {key: [part[key] for part in last.values()] for key in last[index]}
    return _read_only({key: tf.concat(values, axis=0) for key, values in rows.items()})


def _forward(model, part, index):
    with model.noise_scope(f"forward/{index}"):
        return _read_only(model.forward(part, training=True))


def loss_of(model, name, player, batch, shared, training):
    """A player's loss with its regularizers, float32; keeps the figures to log.

    Raises:
        ValueError: For a loss that is not a float32 scalar, or figures that the model
            does not declare.
    """
    loss, figures = player.loss(batch, shared, training=training), {}
    if isinstance(loss, tuple):
        loss, figures = loss
    for penalty in player.regularizers:
        if isinstance(penalty, Lazy):
            loss += penalty(batch, shared, training, model.step.value)
        else:
            loss += penalty(batch, shared, training)
    if loss.shape.rank != 0 or loss.dtype != tf.float32:
        raise ValueError(
            f"Expected a float32 scalar as the loss of {name!r}, got "
            f"{loss.dtype.name} {loss.shape}."
        )
    unknown = set(figures) - set(model.figures)
    if unknown:
        raise ValueError(
            f"Expected figures of {list(model.figures)} from {name!r}, got "
            f"{sorted(unknown)}."
        )
    model.log(**{f"{name}_loss": loss}, **figures)
    return loss


def _scaled(model, name, loss):
    """The loss as this mini-batch and replica contribute to the mean."""
    # Optimizers sum over replicas: each gives its share of the mean.
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    share = loss / (replicas * model.accumulate_steps)
    return model.optimizers[name].scale_loss(share)


def _gradients(tape, name, player, loss):
    variables = player.variables
    gradients = tape.gradient(loss, variables)
    lost = [
        variable.path
        for gradient, variable in zip(gradients, variables, strict=True)
        if gradient is None
    ]
    if lost:
        raise ValueError(f"The loss of {name!r} does not depend on {lost}.")
    # An embedding's are slices, which optimizers sum over replicas otherwise.
    return [tf.convert_to_tensor(g) for g in gradients]


def _apply(model, name, player, gradients):
    """A move: the gradients, clipped where asked for, through the optimizer."""
    optimizer, limit = model.optimizers[name], model.clip_norm
    if limit is not None:
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        gradients = _clip(gradients, optimizer.scale_loss(limit), replicas)
    optimizer.apply(gradients, player.variables)


def _clip(gradients, limit, replicas):
    """Shares of the gradient summed over replicas, clipped to a global norm."""
    # The sum over a lone replica would hold every step's graph in memory; see
    # `keras_internals.without_reduction`.
    if replicas > 1:
        gradients = tf.distribute.get_replica_context().all_reduce("SUM", gradients)
    gradients, _ = tf.clip_by_global_norm(gradients, limit)
    return [gradient / replicas for gradient in gradients]


def _split(batch, count):
    """So many mini-batches of a batch, in order."""
    if count == 1:
        return [_read_only(batch)]
    stacked = {
        name: tf.reshape(value, tf.concat([[count, -1], tf.shape(value)[1:]], axis=0))
        for name, value in batch.items()
    }
    parts = []
    for index in range(count):
        part = {name: value[index] for name, value in stacked.items()}
        for name, value in part.items():
            value.set_shape([None, *batch[name].shape[1:]])
        parts.append(_read_only(part))
    return parts


def _read_only(values):
    """A dict that cannot be written to: losses pass nothing to each other."""
    return types.MappingProxyType(dict(values))
