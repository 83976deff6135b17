"""StarGAN [1]: one translator between any number of sets of images, the domains.

The generator gets the target domain as additional channels of the image. The critic
rates how realistic each patch of an image is, and classifies the image's domain. An
image that is translated to another domain and back should be unchanged. The generator
pads with zeros, not with reflections: instance normalization removes the effect of a
constant channel, except at edges padded with zeros.

With attributes, the target is a vector of 0 and 1, such as glasses and a beard, and the
critic predicts each of them. Several data sets, of which each knows other attributes,
train one model ([1], section 3.2): the generator also gets a mask that says which data
set's attributes are meant, and only these enter the losses.

What differs from [1]: the generator's kernels are those of our CycleGAN;
`identity_weight` penalizes changes if the target domain is the image's own, since
otherwise the generator may exchange colours; `apart` gives the critic an output for
each domain, so that an image is compared only with images of its domain, as in [2]; and
`augmentation` is for domains with few images, since a critic that has memorized them
recognizes the target domain by traces that people do not see.

1. Choi et al., "StarGAN: Unified Generative Adversarial Networks for Multi-Domain
   Image-to-Image Translation", 2018.
2. Choi et al., "StarGAN v2: Diverse Image Synthesis for Multiple Domains", 2020,
   section 2.1.
"""

from collections.abc import Sequence
from typing import Literal

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from keras_gen import losses
from keras_gen.core.abilities import transforms
from keras_gen.core.augmentation import Augmentations, augment
from keras_gen.core.game import Player
from keras_gen.core.inputs import Input, attributes_input, label_input
from keras_gen.core.model import GenerativeModel
from keras_gen.core.registry import register
from keras_gen.core.schedules import LinearDecay
from keras_gen.core.types import (
    Classes,
    Count,
    Decay,
    ImageShape,
    Natural,
    Rate,
    Weight,
)
from keras_gen.layers.leaky_relu import LeakyReLU
from keras_gen.networks.initializers import he_initializer
from keras_gen.networks.translators import GENERATORS, check_sides, zooming


def star_critic(
    image_shape: tuple[int, int, int],
    num_domains: int,
    width: int,
    apart: bool = False,
    max_maps: int | None = None,
) -> keras.Model:
    """Images to raw outputs, one for each patch, and to logits of domains.

    Maps are halved until a side has 2 or 3 pixels ([1], table 5). Since there is no
    normalization, kernels start with He's variance. With Glorot's, the norm of the
    gradient starts at a few hundredths, far from the 1 of the gradient penalty.

    Args:
        image_shape: Shape of an image, (height, width, channels).
        num_domains: Number of domains.
        width: Feature maps of the first layer; they double at every halving.
        apart: Boolean, whether patches have an output for each domain.
        max_maps: Largest number of feature maps of a layer; None for no limit.

    Returns:
        A network from images to float32 (batch, rows, columns, 1 or num_domains) and
        (batch, num_domains).
    """
    inputs = x = keras.Input(image_shape)
    filters = width
    while min(x.shape[1:3]) > 3:
        x = layers.Conv2D(
            filters,
            4,
            strides=2,
            padding="same",
            kernel_initializer=he_initializer(),
        )(x)
        x = LeakyReLU(0.01)(x)
        filters = min(2 * filters, max_maps or 2 * filters)
    # The loss is a difference of outputs: a bias would have no gradient.
    patches = layers.Conv2D(
        num_domains if apart else 1,
        3,
        padding="same",
        use_bias=False,
        kernel_initializer=he_initializer(),
        dtype="float32",
        name="patches",
    )(x)
    domains = layers.Conv2D(
        num_domains, x.shape[1:3], use_bias=False, dtype="float32", name="domains"
    )(x)
    domains = layers.Flatten(dtype="float32")(domains)
    return keras.Model(inputs, [patches, domains], name="critic")


def attribute_entropy(logits, attributes, known):
    """Cross-entropy of attributes, and the share of them that is right.

    Args:
        logits: Logits of the attributes, float32 (batch, attributes).
        attributes: Which of them are wanted, 0 or 1, float32 (batch, attributes).
        known: 1 for attributes that the row's data set knows, else 0, float32 (batch,
            attributes).

    Returns:
        The sum over known attributes in nats, as a mean over rows; and the share of
        known attributes for which the more probable value is right.
    """
    entropies = ops.binary_crossentropy(attributes, logits, from_logits=True)
    right = ops.cast(ops.equal(logits > 0, attributes > 0), "float32")
    accuracy = ops.sum(known * right) / ops.sum(known)
    return ops.mean(ops.sum(known * entropies, axis=-1)), accuracy


