"""The game: players, and the one training step, which alone computes gradients.

A model is a set of players. A player consists of networks, the loss that they minimise,
and the number of moves in a step; a move is one update of the networks' weights. An
autoencoder is a game of one player, a GAN a game of two.

    forward(batch)            runs once for each mini-batch, before any player moves
    loss(batch, shared)       runs for each player in turn, with the current weights
    updates(batch, shared)    changes state that has no gradient, once after the step

Losses read `batch` and the result of `forward`, and can change neither. A player may
differentiate what `forward` computed only if the networks that computed it have not
moved since: a generator may differentiate its fakes, since only the discriminator moved
in between.

1. Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", 2020,
   appendix B (lazy regularization).
"""

import dataclasses
import types
from collections.abc import Callable, Mapping, Sequence

import keras
import tensorflow as tf

from keras_gen.core.arguments import check_fields
from keras_gen.core.types import Count


@dataclasses.dataclass(frozen=True)
class Lazy:
    """A regularizer that is added every `every` steps, multiplied by `every` [1].

    >>> penalty = Lazy(lambda batch, shared, training: tf.constant(0.5), every=16)
    >>> [float(penalty({}, {}, training=True, step=step)) for step in (0, 1, 16)]
    [8.0, 0.0, 8.0]

    Attributes:
        penalty: Function `penalty(batch, shared, training)` to a float32 scalar.
        every: Steps from one penalty to the next. Outside of training the penalty is
            always added, without the factor.
    """

    penalty: Callable
    every: Count = 1

    def __post_init__(self):
        """Refuses fields of other types and ranges."""
        check_fields(self)

    def __call__(self, batch, shared, training, step, waits=False):
        """The term that is added to the loss at a step.

        `waits` says that the penalty makes replicas wait for each other, which cannot
        be done under a condition: it is then computed in every step, and multiplied by
        0 in those without.
        """
        if self.every == 1 or not training:
            return self.penalty(batch, shared, training)
        is_due = step % self.every == 0

        def scaled():
            return self.every * self.penalty(batch, shared, training)

        if waits:
            return tf.where(is_due, scaled(), 0.0)
        return tf.cond(is_due, scaled, lambda: 0.0)


def lazy_share(every: int) -> float:
    """The factor c of a learning rate, and exponent of betas; see `lazy_adam`."""
    return 1.0 if every == 1 else every / (every + 1)


def lazy_adam(rate: float, beta_1: float, beta_2: float, every: int = 1, **settings):
    """Adam for a player whose regularizer is added every `every` steps.

    With c = every / (every + 1), the rate becomes c * rate and the betas beta ** c, as
    if the regularizer were added in every step ([1], appendix B).

    Args:
        rate: Learning rate, or a schedule, which is not changed.
        beta_1: Decay of the mean of gradients.
        beta_2: Decay of the mean of their squares.
        every: Interval of the regularizer; 1 changes nothing.
        **settings: Further arguments of `keras.optimizers.Adam`.
    """
    c = lazy_share(every)
    if isinstance(rate, (int, float)):
        rate = c * rate
    return keras.optimizers.Adam(rate, beta_1=beta_1**c, beta_2=beta_2**c, **settings)


@dataclasses.dataclass(frozen=True)
class Player:
    """Networks, the loss that they minimise, and their number of moves in a step.

    >>> network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> def loss(batch, shared, training):
    ...     outputs = network(batch["point"], training=training)
    ...     return tf.reduce_mean(outputs**2), {"mean": tf.reduce_mean(outputs)}
    >>> player = Player([network], loss, moves=2)
    >>> [variable.name for variable in player.variables]
    ['kernel', 'bias']

    Attributes:
        networks: Networks that the player trains. Players may share a network, as an
            autoencoder and a generator share an encoder.
        loss: Function `loss(batch, shared, training)` to a float32 scalar, the mean
            over the batch, or to this scalar and a dict of figures to log, which are
            scalars or pairs of a scalar and its weight in the log's mean. `shared` is
            the result of the model's `forward` for this mini-batch.
        moves: Updates per step, each on a mini-batch of its own: 5 for a WGAN critic.
        active: Subset of the networks' layers trained in this phase; None trains
            everything.
        regularizers: Penalties that are added to the loss: instances of `Lazy`, or
            functions with the arguments of a loss that return a scalar.
    """

    networks: Sequence[keras.Layer]
    loss: Callable
    moves: Count = 1
    active: Sequence[keras.Layer] | None = None
    regularizers: Sequence[Callable] = ()

    def __post_init__(self):
        """Refuses fields of other types and ranges."""
        check_fields(self)

    @property
    def variables(self) -> list:
        """The variables trained in this phase, each once, in order."""
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


def train_step(model: keras.Model, batch: dict):
    """Runs one step: every player moves, then `updates` changes the other state.

    If players make up to K moves and gradients are accumulated over A mini-batches, the
    batch is the concatenation of K * A mini-batches. A player with fewer moves uses the
    last ones.
    """
    players = model.players()
    moves = max(player.moves for player in players.values())
    parts = _split(batch, moves * model.accumulate_steps)
    play = _play if model.accumulate_steps == 1 else _play_accumulating
    shared = play(model, players, parts, moves)
    with model.noise_scope("updates"):
        pairs = model.updates(_read_only(batch), shared)
    # All values are read before the first is assigned: one may be another variable.
    pairs = [(variable, tf.convert_to_tensor(value)) for variable, value in pairs]
    for variable, value in pairs:
        variable.assign(value)


