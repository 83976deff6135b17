"""CycleGAN [1]: two translators between two sets of images, without pairs.

What went over and back must be what it was; a discriminator for each set says whether
translations pass for its images. Discriminators see a history of translations [2],
which is part of the model's state: a resumed run goes on with it.
NOTE: kernels that enlarge are 4x4, which a stride of 2 covers evenly, instead of 3x3;
patches are of 34x34 pixels (`discriminator_blocks=3` has those of [1], 70x70). Where
the sets show things in different sizes, which convolutions hardly learn to change,
`zoom` lets each translator start with a small spatial transformer [4]; [1] has none.

1. Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
   Networks", 2017.
2. Shrivastava et al., "Learning from Simulated and Unsupervised Images through
   Adversarial Training", 2017, section 2.3.
3. Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical Image
   Segmentation", 2015.
4. Jaderberg et al., "Spatial Transformer Networks", 2015.
"""

from typing import Literal

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from keras_gen import losses
from keras_gen.abilities import ability
from keras_gen.layers import ReflectionPadding2D, Zoom
from keras_gen.registry import register
from keras_gen.schedules import LinearDecay
from keras_gen.training import GenerativeModel, Player


def _initializer():
    return keras.initializers.RandomNormal(stddev=0.02)  # [1], section 7.1.


def instance_norm(x):
    """Maps normalised one by one, each with a scale and a shift of its own."""
    return layers.GroupNormalization(groups=-1, epsilon=1e-5)(x)


