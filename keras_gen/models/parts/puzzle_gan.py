"""Puzzle-GAN [1]: a whole image from some of its parts, whose places are not told.

One encoder looks at all parts, and what it sees of them is summed at every scale, so
that their order means nothing. From the sums one network says where parts lie, a mask,
and another paints the image with its help. The discriminator learns besides that right
parts on a wrong background, and wrong parts on a right one, are not real.
What differs from [1]: parts are found by their outlines alone; the mask's L1 distance
counts as a share of its union with the true one, and images are compared within the
true one: by plain L1, and by images in the mask itself, small masks are cheap, and
nothing the cheapest; averages of the networks are kept.

1. Lee et al., "Unsupervised Holistic Image Generation from Key Local Patches", 2018.
"""

import math

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from keras_gen import losses
from keras_gen.core.abilities import transforms
from keras_gen.core.game import Player
from keras_gen.core.model import GenerativeModel
from keras_gen.core.registry import register
from keras_gen.distributions import priors
from keras_gen.models.parts import proposals
from keras_gen.networks.dcgan import dcgan_discriminator, num_doublings


def _initializer():
    return keras.initializers.RandomNormal(stddev=0.02)


def _norm(x):
    return layers.BatchNormalization(momentum=0.9, synchronized=True)(x)


def _maps(image_shape, width):
    """Feature maps at each halving."""
    return [width << min(i, 3) for i in range(num_doublings(image_shape))]


def part_encoder(image_shape, width, units):
    """A part to its maps at every scale, and to a code (batch, units)."""
    inputs = x = keras.Input(image_shape)
    seen, maps = [], _maps(image_shape, width)
    for i, filters in enumerate(maps):
        inner = 0 < i < len(maps) - 1
        x = layers.Conv2D(
            filters,
            5,
            strides=2,
            padding="same",
            use_bias=not inner,
            kernel_initializer=_initializer(),
        )(x)
        x = layers.LeakyReLU(0.2)(_norm(x) if inner else x)
        seen.append(x)
    code = layers.Dense(units, kernel_initializer=_initializer())(layers.Flatten()(x))
    return keras.Model(inputs, [*seen, code], name="part_encoder")


def _decode(first, beside, channels, activation):
    """From rows to maps, and by transposed convolutions to an image.

    Args:
        first: Rows (batch, numbers).
        beside: Maps to look at at each scale, the smallest first.
        channels: Of the image.
        activation: Of the image.

    Returns:
        The image, and the maps at each scale, the smallest first.
    """
    x = layers.Dense(
        math.prod(beside[0].shape[1:]),
        use_bias=False,
        kernel_initializer=_initializer(),
    )(first)
    x = layers.ReLU()(_norm(layers.Reshape(beside[0].shape[1:])(x)))
    made = [x]
    for place, maps in enumerate(beside):
        last = place == len(beside) - 1
        x = layers.Concatenate()([x, maps])
        x = layers.Conv2DTranspose(
            channels if last else beside[place + 1].shape[-1],
            5,
            strides=2,
            padding="same",
            use_bias=last,
            kernel_initializer=_initializer(),
        )(x)
        if not last:
            x = layers.ReLU()(_norm(x))
            made.append(x)
    return layers.Activation(activation, dtype="float32")(x), made


def mask_network(shapes, units):
    """Summed maps and codes to a mask in [0, 1], and to maps at every scale."""
    seen = [keras.Input(shape) for shape in shapes]
    code = keras.Input((units,))
    mask, made = _decode(code, seen[::-1], 1, "sigmoid")
    return keras.Model([*seen, code], [mask, *made], name="mask_network")


def image_network(image_shape, shapes, units, noise_dim):
    """The summed code, noise, and the mask network's maps to an image in [-1, 1]."""
    code, noise = keras.Input((units,)), keras.Input((noise_dim,))
    beside = [keras.Input(shape) for shape in shapes[::-1]]
    first = layers.Concatenate()([code, noise])
    image, _ = _decode(first, beside, image_shape[-1], "tanh")
    return keras.Model([code, noise, *beside], image, name="image_network")


