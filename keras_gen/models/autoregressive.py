"""What models in raster order share: the loss, exact likelihoods, drawing pixels.

A model on top owns its network, a functional model from images (and labels) to the
parameters of every pixel's distribution: a chain of `RasterLayer`s and a `PixelHead`.
"""

import keras
import tensorflow as tf
from keras import ops

from keras_gen.abilities import ability
from keras_gen.layers import PixelHead, RasterLayer
from keras_gen.training import GenerativeModel, Player


class AutoregressiveModel(GenerativeModel):
    """p(x) as the product of p(pixel | pixels before it), in raster order.

    Args:
        network: Images in [-1, 1] to parameters (batch, height, width, channels, n);
            a `PixelHead` last.
        num_classes: Of the labels that the network takes too; None for none.
        average: Decay of the network's moving average, which is used for all but
            training; None keeps none.
        **kwargs: `name`.
    """

    def __init__(self, *, network, num_classes=None, average=None, **kwargs):
        super().__init__(**kwargs)
        self.network = network
        self.image_shape = network.output_shape[1:4]
        self.num_classes = num_classes
        self.keep_average(network, average)

    def batch_shapes(self):
        """An image, and its label where the model takes one."""
        shapes = {"image": self.image_shape}
        return shapes if self.num_classes is None else {**shapes, "label": ()}

    def players(self):
        """One player, by the network's name."""
        return {self.network.name: Player([self.network], self.likelihood_loss)}

    def default_optimizers(self):
        """Adam at 1e-3, which falls by 1e-4 of itself in a step."""
        rate = keras.optimizers.schedules.ExponentialDecay(1e-3, 1, 1 - 1e-4)
        return {self.network.name: keras.optimizers.Adam(rate)}

    def likelihood_loss(self, batch, training):
        """Minus the log-likelihood in nats per image; averaged when not training.

        Where the output is binary, pixels are drawn afresh with the grey value as
        probability.
        """
        images = batch["image"]
        if self.head.kind == "bernoulli":
            uniform = tf.random.stateless_uniform(tf.shape(images), self.draw_seed())
            images = ops.where(uniform < (images + 1.0) / 2.0, 1.0, -1.0)
        network = self.network if training else self.averaged(self.network)
        return -ops.mean(self._log_prob(network, images, batch.get("label"), training))

    def _log_prob(self, network, images, labels, training=False):
        inputs = images if labels is None else [images, labels]
        parameters = network(inputs, training=training)
        return ops.sum(self.head.log_prob(parameters, images), axis=(1, 2, 3))

    @property
    def head(self):
        """The network's `PixelHead`."""
        return self.network.layers[-1]
