"""GenerativeModel: declaration, configuration, compiling, fitting."""

import importlib
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import keras
import numpy as np
import tensorflow as tf

from keras_gen import data
from keras_gen.core import (
    arguments,
    averages,
    checks,
    game,
    keras_internals,
    registry,
    types,
    weight_files,
)
from keras_gen.core.abilities import Ability, abilities_of
from keras_gen.core.checkpoint import Checkpoint
from keras_gen.core.game import Player
from keras_gen.core.guards import (
    StopOnNonFinite,
    check_monitors,
    refuse_forked,
    refuse_unfit,
)
from keras_gen.core.inputs import Input, image_input, latent_input, seed_input
from keras_gen.core.noise import Noise
from keras_gen.core.sources import as_data
from keras_gen.core.types import Count, Decay, Natural, Rate, Seed

_INSTEAD = {
    "use_ema": "a model with average=0.999 keeps a moving average of its weights, "
    "which sampling, saving and export use",
    "loss_scale_factor": "the dtype policy mixed_float16 scales losses by itself",
    "validation_batch_size": "validation data have the batch size of x",
    "validation_split": "validation_data takes images that were held out, such as "
    "images[-1000:]",
    "sample_weight": "losses are means over the rows; repeat rows that count more",
    "class_weight": "losses are means over the rows; repeat rows that count more",
}