@register("puzzle_gan", image_shape=(32, 32, 3), width=32)
class PuzzleGAN(GenerativeModel):
    """Puzzle-GAN, which makes an image of parts whose places are not told.

    Args:
        image_shape: (height, width, channels); sides are multiples of 16.
        num_parts: Of an image.
        part_sizes: Sides that parts may have, in sixteenths of the image's.
        noise_dim: Numbers of noise, uniform on [-1, 1].
        units: Numbers in a part's code.
        width: Feature maps next to the image; they double at most three times.
        discriminator_moves: For one of the generator.
        fade_from: Weight of mask and parts in the generator's loss at the start.
        fade_to: The same after `fade_steps`; between, on a logarithmic scale.
        fade_steps: Steps that fading takes.
        average: Decay of the generator's networks' moving averages; None keeps none.
        **kwargs: `name`.

    The logs show `mask`, its Jaccard distance to the true one, and `parts`, the mean
    absolute error of the image within it; `d_real`, `d_fake` and `d_swapped`,
    probabilities of being real.
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
        image_shape=(64, 64, 3),
        num_parts=3,
        part_sizes=proposals.SIZES,
        noise_dim=128,
        units=128,
        width=64,
        discriminator_moves=2,
        fade_from=1e-2,
        fade_to=1e-4,
        fade_steps=20_000,
        average=0.999,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if num_parts < 1 or discriminator_moves < 1:
            raise ValueError(
                "Expected num_parts >= 1 and discriminator_moves >= 1, got "
                f"{num_parts} and {discriminator_moves}."
            )
        if not (fade_from > 0 and fade_to > 0 and fade_steps >= 1):
            raise ValueError(
                "Expected fade_from > 0, fade_to > 0 and fade_steps >= 1, got "
                f"{fade_from}, {fade_to} and {fade_steps}."
            )
        self.image_shape, self.num_parts = tuple(image_shape), num_parts
        self.part_sizes = tuple(part_sizes)
        proposals.candidates(*self.image_shape[:2], self.part_sizes)  # May refuse.
        self.noise_dim, self.discriminator_moves = noise_dim, discriminator_moves
        self.fade = (fade_from, fade_to, fade_steps)
        self.part_encoder = part_encoder(self.image_shape, width, units)
        shapes = [tuple(x.shape[1:]) for x in self.part_encoder.outputs[:-1]]
        self.mask_network = mask_network(shapes, units)
        self.image_network = image_network(self.image_shape, shapes, units, noise_dim)
        self.discriminator = dcgan_discriminator(self.image_shape, width)
        self.prior = priors.Uniform(noise_dim, name="prior")
        for network in self.painters:
            self.keep_average(network, average)

    @property
    def painters(self):
        """The networks of the generator."""
        return [self.part_encoder, self.mask_network, self.image_network]

    def batch_shapes(self):
        """An image; its parts are found in it."""
        return {"image": self.image_shape}

    def input_specs(self):
        """Parts too."""
        shape = (None, self.num_parts, *self.image_shape)
        parts = tf.TensorSpec(shape, tf.float32, "parts")
        return {**super().input_specs(), "parts": parts}

    def players(self):
        """The discriminator moves more often."""
        return {
            "discriminator": Player(
                [self.discriminator],
                self.discriminator_loss,
                moves=self.discriminator_moves,
            ),
            "generator": Player(self.painters, self.generator_loss),
        }

    def default_optimizers(self):
        """Adam at 2e-4 with beta_1 0.5 ([1])."""
        return {
            "discriminator": keras.optimizers.Adam(2e-4, beta_1=0.5),
            "generator": keras.optimizers.Adam(2e-4, beta_1=0.5),
        }

    # The game.

    def discriminator_loss(self, batch, training):
        """Real images against generated ones, and against two kinds of swaps."""
        images = batch["image"]
        boxes = self.key_boxes(images)
        mask = proposals.union(boxes, *self.image_shape[:2])
        noise = tf.random.stateless_uniform(
            (tf.shape(images)[0], self.noise_dim), self.draw_seed(), -1.0, 1.0
        )
        parts = proposals.cut(images, boxes)
        batch["mask"] = mask
        batch["fake_mask"], batch["fake"] = self.paint(
            self.painters, parts, noise, training
        )
        others = tf.roll(images, 1, axis=0)
        swapped = mask * images + (1.0 - mask) * others
        background = mask * others + (1.0 - mask) * images
        real, fake, first, second = (
            self.discriminator(x, training=training)
            for x in (images, tf.stop_gradient(batch["fake"]), swapped, background)
        )
        self.report(
            d_real=ops.mean(ops.sigmoid(real)),
            d_fake=ops.mean(ops.sigmoid(fake)),
            d_swapped=ops.mean(ops.sigmoid(ops.concatenate([first, second]))),
        )
        swaps = ops.mean(ops.softplus(first)) + ops.mean(ops.softplus(second))
        return losses.binary_discriminator_loss(real, fake) + swaps

    def generator_loss(self, batch, training):
        """To pass for real, with the mask and the parts in it right.

        Both count by the pixel, with a weight that fades.
        """
        logits = self.discriminator(batch["fake"], training=training)
        mask, fake_mask = batch["mask"], batch["fake_mask"]
        place = losses.jaccard_distance(fake_mask, mask)
        inside = mask * ops.abs(batch["fake"] - batch["image"])
        channels = self.image_shape[-1]
        parts = ops.sum(inside) / ops.sum(mask) / channels
        self.report(mask=ops.mean(place), parts=parts)
        pixels = math.prod(self.image_shape[:2])
        sums = pixels * place + ops.sum(inside, axis=(1, 2, 3))
        adversarial = losses.non_saturating_generator_loss(logits)
        return adversarial + self.fading_weight() * ops.mean(sums)

    def key_boxes(self, images):
        """See `proposals.key_boxes`."""
        return proposals.key_boxes(images, self.num_parts, self.part_sizes)

    def fading_weight(self):
        """Of the sums in the generator's loss at this step, a float32 scalar."""
        start, end, steps = self.fade
        progress = tf.minimum(tf.cast(self.step.value, tf.float32) / steps, 1.0)
        return tf.exp((1.0 - progress) * math.log(start) + progress * math.log(end))

    def paint(self, networks, parts, noise, training=False):
        """Masks and images of parts.

        Args:
            networks: `painters`, or their averages.
            parts: float32 (batch, num_parts, height, width, channels).
            noise: float32 (batch, noise_dim), in [-1, 1].
            training: Whether norms see the batch alone.

        Returns:
            float32 (batch, height, width, 1) in [0, 1], and images in [-1, 1].
        """
        encoder, masker, painter = networks
        flat = ops.reshape(parts, (-1, *self.image_shape))
        sums = [
            ops.sum(ops.reshape(x, (-1, self.num_parts, *x.shape[1:])), axis=1)
            for x in encoder(flat, training=training)
        ]
        mask, *made = masker(sums, training=training)
        return mask, painter([sums[-1], noise, *made], training=training)

    # Abilities.

    @transforms("images")
    def assemble(self, parts, seed):
        """Images of parts in any order, float32 (batch, height, width, channels).

        Args:
            parts: float32 (batch, num_parts, height, width, channels), in [-1, 1]: each
                resized to the image's size.
            seed: An int in [0, 2**31), or one a row; None draws one.
        """
        noise = priors.sample_rows(self.prior.distribution(), seed)
        return self._paint_averaged(parts, noise)[1]

    @transforms("masks")
    def predict_mask(self, parts):
        """Where parts lie, float32 (batch, height, width, 1), in [0, 1]."""
        noise = tf.zeros((tf.shape(parts)[0], self.noise_dim))
        return self._paint_averaged(parts, noise)[0]

    @transforms("boxes")
    def find_boxes(self, images):
        """Key parts' boxes, float32 (batch, num_parts, 4), in pixels.

        Top, left, bottom and right; bottom and right are without.
        """
        return ops.cast(self.key_boxes(images), "float32")

    @transforms("parts")
    def cut(self, images):
        """Key parts, float32 (batch, num_parts, height, width, channels)."""
        return proposals.cut(images, self.key_boxes(images))

    @transforms("logits")
    def discriminate(self, images):
        """The discriminator's logits, float32 (batch, 1): higher is more real."""
        return self.discriminator(images, training=False)

    def _paint_averaged(self, parts, noise):
        networks = [self.averaged(network) for network in self.painters]
        return self.paint(networks, in_order(parts), noise)

    def pictures(self, batch):
        """Parts, their true and predicted mask, what is made of them, and the image.

        Returns:
            float32 (batch, num_parts + 4, height, width, channels), a row an image.
        """
        images = batch["image"]
        parts = self.cut(images)
        true = proposals.union(self.find_boxes(images), *self.image_shape[:2])
        masks = [
            np.broadcast_to(2.0 * np.asarray(mask) - 1.0, images.shape)
            for mask in (true, self.predict_mask(parts))
        ]
        made = [*masks, self.assemble(parts, seed=0), images]
        return np.concatenate([parts, np.stack(made, axis=1)], axis=1)


def in_order(parts):
    """Parts in an order that follows from what they show, whatever it was.

    Sums of the same numbers in another order may differ in their last digit; parts in
    the same order give the very same image. The order is that of a hash of all bits, in
    integers, which have no last digit to differ in.
    """
    bits = tf.cast(tf.bitcast(parts, tf.int32), tf.int64)
    bits = tf.reshape(bits, (tf.shape(parts)[0], parts.shape[1], -1))
    factors = np.random.default_rng(0).integers(-(2**62), 2**62, bits.shape[-1])
    order = tf.argsort(tf.reduce_sum(bits * factors, axis=-1), axis=1)
    return tf.gather(parts, order, axis=1, batch_dims=1)