@register(
    "stargan",
    batch_size=8,
    image_shape=(32, 32, 3),
    num_domains=3,
    network="unet",
    width=24,
    num_blocks=5,
    zoom=True,
    critic_moves=3,
    apart=True,
    class_weight=4.0,
    augmentation=("translation", "cutout"),
    reconstruction_weight=3.0,
    identity_weight=1.0,
    learning_rate=3e-4,
)
class StarGAN(GenerativeModel):
    """StarGAN, one network that translates between any number of domains.

    The logs show `wasserstein`, the critic's estimate of the distance; `accuracy`, the
    share of real images whose domain the critic classifies correctly; `agreement`, the
    share of translations that it assigns to the target domain; and `reconstruction`,
    the mean absolute difference after translation to a domain and back, in units of
    images.

    Args:
        image_shape: Shape of an image, (height, width, channels); sides are multiples
            of 4, or of 2 ** num_blocks for a "unet", and at least 8.
        num_domains: Number of domains, or of attributes.
        target: Feature of a batch that images are translated to: "domain", which counts
            domains from 0, or "attributes", 0 or 1 for each of several.
        sets: Numbers of attributes of several data sets, which add up to `num_domains`.
            A row has the attributes of all sets in their order, with any values for
            those that its set does not know, and the number of its set as `domain`. ()
            stands for one data set.
        network: Architecture of the generator: "resnet" or "unet".
        width: Feature maps of the generator at full size, or of a "unet" after the
            first halving. [1]: 64.
        num_blocks: Residual blocks of a "resnet", or halvings of a "unet".
        zoom: Boolean, whether the generator may first zoom an image, by a factor that
            it predicts from the image.
        critic_width: Feature maps of the critic's first layer. [1]: 64.
        critic_moves: Critic updates per generator update ([1], appendix 7.3).
        apart: Boolean, whether the critic compares images only with images of their
            domain.
        gradient_penalty: Weight of the gradient penalty in the critic's loss.
        class_weight: Weight of the cross-entropy of domains in both losses.
        augmentation: Random changes applied to all images that the critic gets, any of
            "color", "translation" and "cutout".
        reconstruction_weight: Weight of the reconstruction loss.
        identity_weight: Weight of the mean absolute change of images whose target
            domain is their own.
        learning_rate: Initial learning rate of both players. [1]: 1e-4.
        constant_steps: Steps at the initial learning rate.
        decay_steps: Steps of linear decay to zero after that; None disables decay.
        average: Decay of the generator's moving average, which `translate`, saving and
            export use; None keeps no average.
        max_maps: Largest number of feature maps of a layer of the critic; None for no
            limit, as in [1], which has 2,048 at 128 pixels.
        **kwargs: Arguments of `GenerativeModel`: `name`.
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
        image_shape: ImageShape = (128, 128, 3),
        num_domains: Classes = 3,
        target: Literal["domain", "attributes"] = "domain",
        sets: Sequence[Count] = (),
        network: Literal["resnet", "unet"] = "resnet",
        width: Count = 64,
        num_blocks: Count = 6,
        zoom: bool = False,
        critic_width: Count = 32,
        critic_moves: Count = 5,
        apart: bool = False,
        gradient_penalty: Weight = 10.0,
        class_weight: Weight = 1.0,
        augmentation: Augmentations = (),
        reconstruction_weight: Weight = 10.0,
        identity_weight: Weight = 0.0,
        learning_rate: Rate = 1e-4,
        constant_steps: Natural = 0,
        decay_steps: Count | None = None,
        average: Decay | None = 0.999,
        max_maps: Count | None = 512,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_sides(image_shape, network, num_blocks)
        if sets and (target == "domain" or sum(sets) != num_domains or len(sets) < 2):
            raise ValueError(
                "Expected sets of at least two numbers of attributes, which add up to "
                f"num_domains, with target='attributes', got {tuple(sets)}, "
                f"{num_domains} and {target!r}."
            )
        if apart and target == "attributes":
            raise ValueError(
                "Expected apart=False with attributes, of which an image has any "
                "number, got apart=True."
            )
        self.image_shape = tuple(image_shape)
        self.target, self.sets = target, tuple(sets)
        self.num_domains, self.critic_moves = num_domains, critic_moves
        self.gradient_penalty, self.class_weight = gradient_penalty, class_weight
        self.augmentation = tuple(augmentation)
        self.reconstruction_weight = reconstruction_weight
        self.identity_weight, self.learning_rate = identity_weight, learning_rate
        self.schedule = (constant_steps, decay_steps)
        padding = {"reflect": False} if network == "resnet" else {}
        generator = GENERATORS[network](
            self.image_shape,
            width,
            num_blocks,
            "generator",
            maps=num_domains + len(self.sets),
            **padding,
        )
        self.generator = zooming(generator) if zoom else generator
        self.critic = star_critic(
            self.image_shape, num_domains, critic_width, apart, max_maps
        )
        self.keep_average(self.generator, average)

    @classmethod
    def upgrade_config(cls, config):
        """Gives files from before `max_maps` the critic that they had."""
        return cls.completed(super().upgrade_config(config), max_maps=None)

    def batch_shapes(self) -> dict[str, tuple]:
        """An image, and its domain or attributes."""
        shapes = {"image": self.image_shape}
        if self.has_attributes:
            shapes["attributes"] = (self.num_domains,)
        if self.sets or not self.has_attributes:
            shapes["domain"] = ()
        return shapes

    def label_ranges(self) -> dict[str, tuple[int, int]]:
        """The range of domains, which with attributes number the data sets."""
        if self.sets:
            return {"domain": (0, len(self.sets) - 1)}
        return super().label_ranges()

    @property
    def has_attributes(self) -> bool:
        """Whether images are translated to attributes, not to domains."""
        return self.target == "attributes"

    def inputs(self) -> dict[str, Input]:
        """The usual inputs, and domains or attributes, which a caller must give."""
        count = self.num_domains
        declared = []
        if self.has_attributes:
            declared.append(attributes_input(count))
        if self.sets or not self.has_attributes:
            count = len(self.sets) or count
            kind = (
                "Data set whose attributes are meant" if self.sets else "Target domain"
            )
            description = f"{kind}, from 0 to {count - 1}."
            declared.append(
                label_input(count, "domain", default=None, description=description)
            )
        return {**super().inputs(), **{entry.name: entry for entry in declared}}

    def players(self) -> dict[str, Player]:
        """The critic, which may move more often, then the generator."""
        penalties = [self.gradient_penalty_loss] if self.gradient_penalty else []
        return {
            "critic": Player(
                [self.critic],
                self.critic_loss,
                moves=self.critic_moves,
                regularizers=penalties,
            ),
            "generator": Player([self.generator], self.generator_loss),
        }

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Adam with beta_1 0.5, whose rate may decay linearly ([1], 7.3)."""
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

    def forward(self, batch, training):
        """Translations to targets, which are the codes of the batch's other rows.

        Returns:
            `own`, the codes of the images; `target`, those of the translations;
            `reference`, the real images that have the targets; and `fake`, the
            translations.
        """
        images = batch["image"]
        own = self.code_of(batch.get("domain"), batch.get("attributes"))
        order = self.target_order(batch)
        target = tf.gather(own, order)
        return {
            "own": own,
            "target": target,
            "reference": tf.gather(images, order),
            "fake": self.generate(self.generator, images, target, training),
        }

    def code_of(self, domain=None, attributes=None):
        """What the generator gets of a domain or of attributes, for each row.

        Args:
            domain: Domains, or the numbers of data sets, int (batch,).
            attributes: Attributes, 0 or 1, (batch, num_domains).

        Returns:
            float32 (batch, num_domains + len(sets)): 1 for a domain, or attributes, of
            which those are 0 that the row's data set does not know, and 1 for the data
            set ([1], equation 7).
        """
        if not self.has_attributes:
            return ops.one_hot(domain, self.num_domains, dtype="float32")
        attributes = ops.cast(attributes, "float32")
        if not self.sets:
            return attributes
        mask = ops.one_hot(domain, len(self.sets), dtype="float32")
        return ops.concatenate([attributes * self.known(mask), mask], axis=-1)

    def known(self, mask):
        """1 for the attributes of data sets, float32 (batch, num_domains).

        Args:
            mask: 1 for the data set of a row, float32 (batch, len(sets)).
        """
        return ops.concatenate(
            [
                ops.repeat(mask[:, i : i + 1], count, axis=1)
                for i, count in enumerate(self.sets)
            ],
            axis=-1,
        )

    def target_order(self, batch):
        """The rows whose codes are the targets, int32 (batch,).

        It is a random order or, of several data sets, a random row of the same one.
        """
        count = tf.shape(batch["image"])[0]
        if not self.sets:
            return tf.argsort(self.noise("target_order", [count], "uniform"))
        keys = self.noise("target_order", [count, count], "uniform")
        others = batch["domain"][:, None] != batch["domain"][None]
        return tf.argmax(tf.where(others, -1.0, keys), axis=1, output_type=tf.int32)

    def recognition(self, logits, code):
        """The critic's cross-entropy in nats, and the share that it has right.

        Args:
            logits: Logits of domains or attributes, float32 (batch, num_domains).
            code: Codes of the images, as `code_of` gives them.
        """
        if not self.has_attributes:
            return _entropy(logits, code)
        attributes, mask = code[:, : self.num_domains], code[:, self.num_domains :]
        known = self.known(mask) if self.sets else ops.ones_like(attributes)
        return attribute_entropy(logits, attributes, known)

    def critic_loss(self, batch, shared, training):
        """Wasserstein loss, and cross-entropy of real images' codes ([1], eq. 5)."""
        real = self.augmented(batch["image"], "real")
        fake = self.augmented(tf.stop_gradient(shared["fake"]), "fake")
        own = shared["own"]
        real_patches, domains = self.criticize(real, own, training)
        fake_patches, _ = self.criticize(fake, shared["target"], training)
        distance = losses.wasserstein_critic_loss(real_patches, fake_patches)
        entropy, accuracy = self.recognition(domains, own)
        figures = {"wasserstein": -distance, "accuracy": accuracy}
        return distance + self.class_weight * entropy, figures

    def gradient_penalty_loss(self, batch, shared, training):
        """WGAN-GP's penalty on lines between real and translated images, weighted.

        Both ends of a line are of the same domain: real images of it, and translations
        to it.
        """
        real = self.augmented(shared["reference"], "penalty_real")
        fake = self.augmented(tf.stop_gradient(shared["fake"]), "penalty_fake")
        mix = self.noise("penalty_mix", [tf.shape(real)[0]], "uniform")

        network = self.in_float32(self.critic)

        def critic(images):
            return self.criticize(images, shared["target"], training, network)[0]

        return self.gradient_penalty * losses.gradient_penalty(critic, real, fake, mix)

    def generator_loss(self, batch, shared, training):
        """Adversarial, domain, reconstruction and identity losses ([1], equation 6)."""
        images, fake = batch["image"], shared["fake"]
        own, target = shared["own"], shared["target"]
        patches, domains = self.criticize(
            self.augmented(fake, "fake"), target, training
        )
        entropy, agreement = self.recognition(domains, target)
        restored = self.generate(self.generator, fake, own, training)
        reconstruction = ops.mean(ops.abs(restored - images))
        change = ops.mean(ops.abs(fake - images), axis=(1, 2, 3))
        is_own = ops.cast(ops.all(ops.equal(target, own), axis=-1), "float32")
        loss = (
            losses.critic_generator_loss(patches)
            + self.class_weight * entropy
            + self.reconstruction_weight * reconstruction
            + self.identity_weight * ops.mean(is_own * change)
        )
        return loss, {"agreement": agreement, "reconstruction": reconstruction}

    def augmented(self, images, name: str):
        """Images, augmented for the critic if the model has augmentations.

        Args:
            images: float32 (batch, height, width, channels).
            name: Name of the draw, unique within a loss.
        """
        if not self.augmentation:
            return images
        seed = self.noise_seed(f"augmentation_{name}")
        return augment(images, seed, self.augmentation)

    def criticize(self, images, code, training, network=None):
        """The critic's outputs for images of given codes.

        Args:
            images: Images as `augmented` gives them.
            code: Their codes, as `code_of` gives them.
            training: Boolean, whether this is a training step.
            network: Network that computes the outputs; None uses `critic`.

        Returns:
            Raw outputs, float32 (batch, rows, columns, 1), which with `apart` are those
            for the image's domain; and logits of domains, float32 (batch, num_domains).
        """
        patches, domains = (network or self.critic)(images, training=training)
        if patches.shape[-1] > 1:
            patches = ops.sum(patches * code[:, None, None], axis=-1, keepdims=True)
        return patches, domains

    def generate(self, network, images, code, training=False):
        """Translations of images by a generator, each to its target.

        Args:
            network: Network `generator`, or its average.
            images: float32 (batch, height, width, channels), in [-1, 1].
            code: Codes of the targets, as `code_of` gives them.
            training: Boolean, whether this is a training step.
        """
        height, width, _ = self.image_shape
        maps = ops.tile(code[:, None, None, :], (1, height, width, 1))
        return network([images, maps], training=training)

    # Abilities.

    @transforms("images")
    def translate(self, images, domain=None, attributes=None):
        """Translates images to another domain, or to attributes, in [-1, 1].

        Args:
            images: Images, float32 (batch, height, width, channels), in [-1, 1].
            domain: Target domain, an int from 0 to below `num_domains`, or one for each
                row; of models with several data sets, that whose attributes are meant.
            attributes: Attributes to have, 0 or 1, (batch, num_domains), of models with
                attributes.

        Returns:
            Translated images, float32 (batch, height, width, channels).
        """
        code = self.code_of(domain, attributes)
        return self.generate(self.averaged(self.generator), images, code)

    @transforms("probabilities")
    def classify(self, images):
        """The critic's probabilities of domains, float32 (batch, num_domains).

        Rows sum to 1, but not those of attributes.
        """
        logits = self.critic(images, training=False)[1]
        return ops.sigmoid(logits) if self.has_attributes else ops.softmax(logits)

    @transforms("logits")
    def discriminate(self, images):
        """The critic's raw outputs, float32 (batch, rows, columns, 1).

        With `apart` there is an output for each domain: (batch, rows, columns,
        num_domains).
        """
        return self.critic(images, training=False)[0]

    def pictures(self, batch) -> np.ndarray:
        """Images, their translations to every domain, and one translated back.

        Of attributes, each column has another one changed, and the last is restored
        from the first.

        Args:
            batch: A batch as in training.

        Returns:
            float32 (batch, num_domains + 2, height, width, channels). The last is
            restored from the translation to the domain after the image's own.
        """
        images = batch["image"]
        own = np.asarray(batch.get("domain"))
        if self.has_attributes:
            sets = {"domain": own} if self.sets else {}
            own = np.asarray(batch["attributes"])
            columns = [
                self.translate(images, attributes=changed(own, i, own), **sets)
                for i in range(self.num_domains)
            ]
            restored = self.translate(columns[0], attributes=own, **sets)
            return np.stack([images, *columns, restored], axis=1)
        columns = [self.translate(images, domain=i) for i in range(self.num_domains)]
        after = np.stack(columns)[(own + 1) % self.num_domains, np.arange(len(own))]
        restored = self.translate(after, domain=own)
        return np.stack([images, *columns, restored], axis=1)


def changed(attributes: np.ndarray, index: int, examples: np.ndarray) -> np.ndarray:
    """Attributes of which one is changed, and with it those that exclude it.

    An attribute that no example has together with the new one is set to 0: who gets
    blond hair has no longer black hair.

    >>> hair = np.eye(2)  # Black, and blond.
    >>> changed(hair, 1, hair).tolist()
    [[0.0, 1.0], [0.0, 0.0]]

    Args:
        attributes: Attributes, 0 or 1, (batch, attributes).
        index: Index of the attribute to be changed.
        examples: Attributes of images that exist, (count, attributes).
    """
    attributes = np.array(attributes)
    is_new = attributes[:, index] == 0
    excluded = ~np.any(examples[examples[:, index] == 1] == 1, axis=0)
    attributes[np.ix_(is_new, excluded)] = 0
    attributes[:, index] = is_new
    return attributes


def _entropy(logits, hits):
    """Mean cross-entropy in nats, and the share of rows classified correctly."""
    entropy = -ops.mean(ops.sum(hits * ops.log_softmax(logits), axis=-1))
    correct = ops.equal(ops.argmax(logits, axis=-1), ops.argmax(hits, axis=-1))
    return entropy, ops.mean(ops.cast(correct, "float32"))
