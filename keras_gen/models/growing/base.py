"""Progressive growing [1]: both networks start at a low resolution and gain levels.

All levels are built at once. A network that grows is one functional model with an
output for each level; the part of it that a level needs is a functional model on the
same layers. A new level is faded in, in the generator, the discriminator and the real
images alike:

    alpha = 0: the level below, upsampled        alpha = 1: the new level alone

1. Karras et al., "Progressive Growing of GANs for Improved Quality, Stability, and
   Variation", 2018.
"""

import dataclasses
import gc
from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import layers

from keras_gen.core import keras_internals
from keras_gen.core.game import lazy_share
from keras_gen.core.inputs import Input, image_input
from keras_gen.core.types import Count
from keras_gen.layers import Fade
from keras_gen.models.adversarial.base import AdversarialModel
from keras_gen.models.growing.schedule import Grow, Phase
from keras_gen.networks.growing import SMALLEST, level_of

# Defaults of version 0.1 that are others now, for `upgrade_config`.
DEFAULTS_BEFORE = {"base_maps": 1024, "max_maps": 128, "phase_images": 600_000}


class Growth(layers.Layer):
    """State of growth: the level, its alpha, and the number of images trained on.

    Args:
        level: Level at the start.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, level: int, **kwargs):
        super().__init__(**kwargs)
        options = {"trainable": False, "aggregation": "only_first_replica"}
        self.level = self.add_weight(
            name="level",
            dtype="int64",
            initializer=keras.initializers.Constant(level),
            **options,
        )
        self.alpha = self.add_weight(
            name="alpha", dtype="float32", initializer="ones", **options
        )
        self.images = self.add_weight(
            name="images", dtype="int64", initializer="zeros", **options
        )
        self.built = True


class GrowingModel(AdversarialModel):
    """An adversarial model whose images grow; the module's docstring explains how.

    A subclass defines `generate` and `decode_rows`; or, if its generator takes more
    than latents, `forward` and its own abilities.

    Attributes:
        longest_phase: Largest number of images in half of a level's training where
            `phase_images` is None: that of the model's paper.
        run_images: Number of images that the current run of `fit` trains on; None if it
            is unknown.
        step_images: Number of images in a step of the current run.

    Args:
        generator: Functional model with an output of images for each level, the lowest
            level first.
        discriminator: Pair of a functional model and hidden features, as returned by
            `growing_discriminator`.
        start: Height and width of images at the first level, in pixels.
        phase_images: Number of images in each of the two halves of a level's training,
            fading and stable, in the schedule that `fit` uses by default. None fits it
            to the run; see `default_schedule`.
        **options: Options of `AdversarialModel`.
    """

    fixed_options = ("packing",)
    longest_phase = 600_000

    def __init__(
        self,
        *,
        generator: keras.Model,
        discriminator: tuple[keras.Model, dict],
        start: Count,
        phase_images: Count | None,
        **options,
    ):
        network, self._hidden = discriminator
        super().__init__(generator=generator, discriminator=network, **options)
        self.first, self.last = level_of(start), level_of(self.shape[0])
        self.phase_images = phase_images
        self.growth = Growth(self.first, name="growth")
        self.batch_size, self.batch_sizes = None, ()
        self._traced_sizes = None
        self.run_images = self.step_images = None

    # Levels.

    @property
    def level(self) -> int:
        """The current level; a Python int in graphs too, since a graph has one level.

        If loaded weights have changed the level, graphs of the previous one are
        dropped.
        """
        with tf.init_scope():
            level = int(self.growth.level.numpy())
        if level != self.__dict__.setdefault("_level", level):
            self._forget_graphs(level)
        return level

    def enter(self, phase: Phase) -> None:
        """Enters a `Phase`.

        If the level changes, all optimizers are reset, including the schedules of their
        learning rates. If it or a batch size changes, traced graphs are dropped, so
        that the next step is traced again.

        Raises:
            ValueError: If `check_phase` refuses the phase.
        """
        self.check_phase(phase)
        level = level_of(phase.side)
        sizes = (phase.batch_size, self.batch_sizes)
        is_traced = level == self.level and sizes == self._traced_sizes
        if level != self.level:
            self.growth.level.assign(level)
            # Their step counts are reset too: otherwise Adam's first steps would be ten
            # times as long.
            for optimizer in self.optimizers.values():
                keras_internals.reset(optimizer)
        if not is_traced:
            self.batch_size, self._traced_sizes = sizes[0], sizes
            self._forget_graphs(level)
        if phase.learning_rate is not None:
            for player in self.rates:
                share = lazy_share(self.lazy_interval(player))
                self.optimizers[player].learning_rate = share * phase.learning_rate

    def averaged_steps(self):
        """Number of steps at this level: averages soon forget what was below it.

        Optimizers are reset at every level, and count from there.
        """
        return self.optimizers["generator"].iterations.value

    def check_phase(self, phase: Phase) -> None:
        """Refuses a phase that this model cannot enter.

        Raises:
            ValueError: For a side without a level, or a learning rate if an optimizer
                has a schedule.
        """
        if not self.first <= level_of(phase.side) <= self.last:
            raise ValueError(
                f"Expected a side from {SMALLEST << self.first} to "
                f"{SMALLEST << self.last}, got {phase.side}."
            )
        optimizers = [self.optimizers[player] for player in self.rates]
        scheduled = any(map(keras_internals.has_schedule, optimizers))
        if phase.learning_rate is not None and scheduled:
            raise ValueError(
                "Expected phases without learning_rate where an optimizer has a "
                f"schedule, got {phase.learning_rate}."
            )

    def _forget_graphs(self, level):
        self.__dict__["_level"] = level
        self.forget_abilities()
        keras_internals.forget_graphs(self)
        gc.collect()  # Graphs refer to themselves.

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape of images at the current level, (side, side, channels)."""
        side = SMALLEST << self.level
        return (side, side, self.shape[-1])

    @image_shape.setter
    def image_shape(self, shape):
        """Ignores the value that the base class sets, which `shape` keeps."""

    def inputs(self) -> dict[str, Input]:
        """The inputs of adversarial models; images have the current level's size."""
        images = image_input(self.image_shape)
        return {**super().inputs(), images.name: images}

    def at_level(self, network: keras.Model) -> keras.Model:
        """The part of a network that the current level needs, a functional model."""
        known = self.__dict__.setdefault("_networks_by_level", {})
        key = (network.name, self.level)
        if key not in known:
            output = network.outputs[self.level - self.first]
            inputs = self.inputs_at_level(network)
            known[key] = keras.Model(inputs, output, name=network.name)
        return known[key]

    def inputs_at_level(self, network: keras.Model) -> list:
        """The inputs of a network that the current level needs.

        The discriminator has an input for the images of each level, and further inputs
        that all levels share.
        """
        count = self.last - self.first + 1
        if network is not self.discriminator:
            return network.inputs
        return [network.inputs[self.level - self.first], *network.inputs[count:]]

    def alphas(self, rows):
        """Alpha, repeated for each row of a tensor, float32 (batch,)."""
        return tf.fill(tf.shape(rows)[:1], self.growth.alpha.value)

    # The game.

    def players(self):
        """Both players, which train the weights of all levels up to the current one."""
        players = super().players()
        return {
            name: dataclasses.replace(
                player, active=[self.at_level(network) for network in player.networks]
            )
            for name, player in players.items()
        }

    def steps_of(self, batch) -> list[dict]:
        """A batch of the data, split into steps with the phase's batch size.

        A batch of the data holds `discriminator_moves * accumulate_steps` mini-batches,
        and so does each step; the phase's batch size is the size of a mini-batch.

        Raises:
            ValueError: If a batch size of the schedule does not divide that of the
                data, or is not a multiple of the number of replicas.
        """
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        mini_batches = self.discriminator_moves * self.accumulate_steps
        local = batch["image"].shape[0] // mini_batches
        for size in {*self.batch_sizes, self.batch_size} - {None}:
            if size % replicas or local % (size // replicas):
                raise ValueError(
                    f"Expected phases' batch_size to divide {local * replicas} images "
                    f"of a batch, and to be a multiple of {replicas} replicas, got "
                    f"{size}."
                )
        if self.batch_size is None:
            return [batch]
        count = local * replicas // self.batch_size
        pieces = {name: tf.split(value, count) for name, value in batch.items()}
        return [
            {name: piece[index] for name, piece in pieces.items()}
            for index in range(count)
        ]

    def updates(self, batch, shared):
        """Counts the step's images, over all replicas."""
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        rows = tf.shape(batch["image"], out_type=tf.int64)[0]
        images = self.growth.images
        counted = (images, images.value + rows * replicas)
        return [*super().updates(batch, shared), counted]

    def real_images(self, batch):
        """Real images at the current level, faded in like the generated ones.

        Returns:
            float32 (batch, side, side, channels), in [-1, 1].
        """
        images = batch["image"]
        factor = self.shape[0] // (SMALLEST << self.level)
        if factor > 1:
            images = tf.nn.avg_pool2d(images, factor, factor, "VALID")
        if self.level > self.first:
            old = tf.nn.avg_pool2d(images, 2, 2, "VALID")
            old = tf.repeat(tf.repeat(old, 2, axis=1), 2, axis=2)
            images = Fade(dtype="float32")(old, images, self.alphas(images))
        return images

    def with_alpha(self, rows, labels) -> list:
        """The inputs of a network: rows, alpha for each row, and labels if given."""
        return [rows, self.alphas(rows), *([] if labels is None else [labels])]

    def active_discriminator(self):
        """The part of the discriminator that the current level needs."""
        return self.at_level(self.discriminator)

    def critic_inputs(self, images, labels):
        """Images, alpha for each of them, and labels if any."""
        return self.with_alpha(images, labels)

    def hidden_features(self, images, labels):
        """The outputs of all activations of the discriminator at the current level."""
        network = self.active_discriminator()
        network = keras.Model(network.inputs, self._hidden[self.level])
        return network(self.with_alpha(images, labels), training=False)

    # Running.

    def prepare_run(self, rows, steps):
        """Keeps the number of images in the run, which the schedule follows from."""
        self.step_images = rows
        self.run_images = None if None in (rows, steps) else rows * steps

    def last_image(self) -> int | None:
        """The number of images that the model will have trained on after this run.

        Those of earlier runs are counted too. None if the length of the run is unknown.
        """
        if self.run_images is None:
            return None
        return int(self.growth.images.numpy()) + self.run_images

    def default_schedule(self, images: int | None = None) -> list[Phase]:
        """All levels in order, each with `phase_images` for fading and for stability.

        The first level is not faded in, since there is no level below it.

        If `phase_images` is None, the model grows over half of all its images, in
        phases of equal length, and trains at full size on the other half; phases are
        not longer than `longest_phase`. A run that is resumed to the same last epoch
        has the same schedule. One that is resumed to a later epoch has longer phases: a
        model that is ahead of them keeps its level and alpha until they have reached
        it.

        Args:
            images: Number of images that the model will have trained on at the end of
                training, counted from its first; see `last_image`. None if it is
                unknown, which needs `phase_images`.

        Raises:
            ValueError: If both numbers are None.
        """
        count = self.phase_images or self._fitted_phase(images)
        return [
            Phase(SMALLEST << level, count if level > self.first else 0, count)
            for level in range(self.first, self.last + 1)
        ]

    def _fitted_phase(self, images):
        """Number of images in a phase, so that half of all images are for growth."""
        phases = 2 * (self.last - self.first)
        if phases == 0:
            return self.longest_phase
        if images is None:
            raise ValueError(
                "Expected phase_images in the model or steps_per_epoch in fit for data "
                "of unknown size, since the schedule follows from the number of images."
            )
        return min(max(images // (2 * phases), 1), self.longest_phase)

    def fit(
        self,
        x=None,
        y=None,
        *,
        callbacks: Sequence[keras.callbacks.Callback] | None = None,
        **options,
    ):
        """Trains like `GenerativeModel.fit`, following a schedule of levels.

        Before the first step, it prints the schedule that it fitted to the run, or that
        the run will not reach full size. Callbacks that stop training early, such as
        `keras_gen.callbacks.TimeLimit`, do not shorten the schedule.

        Args:
            x: Data, as for `GenerativeModel.fit`.
            y: Labels, if x is an array of images.
            callbacks: Keras callbacks. If none of them is a `keras_gen.callbacks.Grow`,
                `Grow()` is added, which follows `default_schedule()`.
            **options: Further arguments of `GenerativeModel.fit`.

        Returns:
            The Keras `History`.

        Raises:
            ValueError: As `GenerativeModel.fit`, and if neither `phase_images` nor the
                number of images in the run is known.
        """
        callbacks = [c for c in keras.tree.flatten(callbacks) if c is not None]
        if not any(isinstance(callback, Grow) for callback in callbacks):
            callbacks = [Grow(), *callbacks]
        return super().fit(x, y, callbacks=callbacks, **options)

    def make_train_function(self, force: bool = False):
        """Makes the graph of a step, after dropping graphs of another level."""
        _ = self.level
        return super().make_train_function(force)

    def make_test_function(self, force: bool = False):
        """Makes the graph of a test step, after dropping graphs of another level."""
        _ = self.level
        return super().make_test_function(force)
