"""Progressive growing [1]: both networks start at 4x4 and get a level after the other.

All levels are built at once. A network that grows is one functional model with an
output a level; what a level needs of it is a functional model on the same layers. A new
level is faded in, in the generator, the discriminator and the real images alike:

    alpha = 0: the level below, upsampled        alpha = 1: the new level alone

1. Karras et al., "Progressive Growing of GANs for Improved Quality, Stability, and
   Variation", 2018.
"""

import dataclasses
import gc

import keras
import tensorflow as tf
from keras import layers

from keras_gen.layers import Fade
from keras_gen.models.adversarial.base import AdversarialModel
from keras_gen.models.growing.schedule import Grow, Phase
from keras_gen.networks.growing import SMALLEST, level_of


class Growth(layers.Layer):
    """How far a model has grown: level, alpha, and the images that it has seen."""

    def __init__(self, level, **kwargs):
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


def _bare(optimizer):
    """An optimizer without what scales its loss."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def _has_schedule(optimizer):
    rate = _bare(optimizer)._learning_rate
    return isinstance(rate, keras.optimizers.schedules.LearningRateSchedule)


class GrowingModel(AdversarialModel):
    """An adversarial model whose images grow; see this module's docstring.

    A model on top of it has its own `render` and `decode_rows`, or `generate` and the
    abilities in their place.

    Args:
        generator: Functional, from its inputs to images of every level from the first
            on; see `growing_discriminator`.
        discriminator: What `growing_discriminator` returns.
        start: Pixels a side of the first level.
        phase_images: Images of either half of a level's time, fading and stable, in
            the schedule that `fit` takes where none is given.
        **options: Of `AdversarialModel`.
    """

    whole_batches = True

    def __init__(self, *, generator, discriminator, start, phase_images, **options):
        network, self._hidden = discriminator
        super().__init__(generator=generator, discriminator=network, **options)
        if phase_images < 1:
            raise ValueError(f"Expected phase_images >= 1, got {phase_images}.")
        if self.packing != 1:
            raise ValueError(f"Expected packing=1, got {self.packing}.")
        self.first, self.last = level_of(start), level_of(self.shape[0])
        self.phase_images = phase_images
        self.growth = Growth(self.first, name="growth")
        self.batch_size, self.batch_sizes = None, ()

    # Levels.

    @property
    def level(self):
        """The level reached, a Python int in graphs too: they are of one level."""
        with tf.init_scope():
            level = int(self.growth.level.numpy())
        if level != self.__dict__.setdefault("_level", level):
            self._forget_graphs(level)
        return level

    def enter(self, phase):
        """Goes to a `Phase`; optimizers start anew where the level is another.

        A schedule of their learning rate does too.
        The next step is traced anew, and what was traced before is let go.

        Raises:
            ValueError: For what `check_phase` refuses.
        """
        self.check_phase(phase)
        level = level_of(phase.side)
        if level != self.level:
            self.growth.level.assign(level)
            self._reset_optimizers()
        self.batch_size = phase.batch_size
        self._forget_graphs(level)
        if phase.learning_rate is not None:
            for player in self.rates:
                self.optimizers[player].learning_rate = phase.learning_rate

    def check_phase(self, phase):
        """ValueError for a phase that this model cannot go to."""
        if not self.first <= level_of(phase.side) <= self.last:
            raise ValueError(
                f"Expected a side from {SMALLEST << self.first} to "
                f"{SMALLEST << self.last}, got {phase.side}."
            )
        optimizers = [self.optimizers[player] for player in self.rates]
        if phase.learning_rate is not None and any(map(_has_schedule, optimizers)):
            raise ValueError(
                "Expected phases without learning_rate where an optimizer has a "
                f"schedule, got {phase.learning_rate}."
            )

    def _reset_optimizers(self):
        # Their counts too: Adam's first steps were ten times as long without.
        for optimizer in self.optimizers.values():
            bare = _bare(optimizer)
            for variable in bare.variables:
                if variable is not bare.learning_rate:
                    variable.assign(tf.zeros_like(variable.value))

    def _forget_graphs(self, level):
        self.__dict__["_level"] = level
        self.__dict__.pop("_ability_graphs", None)
        running = self.train_function is not None
        self.train_function = self.test_function = None
        if running:
            self.make_train_function()
        gc.collect()  # Graphs refer to themselves.

    @property
    def image_shape(self):
        """Of the images at the level reached, (side, side, channels)."""
        side = SMALLEST << self.level
        return (side, side, self.shape[-1])

    @image_shape.setter
    def image_shape(self, shape):
        """The base sets that of the last level, which `shape` keeps."""

    def input_specs(self):
        """Images are those of the level reached."""
        shape = (None, *self.image_shape)
        images = {"images": tf.TensorSpec(shape, tf.float32, "images")}
        return {**super().input_specs(), **images}

    def at_level(self, network):
        """A functional model of what the level reached needs of a network."""
        known = self.__dict__.setdefault("_networks_by_level", {})
        key = (network.name, self.level)
        if key not in known:
            output = network.outputs[self.level - self.first]
            inputs = self.inputs_at_level(network)
            known[key] = keras.Model(inputs, output, name=network.name)
        return known[key]

    def inputs_at_level(self, network):
        """What a network takes at the level reached: images of one size, and others."""
        count = self.last - self.first + 1
        if network is not self.discriminator:
            return network.inputs
        return [network.inputs[self.level - self.first], *network.inputs[count:]]

    def alphas(self, rows):
        """Alpha, once for every row of a tensor."""
        return tf.fill(tf.shape(rows)[:1], self.growth.alpha.value)

    # The game.

    def players(self):
        """Both, with the weights of the levels reached."""
        players = super().players()
        return {
            name: dataclasses.replace(
                player, active=[self.at_level(network) for network in player.networks]
            )
            for name, player in players.items()
        }

    def train_step(self, batch):
        """As many steps as the batch has parts of the phase's batch size."""
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        local = batch["image"].shape[0] // self.discriminator_moves  # Of a move.
        for size in {*self.batch_sizes, self.batch_size} - {None}:
            if size % replicas or local % (size // replicas):
                raise ValueError(
                    f"Expected phases' batch_size to divide {local * replicas} images "
                    f"of a batch, and to be a multiple of {replicas} replicas, got "
                    f"{size}."
                )
        parts = local * replicas // (self.batch_size or local * replicas)
        pieces = {name: tf.split(value, parts) for name, value in batch.items()}
        for part in range(parts):
            results = super().train_step({name: p[part] for name, p in pieces.items()})
        rows = tf.shape(batch["image"], out_type=tf.int64)[0]
        self.growth.images.assign_add(rows * replicas)
        return results

    def discriminator_loss(self, batch, training):
        """Leaves real images of the level reached in the batch."""
        batch["image"] = self.reals(batch["image"])
        return super().discriminator_loss(batch, training)

    def reals(self, images):
        """Real images of the level, faded in as the generated ones are."""
        factor = self.shape[0] // (SMALLEST << self.level)
        if factor > 1:
            images = tf.nn.avg_pool2d(images, factor, factor, "VALID")
        if self.level > self.first:
            old = tf.nn.avg_pool2d(images, 2, 2, "VALID")
            old = tf.repeat(tf.repeat(old, 2, axis=1), 2, axis=2)
            images = Fade(dtype="float32")(old, images, self.alphas(images))
        return images

    def with_alpha(self, rows, labels):
        """What a network takes: rows, alpha once for each, and labels if any."""
        return [rows, self.alphas(rows), *([] if labels is None else [labels])]

    def judge(self, images, labels, training):
        """The discriminator's logits at the level reached."""
        network = self.at_level(self.discriminator)
        return network(self.with_alpha(images, labels), training=training), []

    def look(self, images, labels):
        """The hidden features of the discriminator at the level reached."""
        network = self.at_level(self.discriminator)
        network = keras.Model(network.inputs, self._hidden[self.level])
        return network(self.with_alpha(images, labels), training=False)

    # Running.

    def default_schedule(self):
        """Every level from the first on, `phase_images` of fading and of stability."""
        count = self.phase_images
        return [
            Phase(SMALLEST << level, count if level > self.first else 0, count)
            for level in range(self.first, self.last + 1)
        ]

    def fit(self, *args, callbacks=None, **kwargs):
        """Trains, see `GenerativeModel.fit`; by `default_schedule` without `Grow`."""
        callbacks = [c for c in keras.tree.flatten(callbacks) if c is not None]
        if not any(isinstance(callback, Grow) for callback in callbacks):
            callbacks = [Grow(), *callbacks]
        return super().fit(*args, callbacks=callbacks, **kwargs)

    def make_train_function(self, force=False):
        """Lets graphs of another level go, if weights were loaded since."""
        _ = self.level
        return super().make_train_function(force)

    def make_test_function(self, force=False):
        """The same, of the losses without training."""
        _ = self.level
        return super().make_test_function(force)
