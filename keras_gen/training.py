"""The one training step: players, and the base class of every model.

A model is a set of players. A player is some networks, the loss that they minimise and
how often they move in one step: an autoencoder is a game of one player, a GAN of two.
What must be identically right everywhere is here, once: the scaling of losses over
replicas, mixed precision, optimizer slots, clipping, moving averages, noise, trackers,
saving and resuming. A model owns its networks, and one method per loss.
"""

import dataclasses
import inspect
import itertools
import random
from collections.abc import Callable, Mapping, Sequence

import keras
import tensorflow as tf

from keras_gen import data
from keras_gen.abilities import abilities_of, row_random
from keras_gen.callbacks import Checkpoint, StopOnNonFinite, refuse_unfit


@dataclasses.dataclass(frozen=True)
class Player:
    """Networks, the loss that they minimise, and how often they move in a step.

    Attributes:
        networks: What the player trains. Players may share one, as an AAE's encoder.
        loss: `loss(batch, training)`, a float32 scalar, the mean over the batch (a
            dict). What it computed and later players can use (the fakes) it leaves in
            the batch.
        moves: Moves per step, each on a mini-batch of its own: 5 for a WGAN critic.
        active: What moves now, where that is less than all: parts of the networks.
    """

    networks: Sequence[keras.Layer]
    loss: Callable
    moves: int = 1
    active: Sequence[keras.Layer] | None = None

    @property
    def variables(self):
        """The trainable variables of what moves now, each once, in order."""
        return _variables_of(self.networks if self.active is None else self.active)

    @property
    def all_variables(self):
        """The trainable variables of all networks, each once, in order."""
        return _variables_of(self.networks)


def _variables_of(networks):
    found = {
        id(variable): variable
        for network in networks
        for variable in network.trainable_variables
    }
    return list(found.values())


