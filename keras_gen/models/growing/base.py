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

import keras
import tensorflow as tf
from keras import layers

from keras_gen.core import checks, keras_internals
from keras_gen.core.inputs import Input, image_input
from keras_gen.layers import Fade
from keras_gen.models.adversarial.base import AdversarialModel
from keras_gen.models.growing.schedule import Grow, Phase
from keras_gen.networks.growing import SMALLEST, level_of


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

    A subclass defines `generate` and `decode_rows`; or `forward` and abilities of its
    own, if its generator takes more than latents.

    Args:
        generator: Functional model from its inputs to images of every level, the first
            level first.
        discriminator: Functional model and hidden features, as
            `growing_discriminator` returns them.
        start: Height and width of images at the first level, in pixels.
        phase_images: Number of images in each of the two halves of a level's training,
            fading and stable, in the schedule that `fit` uses by default.
        **options: Options of `AdversarialModel`.
    """

    fixed_options = ("packing",)
    whole_batches = True

    def __init__(
        self,
        *,
        generator: keras.Model,
        discriminator: tuple[keras.Model, dict],
        start: int,
        phase_images: int,
        **options,
    ):
        network, self._hidden = discriminator
        super().__init__(generator=generator, discriminator=network, **options)
        checks.at_least(1, phase_images=phase_images)
        if self.packing != 1:
            raise ValueError(f"Expected packing=1, got {self.packing}.")
        self.first, self.last = level_of(start), level_of(self.shape[0])
        self.phase_images = phase_images
        self.growth = Growth(self.first, name="growth")
        self.batch_size, self.batch_sizes = None, ()

    # Levels.

    @property
    def level(self) -> int:
        """The level reached; a Python int in graphs too, since a graph has one level.

        Graphs of another level are let go, if weights were loaded since.
        """
        with tf.init_scope():
            level = int(self.growth.level.numpy())
        if level != self.__dict__.setdefault("_level", level):
            self._forget_graphs(level)
        return level

    def enter(self, phase: Phase) -> None:
        """Goes to a `Phase`.

        At another level, all optimizers start anew, with any schedule of their learning
        rate. The next step is traced anew, and what was traced before is let go.

        Raises:
            ValueError: If `check_phase` refuses the phase.
        """
        self.check_phase(phase)
        level = level_of(phase.side)
        if level != self.level:
            self.growth.level.assign(level)
            # Their counts of steps too: Adam's first steps were ten times as long
            # without.
            for optimizer in self.optimizers.values():
                keras_internals.reset(optimizer)
        self.batch_size = phase.batch_size
        self._forget_graphs(level)
        if phase.learning_rate is not None:
            for player in self.rates:
                self.optimizers[player].learning_rate = phase.learning_rate

    def check_phase(self, phase: Phase) -> None:
        """Refuses a phase that this model cannot enter.

        Raises:
            ValueError: For a side that the model has no level for, or a learning rate
                where an optimizer has a schedule.
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
        """Shape of images at the level reached, (side, side, channels)."""
        side = SMALLEST << self.level
        return (side, side, self.shape[-1])

    @image_shape.setter
    def image_shape(self, shape):
        """Ignores the last level's shape, which the base sets and `shape` keeps."""

    def inputs(self) -> dict[str, Input]:
        """Images have the size of the level reached."""
        images = image_input(self.image_shape)
        return {**super().inputs(), images.name: images}

    def at_level(self, network: keras.Model) -> keras.Model:
        """The part of a network that the level reached needs, a functional model."""
        known = self.__dict__.setdefault("_networks_by_level", {})
        key = (network.name, self.level)
        if key not in known:
            output = network.outputs[self.level - self.first]
            inputs = self.inputs_at_level(network)
            known[key] = keras.Model(inputs, output, name=network.name)
        return known[key]

    def inputs_at_level(self, network: keras.Model) -> list:
        """The inputs of a network that the level reached needs.

        The discriminator has an input for images of each level, and others that all
        levels share.
        """
        count = self.last - self.first + 1
        if network is not self.discriminator:
            return network.inputs
        return [network.inputs[self.level - self.first], *network.inputs[count:]]

    def alphas(self, rows):
        """Alpha once for each row of a tensor, float32 (batch,)."""
        return tf.fill(tf.shape(rows)[:1], self.growth.alpha.value)

    # The game.

    def players(self):
        """Both players, training the weights of the levels up to the one reached."""
        players = super().players()
        return {
            name: dataclasses.replace(
                player, active=[self.at_level(network) for network in player.networks]
            )
            for name, player in players.items()
        }

    def steps_of(self, batch) -> list[dict]:
        """The batch of the data, cut into steps with the phase's batch size.

        A batch of the data holds `discriminator_moves * accumulate_steps` mini-batches,
        and so does each step; the phase's batch size is that of a mini-batch.

        Raises:
            ValueError: If a batch size of the schedule does not divide that of the data
                or cannot be shared by the replicas.
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
        """Real images of the level reached, faded in as the generated ones are.

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
        """The inputs of a network: rows, alpha for each row, and labels if any."""
        return [rows, self.alphas(rows), *([] if labels is None else [labels])]

    def active_discriminator(self):
        """The part of the discriminator that the level reached needs."""
        return self.at_level(self.discriminator)

    def critic_inputs(self, images, labels):
        """Images, alpha for each of them, and labels if any."""
        return self.with_alpha(images, labels)

    def hidden_features(self, images, labels):
        """The outputs of all activations of the discriminator at the level reached."""
        network = self.active_discriminator()
        network = keras.Model(network.inputs, self._hidden[self.level])
        return network(self.with_alpha(images, labels), training=False)

    # Running.

    def default_schedule(self) -> list[Phase]:
        """All levels in order, each with `phase_images` of fading and of stability.

        The first level has nothing to fade from.
        """
        count = self.phase_images
        return [
            Phase(SMALLEST << level, count if level > self.first else 0, count)
            for level in range(self.first, self.last + 1)
        ]

    def fit(self, x=None, y=None, *, callbacks=None, **options):
        """Trains, as `GenerativeModel.fit` does, by a schedule.

        Args:
            x: Data, as for `GenerativeModel.fit`.
            y: Labels, when x is an array of images.
            callbacks: Keras callbacks. `Grow()`, which follows `default_schedule()`, is
                added where none of them is a `keras_gen.callbacks.Grow`.
            **options: Further arguments of `GenerativeModel.fit`.

        Returns:
            The Keras `History`.
        """
        callbacks = [c for c in keras.tree.flatten(callbacks) if c is not None]
        if not any(isinstance(callback, Grow) for callback in callbacks):
            callbacks = [Grow(), *callbacks]
        return super().fit(x, y, callbacks=callbacks, **options)

    def make_train_function(self, force: bool = False):
        """Makes the graph of a step, once graphs of another level are let go."""
        _ = self.level
        return super().make_train_function(force)

    def make_test_function(self, force: bool = False):
        """Makes the graph of a test step, once graphs of another level are let go."""
        _ = self.level
        return super().make_test_function(force)
