"""What models in raster order share: the loss, exact likelihoods, drawing pixels.

A model on top owns its network, a functional model from images (and labels) to the
parameters of every pixel's distribution: a chain of `RasterLayer`s and a `PixelHead`.
"""

import dataclasses

import keras
import tensorflow as tf
from keras import ops

from keras_gen.core.abilities import draws, transforms
from keras_gen.core.game import Player
from keras_gen.core.model import GenerativeModel
from keras_gen.distributions.likelihoods import draw_binary
from keras_gen.layers import RasterLayer


class AutoregressiveModel(GenerativeModel):
    """p(x) as the product of p(pixel | pixels before it), in raster order.

    Args:
        network: Images in [-1, 1] to parameters (batch, height, width, channels, n).
        num_classes: Of the labels that the network takes too; None for none.
        average: Decay of the network's moving average, which is used for all but
            training; None keeps none.
        **kwargs: `name`.

    Attributes:
        margin: Columns that the chain's maps have on the right of the image.
    """

    margin = 0

    def __init__(self, *, network, num_classes=None, average=None, **kwargs):
        super().__init__(**kwargs)
        if num_classes is not None and num_classes < 2:
            raise ValueError(f"Expected num_classes >= 2, got {num_classes}.")
        self.network = network
        self.image_shape = network.output_shape[1:4]
        self.num_classes = num_classes
        self.keep_average(network, average)

    def batch_shapes(self):
        """An image, and its label where the model takes one."""
        shapes = {"image": self.image_shape}
        return shapes if self.num_classes is None else {**shapes, "label": ()}

    def input_specs(self):
        """Masks, and labels where the model takes them."""
        shape = (None, *self.image_shape[:2], 1)
        specs = {"mask": tf.TensorSpec(shape, tf.float32, "mask")}
        if self.num_classes is not None:
            specs["labels"] = tf.TensorSpec((None,), tf.int64, "labels")
        return {**super().input_specs(), **specs}

    def players(self):
        """One player, by the network's name."""
        return {self.network.name: Player([self.network], self.likelihood_loss)}

    def default_optimizers(self):
        """Adam at 2e-3, which falls by 1e-4 of itself in a step."""
        rate = keras.optimizers.schedules.ExponentialDecay(2e-3, 1, 1 - 1e-4)
        return {self.network.name: keras.optimizers.Adam(rate)}

    def likelihood_loss(self, batch, training):
        """Minus the log-likelihood in nats per image; averaged when not training.

        Where the output is binary, pixels are drawn afresh with the grey value as
        probability.
        """
        images = batch["image"]
        if self.is_binary:
            images = draw_binary(images, self.draw_seed())
        network = self.network if training else self.averaged(self.network)
        return -ops.mean(self._log_prob(network, images, batch.get("label"), training))

    def _log_prob(self, network, images, labels, training=False):
        inputs = images if labels is None else [images, labels]
        parameters = network(inputs, training=training)
        return ops.sum(self.head.log_prob(parameters, images), axis=(1, 2, 3))

    @property
    def head(self):
        """The network's `PixelHead`."""
        return self.network.get_layer("head")

    @property
    def is_binary(self):
        """Whether pixels are -1 or 1."""
        return self.head.kind == "bernoulli"

    @transforms("log_prob")
    def log_prob(self, images, labels=None):
        """Log-likelihoods in nats per image, float32 (batch,), exact.

        Args:
            images: float32 (batch, height, width, channels), in [-1, 1]. A model of
                binary pixels takes -1 and 1 (`keras_gen.images.binarize`), one of 256
                levels goes to the nearest.
            labels: int (batch,), where the model is conditional.
        """
        return self._log_prob(self.averaged(self.network), images, labels)

    @draws("images")
    def sample(self, seed, labels=None):
        """Draws images, float32 (n, height, width, channels), in [-1, 1].

        Conditional models take `labels`, int (n,).
        """
        return self.draw(self.uniforms(seed), labels)

    @transforms("images")
    def complete(self, images, mask, seed, labels=None):
        """Keeps the observed pixels of images and draws the others, in raster order.

        A pixel is drawn given all pixels before it. That is a draw from the model's
        conditional distribution, exactly, where the observed pixels come before all
        others in raster order, as an upper half does; for other masks it is
        approximate: a pixel does not know of the observed ones after it.

        Args:
            images: float32 (batch, height, width, channels), in [-1, 1]; what lies
                where nothing is observed does not matter.
            mask: float32 (batch, height, width, 1): 1 where a pixel is observed, else
                0.
            seed: An int in [0, 2**31), or one a row; None draws one.
            labels: int (batch,), where the model is conditional.
        """
        return self.draw(self.uniforms(seed), labels, images, mask)

    # Drawing.

    def uniforms(self, seed):
        """The numbers in [0, 1) that decide an image, from a seed a row.

        Args:
            seed: int64 (batch,).

        Returns:
            float32 (height, width, batch, channels, n).
        """
        shape = (*self.image_shape, self.head.distribution.num_uniforms)
        rows = tf.map_fn(
            lambda row: tf.random.stateless_uniform(shape, tf.bitcast(row, tf.int32)),
            seed,
            fn_output_signature=tf.TensorSpec(shape, tf.float32),
        )
        return tf.transpose(rows, (1, 2, 0, 3, 4))

    def draw(self, uniforms, labels=None, images=None, mask=None):
        """Draws pixel by pixel; every layer keeps what it computed.

        Args:
            uniforms: See `uniforms`.
            labels: int (batch,), or None.
            images: Whose pixels are kept, or None.
            mask: Where they are kept, or None.

        Returns:
            float32 (batch, height, width, channels), in [-1, 1].
        """
        network = self.averaged(self.network)
        loop = _Loop(
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

    def draw_naively(self, uniforms, labels=None):
        """What `draw` draws, by the whole network for every channel of every pixel."""
        network = self.averaged(self.network)
        height, width, channels = self.image_shape
        places = tf.reshape(tf.range(height * width * channels), self.image_shape)

        def draw_next(place, images):
            row = place // (width * channels)
            column, channel = place // channels % width, place % channels
            parameters = network(images if labels is None else [images, labels])
            value = self.head.distribution.quantile(
                parameters[:, row, column, channel], uniforms[row, column, :, channel]
            )
            value = value[:, None, None, None]
            return place + 1, tf.where(places == place, value, images)

        blank = tf.zeros((tf.shape(uniforms)[2], *self.image_shape))
        count = height * width * channels
        loop = tf.while_loop(lambda place, _: place < count, draw_next, (0, blank))
        return loop[1]


@dataclasses.dataclass
class _Loop:
    """Draws a row, from layers that keep what they computed.

    Attributes:
        chain: The network's `RasterLayer`s.
        head: Its `PixelHead`.
        columns: Of the chain's maps; at least the image's.
        uniforms: See `AutoregressiveModel.uniforms`.
        images: Whose pixels are kept, or None.
        mask: Where they are kept, or None.
    """

    chain: list
    head: keras.Layer
    columns: int
    uniforms: tf.Tensor
    images: tf.Tensor | None
    mask: tf.Tensor | None

    def row(self, row, above, caches):
        """A drawn row (batch, width, channels) below `above`, and the caches."""
        batch_size, width, channels = tf.shape(above)[0], *above.shape[1:]
        passed, opened = tf.pad(above, [(0, 0), (0, self.columns - width), (0, 0)]), []
        for layer, cache in zip(self.chain, caches, strict=True):
            passed, cache = layer.row(passed, row, cache)
            opened.append(cache)

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
            (0, tf.zeros((batch_size, channels)), opened, _array(width, channels)),
        )
        for column in range(width, self.columns):
            _, caches = self.pixel(last, column, caches)
        return tf.transpose(pixels.stack(), (1, 0, 2)), caches

    def pixel(self, left, column, caches):
        """The features of the pixel right of `left`, and the caches."""
        passed, kept = left, []
        for layer, cache in zip(self.chain, caches, strict=True):
            passed, cache = layer.pixel(passed, column, cache)
            kept.append(cache)
        return passed, kept


def _array(size, *shape):
    """Rows or pixels to write to one after the other."""
    return tf.TensorArray(tf.float32, size, element_shape=(None, *shape))
