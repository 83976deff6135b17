"""Likelihoods of images: Keras layers that own parameters shared by all pixels.

`likelihood.log_prob(parameters, images)` takes a decoder's output and images in
[-1, 1], both (..., height, width, channels), and returns nats, (...), summed over
pixels.

1. Salimans et al., "PixelCNN++", 2017.
"""

import keras
import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops

tfd = tfp.distributions


def draw_binary(images, seed):
    """Draws -1 or 1 for every pixel, with the grey value as the probability of 1.

    Args:
        images: float32, in [-1, 1].
        seed: Seed, int32 (2,).
    """
    uniform = tf.random.stateless_uniform(tf.shape(images), seed)
    return ops.where(uniform < (images + 1.0) / 2.0, 1.0, -1.0)


class Likelihood(keras.layers.Layer):
    """Base class of p(x | z): subclasses define `log_prob`, and may override the rest.

    Args:
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.built = True

    def log_prob(self, parameters, images):
        """Nats (...) of images, given a decoder's output of the same shape."""
        raise NotImplementedError

    def draw(self, images, seed):
        """The images for a training step, drawn with a seed, int32 (2,)."""
        return self.nearest(images)

    def nearest(self, images):
        """The nearest images that have a likelihood."""
        return images

    def mean(self, parameters):
        """Expected pixels in [-1, 1]."""
        return ops.tanh(parameters)


class Bernoulli(Likelihood):
    """Binary pixels, -1 or 1; parameters are logits of 1."""

    def log_prob(self, parameters, images):
        """Nats of binary images, a probability."""
        return _sum(ops.log_sigmoid(parameters * images))

    def draw(self, images, seed):
        """Binary images, drawn with the grey value as the probability of 1."""
        return draw_binary(images, seed)

    def nearest(self, images):
        """1 where a pixel is above 0, -1 elsewhere."""
        return ops.where(images > 0.0, 1.0, -1.0)

    def mean(self, parameters):
        """Expected pixels in [-1, 1]."""
        return 2.0 * ops.sigmoid(parameters) - 1.0


class Gaussian(Likelihood):
    """Gaussian pixels: means are tanh(parameters), one deviation for all pixels."""

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
    """Pixels with 256 levels, whose probability is a logistic distribution's mass.

    Centres are tanh(parameters), and all pixels share one scale. The mass of the tails
    belongs to black and white ([1], equation 2). `mean` is the centre.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.log_scale = self.add_weight(  # In units of [-1, 1].
            name="log_scale",
            shape=(),
            initializer=keras.initializers.Constant(-2.0),
        )

    def log_prob(self, parameters, images):
        """Nats of images of 256 levels, a probability."""
        scale = 127.5 * ops.exp(ops.convert_to_tensor(self.log_scale))
        # TFP's mass of a level lies between level - 1 and level, so that the
        # distribution is shifted down by half a level.
        centre = 127.5 * (ops.tanh(parameters) + 1.0) - 0.5
        levels = tfd.QuantizedDistribution(
            tfd.Logistic(centre, scale), low=0.0, high=255.0
        )
        return _sum(levels.log_prob(ops.round(127.5 * (images + 1.0))))

    def nearest(self, images):
        """Rounds images to 256 levels."""
        return ops.round(127.5 * (images + 1.0)) / 127.5 - 1.0


LIKELIHOODS = {
    "bernoulli": Bernoulli,
    "gaussian": Gaussian,
    "discretized_logistic": DiscretizedLogistic,
}


def _sum(log_probs):
    """Sums over height, width and channels."""
    return ops.sum(log_probs, axis=(-3, -2, -1))
