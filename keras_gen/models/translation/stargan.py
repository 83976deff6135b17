"""StarGAN [1]: one translator between all sets of images.

The generator sees the set that it is asked for as maps beside the image; the critic
says of every patch how real it is, and of the image to which set it belongs. What was
translated and translated back must be what it was. Zeros lie beyond the generator's
edges, not reflections: instance norm takes away what a constant map adds, but for its
effect at such edges.
NOTE: the generator's kernels are those of our CycleGAN. What [1] does not have: where
the set asked for is the image's own, `identity_weight` holds the generator to leave it
as it is, without which colours change places; and with `apart` the critic says for
every set how real an image is among that set's, as in [2]. `augmentation` is for sets
of few images: a critic that knows them by heart finds the set that was asked for in
traces that nobody else sees.

1. Choi et al., "StarGAN: Unified Generative Adversarial Networks for Multi-Domain
   Image-to-Image Translation", 2018.
2. Choi et al., "StarGAN v2: Diverse Image Synthesis for Multiple Domains", 2020,
   section 2.1.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from keras_gen import losses
from keras_gen.core.abilities import transforms
from keras_gen.core.augmentation import augment, check_augmentation
from keras_gen.core.game import Player
from keras_gen.core.model import GenerativeModel
from keras_gen.core.registry import register
from keras_gen.core.schedules import LinearDecay
from keras_gen.networks.translators import GENERATORS, check_sides, zooming


def star_critic(image_shape, num_domains, width, apart=False):
    """Images to a map of raw outputs, one a patch, and logits of domains.

    Halved until a side has 2 or 3 pixels ([1], table 5).

    Args:
        image_shape: (height, width, channels).
        num_domains: Sets.
        width: Feature maps of the first layer; they double at every halving.
        apart: Whether patches have an output for every domain.
    """
    inputs = x = keras.Input(image_shape)
    filters = width
    while min(x.shape[1:3]) > 3:
        x = layers.Conv2D(filters, 4, strides=2, padding="same")(x)
        x = layers.LeakyReLU(0.01)(x)
        filters *= 2
    # The loss is a difference of outputs: a bias would have no gradient.
    patches = layers.Conv2D(
        num_domains if apart else 1,
        3,
        padding="same",
        use_bias=False,
        dtype="float32",
        name="patches",
    )(x)
    domains = layers.Conv2D(
        num_domains, x.shape[1:3], use_bias=False, dtype="float32", name="domains"
    )(x)
    domains = layers.Flatten(dtype="float32")(domains)
    return keras.Model(inputs, [patches, domains], name="critic")


@register("stargan", image_shape=(32, 32, 3), num_domains=3, width=24, num_blocks=4)
class StarGAN(GenerativeModel):
    """StarGAN, one network that translates between any number of sets of images.

    Args:
        image_shape: (height, width, channels); sides are multiples of 4, at least 8.
        num_domains: Sets; the feature `domain` counts them from 0.
        network: Of the generator: "resnet" or "unet".
        width: Its feature maps at full size. [1]: 64.
        num_blocks: Its residual blocks; of "unet", halvings.
        zoom: Whether it may zoom an image first; see `CycleGAN`.
        critic_width: Feature maps of the critic's first layer. [1]: 64.
        critic_moves: For one of the generator ([1], appendix 7.3).
        apart: Whether the critic compares images with those of the same set alone.
        gradient_penalty: Its weight in the critic's loss.
        class_weight: Of the domains' cross-entropy.
        augmentation: Changes that the critic sees all images through; see
            `keras_gen.augmentation`.
        reconstruction_weight: Of the way over and back.
        identity_weight: Of what changes in images asked for as those of their own set.
        learning_rate: Of both players' Adam, at the start. [1]: 1e-4.
        constant_steps: Until the learning rates fall.
        decay_steps: That they fall for, to 0; None lets them stay.
        average: Decay of the generator's moving average; None keeps none.
        **kwargs: `name`.

    The logs show `wasserstein`, the critic's estimate of the distance; `accuracy`, of
    the critic on real images' domains; `agreement`, how often it finds the domain that
    was asked for; `reconstruction`, mean absolute differences in units of images.
    """

    figures = ("wasserstein", "accuracy", "agreement", "reconstruction")
    tiny = {
        "image_shape": (8, 8, 3),
        "num_domains": 3,
        "width": 2,
        "num_blocks": 1,
        "zoom": True,
        "critic_width": 2,
        "critic_moves": 2,
    }

    def __init__(
        self,
        image_shape=(128, 128, 3),
        num_domains=3,
        network="resnet",
        width=64,
        num_blocks=6,
        zoom=False,
        critic_width=32,
        critic_moves=5,
        apart=False,
        gradient_penalty=10.0,
        class_weight=1.0,
        augmentation=(),
        reconstruction_weight=10.0,
        identity_weight=0.0,
        learning_rate=1e-4,
        constant_steps=0,
        decay_steps=None,
        average=0.999,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_sides(image_shape, network, num_blocks)
        if num_domains < 2 or critic_moves < 1:
            raise ValueError(
                "Expected num_domains >= 2 and critic_moves >= 1, got "
                f"{num_domains} and {critic_moves}."
            )
        if not learning_rate > 0:
            raise ValueError(f"Expected learning_rate > 0, got {learning_rate}.")
        self.image_shape = tuple(image_shape)
        self.num_domains, self.critic_moves = num_domains, critic_moves
        self.gradient_penalty, self.class_weight = gradient_penalty, class_weight
        self.augmentation = check_augmentation(augmentation)
        self.reconstruction_weight = reconstruction_weight
        self.identity_weight, self.learning_rate = identity_weight, learning_rate
        self.schedule = (constant_steps, decay_steps)
        padding = {"reflect": False} if network == "resnet" else {}
        generator = GENERATORS[network](
            self.image_shape,
            width,
            num_blocks,
            "generator",
            maps=num_domains,
            **padding,
        )
        self.generator = zooming(generator) if zoom else generator
        self.critic = star_critic(self.image_shape, num_domains, critic_width, apart)
        self.keep_average(self.generator, average)

    def batch_shapes(self):
        """An image and its domain."""
        return {"image": self.image_shape, "domain": ()}

    def input_specs(self):
        """Domains too."""
        domain = tf.TensorSpec((None,), tf.int64, "domain")
        return {**super().input_specs(), "domain": domain}

    def players(self):
        """The critic moves more often."""
        return {
            "critic": Player([self.critic], self.critic_loss, moves=self.critic_moves),
            "generator": Player([self.generator], self.generator_loss),
        }

    def default_optimizers(self):
        """Adam with beta_1 0.5, whose rate falls linearly at the end ([1], 7.3)."""
        moves = {"critic": self.critic_moves, "generator": 1}
        constant, decay = self.schedule
        return {
            player: keras.optimizers.Adam(
                LinearDecay(self.learning_rate, constant * n, decay and decay * n),
                beta_1=0.5,
            )
            for player, n in moves.items()
        }

    # The game.

    def critic_loss(self, batch, training):
        """Wasserstein with its penalty, and the domains of real images ([1], eq. 5)."""
        images, count = batch["image"], tf.shape(batch["image"])[0]
        # Sets asked for are the batch's own, shuffled: real images of them are there.
        order = tf.argsort(tf.random.stateless_uniform([count], self.draw_seed()))
        target = batch["target"] = tf.gather(batch["domain"], order)
        batch["fake"] = self.paint(self.generator, images, target, training)
        real, fake = self.seen(images), self.seen(tf.stop_gradient(batch["fake"]))
        real_patches, domains = self.judge(real, batch["domain"], training)
        fake_patches, _ = self.judge(fake, target, training)
        mix = tf.random.stateless_uniform([count], self.draw_seed())
        penalty = losses.gradient_penalty(
            lambda x: self.judge(x, target, training)[0],
            tf.gather(real, order),
            fake,
            mix,
        )
        distance = losses.wasserstein_critic_loss(real_patches, fake_patches)
        entropy, right = _entropy(domains, batch["domain"])
        self.report(wasserstein=-distance, accuracy=right)
        return distance + self.gradient_penalty * penalty + self.class_weight * entropy

    def generator_loss(self, batch, training):
        """To pass for real, for the domain asked for, and to lead back ([1], eq. 6)."""
        seen = self.seen(batch["fake"])
        patches, domains = self.judge(seen, batch["target"], training)
        entropy, right = _entropy(domains, batch["target"])
        back = self.paint(self.generator, batch["fake"], batch["domain"], training)
        reconstruction = ops.mean(ops.abs(back - batch["image"]))
        change = ops.mean(ops.abs(batch["fake"] - batch["image"]), axis=(1, 2, 3))
        own = ops.cast(ops.equal(batch["target"], batch["domain"]), "float32")
        self.report(agreement=right, reconstruction=reconstruction)
        return (
            losses.critic_generator_loss(patches)
            + self.class_weight * entropy
            + self.reconstruction_weight * reconstruction
            + self.identity_weight * ops.mean(own * change)
        )

    def seen(self, images):
        """What the critic sees of images."""
        if not self.augmentation:
            return images
        return augment(images, self.draw_seed(), self.augmentation)

    def judge(self, images, domain, training):
        """The critic's outputs, a patch each, among images of a domain; and logits."""
        patches, domains = self.critic(images, training=training)
        if patches.shape[-1] > 1:
            own = ops.one_hot(domain, self.num_domains, dtype="float32")
            patches = ops.sum(patches * own[:, None, None], axis=-1, keepdims=True)
        return patches, domains

    def paint(self, network, images, domain, training=False):
        """What a generator makes of images, asked for a domain each."""
        height, width, _ = self.image_shape
        chosen = ops.one_hot(domain, self.num_domains, dtype="float32")
        maps = ops.tile(chosen[:, None, None, :], (1, height, width, 1))
        return network([images, maps], training=training)

    # Abilities.

    @transforms("images")
    def translate(self, images, domain):
        """Images as those of another domain, in [-1, 1].

        Args:
            images: float32 (batch, height, width, channels), in [-1, 1].
            domain: An int, or one a row, from 0 to below `num_domains`.
        """
        return self.paint(self.averaged(self.generator), images, domain)

    @transforms("probabilities")
    def classify(self, images):
        """The critic's probabilities of domains, float32 (batch, num_domains)."""
        return ops.softmax(self.critic(images, training=False)[1])

    @transforms("logits")
    def discriminate(self, images):
        """The critic's raw outputs, float32 (batch, rows, columns, 1).

        With `apart` one for every domain, (batch, rows, columns, num_domains).
        """
        return self.critic(images, training=False)[0]

    def pictures(self, batch):
        """Images, as of each domain, and back from the one after their own, in a row.

        Returns:
            float32 (batch, num_domains + 2, height, width, channels).
        """
        images, own = batch["image"], np.asarray(batch["domain"])
        columns = [self.translate(images, domain=i) for i in range(self.num_domains)]
        after = np.stack(columns)[(own + 1) % self.num_domains, np.arange(len(own))]
        back = self.translate(after, domain=own)
        return np.stack([images, *columns, back], axis=1)


def _entropy(logits, labels):
    """Mean cross-entropy in nats, and the share of likeliest classes that are right."""
    hits = ops.one_hot(labels, logits.shape[-1], dtype="float32")
    entropy = -ops.mean(ops.sum(hits * ops.log_softmax(logits), axis=-1))
    right = ops.equal(ops.argmax(logits, axis=-1), ops.cast(labels, "int32"))
    return entropy, ops.mean(ops.cast(right, "float32"))