def convolution(x, filters, size, strides=1, reflect=True, norm=True, dtype=None):
    """A convolution that keeps the size (or halves it), and instance norm.

    Args:
        x: Maps.
        filters: Maps that come out.
        size: Of the kernel, odd where it reflects.
        strides: 1 or 2.
        reflect: Whether edges are reflected; else zeros lie beyond.
        norm: Whether instance norm follows, without an activation.
        dtype: Of the convolution; None for the policy's.
    """
    if reflect:
        x = ReflectionPadding2D(size // 2)(x)
    x = layers.Conv2D(
        filters,
        size,
        strides,
        padding="valid" if reflect else "same",
        use_bias=not norm,
        kernel_initializer=_initializer(),
        dtype=dtype,
    )(x)
    return instance_norm(x) if norm else x


def enlarge(x, filters):
    """A transposed convolution to twice the size, with instance norm."""
    x = layers.Conv2DTranspose(
        filters,
        4,
        strides=2,
        padding="same",
        use_bias=False,
        kernel_initializer=_initializer(),
    )(x)
    return instance_norm(x)


def resnet_generator(image_shape, width, num_blocks, name, maps=0, reflect=True):
    """Images, and maps of conditions beside them, to images in [-1, 1].

    Halved twice, residual blocks, doubled twice ([1], section 7.2).

    Args:
        image_shape: (height, width, channels).
        width: Feature maps at full size; they double at every halving.
        num_blocks: Residual blocks.
        name: Of the network.
        maps: Of conditions, a second input (batch, height, width, maps); 0 for none.
        reflect: See `convolution`.
    """
    inputs, x = _conditioned(image_shape, maps)
    x = layers.ReLU()(convolution(x, width, 7, reflect=reflect))
    for i in (1, 2):
        x = layers.ReLU()(convolution(x, width << i, 3, 2, reflect))
    for _ in range(num_blocks):
        inner = layers.ReLU()(convolution(x, width << 2, 3, reflect=reflect))
        x = layers.Add()([x, convolution(inner, width << 2, 3, reflect=reflect)])
    for i in (1, 0):
        x = layers.ReLU()(enlarge(x, width << i))
    x = convolution(x, image_shape[-1], 7, reflect=reflect, norm=False, dtype="float32")
    x = layers.Activation("tanh", dtype="float32")(x)
    return keras.Model(inputs, x, name=name)


def _conditioned(image_shape, maps):
    """Inputs of a generator, and images with the maps of conditions beside them."""
    images = keras.Input(image_shape)
    if not maps:
        return images, images
    conditions = keras.Input((*image_shape[:2], maps))
    return [images, conditions], layers.Concatenate()([images, conditions])


def unet_generator(image_shape, width, num_blocks, name, maps=0):
    """Images to images in [-1, 1]: halved so often, doubled with what was seen [3].

    Args:
        image_shape: (height, width, channels).
        width: Feature maps after the first halving; they double up to 8 times as many.
        num_blocks: Halvings.
        name: Of the network.
        maps: As in `resnet_generator`.
    """
    inputs, x = _conditioned(image_shape, maps)
    seen = []
    for i in range(num_blocks):
        last = i == num_blocks - 1  # A map of few pixels has no statistics.
        filters = width << min(i, 3)
        x = convolution(x, filters, 4, 2, reflect=False, norm=0 < i and not last)
        x = layers.LeakyReLU(0.2)(x)
        seen.append(x)
    for i in reversed(range(1, num_blocks)):
        x = layers.ReLU()(enlarge(x, width << min(i - 1, 3)))
        x = layers.Concatenate()([x, seen[i - 1]])
    x = layers.Conv2DTranspose(
        image_shape[-1],
        4,
        2,
        "same",
        kernel_initializer=_initializer(),
        dtype="float32",
    )(x)
    x = layers.Activation("tanh", dtype="float32")(x)
    return keras.Model(inputs, x, name=name)


def zooming(network, width=16):
    """A translator of images that are first zoomed, by factors from 1/e to e [4].

    Args:
        network: Images, and maps of conditions if any, to images.
        width: Maps of the first convolution that looks for the factor.
    """
    inputs = [keras.Input(x.shape[1:]) for x in network.inputs]
    images, *maps = inputs
    x = layers.Concatenate()(inputs) if maps else images
    for i in range(2):
        x = layers.Conv2D(width << i, 4, strides=2, padding="same")(x)
        x = layers.LeakyReLU(0.2)(x)
    x = layers.Flatten()(x)
    x = layers.LeakyReLU(0.2)(layers.Dense(2 * width)(x))
    # At a factor of just 1 bilinear interpolation has no gradient: near it, not there.
    x = layers.Dense(
        1, "tanh", kernel_initializer=_initializer(), dtype="float32", name="factor"
    )(x)
    factors = ops.exp(x[:, 0])
    zoomed = Zoom(dtype="float32", name="zoom")(images, factors)
    images = network([zoomed, *maps] if maps else zoomed)
    return keras.Model(inputs if maps else inputs[0], images, name=network.name)


def patch_discriminator(image_shape, width, num_blocks, name):
    """Images to a map of logits, one a patch of the image ([1], section 7.2)."""
    inputs = x = keras.Input(image_shape)
    for i in range(num_blocks):
        x = convolution(x, width << i, 4, 2, reflect=False, norm=i > 0)
        x = layers.LeakyReLU(0.2)(x)
    x = layers.LeakyReLU(0.2)(convolution(x, width << num_blocks, 4, reflect=False))
    x = convolution(x, 1, 4, reflect=False, norm=False, dtype="float32")
    return keras.Model(inputs, x, name=name)


GENERATORS = {"resnet": resnet_generator, "unet": unet_generator}


def check_sides(image_shape, network, num_blocks):
    """Whether a generator of this name can take such images.

    Raises:
        ValueError: If not, or if there is none of this name.
    """
    if network not in GENERATORS:
        raise ValueError(f"Expected network of {list(GENERATORS)}, got {network!r}.")
    multiple = 4 if network == "resnet" else 1 << num_blocks
    if any(side < 8 or side % multiple for side in image_shape[:2]):
        raise ValueError(
            f"Expected sides of at least 8, multiples of {multiple}, with "
            f"network={network!r}, got {image_shape}."
        )


@register("cyclegan", image_shape=(32, 32, 3), width=24, num_blocks=4)
class CycleGAN(GenerativeModel):
    """CycleGAN, which translates between two sets of images, both ways.

    Args:
        image_shape: (height, width, channels); sides are multiples of 4, at least 8.
        network: Of the translators: "resnet" or "unet".
        width: Their feature maps at full size. [1]: 64.
        num_blocks: Residual blocks; of "unet", halvings. [1]: 9, below 256 pixels 6.
        zoom: Whether they may zoom an image first, by a factor that they find for it.
        discriminator_width: Feature maps of the discriminators' first layer. [1]: 64.
        discriminator_blocks: Their halvings; 2 judge patches of 34x34, 3 of 70x70.
        cycle_weight: Of the way over and back, lambda in [1], section 3.3.
        identity_weight: Of what is of the other set already, by `cycle_weight`.
        pool_size: Translations of either kind that are kept; 0 keeps none.
        constant_steps: Until the learning rates fall.
        decay_steps: That they fall for, to 0; None lets them stay.
        average: Decay of the translators' moving averages; None keeps none.
        **kwargs: `name`.

    The logs show `cycle` and `identity`, the mean absolute differences in units of
    images, before weights; `d_real` and `d_fake`, verdicts that aim at 1 and 0.
    """

    figures = ("cycle", "identity", "d_real", "d_fake")
    tiny = {
        "image_shape": (8, 8, 3),
        "network": "unet",
        "width": 2,
        "num_blocks": 2,
        "zoom": True,
        "discriminator_width": 2,
        "discriminator_blocks": 1,
        "pool_size": 6,
        "average": 0.9,
    }

    def __init__(
        self,
        image_shape=(64, 64, 3),
        network="resnet",
        width=64,
        num_blocks=6,
        zoom=False,
        discriminator_width=32,
        discriminator_blocks=2,
        cycle_weight=10.0,
        identity_weight=0.5,
        pool_size=50,
        constant_steps=0,
        decay_steps=None,
        average=0.999,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_sides(image_shape, network, num_blocks)
        if pool_size < 0 or min(cycle_weight, identity_weight) < 0:
            raise ValueError(
                "Expected pool_size, cycle_weight and identity_weight >= 0, got "
                f"{pool_size}, {cycle_weight} and {identity_weight}."
            )
        self.image_shape = tuple(image_shape)
        self.cycle_weight, self.identity_weight = cycle_weight, identity_weight
        self.schedule = (constant_steps, decay_steps)
        self.translators, self.judges, self.pools = {}, {}, {}
        for side in "ab":
            translator = GENERATORS[network](
                self.image_shape, width, num_blocks, f"to_{side}"
            )
            self.translators[side] = zooming(translator) if zoom else translator
            self.judges[side] = patch_discriminator(
                self.image_shape,
                discriminator_width,
                discriminator_blocks,
                f"discriminator_{side}",
            )
            self.keep_average(self.translators[side], average)
            self.pools[side] = self._make_pool(side, pool_size) if pool_size else None

    def _make_pool(self, side, size):
        """Images, and how many have come: `size` and more once it is full."""
        options = {
            "initializer": "zeros",
            "trainable": False,
            "aggregation": "only_first_replica",
        }
        shape = (size, *self.image_shape)
        images = self.add_weight(
            name=f"pool_{side}", shape=shape, dtype="float32", **options
        )
        count = self.add_weight(
            name=f"pool_{side}_count", shape=(), dtype="int64", **options
        )
        return images, count

    def batch_shapes(self):
        """An image of either set."""
        return {"image": self.image_shape, "image_b": self.image_shape}

    def players(self):
        """Both discriminators, then both translators, under one optimizer each."""
        return {
            "discriminators": Player(
                list(self.judges.values()), self.discriminator_loss
            ),
            "generators": Player(list(self.translators.values()), self.generator_loss),
        }

    def default_optimizers(self):
        """Adam at 2e-4 with beta_1 0.5, falling linearly at the end ([1], 7.1)."""
        return {
            player: keras.optimizers.Adam(LinearDecay(2e-4, *self.schedule), beta_1=0.5)
            for player in ("discriminators", "generators")
        }

    # The game.

    def discriminator_loss(self, batch, training):
        """How far both sets are from their translations, present and past.

        Least squares, halved ([1], section 7.1), summed over the two.
        """
        loss = 0.0
        for side, images, other in _sides(batch):
            fakes = self.translators[side](other, training=training)
            batch[f"fake_{side}"] = fakes
            seen = tf.stop_gradient(fakes)
            if training and self.pools[side] is not None:
                seen = self.exchange(seen, *self.pools[side])
            real = self.judges[side](images, training=training)
            fake = self.judges[side](seen, training=training)
            self.report(d_real=ops.mean(real), d_fake=ops.mean(fake))
            loss += losses.least_squares_discriminator_loss(real, fake)
        return loss

    def generator_loss(self, batch, training):
        """What translations lack to convince, and what over and back changes.

        Summed over the two sides ([1], equation 3, and section 5.2 on identity).
        """
        adversarial, cycle, identity = 0.0, 0.0, 0.0
        for side, images, _ in _sides(batch):
            other = "ab".replace(side, "")
            logits = self.judges[side](batch[f"fake_{side}"], training=training)
            # Only the discriminators' loss is halved: twice the half.
            adversarial += 2.0 * losses.least_squares_generator_loss(logits)
            back = self.translators[side](batch[f"fake_{other}"], training=training)
            cycle += ops.mean(ops.abs(back - images))
            if self.identity_weight:
                same = self.translators[side](images, training=training)
                identity += ops.mean(ops.abs(same - images))
        self.report(cycle=cycle / 2, identity=identity / 2)
        return adversarial + self.cycle_weight * (
            cycle + self.identity_weight * identity
        )

    def exchange(self, fakes, pool, count):
        """Puts fakes into a pool, and gives out some of those that came before [2].

        While it fills, all fakes go in and are given out. Then, one by one with
        probability 1/2, a fake goes in and the one in its place is given out instead.
        Of replicas, the first one's pool is everybody's.

        Args:
            fakes: float32 (batch, height, width, channels).
            pool: The variable with the images, (size, height, width, channels).
            count: The variable that says how many have come.

        Returns:
            As many images as fakes.
        """
        size, came = pool.shape[0], tf.cast(count.value, tf.int32)
        rows = tf.minimum(tf.shape(fakes)[0], size)
        entering, rest = fakes[:rows], fakes[rows:]
        full = came >= size
        order = tf.argsort(tf.random.stateless_uniform([size], self.draw_seed()))
        coins = tf.random.stateless_uniform([rows], self.draw_seed()) < 0.5
        new = came + tf.range(rows)
        places = tf.where(full, order[:rows], new % size)
        kept = tf.gather(pool.value, places)
        enters = _rows(tf.where(full, coins, new < size))
        given = tf.where(_rows(full & coins), kept, entering)
        stored = tf.where(enters, entering, kept)
        pool.assign(tf.tensor_scatter_nd_update(pool.value, places[:, None], stored))
        count.assign(count + tf.cast(rows, tf.int64))
        return tf.concat([given, rest], axis=0)

    # Abilities.

    @ability("images")
    def translate(self, images, *, to: Literal["a", "b"] = "b"):
        """Images of the one set as images of the other, in [-1, 1].

        Args:
            images: float32 (batch, height, width, channels), in [-1, 1].
            to: "a" (the set of the feature `image`) or "b" (of `image_b`).
        """
        if to not in self.translators:
            raise ValueError(f"Expected to='a' or 'b', got {to!r}.")
        return self.averaged(self.translators[to])(images, training=False)

    @ability("logits")
    def discriminate(self, images, *, of: Literal["a", "b"] = "b"):
        """Logits of a set's discriminator, float32 (batch, rows, columns, 1)."""
        return self.judges[of](images, training=False)

    def pictures(self, batch):
        """Of both sets: images, their translations, and the way back, in a row.

        Returns:
            float32 (batch, 6, height, width, channels).
        """
        columns = []
        for key, there, back in (("image", "b", "a"), ("image_b", "a", "b")):
            over = self.translate(batch[key], to=there)
            columns += [batch[key], over, self.translate(over, to=back)]
        return np.stack(columns, axis=1)


def _sides(batch):
    """For each set: its name, its images, and those of the other."""
    a, b = batch["image"], batch["image_b"]
    return ("a", a, b), ("b", b, a)


def _rows(flags):
    """Flags (batch,) as (batch, 1, 1, 1)."""
    return tf.reshape(flags, (-1, 1, 1, 1))
