"""CycleGAN [1]: two translators between two sets of images, without pairs.

An image that is translated to the other set and back should be unchanged. A
discriminator for each set learns to tell its images from translations. Discriminators
also get earlier translations, from a pool [2] that is part of the model's state, so
that a resumed run continues with it.

What differs from [1]: the kernels that enlarge are 4x4, which a stride of 2 covers
evenly, instead of 3x3; for images below 128 pixels, discriminators work on patches of
34x34 pixels, not 70x70; and `zoom` puts a small spatial transformer [3] in front of
each translator, for sets that show objects at different sizes, which convolutions
learn to change only with difficulty.

1. Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
   Networks", 2017.
2. Shrivastava et al., "Learning from Simulated and Unsupervised Images through
   Adversarial Training", 2017, section 2.3.
3. Jaderberg et al., "Spatial Transformer Networks", 2015.
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
from keras_gen.core.types import Count, Decay, ImageShape, Natural, Weight
from keras_gen.models.translation.pool import draw_entries, exchange
from keras_gen.networks.patch import patch_discriminator
from keras_gen.networks.translators import GENERATORS, check_sides, zooming


@register(
    "cyclegan",
    batch_size=4,
    image_shape=(32, 32, 3),
    network="unet",
    width=24,
    num_blocks=5,
    zoom=True,
    cycle_weight=5.0,
    identity_weight=0.1,
)
class CycleGAN(GenerativeModel):
    """CycleGAN, which translates between two sets of images in both directions.

    The logs show `cycle` and `identity`, the mean absolute differences in units of
    images, before weights; and `d_real` and `d_fake`, the discriminators' mean outputs,
    whose targets are 1 and 0.

    Args:
        image_shape: Shape of an image, (height, width, channels); sides are multiples
            of 4, or of 2 ** num_blocks for a "unet", and at least 8.
        network: Architecture of the translators: "resnet" or "unet".
        width: Feature maps of the translators at full size, or of a "unet" after the
            first halving. [1]: 64.
        num_blocks: Residual blocks of a "resnet" ([1]: 9, and 6 below 256 pixels), or
            halvings of a "unet".
        zoom: Boolean, whether a translator may first zoom an image, by a factor that it
            predicts from the image.
        discriminator_width: Feature maps of the discriminators' first layer. [1]: 64.
        discriminator_blocks: Halvings in the discriminators: 2 give patches of 34x34
            pixels, 3 of 70x70. None uses 3 from sides of 128 pixels on, else 2.
        cycle_weight: Weight of the cycle-consistency loss, lambda in [1], section 3.3.
        identity_weight: Weight of the identity loss relative to `cycle_weight`: a
            translator should not change images of its target set ([1], section 5.2).
        pool_size: Translations kept in the pool of each discriminator; 0 keeps none.
        constant_steps: Steps at the initial learning rate.
        decay_steps: Steps of linear decay to zero after that; None disables decay.
        average: Decay of the translators' moving averages, which `translate`, saving
            and export use; None keeps no average.
        **kwargs: Arguments of `GenerativeModel`: `name`.
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
        image_shape: ImageShape = (64, 64, 3),
        network: Literal["resnet", "unet"] = "resnet",
        width: Count = 64,
        num_blocks: Count = 6,
        zoom: bool = False,
        discriminator_width: Count = 32,
        discriminator_blocks: Count | None = None,
        cycle_weight: Weight = 10.0,
        identity_weight: Weight = 0.5,
        pool_size: Natural = 50,
        constant_steps: Natural = 0,
        decay_steps: Count | None = None,
        average: Decay | None = 0.999,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_sides(image_shape, network, num_blocks)
        if discriminator_blocks is None:
            discriminator_blocks = 3 if min(image_shape[:2]) >= 128 else 2
            self.keep_arguments(discriminator_blocks=discriminator_blocks)
        if 1 << min(discriminator_blocks, 63) > min(image_shape[:2]):
            raise ValueError(
                "Expected discriminator_blocks that halve sides to 1 pixel at least, "
                f"got {discriminator_blocks} with image_shape={image_shape}."
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
            self.pools[side] = self._add_pool(side, pool_size) if pool_size else None

    def _add_pool(self, side, size):
        """The variables of a pool: its images, and the number that have arrived."""
        options = {
            "initializer": "zeros",
            "trainable": False,
            "aggregation": "only_first_replica",
        }
        shape = (size, *self.image_shape)
        images = self.add_weight(
            name=f"pool_{side}", shape=shape, dtype="float32", **options
        )
        arrived = self.add_weight(
            name=f"pool_{side}_count", shape=(), dtype="int64", **options
        )
        return images, arrived

    def batch_shapes(self) -> dict[str, tuple]:
        """An image of either set."""
        return {"image": self.image_shape, "image_b": self.image_shape}

    def players(self) -> dict[str, Player]:
        """Both discriminators, then both translators, with one optimizer each."""
        return {
            "discriminators": Player(
                list(self.judges.values()), self.discriminator_loss
            ),
            "generators": Player(list(self.translators.values()), self.generator_loss),
        }

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Adam at 2e-4 with beta_1 0.5, whose rate may decay linearly ([1], 7.1)."""
        return {
            player: keras.optimizers.Adam(LinearDecay(2e-4, *self.schedule), beta_1=0.5)
            for player in ("discriminators", "generators")
        }

    # The game.

    def forward(self, batch, training):
        """Translations to both sets, and the images for their discriminators.

        Returns:
            For each set: `fake_a`, the translations to it; `pooled_a`, those for its
            discriminator, some of them from earlier steps; and in training with a pool
            `entries_a`, the index at which each translation enters the full pool.
        """
        shared = {}
        for side, _, others in _sides(batch):
            fakes = self.translators[side](others, training=training)
            pooled = tf.stop_gradient(fakes)
            if training and self.pools[side] is not None:
                images, arrived = self.pools[side]
                entries = draw_entries(
                    tf.shape(fakes)[0], images.shape[0], self.noise_seed(f"pool_{side}")
                )
                pooled, *_ = exchange(pooled, entries, images.value, arrived.value)
                shared[f"entries_{side}"] = entries
            shared[f"fake_{side}"], shared[f"pooled_{side}"] = fakes, pooled
        return shared

    def updates(self, batch, shared):
        """The pools after this step's translations have arrived.

        On several replicas, the pool of the first one is kept by all.
        """
        changes = []
        for side, pool in self.pools.items():
            if pool is None:
                continue
            images, arrived = pool
            fakes, entries = shared[f"fake_{side}"], shared[f"entries_{side}"]
            _, *state = exchange(fakes, entries, images.value, arrived.value)
            changes += zip(pool, state, strict=True)
        return changes

    def discriminator_loss(self, batch, shared, training):
        """Half the least-squares loss of each discriminator ([1], section 7.1), summed.

        Real images have the target 1, present and earlier translations 0.
        """
        loss, d_real, d_fake = 0.0, 0.0, 0.0
        for side, images, _ in _sides(batch):
            real = self.judges[side](images, training=training)
            fake = self.judges[side](shared[f"pooled_{side}"], training=training)
            d_real += ops.mean(real)
            d_fake += ops.mean(fake)
            loss += losses.least_squares_discriminator_loss(real, fake)
        return loss, {"d_real": d_real / 2, "d_fake": d_fake / 2}

    def generator_loss(self, batch, shared, training):
        """Adversarial, cycle-consistency and identity losses, summed over both sets.

        [1], equation 3, and section 5.2 for the identity loss.
        """
        adversarial, cycle, identity = 0.0, 0.0, 0.0
        for side, images, _ in _sides(batch):
            other = "ab".replace(side, "")
            logits = self.judges[side](shared[f"fake_{side}"], training=training)
            # In [1] only the discriminators' loss is halved; our function halves both.
            adversarial += 2.0 * losses.least_squares_generator_loss(logits)
            restored = self.translators[side](
                shared[f"fake_{other}"], training=training
            )
            cycle += ops.mean(ops.abs(restored - images))
            if self.identity_weight:
                unchanged = self.translators[side](images, training=training)
                identity += ops.mean(ops.abs(unchanged - images))
        loss = adversarial + self.cycle_weight * (
            cycle + self.identity_weight * identity
        )
        return loss, {"cycle": cycle / 2, "identity": identity / 2}

    # Abilities.

    @transforms("images")
    def translate(self, images, *, to: Literal["a", "b"] = "b"):
        """Translates images of one set to the other, in [-1, 1].

        Args:
            images: Images, float32 (batch, height, width, channels), in [-1, 1].
            to: Set to translate to: "a" (the feature `image`) or "b" (`image_b`).

        Returns:
            Translated images, float32 (batch, height, width, channels).

        Raises:
            ValueError: If there is no such set.
        """
        _check_side(to=to)
        return self.averaged(self.translators[to])(images, training=False)

    @transforms("logits")
    def discriminate(self, images, *, of: Literal["a", "b"] = "b"):
        """Logits of a set's discriminator, float32 (batch, rows, columns, 1).

        Args:
            images: Images, float32 (batch, height, width, channels), in [-1, 1].
            of: Set whose discriminator is used: "a" or "b".

        Raises:
            ValueError: If there is no such set.
        """
        _check_side(of=of)
        return self.judges[of](images, training=False)

    def pictures(self, batch) -> np.ndarray:
        """Images of both sets with their translations, and those translated back.

        Args:
            batch: A batch as in training.

        Returns:
            float32 (batch, 6, height, width, channels): for each set an image, its
            translation, and the image restored from it.
        """
        columns = []
        for key, there, back in (("image", "b", "a"), ("image_b", "a", "b")):
            translated = self.translate(batch[key], to=there)
            columns += [batch[key], translated, self.translate(translated, to=back)]
        return np.stack(columns, axis=1)


def _sides(batch):
    """For each set: its name, its images, and those of the other set."""
    a, b = batch["image"], batch["image_b"]
    return ("a", a, b), ("b", b, a)


def _check_side(**sides):
    for name, side in sides.items():
        if side not in ("a", "b"):
            raise ValueError(f"Expected {name}='a' or 'b', got {side!r}.")
