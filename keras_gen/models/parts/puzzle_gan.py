"""Puzzle-GAN [1]: a whole image from some of its parts, whose positions are not given.

One encoder is applied to every part, and its features are summed over the parts at each
scale, so that their order does not matter. From these sums, one network predicts a mask
of where the parts lie, and another generates the image with the first one's maps. The
discriminator also learns that the right parts on a wrong background, and wrong parts on
the right background, are not real.

What differs from [1]: parts are chosen by their outlines only; the mask's L1 distance
is divided by the area of its union with the true mask, and images are compared inside
the true mask, because small masks are cheap under the plain L1 distance and under a
comparison inside the predicted mask, and an empty one is the cheapest; moving averages
of the generator's networks are kept; and the discriminator has layer normalization in
place of batch normalization, so that its verdict on an image is its own.

1. Lee et al., "Unsupervised Holistic Image Generation from Key Local Patches", 2018.
"""

import math
from collections.abc import Sequence
from typing import Literal

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from keras_gen import losses
from keras_gen.core.abilities import transforms
from keras_gen.core.game import Player
from keras_gen.core.inputs import Input, image_input
from keras_gen.core.model import GenerativeModel
from keras_gen.core.registry import register
from keras_gen.core.types import Count, Decay, ImageShape, Rate, Widths
from keras_gen.distributions import priors
from keras_gen.layers.leaky_relu import LeakyReLU
from keras_gen.models.parts import proposals
from keras_gen.networks.dcgan import (
    batch_normalized,
    dcgan_discriminator,
    num_exact_halvings,
    uncapped,
)
from keras_gen.networks.initializers import dcgan_initializer
from keras_gen.networks.normalization import batch_norm

PIXELS = 64 * 64  # Of the images in [1], to which weights of sums over pixels refer.
LONGEST_FADE = 20_000  # In steps.


def part_encoder(
    image_shape: tuple[int, int, int], width: int, units: int
) -> keras.Model:
    """Network from a part to maps at each scale, the largest first, and its code.

    Args:
        image_shape: Shape of an image, (height, width, channels).
        width: Feature maps after the first halving; they double at most three times.
        units: Dimension of the code.
    """
    inputs = x = keras.Input(image_shape)
    counts = [width << min(i, 3) for i in range(num_exact_halvings(image_shape))]
    maps = []
    for i, filters in enumerate(counts):
        is_inner = 0 < i < len(counts) - 1
        x = layers.Conv2D(
            filters,
            5,
            strides=2,
            padding="same",
            use_bias=not is_inner,
            kernel_initializer=dcgan_initializer(),
        )(x)
        x = LeakyReLU(0.2)(batch_norm(momentum=0.9)(x) if is_inner else x)
        maps.append(x)
    code = layers.Dense(units, kernel_initializer=dcgan_initializer())(
        layers.Flatten()(x)
    )
    return keras.Model(inputs, [*maps, code], name="part_encoder")


def _decode(rows, skips, channels, activation):
    """Decodes rows of numbers to images, by transposed convolutions.

    Args:
        rows: (batch, numbers).
        skips: Maps that are concatenated at each scale, the smallest first.
        channels: Channels of the image.
        activation: Activation of the image.

    Returns:
        The image, and the maps at each scale, the smallest first.
    """
    x = layers.Dense(
        math.prod(skips[0].shape[1:]),
        use_bias=False,
        kernel_initializer=dcgan_initializer(),
    )(rows)
    x = layers.Reshape(skips[0].shape[1:])(x)
    x = layers.ReLU()(batch_norm(momentum=0.9)(x))
    maps = [x]
    for index, skip in enumerate(skips):
        is_last = index == len(skips) - 1
        x = layers.Concatenate()([x, skip])
        x = layers.Conv2DTranspose(
            channels if is_last else skips[index + 1].shape[-1],
            5,
            strides=2,
            padding="same",
            use_bias=is_last,
            kernel_initializer=dcgan_initializer(),
        )(x)
        if not is_last:
            x = layers.ReLU()(batch_norm(momentum=0.9)(x))
            maps.append(x)
    return layers.Activation(activation, dtype="float32")(x), maps


def mask_network(shapes: Sequence[tuple], units: int) -> keras.Model:
    """Network from the parts' summed maps and code to a mask in [0, 1], and its maps.

    Args:
        shapes: Shapes of the encoder's maps, the largest first.
        units: Dimension of the code.
    """
    skips = [keras.Input(shape) for shape in shapes]
    code = keras.Input((units,))
    mask, maps = _decode(code, skips[::-1], 1, "sigmoid")
    return keras.Model([*skips, code], [mask, *maps], name="mask_network")