def test_step(model: keras.Model, batch: dict):
    """Computes the losses and figures of a batch, without updating weights."""
    # A replica may have no row of a last batch: it runs on zeros, without weight.
    rows = tf.shape(next(iter(batch.values())))[0]
    batch = _read_only({n: _at_least_one_row(value) for n, value in batch.items()})
    with model.noise_scope("forward/0", training=False):
        shared = _read_only(model.forward(batch, training=False))
    for name, player in model.players().items():
        with model.noise_scope(f"{name}/0", training=False):
            loss_of(model, name, player, batch, shared, training=False, rows=rows)


def _at_least_one_row(value):
    missing = tf.maximum(1 - tf.shape(value)[0], 0)
    shape = tf.concat([[missing], tf.shape(value)[1:]], axis=0)
    padded = tf.concat([value, tf.zeros(shape, value.dtype)], axis=0)
    return tf.ensure_shape(padded, [None, *value.shape[1:]])


def _play(model, players, parts, moves):
    """Makes all moves under one tape; returns `forward`'s result for the last batch."""
    first = {}  # What `forward` returned for each mini-batch, the first time.
    # One tape for the whole step, so that a player can differentiate what `forward`
    # computed. Tensors that are not used are pruned from the graph.
    with tf.GradientTape(persistent=True) as tape:
        for name, player in players.items():
            for index in range(moves - player.moves, moves):
                shared = first.get(index)
                # From its second move on, a player's own weights have changed since.
                if shared is None or index > moves - player.moves:
                    shared = _forward(model, parts[index], index)
                    first.setdefault(index, shared)
                with model.noise_scope(f"{name}/{index}"):
                    loss = loss_of(
                        model, name, player, parts[index], shared, training=True
                    )
                scaled = _scaled(model, name, loss)
                with tape.stop_recording():
                    gradients = _gradients(tape, name, player, scaled)
                    _apply(model, name, player, gradients)
    return first[moves - 1]


def _play_accumulating(model, players, parts, moves):
    """Makes all moves, each with the gradients summed over several mini-batches.

    Mini-batches run one after the other, and `forward` runs again for every player
    (with the same noise), so that the step needs the memory of one mini-batch only.
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
        shared = model.forward(part, training=True)
    for name, value in shared.items():
        if not tf.is_tensor(value) or value.shape.rank == 0:
            raise ValueError(
                f"Expected {name!r} from forward as a tensor with the batch's rows in "
                f"dimension 0, got {value!r}."
            )
    return _read_only(shared)


def loss_of(
    model: keras.Model,
    name: str,
    player: Player,
    batch: Mapping,
    shared: Mapping,
    training: bool,
    rows: tf.Tensor | None = None,
):
    """A player's loss with its regularizers, float32; logs the figures.

    Args:
        model: Model that plays.
        name: Name of the player.
        player: Player whose loss is computed.
        batch: Mini-batch, a dict from feature name to tensor.
        shared: Result of the model's `forward` for the mini-batch.
        training: Boolean, whether this is a training step.
        rows: Number of rows, by which the logs are weighted; None weighs all batches
            the same.

    Raises:
        ValueError: For a loss that is not a float32 scalar, or figures that the model
            does not declare.
    """
    loss, figures = player.loss(batch, shared, training=training), {}
    if isinstance(loss, tuple):
        loss, figures = loss
    for penalty in player.regularizers:
        if isinstance(penalty, Lazy):
            waits = _synchronizes(player)
            loss += penalty(batch, shared, training, model.step.value, waits)
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
    logs = {f"{name}_loss": loss, **figures}
    if rows is not None:
        logs = {key: _weighted(value, rows) for key, value in logs.items()}
    model.log(**logs)
    return loss


def _weighted(value, rows):
    """A scalar, or a pair of it and its weight, as a pair weighted by rows."""
    value, weight = value if isinstance(value, tuple) else (value, 1.0)
    value = tf.cast(value, tf.float32)
    value = tf.where(rows > 0, value, tf.zeros_like(value))
    return value, tf.cast(weight, tf.float32) * tf.cast(rows, tf.float32)


def _synchronizes(player):
    """Whether several replicas wait for each other in a player's networks."""
    return tf.distribute.get_strategy().num_replicas_in_sync > 1 and any(
        getattr(layer, "synchronized", False)
        for network in player.networks
        for layer in getattr(network, "layers", [])
    )


def _scaled(model, name, loss):
    """The contribution of this mini-batch and this replica to the mean loss."""
    # Optimizers sum over replicas, so each replica gives its share of the mean.
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
    # Converted since gradients of embeddings are `IndexedSlices`, which optimizers
    # would not sum over replicas as they sum dense gradients.
    return [tf.convert_to_tensor(g) for g in gradients]


def _apply(model, name, player, gradients):
    """Makes a move: clips the gradients if a limit is set, and applies them."""
    optimizer, limit = model.optimizers[name], model.clip_norm
    if limit is not None:
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        gradients = _clip(gradients, optimizer.scale_loss(limit), replicas)
    optimizer.apply(gradients, player.variables)


def _clip(gradients, limit, replicas):
    """Each replica's share of the gradient, clipped to a global norm of the sum."""
    # With a single replica the sum would keep every traced graph in memory; see
    # `keras_internals.without_reduction`.
    if replicas > 1:
        gradients = tf.distribute.get_replica_context().all_reduce("SUM", gradients)
    gradients, _ = tf.clip_by_global_norm(gradients, limit)
    return [gradient / replicas for gradient in gradients]


def _split(batch, count):
    """Splits a batch into the given number of mini-batches, in order."""
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
    """A read-only view of a dict, so that losses cannot pass values to each other."""
    return types.MappingProxyType(dict(values))
