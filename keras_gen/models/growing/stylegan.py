"""StyleGAN [1]: styles, one for each layer, shape an image from coarse to fine.

A mapping network turns a latent into a style; the synthesis network starts from a
learned constant and takes a style and noise at every layer. Some images in training
have the styles of two latents, so that layers do not rely on each other. A moving
average of styles, the mean style, is used for truncation.

What differs from [1]: the constant starts as Gaussian noise, not as ones, since AdaIN
would divide those by their standard deviation of 0; networks for images of less than
128 pixels have fewer maps; and the low-pass filter repeats edges, where the authors'
code pads with zeros.

The preset follows [3], which trains on small data sets, in its learning rate, its
mapping network of two layers, its small R1 penalty in place of 10, and, as for CIFAR-10
there, in leaving out mixed styles; the mapping network's rate of 0.1 is our own. With
the settings of [1], small networks draw few shapes (zoo/stylegan/NOTES.md).

1. Karras, Laine and Aila, "A Style-Based Generator Architecture for Generative
   Adversarial Networks", 2019.
2. Mescheder, Geiger and Nowozin, "Which Training Methods for GANs do actually
   Converge?", 2018 (R1).
3. Karras et al., "Training Generative Adversarial Networks with Limited Data", 2020,
   appendix D.
"""

from collections.abc import Iterable
from typing import Literal

import numpy as np
import tensorflow as tf
from keras import ops

from keras_gen import losses
from keras_gen.core.abilities import draws, transforms
from keras_gen.core.game import Player
from keras_gen.core.inputs import Input, seed_input
from keras_gen.core.noise import for_each_row
from keras_gen.core.registry import register
from keras_gen.core.types import (
    Classes,
    Count,
    Decay,
    ImageShape,
    Natural,
    Rate,
    Share,
    Weight,
)
from keras_gen.layers import Blur, Learned
from keras_gen.models.growing.base import DEFAULTS_BEFORE, GrowingModel
from keras_gen.networks.growing import (
    SMALLEST,
    check_shape,
    chosen_maps,
    growing_discriminator,
)
from keras_gen.networks.style import mapping_network, synthesis_network

MEAN_STYLE_DECAY = 0.995  # As in the authors' code.


