"""Base class of autoregressive models: the loss, exact likelihoods, drawing pixels.

A subclass builds its network, a functional model from images (and labels) to the
parameters of every pixel's distribution: a chain of `RasterLayer`s and a `PixelHead`.
"""

import dataclasses

import keras
import tensorflow as tf
from keras import ops

from keras_gen.core import schedules
from keras_gen.core.abilities import draws, transforms
from keras_gen.core.game import Player
from keras_gen.core.inputs import Input, label_input, mask_input
from keras_gen.core.model import GenerativeModel
from keras_gen.core.noise import for_each_row
from keras_gen.core.types import Classes, Count, Decay, Rate
from keras_gen.distributions.likelihoods import draw_binary
from keras_gen.images import is_photo
from keras_gen.layers import RasterLayer


def default_output(image_shape: tuple[int, int, int]) -> str:
    """The distribution of pixels that suits images of a shape.

    >>> default_output((28, 28, 1)), default_output((32, 32, 3))
    ('bernoulli', 'logistic_mixture')

    Args:
        image_shape: (height, width, channels); see `keras_gen.images.is_photo`.
    """
    return "logistic_mixture" if is_photo(image_shape) else "bernoulli"


class AutoregressiveModel(GenerativeModel):
    """p(x) as the product of p(pixel | pixels before it), in raster order.

    Args:
        network: Network from images in [-1, 1], with labels if there are classes, to
            parameters (batch, height, width, channels, n).
        num_classes: Number of classes whose labels the network takes; None for no
            labels.
        average: Decay of the network's moving average, which is used for everything
            except training; None keeps no average.
        learning_rate: Initial learning rate of Adam.
        decay_steps: Steps of cosine decay of the learning rate to 0; None keeps it
            constant.
        **kwargs: Arguments of `GenerativeModel`: `name`.

    Attributes:
        margin: Number of columns by which the chain's maps are wider than the image.
    """

    margin = 0

    def __init__(
        self,
        *,
        network: keras.Model,
        num_classes: Classes | None = None,
        average: Decay | None = None,
        learning_rate: Rate = 2e-3,
        decay_steps: Count | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.learning_rate, self.decay_steps = learning_rate, decay_steps
        self.network = network
        self.image_shape = network.output_shape[1:4]
        self.num_classes = num_classes
        self.keep_average(network, average)

    @classmethod
    def upgrade_config(cls, config):
        """Gives older files the distribution that one channel had by default."""
        config = super().upgrade_config(config)
        if config.get("output", "") is None and config["image_shape"][-1] == 1:
            config = {**config, "output": "bernoulli"}
        return config

    def batch_shapes(self) -> dict[str, tuple]:
        """An image, and its label if there are classes."""
        shapes = {"image": self.image_shape}
        return shapes if self.num_classes is None else {**shapes, "label": ()}

    def inputs(self) -> dict[str, Input]:
        """The usual inputs, masks, and labels if there are classes."""
        extra = [mask_input((*self.image_shape[:2], 1))]
        if self.num_classes is not None:
            extra.append(label_input(self.num_classes))
        return {**super().inputs(), **{entry.name: entry for entry in extra}}

    def players(self) -> dict[str, Player]:
        """One player, with the name of the network."""
        return {self.network.name: Player([self.network], self.likelihood_loss)}

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Adam, by default at 2e-3."""
        rate = schedules.cosine(self.learning_rate, self.decay_steps)
        return {self.network.name: keras.optimizers.Adam(rate)}

    def likelihood_loss(self, batch, shared, training):
        """Negative log-likelihood in nats per image.

        Outside of training, the averaged network is used. Binary pixels are drawn in
        every step with the grey value as probability.
        """
        images = batch["image"]
        if self.is_binary:
            images = draw_binary(images, self.noise_seed("binary"))
        network = self.current(self.network, training)
        return -ops.mean(self._log_prob(network, images, batch.get("label"), training))

    def _log_prob(self, network, images, labels, training=False):
        inputs = images if labels is None else [images, labels]
        parameters = network(inputs, training=training)
        return ops.sum(self.head.log_prob(parameters, images), axis=(1, 2, 3))

    @property
    def head(self) -> keras.Layer:
        """The network's `PixelHead`."""
        return self.network.get_layer("head")

    @property
    def is_binary(self) -> bool:
        """Whether pixels are -1 or 1."""
        return self.head.kind == "bernoulli"

    # Abilities.

    @transforms("log_prob")
    def log_prob(self, images, labels=None):
        """Exact log-likelihoods in nats per image, float32 (batch,).

        Args:
            images: Images, float32 (batch, height, width, channels), in [-1, 1]. A
                model of binary pixels takes -1 and 1 (`keras_gen.images.binarize`); one
                of 256 levels rounds to the nearest level.
            labels: Classes, int (batch,), if the model is conditional.
        """
        network = self.in_float32(self.averaged(self.network))
        return self._log_prob(network, images, labels)

    @draws("images")
    def sample(self, seed, labels=None):
        """Draws images, float32 (n, height, width, channels), in [-1, 1].

        Conditional models take `labels`, int (n,).
        """
        return self.draw(self.uniforms(seed), labels)

    @transforms("images")
    def complete(self, images, mask, seed=None, labels=None):
        """Keeps the observed pixels of images and draws the others, in raster order.

        Each pixel is drawn given all pixels before it. This is an exact draw from the
        model's conditional distribution if the observed pixels come before all others
        in raster order, as an upper half does. For other masks it is approximate: a
        pixel does not depend on observed pixels after it.

        Args:
            images: Images, float32 (batch, height, width, channels), in [-1, 1]; values
                of pixels that are not observed are ignored.
            mask: Mask, float32 (batch, height, width, 1): 1 where a pixel is observed,
                else 0.
            seed: Seed of the draw, an int in [0, 2**31), or one for each row; None
                draws one.
            labels: Classes, int (batch,), if the model is conditional.

        Returns:
            Completed images, float32 (batch, height, width, channels), in [-1, 1].
        """
        return self.draw(self.uniforms(seed), labels, images, mask)

    # Drawing.

    def uniforms(self, seed) -> tf.Tensor:
        """Uniform numbers in [0, 1) that determine the images, from the rows' seeds.

        Args:
            seed: Seeds of the rows, int64 (batch,).

        Returns:
            float32 (height, width, batch, channels, n), n numbers for each channel.
        """
        shape = (*self.image_shape, self.head.distribution.num_uniforms)
        rows = for_each_row(
            lambda key: tf.random.stateless_uniform(shape, key), seed, shape
        )
        return tf.transpose(rows, (1, 2, 0, 3, 4))

    def draw(self, uniforms, labels=None, images=None, mask=None) -> tf.Tensor:
        """Draws images pixel by pixel; every layer caches its outputs.

        Args:
            uniforms: Uniform numbers from `uniforms`.
            labels: Classes, int (batch,), or None.
            images: Images whose observed pixels are kept, or None.
            mask: Mask of the observed pixels, or None.

        Returns:
            float32 (batch, height, width, channels), in [-1, 1].
        """
        network = self.averaged(self.network)
        loop = _RowLoop(
            chain=[layer for layer in network.layers if isinstance(layer, RasterLayer)],
            head=network.get_layer("head"),
            columns=self.image_shape[1] + self.margin,
            uniforms=uniforms,
            images=images,
            mask=mask,
        )
        height, width, channels = self.image_shape
        batch_size = tf.shape(uniforms)[2]

        def draw_row(row, above, caches, rows):
            drawn, caches = loop.row(row, above, caches)
            return row + 1, drawn, caches, rows.write(row, drawn)

        start = (
            0,
            tf.zeros((batch_size, width, channels)),
            [layer.start(batch_size, loop.columns, labels) for layer in loop.chain],
            _array(height, width, channels),
        )
        *_, rows = tf.while_loop(lambda row, *_: row < height, draw_row, start)
        return tf.transpose(rows.stack(), (1, 0, 2, 3))

    def draw_naively(self, uniforms, labels=None) -> tf.Tensor:
        """Draws the same images as `draw`, but runs the whole network for each channel.

        Args:
            uniforms: Uniform numbers from `uniforms`.
            labels: Classes, int (batch,), or None.

        Returns:
            float32 (batch, height, width, channels), in [-1, 1].
        """
        network = self.averaged(self.network)
        height, width, channels = self.image_shape
        count = height * width * channels
        indices = tf.reshape(tf.range(count), self.image_shape)

        def draw_next(index, images):
            row = index // (width * channels)
            column, channel = index // channels % width, index % channels
            parameters = network(images if labels is None else [images, labels])
            value = self.head.distribution.quantile(
                parameters[:, row, column, channel], uniforms[row, column, :, channel]
            )
            value = value[:, None, None, None]
            return index + 1, tf.where(indices == index, value, images)

        blank = tf.zeros((tf.shape(uniforms)[2], *self.image_shape))
        loop = tf.while_loop(lambda index, _: index < count, draw_next, (0, blank))
        return loop[1]


@dataclasses.dataclass
class _RowLoop:
    """Draws rows one after the other, by layers that cache their outputs.

    Attributes:
        chain: The network's `RasterLayer`s.
        head: The network's `PixelHead`.
        columns: Columns of the chain's maps, at least the image's.
        uniforms: Uniform numbers from `AutoregressiveModel.uniforms`.
        images: Images whose observed pixels are kept, or None.
        mask: Mask of the observed pixels, or None.
    """

    chain: list
    head: keras.Layer
    columns: int
    uniforms: tf.Tensor
    images: tf.Tensor | None
    mask: tf.Tensor | None

    def row(self, row, above, caches):
        """Draws the row below `above`.

        Args:
            row: Index of the row, an int32 scalar.
            above: Row above it, float32 (batch, width, channels).
            caches: Caches of the layers.

        Returns:
            The row, float32 (batch, width, channels), and the new caches.
        """
        batch_size, width, channels = tf.shape(above)[0], *above.shape[1:]
        features = tf.pad(above, [(0, 0), (0, self.columns - width), (0, 0)])
        row_caches = []
        for layer, cache in zip(self.chain, caches, strict=True):
            features, cache = layer.row(features, row, cache)
            row_caches.append(cache)

        def draw_pixel(column, left, caches, pixels):
            features, caches = self.pixel(left, column, caches)
            pixel = self.head.draw(features, self.uniforms[row, column])
            if self.mask is not None:
                observed = self.mask[:, row, column] > 0.5
                pixel = tf.where(observed, self.images[:, row, column], pixel)
            return column + 1, pixel, caches, pixels.write(column, pixel)

        _, last, caches, pixels = tf.while_loop(
            lambda column, *_: column < width,
            draw_pixel,
            (0, tf.zeros((batch_size, channels)), row_caches, _array(width, channels)),
        )
        for column in range(width, self.columns):
            _, caches = self.pixel(last, column, caches)
        return tf.transpose(pixels.stack(), (1, 0, 2)), caches

    def pixel(self, left, column, caches):
        """Features of the pixel to the right of `left`, and the new caches."""
        features, new_caches = left, []
        for layer, cache in zip(self.chain, caches, strict=True):
            features, cache = layer.pixel(features, column, cache)
            new_caches.append(cache)
        return features, new_caches


def _array(size, *shape):
    """An array to which rows or pixels of a shape are written one after the other."""
    return tf.TensorArray(tf.float32, size, element_shape=(None, *shape))