class GenerativeModel(keras_internals.NoSymbolicBuild, Noise, keras.Model):
    """The base class of all models: subclasses build networks and declare `players()`.

    A subclass builds its networks in `__init__`, whose arguments have plain types and
    are its whole configuration, and defines `players()` and `default_optimizers()`. The
    networks use the dtype policy that is set with `keras.config.set_dtype_policy` (or
    `zoo.load(..., dtype=...)`). CONTRIBUTING.md contains a complete model as an
    example.

    >>> model = keras_gen.zoo.load("gan", image_shape=(8, 8, 1), widths=(16,))
    >>> list(model.players())
    ['discriminator', 'generator']
    >>> sorted(model.abilities())
    ['decode', 'discriminate', 'features', 'sample']

    Args:
        name: Name of the model.
        dtype: Name of the dtype policy, which must be the global one; None uses it.

    Attributes:
        figures: Names of the figures that losses return in addition to their value.
        fixed_options: Names of options of the base classes that the class sets itself
            and does not accept.
        whole_batches: Boolean, whether all batches of a step must have the same size.
        schedule_steps: Length in steps of a schedule that follows from the run; see
            `set_schedule_steps`. None for models without one.
        spherical_latents: Boolean, whether paths between latents are arcs by default:
            of Gaussian latents as large as images, points on lines are too near to 0.
        unknown_labels: Boolean, whether the label -1 stands for an unknown one.
        rows_per_call: Number of rows that an ability runs through the networks at once.
            A smaller number needs less memory.
        tiny: Configuration that builds in a second, for the conformance tests.
    """

    figures = ()
    fixed_options = ()
    whole_batches = False
    schedule_steps = None
    spherical_latents = False
    unknown_labels = False
    rows_per_call = 256
    tiny = {}

    def __init_subclass__(cls, **kwargs):
        """Gives the class a signature and a docstring with all its arguments."""
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            cls.__init__ = arguments.converted(cls.__init__)
        arguments.document(cls)

    def __new__(cls, *args, **kwargs):
        """Keeps the constructor's arguments for `get_config`."""
        arguments.check_construction(cls, args, kwargs)
        refuse_forked()
        instance = super().__new__(cls, *args, **kwargs)
        instance.__dict__["_arguments"] = keras_internals.bound_arguments(
            cls, instance, args, kwargs
        )
        return instance

    def __init__(self, name: str | None = None, dtype: str | None = None):
        policy = keras.config.dtype_policy()
        if dtype is not None and _policy(dtype).name != policy.name:
            raise ValueError(
                f"Networks take the dtype policy that is set, {policy.name}, got "
                f"dtype={dtype!r}. Call keras.config.set_dtype_policy first, or "
                "zoo.load(..., dtype=...)."
            )
        super().__init__(name=name, dtype=policy)
        # All random numbers of a run follow from these counters. They are saved, so
        # that a resumed run draws the same numbers as without the interruption.
        self.seed = self._add_counter("seed")
        self.step = self._add_counter("step")
        self.epoch = self._add_counter("epoch")
        self.missing_networks = ()  # Those that loaded weights lack.
        self.tested = self._add_counter("tested")
        self.accumulate_steps, self.clip_norm = 1, None
        self._averages = []

    def __setattr__(self, name, value):
        """Sets an attribute; what depended on a network that it replaces is dropped.

        Its weights are new to the optimizers: the model must be compiled again.
        """
        old = self.__dict__.get(name)
        super().__setattr__(name, value)
        if isinstance(old, keras.Layer) and value is not old:
            self._replace(old, value)

    def _replace(self, old, new):
        if not any(old is other for other in self.__dict__.values()):
            keras_internals.untrack(self, old)
        self.forget_abilities()
        self.__dict__.pop("_float32", None)
        self.train_function = self.test_function = None
        self.compiled = False
        for index, (source, copy, decay) in enumerate(getattr(self, "_averages", ())):
            if source == old.name:
                average = averages.averaged_copy(new)
                if average.name != copy:
                    delattr(self, copy)
                self._averages[index] = new.name, average.name, decay
                setattr(self, average.name, average)

    def _add_counter(self, name):
        return self.add_weight(
            name=name,
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )

    # Methods that a subclass defines.

    def players(self) -> dict[str, Player]:
        """The players by name, in the order of their moves."""
        raise NotImplementedError

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """An optimizer for every player, with the paper's settings."""
        raise NotImplementedError

    def forward(self, batch: Mapping, training: bool) -> dict:
        """Tensors that several players need, computed once for each mini-batch.

        Args:
            batch: Dict from feature name to tensor.
            training: Boolean, whether this is a training step.

        Returns:
            A dict from name to tensor with rows in dimension 0, which is the argument
            `shared` of losses.
        """
        return {}

    def updates(self, batch: Mapping, shared: Mapping) -> list[tuple]:
        """New values of state that is not trained by gradients, after a step.

        Args:
            batch: Batch of the step, the concatenation of its mini-batches.
            shared: Result of `forward` for the last mini-batch.

        Returns:
            Pairs of a variable of the model and its new value. On several replicas, the
            variable gets their mean or the first one's value, as its `aggregation`
            says.
        """
        return []

    def steps_of(self, batch: dict) -> list[dict]:
        """The batches for the steps on one batch of the data; by default one step."""
        return [batch]

    def inputs(self) -> dict[str, Input]:
        """The inputs of abilities, by name."""
        declared = [seed_input()]
        shape = self.batch_shapes().get("image")
        if shape is not None:
            declared.append(image_input(shape))
        if getattr(self, "latent_dim", None):
            declared.append(latent_input(self.latent_dim))
        return {entry.name: entry for entry in declared}

    def input_specs(self) -> dict[str, tf.TensorSpec]:
        """The `tf.TensorSpec` of every input of abilities, by name."""
        return {name: entry.spec for name, entry in self.inputs().items()}

    def batch_shapes(self) -> dict[str, tuple]:
        """The shape of each feature of a batch, without the batch dimension."""
        return {"image": tuple(self.image_shape)}

    def label_ranges(self) -> dict[str, tuple[int, int]]:
        """The smallest and the greatest label, by the name of a batch's feature."""
        classes = getattr(self, "num_classes", None)
        counts = {
            "label": classes,
            "domain": getattr(self, "num_domains", None) or classes,
        }
        low = -1 if self.unknown_labels else 0
        names = set(counts) & set(self.batch_shapes())
        return {name: (low, counts[name] - 1) for name in names if counts[name]}

    def latent_distribution(self):
        """The distribution of the latents that `decode` takes.

        Returns:
            A distribution of TFP with event shape (latent_dim,): that of the attribute
            `prior`, or of a fitted `density`. None for models with neither.
        """
        source = getattr(self, "prior", None) or getattr(self, "density", None)
        return None if source is None else source.distribution()

    def own_figures(self) -> list:
        """Figures of this model only, which an evaluation adds to the general ones.

        Returns:
            Instances of `keras_gen.metrics.Figure`.
        """
        return []

    def prepare_run(self, rows: int | None, steps: int | None):
        """Prepares for a run of `fit`, which calls it before the first step.

        Args:
            rows: Number of rows in the batch of a step, over all replicas; None if it
                varies.
            steps: Number of steps to come; None if the size of the data is unknown.
        """

    def check_rows(self, rows: int):
        """Refuses a size of training's mini-batches; `fit` calls it before any step.

        Args:
            rows: Number of rows in the mini-batch of one move on one replica.

        Raises:
            ValueError: For a number that the model cannot train with.
        """

    def set_schedule_steps(self, steps: int):
        """Sets `schedule_steps`, the length of a schedule that follows from the run.

        Graphs hold it as a constant, and are traced again if it changes.

        Args:
            steps: Number of steps.
        """
        if steps != self.schedule_steps:
            self.schedule_steps = steps
            keras_internals.forget_graphs(self)

    def initialize(self, batches: Iterator[dict]):
        """Sets weights whose initial values depend on data, once; `fit` calls it.

        Args:
            batches: Iterator over the batches (dicts) of `fit`'s data.
        """

    # Configuration and saving.

    def get_config(self) -> dict:
        """The constructor's arguments, and the dtype policy's name."""
        return {**self._arguments, "dtype": self.dtype_policy.name}

    def keep_arguments(self, **values):
        """Saves values in place of defaults, so that a file keeps its networks.

        Args:
            **values: Arguments of the constructor that calls this, by name. A subclass
                with other arguments saves its own alone.
        """
        self._arguments |= {k: v for k, v in values.items() if k in self._arguments}

    @classmethod
    def upgrade_config(cls, config: dict) -> dict:
        """Adds what the configurations of older versions lack.

        A subclass with a new argument whose default gives other networks than before
        overrides it, so that older files load with the networks that they had.

        Args:
            config: Configuration from `get_config` of any version.

        Returns:
            The configuration with the values that the older version implied.
        """
        return config

    @classmethod
    def completed(cls, config: dict, **values) -> dict:
        """A configuration with values for what it lacks; `upgrade_config` calls it.

        Args:
            config: Configuration from `get_config` of any version.
            **values: Arguments of this class, by name. Those that a subclass does not
                take are left out.
        """
        known = arguments.parameters_of(cls)
        return {**{k: v for k, v in values.items() if k in known}, **config}

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None):
        """Builds a model from a saved configuration, under the dtype policy in it."""
        return cls.from_arguments(cls.upgrade_config(dict(config)))

    @classmethod
    def from_arguments(cls, config: Mapping):
        """Builds a model from arguments, under the dtype policy "dtype" among them.

        Args:
            config: Arguments of the constructor, by name. Those left out have their
                defaults.
        """
        config = dict(config)
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(_policy(config.pop("dtype", None) or before))
        try:
            return cls(**config)
        finally:
            keras.config.set_dtype_policy(before)

    def get_compile_config(self):
        """The arguments of `compile`, for `.keras` files."""
        if not self.compiled:
            return None
        bare = {
            name: keras_internals.unscaled(optimizer)
            for name, optimizer in self.optimizers.items()
        }
        return {
            "optimizers": keras.saving.serialize_keras_object(bare),
            **self._compiled_with,
        }

    def compile_from_config(self, config: dict):
        """Compiles with the arguments that `get_compile_config` returned.

        Files of older versions may name players that the model no longer has; their
        optimizers are left out.
        """
        config = dict(config)
        with self.distribute_strategy.scope():
            saved = keras.saving.deserialize_keras_object(config.pop("optimizers"))
        known = self.players()
        optimizers = {name: saved[name] for name in saved if name in known}
        self.compile(optimizers, seed=int(self.seed.numpy()), **config)

    def networks(self) -> dict[str, keras.Layer]:
        """The layers that hold the model's weights, by name."""
        return keras_internals.direct_layers(self)

    # Precision.

    def in_float32(self, network):
        """A network that computes in float32 whatever the dtype policy.

        Penalties and likelihoods use it. In bfloat16, which has 8 bits of precision,
        the squared norm of a gradient is wrong by tens of percent.

        Args:
            network: A model that is built.

        Returns:
            The network itself if the dtype policy is float32; otherwise a copy that
            shares its weights, and that Keras does not save.
        """
        if self.dtype_policy.compute_dtype == "float32":
            return network
        known = self.__dict__.setdefault("_float32", keras_internals.Untracked()).values
        if id(network) not in known:
            # The network is kept too, so that its id stays its own.
            known[id(network)] = network, keras_internals.in_float32(network)
        return known[id(network)][1]

    # Averages.

    def keep_average(self, network: keras.Layer, decay: float | None):
        """Keeps a moving average of a network's weights, updated after every step.

        Call it in `__init__`; `averaged(network)` then returns the averaged copy. The
        decay grows from 0.1 to its value in the first steps; see `averages.decay_at`.

        Args:
            network: Functional model, or a layer that its constructor builds.
            decay: Share of the average that is kept in a step, in [0, 1), such as
                0.999. None keeps no average.
        """
        if decay is None:
            return
        types.check("decay", decay, Decay)
        copy = averages.averaged_copy(network)
        setattr(self, copy.name, copy)
        self._averages.append((network.name, copy.name, decay))

    def averaged(self, network: keras.Layer):
        """The moving average of a network; the network itself if it has none."""
        return getattr(self, f"{averages.PREFIX}{network.name}", network)

    def current(self, network: keras.Layer, training: bool):
        """The network itself in training, else its moving average if it has one."""
        return network if training else self.averaged(network)

    def _update_averages(self):
        networks = self.networks()
        step = self.averaged_steps()
        for name, copy, decay in self._averages:
            decay = averages.decay_at(step, decay)
            averages.update(networks[copy], networks[name], decay)

    def averaged_steps(self):
        """Number of steps after which averages have to follow: all that were taken."""
        return self.step.value

    # Compiling.

    @arguments.checked(unchecked=("optimizers",))
    def compile(
        self,
        optimizers: Mapping | None = None,
        *,
        seed: Seed | None = None,
        clip_norm: Rate | None = None,
        accumulate_steps: Count = 1,
        jit_compile: bool | Literal["auto"] = False,
        steps_per_execution: Count = 1,
        run_eagerly: bool = False,
        **kwargs,
    ):
        """Gives every player its optimizer.

        >>> model = keras_gen.models.GAN(image_shape=(8, 8, 1), widths=(16,))
        >>> adam = keras.optimizers.Adam(1e-4, beta_1=0.5)
        >>> model.compile({"generator": adam}, clip_norm=1.0, seed=0)
        >>> list(model.optimizers)
        ['discriminator', 'generator']

        Args:
            optimizers: Dict from player name to optimizer; all other players use
                `default_optimizers()`.
            seed: Seed of all noise in training. None draws a seed from Python's
                `random`, which `keras.utils.set_random_seed` seeds.
            clip_norm: Largest global norm of a player's gradient, after the sum over
                replicas. None does not clip.
            accumulate_steps: Number of batches whose gradients are averaged for one
                update. k batches then have the effect of one batch that is k times as
                large, with the memory of a single one; but batch normalization uses
                the statistics of single batches, and updates its moving statistics in
                the pass of every player; and losses that are no mean over the rows
                (those of rows with labels alone, penalties of a batch's mean, and
                comparisons within a batch) are averaged over the batches.
            jit_compile: Boolean, whether XLA compiles the step (on one replica only);
                the same seed then gives different noise.
            steps_per_execution: Steps in one call of the graph (on one replica only).
            run_eagerly: Boolean, whether the step runs without a graph, for debugging.
            **kwargs: Other arguments of `keras.Model.compile`, which are refused.

        Raises:
            ValueError: For optimizers of unknown players, losses or metrics (players
                have their own), or options that replicas do not support.
        """
        players = self.players()
        self._check_compile(players, optimizers, kwargs)
        self._check_optimizers(optimizers or {})
        replicas = self.distribute_strategy.num_replicas_in_sync
        if replicas > 1 and (jit_compile or steps_per_execution > 1):
            raise ValueError(
                "Expected jit_compile=False and steps_per_execution=1 on several "
                f"replicas (Keras runs neither there), got jit_compile={jit_compile}, "
                f"steps_per_execution={steps_per_execution} on {replicas}."
            )
        super().compile(
            optimizer=None,
            jit_compile=jit_compile,
            steps_per_execution=steps_per_execution,
            run_eagerly=run_eagerly,
        )
        self.built = True  # `__init__` built the networks.
        self.clip_norm, self.accumulate_steps = clip_norm, accumulate_steps
        self._compiled_with = {
            "clip_norm": clip_norm,
            "accumulate_steps": accumulate_steps,
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

    def _check_optimizers(self, optimizers):
        owners = {}
        for name, optimizer in optimizers.items():
            if not isinstance(optimizer, keras.optimizers.Optimizer):
                continue
            other = owners.setdefault(id(optimizer), name)
            if other != name:
                raise ValueError(
                    f"Expected an optimizer of its own for each player, got one for "
                    f"{other!r} and {name!r}."
                )
            mine = keras_internals.unscaled(self._optimizer_of(name))
            if optimizer.built and keras_internals.unscaled(optimizer) is not mine:
                raise ValueError(
                    f"Expected a new optimizer for {name!r}, got one that was compiled "
                    "for other weights."
                )

    def _optimizer_of(self, name):
        return getattr(self, "optimizers", {}).get(name)

    def _build_optimizer(self, optimizer, player, replicas):
        optimizer = keras.optimizers.get(optimizer)
        scales = self.dtype_policy.name == "mixed_float16"
        bare = keras_internals.unscaled(optimizer)
        for option in ("use_ema", *(["loss_scale_factor"] if scales else [])):
            if getattr(bare, option, None):
                raise ValueError(
                    f"Expected an optimizer without {option}, got "
                    f"{option}={getattr(bare, option)!r}: {_INSTEAD[option]}."
                )
        extended = self.distribute_strategy.extended
        if replicas > 1 and not extended.variable_created_in_scope(
            bare.iterations.value
        ):
            raise ValueError(
                "Expected optimizers that are made within strategy.scope(), got "
                f"{type(bare).__name__} made outside of it."
            )
        clips = ("clipnorm", "global_clipnorm", "clipvalue")
        if replicas > 1 and any(getattr(optimizer, clip, None) for clip in clips):
            raise ValueError(
                "An optimizer clips what one replica computed, before the sum over "
                "replicas: expected compile(clip_norm=...) instead."
            )
        if getattr(optimizer, "gradient_accumulation_steps", None):
            raise ValueError(
                "An optimizer accumulates over steps, in which players would move at "
                "different times: expected compile(accumulate_steps=...) instead."
            )
        if replicas == 1:
            keras_internals.without_reduction(optimizer)
        if scales and bare is optimizer:
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        optimizer.build(player.all_variables)  # Before any replica runs.
        return optimizer

    # Training.

    def train_step(self, batch):
        """Runs a step for each of `steps_of(batch)`; returns the running means."""
        for part in self.steps_of(_features(batch)):
            game.train_step(self, part)
            self._update_averages()
            self.step.assign_add(1)
        return self._results()

    def test_step(self, batch):
        """Computes losses and figures, without changing weights or random state."""
        game.test_step(self, _features(batch))
        self.tested.assign_add(1)
        return self._results()

    def log(self, **values):
        """Adds scalars to the means in the logs; `game` calls it.

        Args:
            **values: Scalars by name, or pairs of a scalar and its weight in the mean,
                such as False for the figure of a part of the batch that is empty.
        """
        for name, value in values.items():
            value, weight = value if isinstance(value, tuple) else (value, None)
            self._trackers[name].update_state(value, sample_weight=weight)

    def _results(self):
        results = self.get_metrics_result()
        strategy = tf.distribute.get_strategy()
        if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            # Keras takes the mean over dimension 0 there, and refuses scalars.
            return {name: tf.reshape(value, (1,)) for name, value in results.items()}
        return results

    @property
    def metrics(self):
        """The trackers of losses and figures."""
        return list(getattr(self, "_trackers", {}).values())

    def reset_metrics(self):
        """Resets the means, and the noise of `evaluate`."""
        super().reset_metrics()
        self.tested.assign(0)

    # Running.

    @arguments.checked(unchecked=("x", "y", "callbacks", "validation_data"))
    def fit(
        self,
        x: tf.data.Dataset | np.ndarray | dict | None = None,
        y: np.ndarray | None = None,
        batch_size: Count | None = None,
        epochs: Natural = 1,
        verbose: int | str = "auto",
        callbacks: Sequence[keras.callbacks.Callback] | None = None,
        *,
        validation_data: tf.data.Dataset | np.ndarray | dict | tuple | None = None,
        validation_steps: Count | None = None,
        validation_freq: Count | Sequence[Count] = 1,
        shuffle: bool = True,
        initial_epoch: Natural = 0,
        steps_per_epoch: Count | None = None,
        validation_split: Decay = 0.0,
        **kwargs,
    ):
        """Trains the model; the arguments are those of `keras.Model.fit`.

        A step uses K * A batches if players make up to K moves and gradients are
        accumulated over A batches, else one. With a `keras_gen.callbacks.Checkpoint`
        whose file exists, training continues from the file.

        >>> model = keras_gen.zoo.load("gan", image_shape=(8, 8, 1), widths=(16,))
        >>> images = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), np.uint8)
        >>> history = model.fit(images, batch_size=16, epochs=2, verbose=0)
        >>> sorted(history.history)
        ['d_fake', 'd_real', 'discriminator_loss', 'generator_loss']

        Args:
            x: Data: a `tf.data.Dataset` or `keras.utils.PyDataset` of batches (dicts,
                images, or pairs of images and labels), or arrays (images, a pair of
                images and labels, or a dict of features). Images are float32 in [-1, 1]
                or uint8.
            y: Labels, if x is an array of images.
            batch_size: Batch size for arrays; None takes that of the model's preset, 64
                for most. Datasets have their own.
            epochs: Number of the epoch at which training stops.
            verbose: Verbosity: 0 is silent, 1 shows a progress bar, 2 prints one line
                per epoch.
            callbacks: Keras callbacks.
            validation_data: Data in the form of x, or a pair of arrays.
            validation_steps: Number of validation batches; None uses all.
            validation_freq: Epochs from one validation to the next.
            shuffle: Boolean, whether arrays are shuffled; a dataset shuffles itself.
            initial_epoch: Number of finished epochs, whose data are skipped.
            steps_per_epoch: Steps that count as an epoch. None uses the whole data; a
                smaller number makes checkpoints more frequent.
            validation_split: Share of the rows of arrays, the last ones, that are held
                out as validation data, in [0, 1).
            **kwargs: Other arguments of `keras.Model.fit`, which are refused.

        Returns:
            The Keras `History`.

        Raises:
            ValueError: For data of another shape or range, missing features, or
                callbacks that need a single optimizer.
            FloatingPointError: If a loss becomes infinite or not a number.
        """
        self._check_compiled("fit")
        _refuse("fit", kwargs)
        if isinstance(x, tuple) and y is None:
            x, y = _pair(x)
        x = as_data(x)
        if validation_split:
            x, y, validation_data = _split(x, y, validation_split, validation_data)
        callbacks = [c for c in keras.tree.flatten(callbacks) if c is not None]
        refuse_unfit(callbacks)
        names = [metric.name for metric in self.metrics]
        has_validation = validation_data is not None or bool(validation_split)
        check_monitors(callbacks, names, has_validation)
        size = self._batch_size(x, batch_size)
        batches = data.batches(
            x, y, self.batch_shapes(), size, shuffle, self.label_ranges()
        )
        moves = max(player.moves for player in self.players().values())
        stream, steps_per_epoch = data.stream(
            batches,
            moves * self.accumulate_steps,
            self.distribute_strategy.num_replicas_in_sync,
            steps_per_epoch,
            self.whole_batches,
        )
        for callback in callbacks:
            if isinstance(callback, Checkpoint) and callback.restore(self):
                initial_epoch = callback.epoch
        # The iterator is always created, since each new one changes the order of
        # seeded data: runs with and without initialization keep the same order.
        self.initialize(iter(batches))
        self._start_missing_networks()
        if initial_epoch and steps_per_epoch:
            stream = stream.skip(initial_epoch * steps_per_epoch)
        rows = keras.tree.flatten(stream.element_spec)[0].shape[0]
        if rows is not None:
            parts = moves * self.accumulate_steps
            replicas = self.distribute_strategy.num_replicas_in_sync
            self.check_rows(rows // parts // replicas)
        left = max(epochs - initial_epoch, 0)
        self.prepare_run(rows, steps_per_epoch and steps_per_epoch * left)
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

    def _start_missing_networks(self):
        """Says which networks start anew, since the loaded weights lack them."""
        if self.missing_networks:
            names = ", ".join(self.missing_networks)
            print(f"The weights lack {names}: training starts from random ones there.")
            self.missing_networks = ()

    def _check_compiled(self, method):
        if not self.compiled:
            raise ValueError(f"Expected compile() before {method}().")
        refuse_forked()

    def _test_batches(self, x, batch_size, y=None):
        if isinstance(x, tuple) and y is None:
            x, y = _pair(x)
        x = as_data(x)
        size = self._batch_size(x, batch_size)
        return data.batches(x, y, self.batch_shapes(), size, False, self.label_ranges())

    def _batch_size(self, x, given):
        """The batch size for arrays: if none is given, that of the preset.

        It is rounded up to a multiple of the number of replicas.
        """
        if given is not None or isinstance(x, tf.data.Dataset):
            return given
        size = registry.batch_size_of(type(self))
        return size + -size % self.distribute_strategy.num_replicas_in_sync

    def evaluate(
        self,
        x: tf.data.Dataset | np.ndarray | dict | tuple | None = None,
        y: np.ndarray | None = None,
        batch_size: int | None = None,
        **kwargs,
    ):
        """Mean losses over data as for `fit`; see `keras.Model.evaluate`."""
        self._check_compiled("evaluate")
        weights = ("sample_weight", "class_weight")
        _refuse("evaluate", {n: kwargs.pop(n) for n in weights if n in kwargs})
        if kwargs.get("steps") is not None:
            checks.counts(steps=kwargs["steps"])
        if not keras_internals.is_validation_of_fit(kwargs):
            x, y = self._test_batches(x, batch_size, y), None
        return super().evaluate(x, y, **kwargs)

    def train_on_batch(
        self,
        x: np.ndarray | dict,
        y: np.ndarray | None = None,
        return_dict: bool = False,
        **kwargs,
    ) -> dict | list:
        """Makes one step, all players' moves, on the rows of a single batch.

        Args:
            x: Data in the form of `fit`'s arrays. With players of up to K moves, a
                number of rows that K divides.
            y: Labels, if x is an array of images.
            return_dict: Boolean, whether losses and figures come by name.
            **kwargs: Other arguments of Keras's method, which are refused.

        Returns:
            Losses and figures of the step, a dict or a list in the order of `metrics`.
        """
        self._check_compiled("train_on_batch")
        _refuse("train_on_batch", kwargs)
        batch = self._one_batch(x, y)
        moves = max(player.moves for player in self.players().values())
        rows = len(next(iter(batch.values())))
        if rows % (moves * self.accumulate_steps):
            raise ValueError(
                f"Expected a number of rows that {moves * self.accumulate_steps} "
                f"mini-batches divide, got {rows}."
            )
        self.check_rows(rows // moves // self.accumulate_steps)
        return super().train_on_batch(batch, return_dict=return_dict)

    def test_on_batch(
        self,
        x: np.ndarray | dict,
        y: np.ndarray | None = None,
        return_dict: bool = False,
        **kwargs,
    ) -> dict | list:
        """Computes losses and figures of one batch; see `train_on_batch`."""
        self._check_compiled("test_on_batch")
        _refuse("test_on_batch", kwargs)
        return super().test_on_batch(self._one_batch(x, y), return_dict=return_dict)

    def _one_batch(self, x, y):
        rows = len(next(iter(x.values())) if isinstance(x, Mapping) else x)
        dataset = data.batches(
            x, y, self.batch_shapes(), max(rows, 1), False, self.label_ranges()
        )
        return next(iter(dataset))

    def __call__(self, *args, **kwargs):
        """Is refused: models have abilities instead of a single output."""
        raise ValueError(self._use_abilities("model(x)"))

    def predict(self, *args, **kwargs):
        """Is refused: models have abilities instead of a single output."""
        raise ValueError(self._use_abilities("predict(x)"))

    def predict_on_batch(self, x):
        """Is refused: models have abilities instead of a single output."""
        raise ValueError(self._use_abilities("predict_on_batch(x)"))

    def _use_abilities(self, what):
        names = ", ".join(f"model.{name}(...)" for name in self.abilities())
        return f"Expected one of {names}, got {what}, which has no single meaning here."

    def export(self, path: str, **kwargs):
        """Exports the model for a server, as `keras_gen.export.save` does.

        Args:
            path: Folder of the model's versions.
            **kwargs: Arguments of `keras_gen.export.save`; `verbose` is ignored, and
                other arguments of Keras's method are refused.
        """
        kwargs.pop("verbose", None)
        form = kwargs.pop("format", "tf_saved_model")
        if form != "tf_saved_model":
            raise ValueError(f"Expected format='tf_saved_model', got {form!r}.")
        # The module is above this one, and is looked up when it is needed.
        return importlib.import_module("keras_gen.export").save(self, path, **kwargs)

    def save(self, filepath, overwrite: bool = True, **kwargs):
        """Saves the model as a `.keras` file; see `keras.Model.save`."""
        if not str(filepath).endswith(".keras"):
            raise ValueError(
                f"Expected a path that ends in .keras, got {str(filepath)!r}."
            )
        return super().save(filepath, overwrite=overwrite, **kwargs)

    def load_weights(self, filepath, *args, **kwargs):
        """Loads weights and the state of optimizers; see `keras.Model.load_weights`.

        The learning rates that `compile` gave stay, so that a run may continue from a
        checkpoint with another rate. Constant rates that differ are printed.

        Args:
            filepath: Path of a `.keras` or `.weights.h5` file.
            *args: Other arguments of Keras's method.
            **kwargs: Other arguments of Keras's method.

        Raises:
            ValueError: For a file that is damaged, does not fit, or holds weights that
                are not finite. The model is then as it was.
        """
        bare = {
            name: keras_internals.unscaled(optimizer)
            for name, optimizer in getattr(self, "optimizers", {}).items()
        }
        constant = {
            n: o for n, o in bare.items() if not keras_internals.has_schedule(o)
        }
        rates = {n: float(o.learning_rate.numpy()) for n, o in constant.items()}
        super_load = super().load_weights
        weight_files.load(
            self, filepath, lambda path: super_load(path, *args, **kwargs)
        )
        for name, optimizer in constant.items():
            saved = float(optimizer.learning_rate.numpy())
            if saved != rates[name]:
                print(
                    f"{name}: the learning rate is {rates[name]:g} as compiled, not "
                    f"{saved:g} as in {filepath}."
                )
                optimizer.learning_rate.assign(rates[name])

    # Abilities.

    def abilities(self) -> dict[str, Ability]:
        """The model's abilities: a dict from method name to `Ability`."""
        return abilities_of(type(self), self._arguments)

    @property
    def ability_graphs(self) -> dict:
        """The traced graphs of abilities, which Keras does not track."""
        return self.__dict__.setdefault("_ability_graphs", {})

    def forget_abilities(self):
        """Drops the traced graphs of abilities, since what they read has changed."""
        self.__dict__.pop("_ability_graphs", None)


def _policy(dtype):
    """The dtype policy with the given name."""
    try:
        return keras.dtype_policies.get(dtype)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "Expected dtype, 'float32', 'mixed_bfloat16' or another name of a dtype "
            f"policy, got {types.shown(dtype)}."
        ) from error


def _pair(x):
    """Images and labels of a pair; the third of Keras's triples must be None."""
    if len(x) == 3 and x[2] is None:
        x = x[:2]
    if len(x) != 2:
        raise ValueError(f"Expected a pair of images and labels, got {len(x)} parts.")
    return x


def _features(batch):
    """The dict of features; `train_on_batch` of Keras passes it with two Nones."""
    return batch[0] if isinstance(batch, tuple) else batch


def _refuse(method, kwargs):
    """Refuses arguments of Keras's methods that have no meaning for players."""
    for name, value in kwargs.items():
        if value is not None:
            instead = _INSTEAD.get(name)
            raise ValueError(
                f"Expected {method} without {name}"
                f"{f': {instead}' if instead else ', which is not an argument'}."
            )


def _split(x, y, share, validation_data):
    """The first rows of arrays, their labels, and the last rows for validation."""
    if validation_data is not None:
        raise ValueError("Expected validation_data or validation_split, got both.")
    if not isinstance(x, (Mapping, np.ndarray)):
        raise ValueError(
            "Expected arrays with validation_split, got "
            f"{type(x).__name__}: {_INSTEAD['validation_split']}."
        )
    features = dict(x) if isinstance(x, Mapping) else {"image": x}
    if y is not None:
        features["label"] = y
    features = {name: np.asarray(value) for name, value in features.items()}
    counts = {name: len(value) for name, value in features.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"Expected as many rows of each feature, got {counts}.")
    count = next(iter(counts.values()))
    first = int(count * (1 - share))
    if not 0 < first < count:
        raise ValueError(
            f"Expected validation_split that leaves rows in both parts, got {share} of "
            f"{count} rows."
        )
    return (
        {name: value[:first] for name, value in features.items()},
        None,
        {name: value[first:] for name, value in features.items()},
    )
