"""Likelihoods over images: Keras layers that own what a decoder does not give.

`likelihood.log_prob(parameters, images)` takes a decoder's output and images in
[-1, 1], both (..., height, width, channels), and gives nats, (...).

1. Salimans et al., "PixelCNN++", 2017.
"""

import keras
import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops

tfd = tfp.distributions


def draw_binary(images, seed):
    """Draws -1 or 1 for every pixel, its grey value the probability of 1, in a graph.

    Args:
        images: float32, in [-1, 1].
        seed: int32 (2,).
    """
    uniform = tf.random.stateless_uniform(tf.shape(images), seed)
    return ops.where(uniform < (images + 1.0) / 2.0, 1.0, -1.0)


class Likelihood(keras.layers.Layer):
    """p(x | z); subclasses give `log_prob`, and what differs from the rest."""

    def __init__(self, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.built = True

    def draw(self, images, seed):
        """What of images a training step sees, by a seed, int32 (2,)."""
        return self.nearest(images)

    def nearest(self, images):
        """The images that have a probability and lie nearest."""
        return images

    def mean(self, parameters):
        """Expected pixels in [-1, 1]."""
        return ops.tanh(parameters)


class Bernoulli(Likelihood):
    """Binary pixels, -1 or 1, by logits."""

    def log_prob(self, parameters, images):
        """Nats of binary images, a probability."""
        return _sum(ops.log_sigmoid(parameters * images))

    def draw(self, images, seed):
        """Binary images, drawn with the grey value as probability."""
        return draw_binary(images, seed)

    def nearest(self, images):
        """1 where a pixel is above 0, -1 elsewhere."""
        return ops.where(images > 0.0, 1.0, -1.0)

    def mean(self, parameters):
        """Expected pixels in [-1, 1]."""
        return 2.0 * ops.sigmoid(parameters) - 1.0


class Gaussian(Likelihood):
    """Means by tanh, and one deviation for all pixels."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.log_deviation = self.add_weight(
            name="log_deviation", shape=(), initializer="zeros"
        )

    def log_prob(self, parameters, images):
        """Nats of images, a density."""
        deviation = ops.exp(ops.convert_to_tensor(self.log_deviation))
        return _sum(tfd.Normal(ops.tanh(parameters), deviation).log_prob(images))


class DiscretizedLogistic(Likelihood):
    """256 levels, each the share of a logistic distribution between its neighbours.

    Centres come by tanh; one scale stands for all pixels. Black and white take in the
    tails ([1], equation 2). `mean` is the centre.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.log_scale = self.add_weight(  # In the units of [-1, 1].
            name="log_scale",
            shape=(),
            initializer=keras.initializers.Constant(-2.0),
        )

    def log_prob(self, parameters, images):
        """Nats of images of 256 levels, a probability."""
        scale = 127.5 * ops.exp(ops.convert_to_tensor(self.log_scale))
        # P(level) is the share between level - 1 and level, half a level too high.
        centre = 127.5 * (ops.tanh(parameters) + 1.0) - 0.5
        levels = tfd.QuantizedDistribution(
            tfd.Logistic(centre, scale), low=0.0, high=255.0
        )
        return _sum(levels.log_prob(ops.round(127.5 * (images + 1.0))))

    def nearest(self, images):
        """Images of 256 levels."""
        return ops.round(127.5 * (images + 1.0)) / 127.5 - 1.0


LIKELIHOODS = {
    "bernoulli": Bernoulli,
    "gaussian": Gaussian,
    "discretized_logistic": DiscretizedLogistic,
}


def _sum(log_probs):
    """Over (height, width, channels)."""
    return ops.sum(log_probs, axis=(-3, -2, -1))
