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
from keras import ops

from keras_gen import losses
from keras_gen.core.abilities import transforms
from keras_gen.core.game import Player
from keras_gen.core.model import GenerativeModel
from keras_gen.core.registry import register
from keras_gen.core.schedules import LinearDecay
from keras_gen.networks.patch import patch_discriminator
from keras_gen.networks.translators import GENERATORS, check_sides, zooming


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

    @transforms("images")
    def translate(self, images, *, to: Literal["a", "b"] = "b"):
        """Images of the one set as images of the other, in [-1, 1].

        Args:
            images: float32 (batch, height, width, channels), in [-1, 1].
            to: "a" (the set of the feature `image`) or "b" (of `image_b`).
        """
        if to not in self.translators:
            raise ValueError(f"Expected to='a' or 'b', got {to!r}.")
        return self.averaged(self.translators[to])(images, training=False)

    @transforms("logits")
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