def image_network(
    image_shape: tuple[int, int, int],
    shapes: Sequence[tuple],
    units: int,
    noise_dim: int,
) -> keras.Model:
    """Network from the summed code, noise and the mask's maps to images in [-1, 1].

    Args:
        image_shape: Shape of an image, (height, width, channels).
        shapes: Shapes of the encoder's maps, the largest first.
        units: Dimension of the code.
        noise_dim: Dimension of the noise.
    """
    code, noise = keras.Input((units,)), keras.Input((noise_dim,))
    skips = [keras.Input(shape) for shape in shapes[::-1]]
    rows = layers.Concatenate()([code, noise])
    image, _ = _decode(rows, skips, image_shape[-1], "tanh")
    return keras.Model([code, noise, *skips], image, name="image_network")


@register(
    "puzzle_gan",
    batch_size=16,
    width=32,
    discriminator_moves=1,
    fade_from=0.025,
    fade_to=0.0025,
)
class PuzzleGAN(GenerativeModel):
    """Puzzle-GAN, which generates an image from parts whose positions are not given.

    The logs show `mask`, the Jaccard distance of the predicted mask to the true one;
    `parts`, the mean absolute error of the image inside the true mask; and `d_real`,
    `d_fake` and `d_swapped`, the discriminator's mean probabilities that real,
    generated and recombined images are real.

    Args:
        image_shape: Shape of an image, (height, width, channels); sides are multiples
            of 16.
        num_parts: Number of parts of an image.
        part_sizes: Sides that parts may have, in sixteenths of the image's sides.
        noise_dim: Dimension of the noise, which is uniform on [-1, 1].
        units: Dimension of a part's code.
        width: Feature maps at half the image's size. They double at every halving of
            the maps' sides: in the generator at most three times, in the discriminator
            within `max_maps`.
        max_maps: Largest number of feature maps of a layer of the discriminator; None
            for no limit.
        halvings: Number of times that the discriminator halves maps; None halves until
            the smaller side has 4 to 7 pixels.
        discriminator_moves: Discriminator updates per generator update.
        fade_from: Initial weight of the mask and parts losses in the generator's loss,
            which are sums over the pixels of an image of 64x64, as in [1]; for images
            of other sizes, the sums are scaled to as many pixels.
        fade_to: Weight of these losses after `fade_steps`; in between, it changes
            exponentially.
        fade_steps: Steps from the initial to the final weight; None takes those of the
            run, at most 20,000.
        average: Decay of the moving averages of the generator's networks, which
            abilities, saving and export use; None keeps no average.
        normalization: Normalization of the discriminator's layers after the first:
            "layer", "instance", "none", or "batch" as in [1]. With "batch", a logit
            depends on the batch in training, and `discriminate` uses moving statistics,
            whose verdicts are others.
        **kwargs: Arguments of `GenerativeModel`: `name`.
    """

    figures = ("mask", "parts", "d_real", "d_fake", "d_swapped")
    tiny = {
        "image_shape": (16, 16, 3),
        "noise_dim": 3,
        "units": 3,
        "width": 2,
        "discriminator_moves": 1,
    }

    def __init__(
        self,
        image_shape: ImageShape = (64, 64, 3),
        num_parts: Count = 3,
        part_sizes: Widths = proposals.SIZES,
        noise_dim: Count = 128,
        units: Count = 128,
        width: Count = 64,
        max_maps: Count | None = 512,
        halvings: Count | None = None,
        discriminator_moves: Count = 2,
        fade_from: Rate = 1e-2,
        fade_to: Rate = 1e-4,
        fade_steps: Count | None = None,
        average: Decay | None = 0.999,
        normalization: Literal["batch", "layer", "instance", "none"] = "layer",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.image_shape, self.num_parts = tuple(image_shape), num_parts
        self.part_sizes = tuple(part_sizes)
        # Raises an error for sides and sizes that do not fit.
        proposals.candidates(*self.image_shape[:2], self.part_sizes)
        self.noise_dim, self.discriminator_moves = noise_dim, discriminator_moves
        self.fade, self.fade_steps = (fade_from, fade_to), fade_steps
        self.schedule_steps = fade_steps or LONGEST_FADE
        self.part_encoder = part_encoder(self.image_shape, width, units)
        shapes = [tuple(x.shape[1:]) for x in self.part_encoder.outputs[:-1]]
        self.mask_network = mask_network(shapes, units)
        self.image_network = image_network(self.image_shape, shapes, units, noise_dim)
        self.discriminator = dcgan_discriminator(
            self.image_shape,
            width,
            normalization=normalization,
            max_maps=max_maps,
            halvings=halvings,
        )
        self.prior = priors.Uniform(noise_dim, name="prior")
        for network in self.painters:
            self.keep_average(network, average)

    @classmethod
    def upgrade_config(cls, config):
        """Gives older files the discriminator that they had."""
        return batch_normalized(uncapped(super().upgrade_config(config)))

    @property
    def painters(self) -> list[keras.Model]:
        """The generator's networks: part encoder, mask network and image network.

        Keras saves weights under the names of attributes, including properties: if this
        property had another name, `.keras` files of version 0.1 would not load.
        """
        return [self.part_encoder, self.mask_network, self.image_network]

    def batch_shapes(self) -> dict[str, tuple]:
        """An image, in which the parts are found."""
        return {"image": self.image_shape}

    def inputs(self) -> dict[str, Input]:
        """The usual inputs, and parts."""
        parts = image_input(
            (self.num_parts, *self.image_shape),
            "parts",
            description="Parts of an image, each resized to the image's size.",
        )
        return {**super().inputs(), parts.name: parts}

    def players(self) -> dict[str, Player]:
        """The discriminator, which may move more often, then the generator."""
        return {
            "discriminator": Player(
                [self.discriminator],
                self.discriminator_loss,
                moves=self.discriminator_moves,
            ),
            "generator": Player(self.painters, self.generator_loss),
        }

    def prepare_run(self, rows, steps):
        """Fits the fading of weights to the run, unless `fade_steps` is given."""
        if self.fade_steps is None and steps is not None:
            steps += int(self.step.numpy())
            self.set_schedule_steps(min(steps, LONGEST_FADE))

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Adam at 2e-4 with beta_1 0.5 ([1])."""
        return {
            "discriminator": keras.optimizers.Adam(2e-4, beta_1=0.5),
            "generator": keras.optimizers.Adam(2e-4, beta_1=0.5),
        }

    # The game.

    def forward(self, batch, training):
        """The mask of the images' key parts, and masks and images generated from them.

        Returns:
            `mask`, the true mask; `fake_mask` and `fake`, the generated mask and image.
        """
        images = batch["image"]
        boxes = self.key_boxes(images)
        shape = (tf.shape(images)[0], self.noise_dim)
        noise = 2.0 * self.noise("latents", shape, "uniform") - 1.0
        fake_mask, fake = self.generate(
            self.painters, proposals.cut(images, boxes), noise, training
        )
        mask = proposals.union(boxes, *self.image_shape[:2])
        return {"mask": mask, "fake_mask": fake_mask, "fake": fake}

    def discriminator_loss(self, batch, shared, training):
        """Loss of telling real images from generated and from recombined images.

        Recombined images have the parts of one image on the background of another. The
        means leave out those that equal one of these two images, which is real. In a
        batch of one image, that is all of them.
        """
        images, mask = batch["image"], shared["mask"]
        others = tf.roll(images, 1, axis=0)
        foreign_background = mask * images + (1.0 - mask) * others
        foreign_parts = mask * others + (1.0 - mask) * images
        real, fake, *swapped = (
            self.discriminator(x, training=training)
            for x in (
                images,
                tf.stop_gradient(shared["fake"]),
                foreign_background,
                foreign_parts,
            )
        )
        are_new = [
            _differ(x, images) & _differ(x, others)
            for x in (foreign_background, foreign_parts)
        ]
        loss = losses.binary_discriminator_loss(real, fake)
        for logits, is_new in zip(swapped, are_new, strict=True):
            loss += losses.mean_of(ops.softplus(logits), is_new)
        is_new = ops.concatenate(are_new)
        verdicts = ops.sigmoid(ops.concatenate(swapped))
        return loss, {
            "d_real": ops.mean(ops.sigmoid(real)),
            "d_fake": ops.mean(ops.sigmoid(fake)),
            "d_swapped": (losses.mean_of(verdicts, is_new), losses.any_of(is_new)),
        }

    def generator_loss(self, batch, shared, training):
        """Adversarial loss, and the errors of the mask and of the image inside it.

        Both errors are sums over pixels, for images of 64x64, with a weight that fades.
        """
        mask, fake = shared["mask"], shared["fake"]
        logits = self.discriminator(fake, training=training)
        distance = losses.jaccard_distance(shared["fake_mask"], mask)
        errors = mask * ops.abs(fake - batch["image"])
        height, width, channels = self.image_shape
        means = distance + ops.sum(errors, axis=(1, 2, 3)) / (height * width)
        loss = losses.non_saturating_generator_loss(logits)
        loss += self.fading_weight() * PIXELS * ops.mean(means)
        parts = ops.sum(errors) / ops.sum(mask) / channels
        return loss, {"mask": ops.mean(distance), "parts": parts}

    def key_boxes(self, images):
        """Boxes of the images' key parts; see `proposals.key_boxes`."""
        return proposals.key_boxes(images, self.num_parts, self.part_sizes)

    def fading_weight(self):
        """Weight of the mask and parts losses at this step, a float32 scalar."""
        start, end = self.fade
        step = tf.cast(self.step.value, tf.float32)
        progress = tf.minimum(step / self.schedule_steps, 1.0)
        return tf.exp((1.0 - progress) * math.log(start) + progress * math.log(end))

    def generate(self, networks, parts, noise, training=False):
        """Masks and images from parts.

        Args:
            networks: Networks `painters`, or their averages.
            parts: float32 (batch, num_parts, height, width, channels), in [-1, 1].
            noise: float32 (batch, noise_dim), in [-1, 1].
            training: Boolean, whether this is a training step, in which normalization
                uses the statistics of the batch.

        Returns:
            Masks, float32 (batch, height, width, 1) in [0, 1], and images in [-1, 1].
        """
        encoder, masker, painter = networks
        flat = ops.reshape(parts, (-1, *self.image_shape))
        sums = [
            ops.sum(ops.reshape(x, (-1, self.num_parts, *x.shape[1:])), axis=1)
            for x in encoder(flat, training=training)
        ]
        mask, *maps = masker(sums, training=training)
        return mask, painter([sums[-1], noise, *maps], training=training)

    # Abilities.

    @transforms("images")
    def assemble(self, parts, seed=None):
        """Generates images from parts in any order, in [-1, 1].

        Args:
            parts: Parts, float32 (batch, num_parts, height, width, channels), in
                [-1, 1]: each resized to the image's size.
            seed: Seed of the noise, an int in [0, 2**31), or one for each row; None
                draws one.

        Returns:
            Images, float32 (batch, height, width, channels).
        """
        noise = priors.sample_rows(self.prior.distribution(), seed)
        return self._generate_averaged(parts, noise)[1]

    @transforms("masks")
    def predict_mask(self, parts):
        """Predicts where parts lie in the image.

        Args:
            parts: Parts, float32 (batch, num_parts, height, width, channels), in
                [-1, 1].

        Returns:
            Masks, float32 (batch, height, width, 1), in [0, 1].
        """
        noise = tf.zeros((tf.shape(parts)[0], self.noise_dim))
        return self._generate_averaged(parts, noise)[0]

    @transforms("boxes")
    def find_boxes(self, images):
        """Finds the boxes of key parts, float32 (batch, num_parts, 4), in pixels.

        A row has top, left, bottom and right; bottom and right are exclusive.
        """
        return ops.cast(self.key_boxes(images), "float32")

    @transforms("parts")
    def cut(self, images):
        """Cuts out key parts, float32 (batch, num_parts, height, width, channels)."""
        return proposals.cut(images, self.key_boxes(images))

    @transforms("logits")
    def discriminate(self, images):
        """The discriminator's logits, float32 (batch, 1): higher is more real."""
        return self.discriminator(images, training=False)

    def _generate_averaged(self, parts, noise):
        networks = [self.averaged(network) for network in self.painters]
        return self.generate(networks, in_order(parts), noise)

    def pictures(self, batch) -> np.ndarray:
        """Parts, the true and the predicted mask, the generated and the true image.

        Args:
            batch: A batch as in training.

        Returns:
            float32 (batch, num_parts + 4, height, width, channels), one row for each
            image.
        """
        images = batch["image"]
        parts = self.cut(images)
        true = proposals.union(self.find_boxes(images), *self.image_shape[:2])
        masks = [
            np.broadcast_to(2.0 * np.asarray(mask) - 1.0, images.shape)
            for mask in (true, self.predict_mask(parts))
        ]
        columns = [*masks, self.assemble(parts, seed=0), images]
        return np.concatenate([parts, np.stack(columns, axis=1)], axis=1)


def _differ(first, second):
    """Which images of two batches differ anywhere, boolean (batch,)."""
    return ops.any(ops.not_equal(first, second), axis=(1, 2, 3))


def in_order(parts) -> tf.Tensor:
    """Sorts the parts of each image by their content, whatever their order was.

    The sum of the same floating-point numbers in another order may differ in the last
    digit; sorted parts give exactly the same image. They are sorted by a hash of all
    their bits, computed in integers, which have no rounding.

    Args:
        parts: float32 (batch, num_parts, height, width, channels).

    Returns:
        The sorted parts, of the same shape.
    """
    bits = tf.cast(tf.bitcast(parts, tf.int32), tf.int64)
    bits = tf.reshape(bits, (tf.shape(parts)[0], parts.shape[1], -1))
    factors = np.random.default_rng(0).integers(-(2**62), 2**62, bits.shape[-1])
    order = tf.argsort(tf.reduce_sum(bits * factors, axis=-1), axis=1)
    return tf.gather(parts, order, axis=1, batch_dims=1)