class GenerativeModel(keras.Model):
    """A model that plays: subclasses build networks and declare `players()`.

    A subclass builds its networks in `__init__`, whose arguments are of plain types
    and are its whole configuration, and defines `players()` and
    `default_optimizers()`. The networks take the dtype policy that is set with
    `keras.config.set_dtype_policy` (or `zoo.load(..., dtype=...)`).

    Attributes:
        figures: Names of what losses `report()` besides the losses themselves.
        whole_batches: Whether a step needs batches of one size.
        tiny: A configuration that builds in a second, for the conformance tests.
    """

    figures = ()
    whole_batches = False
    tiny = {}

    def __new__(cls, *args, **kwargs):
        """Keeps the constructor's arguments for `get_config`."""
        instance = super().__new__(cls, *args, **kwargs)
        # Keras's own record keeps defaults in place of what was given.
        bound = inspect.signature(cls.__init__).bind(instance, *args, **kwargs)
        bound.apply_defaults()
        arguments = {}
        for name, value in list(bound.arguments.items())[1:]:
            kind = bound.signature.parameters[name].kind
            is_options = kind is inspect.Parameter.VAR_KEYWORD
            arguments.update(value if is_options else {name: value})
        instance.__dict__["_arguments"] = arguments
        return instance

    def __init__(self, name=None, dtype=None):
        policy = keras.config.dtype_policy()
        if dtype is not None and keras.dtype_policies.get(dtype).name != policy.name:
            raise ValueError(
                f"Networks take the dtype policy that is set, {policy.name}, got "
                f"dtype={dtype!r}. Call keras.config.set_dtype_policy first, or "
                "zoo.load(..., dtype=...)."
            )
        super().__init__(name=name, dtype=policy)
        counter = {
            "shape": (),
            "dtype": "int64",
            "initializer": "zeros",
            "trainable": False,
            "aggregation": "only_first_replica",
        }
        # All random numbers of a run follow from these: they are saved, so that a
        # resumed run draws what it would have drawn.
        self.seed = self.add_weight(name="seed", **counter)
        self.step = self.add_weight(name="step", **counter)
        self.epoch = self.add_weight(name="epoch", **counter)
        self.tested = self.add_weight(name="tested", **counter)
        self._moment = (0, self.step, itertools.count())
        self._averages = []

    # What a subclass declares.

    def players(self) -> dict[str, Player]:
        """The players by name, in the order of their moves."""
        raise NotImplementedError

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """An optimizer for every player, as the paper has it."""
        raise NotImplementedError

    def input_specs(self) -> dict[str, tf.TensorSpec]:
        """What abilities take, by argument name: rows in dimension 0, None for any."""
        specs = {"seed": tf.TensorSpec((None,), tf.int64, "seed")}
        shape = self.batch_shapes().get("image")
        if shape is not None:
            specs["images"] = tf.TensorSpec((None, *shape), tf.float32, "images")
        if getattr(self, "latent_dim", None):
            shape = (None, self.latent_dim)
            specs["latents"] = tf.TensorSpec(shape, tf.float32, "latents")
        return specs

    def input_ranges(self) -> dict[str, tuple]:
        """Least and greatest value of what abilities take, where there are such."""
        ranges = {name: (0, 2**63 - 1) for name in ("seed", "noise_seed")}
        ranges |= {"images": (-1.0, 1.0), "mask": (0.0, 1.0)}
        for name, count in (("labels", "num_classes"), ("domain", "num_domains")):
            if getattr(self, count, None):
                ranges[name] = (0, getattr(self, count) - 1)
        return ranges

    def input_defaults(self) -> dict[str, float]:
        """What `sample` takes, for every row, where a caller gave nothing."""
        return {}

    def batch_shapes(self) -> dict[str, tuple]:
        """The shape of each feature of a batch, without the batch dimension."""
        return {"image": tuple(self.image_shape)}

    def default_conditions(self, seeds) -> dict:
        """What `sample` takes besides seeds, drawn where a caller did not give it.

        `input_defaults`, and labels, each as likely, where the model takes labels.

        Args:
            seeds: int64 (n,), a seed a row.

        Returns:
            Argument name to n rows; empty where nothing else is taken.
        """
        defaults = self.input_defaults().items()
        conditions = {name: [value] * len(seeds) for name, value in defaults}
        if "labels" in self.input_specs():
            drawn = [row_random(seed).integers(self.num_classes) for seed in seeds]
            conditions["labels"] = drawn
        return conditions

    def initialize(self, batches):
        """Sets weights that follow from data where that was not done; `fit` calls it.

        Args:
            batches: An iterator over the batches (dicts) that `fit` was given.
        """

    # Configuration and saving.

    def get_config(self):
        """The constructor's arguments, and the dtype policy's name."""
        return {**self._arguments, "dtype": self.dtype_policy.name}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Builds a model under the dtype policy that it was configured with."""
        config = dict(config)
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(config.pop("dtype", None) or before)
        try:
            return cls(**config)
        finally:
            keras.config.set_dtype_policy(before)

    def get_compile_config(self):
        """What `compile` was called with, for `.keras` files."""
        if not self.compiled:
            return None
        bare = {
            name: getattr(optimizer, "inner_optimizer", optimizer)
            for name, optimizer in self.optimizers.items()
        }
        return {
            "optimizers": keras.saving.serialize_keras_object(bare),
            **self._compiled_with,
        }

    def compile_from_config(self, config):
        """Compiles as `get_compile_config` says."""
        config = dict(config)
        optimizers = keras.saving.deserialize_keras_object(config.pop("optimizers"))
        seed = int(self.seed.numpy())
        self.compile(optimizers, seed=seed, **config)

    def networks(self) -> dict[str, keras.Layer]:
        """The layers that hold the model's weights, by name."""
        layers = self._flatten_layers(include_self=False, recursive=False)
        return {layer.name: layer for layer in layers}

    # Averages.

    def keep_average(self, network, decay):
        """Keeps a moving average of a network's weights, updated after every step.

        Call it in `__init__`; `averaged(network)` then gives the copy. The decay grows
        from 0.1 to its value in the first steps, (1 + step) / (10 + step), so that the
        initial weights are soon forgotten.

        Args:
            network: A functional model.
            decay: In [0, 1), 0.999 say; None keeps no average.
        """
        if decay is None:
            return
        if not 0 <= decay < 1:
            raise ValueError(f"Expected a decay in [0, 1), got {decay}.")
        config = {**network.get_config(), "name": f"averaged_{network.name}"}
        copy = type(network).from_config(config)
        copy.trainable = False
        copy.set_weights(network.get_weights())
        setattr(self, copy.name, copy)
        self._averages.append((network.name, copy.name, decay))

    def averaged(self, network):
        """The moving average of a network; the network itself where none is kept."""
        return getattr(self, f"averaged_{network.name}", network)

    def _update_averages(self):
        networks = self.networks()
        step = tf.cast(self.step.value, tf.float32)
        for name, copy, decay in self._averages:
            keep = tf.minimum(decay, (1.0 + step) / (10.0 + step))
            targets = [v.value for v in networks[copy].variables]
            sources = [v.value for v in networks[name].variables]

            def update(strategy, targets, sources, keep):
                for target, source in zip(targets, sources, strict=True):
                    strategy.extended.update(
                        target,
                        lambda t, s, k: t.assign(k * t + (1.0 - k) * s),
                        args=(source, keep),
                        group=False,
                    )

            tf.distribute.get_replica_context().merge_call(
                update, args=(targets, sources, keep)
            )

    # Compiling.

    def compile(
        self,
        optimizers: Mapping | None = None,
        *,
        seed: int | None = None,
        clip_norm: float | None = None,
        jit_compile: bool = False,
        steps_per_execution: int = 1,
        run_eagerly: bool = False,
        **kwargs,
    ):
        """Gives every player its optimizer.

        Args:
            optimizers: Player name to optimizer; players left out keep the one of
                `default_optimizers()`.
            seed: Of all noise in training. None draws one from Python's `random`,
                which `keras.utils.set_random_seed` seeds.
            clip_norm: Largest global norm of a player's gradient, taken after the sum
                over replicas. None does not clip.
            jit_compile: Compile the step with XLA (on one replica only); noise is then
                another for the same seed.
            steps_per_execution: Steps in one call of the graph (on one replica only).
            run_eagerly: Run the step without a graph, to debug it.
            **kwargs: None; other arguments of `keras.Model.compile` are refused.

        Raises:
            ValueError: Optimizers for players that are not there, losses or metrics
                (players have their own), or options that replicas do not support.
        """
        players = self.players()
        self._check_compile(players, optimizers, kwargs)
        replicas = self.distribute_strategy.num_replicas_in_sync
        if replicas > 1 and (jit_compile or steps_per_execution > 1):
            raise ValueError(
                "Expected jit_compile=False and steps_per_execution=1 on several "
                f"replicas (Keras runs neither there), got jit_compile={jit_compile}, "
                f"steps_per_execution={steps_per_execution} on {replicas}."
            )
        if clip_norm is not None and not clip_norm > 0:
            raise ValueError(f"Expected clip_norm > 0, got {clip_norm}.")
        super().compile(
            optimizer=None,
            jit_compile=jit_compile,
            steps_per_execution=steps_per_execution,
            run_eagerly=run_eagerly,
        )
        self.built = True  # `__init__` built the networks.
        self._compiled_with = {
            "clip_norm": clip_norm,
            "jit_compile": jit_compile,
            "steps_per_execution": steps_per_execution,
        }
        self.seed.assign(random.getrandbits(31) if seed is None else seed)
        chosen = {**self.default_optimizers(), **(optimizers or {})}
        with self.distribute_strategy.scope():
            self.optimizers = {
                name: self._build_optimizer(chosen[name], player, replicas)
                for name, player in players.items()
            }
            names = [f"{name}_loss" for name in players] + list(self.figures)
            self._trackers = {name: keras.metrics.Mean(name=name) for name in names}

    def _check_compile(self, players, optimizers, kwargs):
        if kwargs or (optimizers is not None and not isinstance(optimizers, Mapping)):
            got = ", ".join(kwargs) or f"optimizers={optimizers!r}"
            raise ValueError(
                f"Expected optimizers={{player: optimizer}} for {list(players)}, whose "
                f"losses are their own, got {got}."
            )
        unknown = set(optimizers or ()) - set(players)
        if unknown:
            raise ValueError(
                f"Expected optimizers for players {list(players)}, got one for "
                f"{sorted(unknown)}."
            )

    def _build_optimizer(self, optimizer, player, replicas):
        optimizer = keras.optimizers.get(optimizer)
        clips = ("clipnorm", "global_clipnorm", "clipvalue")
        if replicas > 1 and any(getattr(optimizer, clip, None) for clip in clips):
            raise ValueError(
                "An optimizer clips what one replica computed, before the sum over "
                "replicas: expected compile(clip_norm=...) instead."
            )
        if replicas == 1:
            # Keras sums over a lone replica too. TensorFlow registers the gradient of
            # each such sum by a name, for good, and what it holds: the step's graph.
            optimizer._all_reduce_sum_gradients = list
        if self.dtype_policy.name == "mixed_float16":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        optimizer.build(player.all_variables)  # Before any replica runs.
        return optimizer

    # Noise.

    def draw_seed(self):
        """A seed for `tf.random.stateless_*`: int32 (2,), another at every call.

        It follows from the run's seed, the step, the place of the call in the step and
        the replica: replicas draw different noise, and a resumed run draws the same.
        """
        tag, count, calls = self._moment
        seed = tf.stack(
            [tf.cast(self.seed.value, tf.int32), tf.cast(count.value, tf.int32)]
        )
        seed = tf.random.experimental.stateless_fold_in(seed, 2 * next(calls) + tag)
        context = tf.distribute.get_replica_context()
        replica = context.replica_id_in_sync_group if context else 0
        return tf.random.experimental.stateless_fold_in(seed, replica)

    # Training.

    def train_step(self, batch):
        """Every player moves; returns the means of losses and figures so far."""
        players = self.players()
        self._moment = (0, self.step, itertools.count())
        parts = self._split(batch, max(player.moves for player in players.values()))
        # One tape for the whole step: a player can differentiate what an earlier one
        # computed (the generator its fakes). In a graph what nobody needs is pruned.
        with tf.GradientTape(persistent=True) as tape:
            for name, player in players.items():
                for part in parts[-player.moves :]:
                    self._move(name, player, part, tape)
        self._update_averages()
        self.step.assign_add(1)
        return self._results()

    def _split(self, batch, moves):
        """One dict for each move; players share what lies in the last ones."""
        if moves == 1:
            return [dict(batch)]
        stacked = {
            name: tf.reshape(
                value, tf.concat([[moves, -1], tf.shape(value)[1:]], axis=0)
            )
            for name, value in batch.items()
        }
        parts = []
        for move in range(moves):
            part = {name: value[move] for name, value in stacked.items()}
            for name, value in part.items():
                value.set_shape([None, *batch[name].shape[1:]])
            parts.append(part)
        return parts

    def _move(self, name, player, batch, tape):
        optimizer = self.optimizers[name]
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        loss = self._loss(name, player, batch, training=True)
        # Optimizers sum over replicas: each gives its share of the mean.
        scaled = optimizer.scale_loss(loss / replicas)
        with tape.stop_recording():
            variables = player.variables
            gradients = tape.gradient(scaled, variables)
            lost = [
                variable.path
                for gradient, variable in zip(gradients, variables, strict=True)
                if gradient is None
            ]
            if lost:
                raise ValueError(f"The loss of {name!r} does not depend on {lost}.")
            # An embedding's are slices, which optimizers sum over replicas otherwise.
            gradients = [tf.convert_to_tensor(g) for g in gradients]
            limit = self._compiled_with["clip_norm"]
            if limit is not None:
                gradients = _clip(gradients, optimizer.scale_loss(limit), replicas)
            optimizer.apply(gradients, variables)

    def _loss(self, name, player, batch, training):
        loss = player.loss(batch, training=training)
        if loss.shape.rank != 0 or loss.dtype != tf.float32:
            raise ValueError(
                f"Expected a float32 scalar as the loss of {name!r}, got "
                f"{loss.dtype.name} {loss.shape}."
            )
        self._trackers[f"{name}_loss"].update_state(loss)
        return loss

    def test_step(self, batch):
        """Losses and figures without a move; the run's random numbers stay."""
        self._moment = (1, self.tested, itertools.count())
        batch = dict(batch)
        for name, player in self.players().items():
            self._loss(name, player, batch, training=False)
        self.tested.assign_add(1)
        return self._results()

    def report(self, **figures):
        """Shows the mean of scalars in the logs, by the names in `figures`."""
        for name, value in figures.items():
            self._trackers[name].update_state(value)

    def _results(self):
        results = self.get_metrics_result()
        strategy = tf.distribute.get_strategy()
        if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            # Keras means over dimension 0 there, and refuses scalars.
            return {name: tf.reshape(value, (1,)) for name, value in results.items()}
        return results

    @property
    def metrics(self):
        """The trackers of losses and figures."""
        return list(getattr(self, "_trackers", {}).values())

    def reset_metrics(self):
        """Starts the means anew, and the noise of tests."""
        super().reset_metrics()
        self.tested.assign(0)

    # Running.

    def fit(
        self,
        x=None,
        y=None,
        *,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_data=None,
        validation_steps=None,
        validation_freq=1,
        shuffle=True,
        initial_epoch=0,
        steps_per_epoch=None,
    ):
        """Trains; the arguments are those of `keras.Model.fit`.

        Where a player moves K times a step, K batches go into a step. With a
        `keras_gen.callbacks.Checkpoint` whose file exists, training goes on from it.

        Args:
            x: A `tf.data.Dataset` of batches (dicts, images, or pairs of image and
                label), or arrays (images, or a dict of features). Images are float32
                in [-1, 1] or uint8.
            y: Labels, when x is an array of images.
            batch_size: Of arrays; 64 when None. Datasets have their own.
            epochs: The epoch to stop at.
            verbose: 0 silent, 1 progress bar, 2 a line an epoch.
            callbacks: Keras callbacks.
            validation_data: As x, or a pair of arrays.
            validation_steps: Batches of validation; None takes all.
            validation_freq: Epochs between validations.
            shuffle: Whether arrays are shuffled; datasets do so themselves.
            initial_epoch: The epoch to start at; the data of those before are skipped.
            steps_per_epoch: Steps that count as an epoch. None takes the whole data;
                less makes checkpoints more frequent.

        Returns:
            The Keras `History`.

        Raises:
            ValueError: Data of another shape, range or with features missing; callbacks
                that need one optimizer.
            FloatingPointError: A loss became infinite or not a number.
        """
        self._assert_compile_called("fit")
        callbacks = [c for c in keras.tree.flatten(callbacks) if c is not None]
        refuse_unfit(callbacks)
        batches = data.batches(x, y, self.batch_shapes(), batch_size, shuffle)
        moves = max(player.moves for player in self.players().values())
        replicas = self.distribute_strategy.num_replicas_in_sync
        stream, steps_per_epoch = data.stream(
            batches, moves, replicas, steps_per_epoch, self.whole_batches
        )
        for callback in callbacks:
            if isinstance(callback, Checkpoint) and callback.restore(self):
                initial_epoch = callback.epoch
        # An iterator in any case: each shifts the order of data with a seed.
        self.initialize(iter(batches))
        if initial_epoch and steps_per_epoch:
            stream = stream.skip(initial_epoch * steps_per_epoch)
        if validation_data is not None:
            validation_data = self._test_batches(validation_data, batch_size)
        return super().fit(
            stream,
            epochs=epochs,
            verbose=verbose,
            callbacks=[StopOnNonFinite(), *callbacks],
            validation_data=validation_data,
            validation_steps=validation_steps,
            validation_freq=validation_freq,
            shuffle=False,
            initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch,
        )

    def _maybe_symbolic_build(self, *args, **kwargs):
        # All is built; Keras would look at a batch to find out, and fails to with
        # several workers.
        pass

    def _test_batches(self, x, batch_size, y=None):
        if isinstance(x, tuple) and y is None:
            x, y = x
        return data.batches(x, y, self.batch_shapes(), batch_size, shuffle=False)

    def evaluate(self, x=None, y=None, batch_size=None, **kwargs):
        """Mean losses over data, given as for `fit`; see `keras.Model.evaluate`."""
        self._assert_compile_called("evaluate")
        if not kwargs.get("_use_cached_eval_dataset"):
            x, y = self._test_batches(x, batch_size, y), None
        return super().evaluate(x, y, **kwargs)

    def abilities(self) -> dict:
        """What the model can do: method name to `Ability`."""
        return abilities_of(type(self), self._arguments)


def _clip(gradients, limit, replicas):
    """Shares of the gradient summed over replicas, clipped to a global norm."""
    if replicas > 1:  # See `_build_optimizer`.
        gradients = tf.distribute.get_replica_context().all_reduce("SUM", gradients)
    gradients, _ = tf.clip_by_global_norm(gradients, limit)
    return [gradient / replicas for gradient in gradients]
