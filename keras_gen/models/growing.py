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
import math

import keras
import tensorflow as tf
from keras import layers, ops

from keras_gen.callbacks import Grow, Phase
from keras_gen.layers import EqualizedConv2D, EqualizedDense, Fade, MinibatchStdDev
from keras_gen.models.adversarial import AdversarialModel

SMALLEST = 4  # Pixels a side of level 0.


def level_of(side):
    """The level of images with so many pixels a side: 0 for 4.

    Raises:
        ValueError: If the side is no power of two, or below 4.
    """
    level = int(math.log2(side / SMALLEST)) if side >= SMALLEST else -1
    if SMALLEST << max(level, 0) != side:
        raise ValueError(f"Expected a power of two from 4 on as side, got {side}.")
    return level


def check_shape(image_shape, start):
    """The last level's shape, and the first level.

    Raises:
        ValueError: If images are not square, or sides are no powers of two.
    """
    height, width, channels = image_shape
    first = level_of(start)
    if height != width or level_of(height) < first:
        raise ValueError(
            f"Expected square images of at least {start} pixels a side, got "
            f"{tuple(image_shape)}."
        )
    return (height, width, channels), first


def num_maps(level, base, most):
    """Maps of a level ([1], table 2): halved with every level, but at most so many."""
    return max(min(base >> (level + 1), most), 1)


def upsample(x, dtype=None):
    """Every pixel becomes four."""
    return layers.UpSampling2D(dtype=dtype)(x)


def downsample(x):
    """Every four pixels become their mean."""
    return layers.AveragePooling2D(2)(x)


def rectify(x):
    """Leaky ReLU with slope 0.2."""
    return layers.LeakyReLU(0.2)(x)


def condition(latents, num_classes):
    """Inputs, and latents with an embedding of the labels beside them if any."""
    if num_classes is None:
        return [], latents
    labels = keras.Input((), dtype="int64", name="labels")
    unit = keras.initializers.RandomNormal(stddev=1.0)  # As latents are.
    embedding = layers.Embedding(num_classes, latents.shape[-1], unit)
    return [labels], layers.Concatenate()([latents, embedding(labels)])


def faded_images(features, first, channels, alpha):
    """Images of every level from the first on, each faded in over the one below.

    Args:
        features: Maps of every level from 0 on.
        first: The lowest level that has images.
        channels: Of the images.
        alpha: (batch,).
    """
    images, old = [], None
    for level, x in list(enumerate(features))[first:]:
        name = f"to_image_{level}"
        new = EqualizedConv2D(channels, 1, gain=1.0, dtype="float32", name=name)(x)
        image = new
        if old is not None:
            image = Fade(dtype="float32")(upsample(old, "float32"), new, alpha)
        images.append(image)
        old = new
    return images


def growing_discriminator(
    image_shape, base_maps, max_maps, first, num_classes=None, group_size=4, blur=None
):
    """Logits (batch, 1) of images, a level each ([1], table 2).

    Args:
        image_shape: Of the last level, (side, side, channels).
        base_maps: See `num_maps`.
        max_maps: See `num_maps`.
        first: The lowest level.
        num_classes: Of labels, whose embedding the features are projected on; None for
            none.
        group_size: Of `MinibatchStdDev`.
        blur: A layer in front of every downsampling; None for none.

    Returns:
        A functional model of the images of every level from the first on, alpha
        (batch,) and labels, and the hidden features of every level, a list each.
    """
    last = level_of(image_shape[0])
    maps = [num_maps(level, base_maps, max_maps) for level in range(last + 1)]
    alpha, extra, labels = keras.Input((), name="alpha"), [], None
    if num_classes is not None:
        labels = keras.Input((), dtype="int64", name="labels")
        extra = [labels]
    shrink = (lambda x: downsample(blur()(x))) if blur else downsample
    from_image = {
        level: EqualizedConv2D(maps[level], 1, name=f"from_image_{level}")
        for level in range(first, last + 1)
    }
    blocks = {
        level: [
            EqualizedConv2D(maps[level], name=f"level_{level}_a"),
            EqualizedConv2D(maps[level - 1], name=f"level_{level}_b"),
        ]
        for level in range(1, last + 1)
    }
    end = [
        MinibatchStdDev(group_size),
        EqualizedConv2D(maps[0], name="level_0_a"),
        layers.Flatten(),
        EqualizedDense(maps[0], name="level_0_b"),
        EqualizedDense(1, gain=1.0, dtype="float32", name="logits"),
    ]
    embedding = None
    if num_classes is not None:
        embedding = layers.Embedding(num_classes, maps[0], dtype="float32")
    images, logits, hidden = [], [], {}
    for level in range(first, last + 1):
        side = SMALLEST << level
        image = keras.Input((side, side, image_shape[-1]), name=f"images_{side}")
        x = rectify(from_image[level](image))
        seen = []
        for below in range(level, 0, -1):
            for convolution in blocks[below]:
                x = rectify(convolution(x))
                seen.append(x)
            x = shrink(x)
            if below == level > first:
                old = rectify(from_image[level - 1](downsample(image)))
                x = Fade()(old, x, alpha)
        spread, convolution, flatten, dense, verdict = end
        x = rectify(convolution(spread(x)))
        x = rectify(dense(flatten(x)))
        y = verdict(x)
        if embedding is not None:
            wide = ops.cast(x, "float32")
            y = y + ops.sum(embedding(labels) * wide, axis=-1, keepdims=True)
        images.append(image)
        logits.append(y)
        hidden[level] = [*seen, x]
    inputs = [*images, alpha, *extra]
    return keras.Model(inputs, logits, name="discriminator"), hidden


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
