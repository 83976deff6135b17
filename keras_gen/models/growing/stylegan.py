"""StyleGAN [1]: styles, one a layer, shape an image from coarse to fine.

A mapping network turns a latent into a style; the synthesis network starts from a
learned constant and takes a style and noise at every layer. Some images in training
have the styles of two latents, so that layers do not rely on each other. The mean style
is a player whose loss is its squared distance to the batch's styles: plain gradient
descent at 0.005 is the moving average with decay 0.995. What differs from [1]: the
constant starts as Gaussian noise, not as ones, which AdaIN would have to divide by 0.

1. Karras, Laine and Aila, "A Style-Based Generator Architecture for Generative
   Adversarial Networks", 2019.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_gen.core.abilities import draws, transforms
from keras_gen.core.game import Player
from keras_gen.core.registry import register
from keras_gen.layers import (
    Blur,
    Learned,
)
from keras_gen.models.growing.base import GrowingModel
from keras_gen.networks.growing import (
    SMALLEST,
    check_shape,
    growing_discriminator,
)
from keras_gen.networks.style import mapping_network, synthesis_network


@register("stylegan", image_shape=(32, 32, 1))
class StyleGAN(GrowingModel):
    """Style-based GAN, which grows or starts whole.

    Args:
        image_shape: Of the last level, (side, side, channels), the side a power of two.
        latent_dim: Numbers in a latent. [1]: 512.
        style_dim: Numbers in a style. [1]: 512.
        mapping_depth: Dense layers from latents to styles.
        mapping_rate: Multiplies their learning rate.
        base_maps: Sets the maps of a level; see `num_maps`. [1]: 8192.
        max_maps: Most maps of a level. [1]: 512.
        start: Pixels a side of the first level; that of the images for no growing.
        phase_images: Images of either half of a level's time, in the default schedule.
        mixing: Share of images in training with the styles of two latents.
        truncation_layers: Layers, from the coarsest on, that truncation works on.
        num_classes: Of labels that both networks take too; None for none.
        loss: See `AdversarialModel`.
        r1: Weight of the R1 penalty, gamma.
        r1_every: See `AdversarialModel`.
        average: Decay of the moving averages of mapping and synthesis.
        **options: Of `AdversarialModel`: `augmentation`, ...
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
        image_shape=(32, 32, 1),
        latent_dim=128,
        style_dim=128,
        mapping_depth=8,
        mapping_rate=0.01,
        base_maps=1024,
        max_maps=128,
        start=8,
        phase_images=600_000,
        mixing=0.9,
        truncation_layers=8,
        num_classes=None,
        loss="non_saturating",
        r1=10.0,
        r1_every=1,
        average=0.999,
        **options,
    ):
        shape, first = check_shape(image_shape, start)
        if not 0 <= mixing <= 1:
            raise ValueError(f"Expected mixing in [0, 1], got {mixing}.")
        sizes = (base_maps, max_maps, first)
        super().__init__(
            generator=synthesis_network(shape, style_dim, *sizes),
            discriminator=growing_discriminator(
                shape, *sizes, num_classes=num_classes, blur=Blur
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
        self.style_dim, self.mixing = style_dim, mixing
        self.truncation_layers = truncation_layers
        self.mapping = mapping_network(
            latent_dim, style_dim, mapping_depth, mapping_rate, num_classes
        )
        self.keep_average(self.mapping, average)
        self.mean_style = Learned((style_dim,), name="mean_style")
        self.mean_style.build(None)

    def players(self):
        """Discriminator, generator (mapping and synthesis), and the mean style."""
        discriminator, generator = super().players().values()
        return {
            "discriminator": discriminator,
            "generator": Player(
                [self.mapping, self.generator],
                self.generator_loss,
                active=[self.mapping, self.at_level(self.generator)],
            ),
            "mean_style": Player([self.mean_style], self.mean_style_loss),
        }

    def default_optimizers(self):
        """Adam at 1e-3 with betas 0 and 0.99, as ProGAN ([1], appendix C)."""
        adam = self.adam(1e-3, beta_1=0.0, beta_2=0.99, epsilon=1e-8)
        return {**adam, "mean_style": keras.optimizers.SGD(0.005)}

    def mean_style_loss(self, batch, training):
        """Half the squared distance of the mean style to the batch's."""
        mean = ops.mean(tf.stop_gradient(batch["style"]), axis=0)
        return 0.5 * ops.sum(ops.square(self.mean_style.value - mean))

    # From latents to images.

    @property
    def num_layers(self):
        """Layers that take a style, at the level reached."""
        return 2 * (self.level + 1)

    def inputs_at_level(self, network):
        """Of the synthesis network alpha, and styles and noise up to the level."""
        if network.name.endswith("synthesis"):
            return network.inputs[: 1 + 2 * self.num_layers]
        return super().inputs_at_level(network)

    def generate(self, batch, training):
        """Leaves the styles in the batch; some images have those of two latents."""
        count, labels = tf.shape(batch["image"])[0], batch.get("label")
        prior = self.prior.distribution()
        styles = [
            self._map(self.mapping, prior.sample(count, seed=self.draw_seed()), labels)
            for _ in range(2)
        ]
        batch["style"] = styles[0]
        random = tf.random.stateless_uniform((2, count, 1, 1), self.draw_seed())
        # From this layer on the second style, if at all.
        first = 1 + tf.floor(random[0] * (self.num_layers - 1))
        first = tf.where(random[1] < self.mixing, first, float(self.num_layers))
        places = tf.range(self.num_layers, dtype=tf.float32)[:, None]
        mixed = tf.where(places < first, styles[0][:, None], styles[1][:, None])
        noise = [
            tf.random.stateless_normal((count, side, side, 1), self.draw_seed())
            for side in self._sides()
        ]
        return self._synthesize(self.generator, mixed, noise, training)

    def _sides(self):
        return [SMALLEST << (layer // 2) for layer in range(self.num_layers)]

    def _map(self, mapping, latents, labels):
        return mapping(latents if labels is None else [latents, labels])

    def _synthesize(self, synthesis, styles, noise, training=False):
        inputs = [self.alphas(styles)]
        for layer, values in enumerate(noise):
            inputs += [styles[:, layer], values]
        return self.at_level(synthesis)(inputs, training=training)

    def row_noise(self, seed):
        """Noise of every layer, from a seed a row, int64 (batch,)."""
        sides = self._sides()
        count = sum(side**2 for side in sides)

        def draw(row):
            key = tf.random.experimental.stateless_fold_in(tf.bitcast(row, tf.int32), 1)
            return tf.random.stateless_normal((count,), key)

        spec = tf.TensorSpec((count,), tf.float32)
        rows = tf.map_fn(draw, seed, fn_output_signature=spec)
        parts = tf.split(rows, [side**2 for side in sides], axis=1)
        return [
            tf.reshape(part, (-1, side, side, 1))
            for part, side in zip(parts, sides, strict=True)
        ]

    # Abilities.

    def input_specs(self):
        """Styles, noise seeds and truncation too."""
        styles = (None, self.num_layers, self.style_dim)
        return {
            **super().input_specs(),
            "styles": tf.TensorSpec(styles, tf.float32, "styles"),
            "noise_seed": tf.TensorSpec((None,), tf.int64, "noise_seed"),
            "truncation": tf.TensorSpec((None,), tf.float32, "truncation"),
        }

    def input_defaults(self):
        """No truncation."""
        return {"truncation": 1.0}

    @draws("images")
    def sample(self, seed, truncation=None, labels=None):
        """Draws images, float32 (n, side, side, channels), in [-1, 1].

        `truncation`, (n,) or one number, draws the styles of the first
        `truncation_layers` layers to their mean: 1 leaves them, 0 gives the mean's
        image ([1], appendix B). Conditional models take `labels`, int (n,).
        """
        styles = self._styles(self.latents(seed), labels)
        mean = ops.cast(self.mean_style.value, "float32")
        near = mean + truncation[:, None, None] * (styles - mean)
        coarse = tf.range(self.num_layers)[:, None] < self.truncation_layers
        return self._render(tf.where(coarse, near, styles), seed)

    @transforms("images")
    def decode(self, latents, labels=None):
        """Images of latents (batch, latent_dim), with the noise of seed 0."""
        seed = tf.zeros(tf.shape(latents)[:1], tf.int64)
        return self._render(self._styles(latents, labels), seed)

    @transforms("styles")
    def map(self, latents, labels=None):
        """Styles (batch, num_layers, style_dim) of latents, the same at every layer."""
        return self._styles(latents, labels)

    @transforms("images")
    def synthesize(self, styles, noise_seed):
        """Images of styles (batch, num_layers, style_dim), one a layer.

        `noise_seed`: an int, or one a row.
        """
        return self._render(styles, noise_seed)

    def mix(self, sources, targets, layers, noise_seed=0):
        """Images of the targets with the sources' styles at some layers.

        Args:
            sources: Styles (batch, num_layers, style_dim), see `map`.
            targets: As many others.
            layers: Places of layers from 0, the coarsest, to `num_layers - 1`.
            noise_seed: See `synthesize`.

        Returns:
            float32 (batch, side, side, channels), in [-1, 1].
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
        style = self._map(self.averaged(self.mapping), latents, labels)
        return tf.repeat(style[:, None], self.num_layers, axis=1)

    def _render(self, styles, seed):
        images = self._synthesize(
            self.averaged(self.generator), styles, self.row_noise(seed)
        )
        return ops.clip(images, -1.0, 1.0)