@register(
    "stylegan",
    batch_size=32,
    image_shape=(32, 32, 1),
    mapping_depth=2,
    mapping_rate=0.1,
    mixing=0.0,
    r1=0.5,
    r1_every=8,
    discriminator_rate=2.5e-3,
    generator_rate=2.5e-3,
)
class StyleGAN(GrowingModel):
    """Style-based GAN, which grows or starts at full size.

    Args:
        image_shape: Shape of images at the last level, (side, side, channels); the side
            is a power of two.
        latent_dim: Dimension of a latent. 512 in [1].
        style_dim: Dimension of a style. 512 in [1].
        mapping_depth: Number of dense layers from latents to styles. 8 in [1], 2 in
            [3].
        mapping_rate: Factor on the learning rate of these layers. 0.01 in [1].
        base_maps: Number that sets the feature maps: images with side s have
            `2 * base_maps / s` of them, within `max_maps`. 8192 in [1]; None uses the
            squared side of `image_shape`, up to 8192.
        max_maps: Largest number of feature maps of a level. 512 in [1]; None uses four
            times the side of `image_shape`, up to 512.
        start: Height and width of images at the first level, in pixels; those of
            `image_shape` for a model that does not grow.
        phase_images: Number of images in each of the two halves of a level's training,
            fading and stable, in the default schedule. 600,000 in the authors' code;
            None uses half of the run's images for growth, in phases of up to 600,000.
        mixing: Share of training images generated with the styles of two latents. 0.9
            in [1]; 0 in [3] for images of 32 pixels.
        truncation_layers: Number of layers, from the coarsest on, whose styles are
            truncated.
        num_classes: Number of classes whose labels both networks take; None for no
            labels.
        loss: Adversarial loss, one of those of `AdversarialModel`.
        r1: Weight of the R1 penalty, gamma in its paper. 10 in [1] for 1024 pixels and
            in [2] for all sizes; 0.01 in [3] for 32 pixels.
        r1_every: Steps from one R1 penalty to the next.
        average: Decay of the moving averages of mapping and synthesis network, which
            abilities, saving and export use; None keeps no average.
        downsampling: Order of operations where the discriminator halves blurred maps:
            "strided", as in the authors' code, takes means of four pixels within the
            convolution, and rectifies them; "pooled", as in version 0.1, convolves,
            rectifies, blurs and takes the means.
        **options: Options of `AdversarialModel`: `augmentation`, ...
    """

    tiny = {
        "image_shape": (8, 8, 1),
        "latent_dim": 3,
        "style_dim": 4,
        "mapping_depth": 1,
        "base_maps": 16,
        "max_maps": 4,
        "start": 4,
        "r1_every": 2,
        "phase_images": 10**9,
    }

    def __init__(
        self,
        image_shape: ImageShape = (32, 32, 1),
        latent_dim: Count = 128,
        style_dim: Count = 128,
        mapping_depth: Count = 8,
        mapping_rate: Rate = 0.01,
        base_maps: Count | None = None,
        max_maps: Count | None = None,
        start: Count = 8,
        phase_images: Count | None = None,
        mixing: Share = 0.9,
        truncation_layers: Natural = 8,
        num_classes: Classes | None = None,
        loss: losses.AdversarialName = "non_saturating",
        r1: Weight = 10.0,
        r1_every: Count = 1,
        average: Decay | None = 0.999,
        downsampling: Literal["strided", "pooled"] = "strided",
        **options,
    ):
        shape, first = check_shape(image_shape, start)
        maps = chosen_maps(shape[0], base_maps, max_maps)
        sizes = (*maps.values(), first)
        super().__init__(
            generator=synthesis_network(shape, style_dim, *sizes),
            discriminator=growing_discriminator(
                shape,
                *sizes,
                num_classes=num_classes,
                blur=Blur,
                downsampling=downsampling,
            ),
            latent_dim=latent_dim,
            start=start,
            phase_images=phase_images,
            num_classes=num_classes,
            loss=loss,
            r1=r1,
            r1_every=r1_every,
            average=average,
            **options,
        )
        self.keep_arguments(**maps)
        self.style_dim, self.mixing = style_dim, mixing
        self.truncation_layers = truncation_layers
        self.mapping = mapping_network(
            latent_dim, style_dim, mapping_depth, mapping_rate, num_classes
        )
        self.keep_average(self.mapping, average)
        self.mean_style = Learned(
            (style_dim,), trainable=False, aggregation="mean", name="mean_style"
        )
        self.mean_style.build(None)

    @classmethod
    def upgrade_config(cls, config):
        """Gives files of version 0.1 the values that they had."""
        config = super().upgrade_config(config)
        if "downsampling" in config:
            return config
        return {**DEFAULTS_BEFORE, "r1": 10.0, "downsampling": "pooled", **config}

    def players(self):
        """The discriminator, and the generator: mapping and synthesis network."""
        discriminator, _ = super().players().values()
        return {
            "discriminator": discriminator,
            "generator": Player(
                [self.mapping, self.generator],
                self.generator_loss,
                active=[self.mapping, self.at_level(self.generator)],
            ),
        }

    def default_optimizers(self):
        """Adam at 1e-3 with betas 0 and 0.99, as ProGAN ([1], appendix C)."""
        return self.adam(1e-3, beta_1=0.0, beta_2=0.99, epsilon=1e-8)

    def forward(self, batch, training):
        """Generated images, some with mixed styles, and the first latents' styles.

        Returns:
            "fake", float32 (batch, side, side, channels); and "style", float32
            (batch, style_dim).
        """
        count, labels = tf.shape(batch["image"])[0], batch.get("label")
        first, second = (
            _mapped(self.mapping, self.draw_latents(batch, name), labels)
            for name in ("latents", "mixed_latents")
        )
        noise = [
            self.noise(f"layer_{layer}", (count, side, side, 1))
            for layer, side in enumerate(self._sides())
        ]
        mixed = self._mixed(first, second)
        fake = self._synthesize(self.generator, mixed, noise, training)
        return {"fake": fake, "style": first}

    def updates(self, batch, shared):
        """The mean style follows the batch's, as a moving average."""
        mean, variable = ops.mean(shared["style"], axis=0), self.mean_style.value
        value = variable + (1.0 - MEAN_STYLE_DECAY) * (mean - variable)
        return [*super().updates(batch, shared), (variable, value)]

    # From latents to images.

    @property
    def num_layers(self) -> int:
        """Number of layers that take a style, at the current level."""
        return 2 * (self.level + 1)

    def inputs_at_level(self, network):
        """The synthesis network's inputs: alpha, styles and noise up to the level."""
        if network.name.endswith("synthesis"):
            return network.inputs[: 1 + 2 * self.num_layers]
        return super().inputs_at_level(network)

    def _mixed(self, first, second):
        """Styles of every layer, (batch, num_layers, style_dim).

        In a share `mixing` of the rows, the second style is used from a random layer on
        (never the coarsest); all other layers have the first style.
        """
        shape = (tf.shape(first)[0], 1, 1)
        position = self.noise("mixing_layer", shape, "uniform")
        change = 1.0 + tf.floor(position * (self.num_layers - 1))
        is_mixed = self.noise("mixing", shape, "uniform") < self.mixing
        change = tf.where(is_mixed, change, float(self.num_layers))
        layers = tf.range(self.num_layers, dtype=tf.float32)[:, None]
        return tf.where(layers < change, first[:, None], second[:, None])

    def _sides(self):
        """Height and width of every layer's maps, in pixels."""
        return [SMALLEST << (layer // 2) for layer in range(self.num_layers)]

    def _synthesize(self, synthesis, styles, noise, training=False):
        inputs = [self.alphas(styles)]
        for layer, values in enumerate(noise):
            inputs += [styles[:, layer], values]
        return self.at_level(synthesis)(inputs, training=training)

    def row_noise(self, seed) -> list:
        """Noise of every layer, drawn from a seed for each row.

        Args:
            seed: Seeds of the rows, int64 (batch,).

        Returns:
            One float32 (batch, side, side, 1) for each layer, the coarsest first.
        """
        sides = self._sides()
        sizes = [side**2 for side in sides]
        shape = (sum(sizes),)
        # Stream 0 of the seed is used for the latent.
        rows = for_each_row(
            lambda key: tf.random.stateless_normal(shape, key), seed, shape, stream=1
        )
        return [
            tf.reshape(part, (-1, side, side, 1))
            for part, side in zip(tf.split(rows, sizes, axis=1), sides, strict=True)
        ]

    # Abilities.

    def inputs(self):
        """The usual inputs, styles, seeds of the layers' noise, and truncation."""
        own = [
            Input(
                "styles",
                (self.num_layers, self.style_dim),
                description="Styles, one vector for each layer of each row.",
            ),
            seed_input("noise_seed", description="Seed of the noise in every layer."),
            Input(
                "truncation",
                default=1.0,
                description="Factor on the distance of styles from their mean.",
            ),
        ]
        return {**super().inputs(), **{entry.name: entry for entry in own}}

    @draws("images")
    def sample(self, seed, truncation=None, labels=None):
        """Draws images, float32 (n, side, side, channels), in [-1, 1].

        `truncation`, (n,) or one number, moves the styles of the first
        `truncation_layers` layers towards the mean style: 1 leaves them as they are, 0
        gives the mean style ([1], appendix B). Conditional models take `labels`, int
        (n,).
        """
        styles = self._styles(self.latents(seed), labels)
        mean = ops.cast(self.mean_style.value, "float32")
        near = mean + truncation[:, None, None] * (styles - mean)
        coarse = tf.range(self.num_layers)[:, None] < self.truncation_layers
        return self._images(tf.where(coarse, near, styles), seed)

    @transforms("images")
    def decode(self, latents, labels=None):
        """Generates images from latents (batch, latent_dim), with noise of seed 0."""
        seed = tf.zeros(tf.shape(latents)[:1], tf.int64)
        return self._images(self._styles(latents, labels), seed)

    @transforms("styles")
    def map(self, latents, labels=None):
        """Maps latents to styles (batch, num_layers, style_dim), one for all layers."""
        return self._styles(latents, labels)

    @transforms("images")
    def synthesize(self, styles, noise_seed=None):
        """Generates images from styles (batch, num_layers, style_dim), one per layer.

        `noise_seed` is the seed of the layers' noise, an int or one for each row; None
        draws it.
        """
        return self._images(styles, noise_seed)

    def mix(self, sources, targets, layers: Iterable[int], noise_seed=0) -> np.ndarray:
        """Images of the targets with the sources' styles at some layers.

        Args:
            sources: Styles (batch, num_layers, style_dim), from `map`.
            targets: Styles of the same shape.
            layers: Indices of layers, from 0, the coarsest, to `num_layers - 1`.
            noise_seed: Seed of the layers' noise, as for `synthesize`.

        Returns:
            float32 (batch, side, side, channels), in [-1, 1].

        Raises:
            ValueError: For no layers, or layers that the current level does not have.
        """
        layers = sorted(set(layers))
        if not layers or layers[0] < 0 or layers[-1] >= self.num_layers:
            raise ValueError(
                f"Expected layers from 0 to {self.num_layers - 1}, got {layers}."
            )
        styles = np.array(targets, np.float32)
        styles[:, layers] = np.asarray(sources, np.float32)[:, layers]
        return self.synthesize(styles, noise_seed)

    def _styles(self, latents, labels):
        style = _mapped(self.averaged(self.mapping), latents, labels)
        return tf.repeat(style[:, None], self.num_layers, axis=1)

    def _images(self, styles, seed):
        """Images from styles, by the averaged networks, with noise from row seeds."""
        images = self._synthesize(
            self.averaged(self.generator), styles, self.row_noise(seed)
        )
        return ops.clip(images, -1.0, 1.0)


def _mapped(mapping, latents, labels):
    """Maps latents (and labels) to styles (batch, style_dim)."""
    return mapping(latents if labels is None else [latents, labels])
