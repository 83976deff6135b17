"""The distribution of a pixel's channels, one after the other, from features.

1. van den Oord, Kalchbrenner and Kavukcuoglu, "Pixel Recurrent Neural Networks", 2016.
2. Salimans et al., "PixelCNN++: Improving the PixelCNN with Discretized Logistic
   Mixture Likelihood and Other Modifications", 2017.
"""

from typing import Literal

import keras
import numpy as np
from keras import layers, ops

from keras_gen.core.arguments import checked
from keras_gen.core.types import Count

LEVELS = 256


class Bernoulli:
    """Binary pixels, -1 or 1, from a logit.

    Attributes:
        num_parameters: Numbers that describe a channel's distribution.
        num_uniforms: Uniform numbers that a draw takes.
    """

    num_parameters, num_uniforms = 1, 1

    def log_prob(self, parameters, pixels):
        """Log-probability in nats.

        For a value between -1 and 1, it is the mean over binary draws with that mean.

        Args:
            parameters: Logits, (..., 1).
            pixels: Values in [-1, 1], (...).

        Returns:
            float32 (...).
        """
        logits, white = parameters[..., 0], (pixels + 1.0) / 2.0
        return white * ops.log_sigmoid(logits) + (1.0 - white) * ops.log_sigmoid(
            -logits
        )

    def quantile(self, parameters, uniforms):
        """The values -1 or 1, (...), of logits (..., 1) at uniform numbers (..., 1)."""
        white = uniforms[..., 0] < ops.sigmoid(parameters[..., 0])
        return ops.where(white, 1.0, -1.0)


class Categorical:
    """256 levels, each with a probability of its own, from logits [1].

    Attributes:
        num_parameters: Numbers that describe a channel's distribution.
        num_uniforms: Uniform numbers that a draw takes.
    """

    num_parameters, num_uniforms = LEVELS, 1

    def log_prob(self, parameters, pixels):
        """Log-probability of the nearest levels, in nats.

        Args:
            parameters: Logits, (..., 256).
            pixels: Values in [-1, 1], (...).

        Returns:
            float32 (...).
        """
        hits = ops.one_hot(to_levels(pixels), LEVELS)
        return ops.sum(hits * ops.log_softmax(parameters), axis=-1)

    def quantile(self, parameters, uniforms):
        """The values (...) at which the cumulative probability passes uniform numbers.

        Args:
            parameters: Logits, (..., 256).
            uniforms: Numbers in [0, 1), (..., 1).

        Returns:
            float32 (...), levels in [-1, 1].
        """
        return from_levels(choose(parameters, uniforms[..., 0]))


class LogisticMixture:
    """256 levels by a mixture of discretised logistic distributions [2].

    The probability of a level is the mass of the mixture within half a level of it
    ([2], equation 2); the first and the last level have all the mass beyond.

    Args:
        num_components: Number of components of the mixture.

    Attributes:
        num_parameters: Numbers that describe a channel's distribution.
        num_uniforms: Uniform numbers that a draw takes.
    """

    num_uniforms = 2

    def __init__(self, num_components: int):
        self.num_parameters = 3 * num_components

    def log_prob(self, parameters, pixels):
        """Log-probability of the nearest levels, in nats.

        Args:
            parameters: Logits of weights, means and log-scales, (..., 3 * components).
            pixels: Values in [-1, 1], (...).

        Returns:
            float32 (...).
        """
        weights, means, log_scales = _components(parameters)
        levels = to_levels(pixels)[..., None]
        offset = from_levels(levels) - means
        high = (offset + 1.0 / (LEVELS - 1)) * ops.exp(-log_scales)
        low = (offset - 1.0 / (LEVELS - 1)) * ops.exp(-log_scales)
        # s(a) - s(b) = s(a) s(-b) (1 - exp(b - a)) for the logistic function s.
        below_high = ops.where(levels == LEVELS - 1, 0.0, ops.log_sigmoid(high))
        above_low = ops.where(levels == 0, 0.0, ops.log_sigmoid(-low))
        is_end = (levels == 0) | (levels == LEVELS - 1)
        between = ops.where(is_end, 0.0, ops.log(-ops.expm1(low - high)))
        log_probs = below_high + above_low + between
        return ops.logsumexp(ops.log_softmax(weights) + log_probs, axis=-1)

    def quantile(self, parameters, uniforms):
        """The quantile, at the second number, of a component chosen by the first.

        Args:
            parameters: Parameters as for `log_prob`.
            uniforms: Numbers in [0, 1), (..., 2).

        Returns:
            float32 (...), levels in [-1, 1].
        """
        weights, means, log_scales = _components(parameters)
        hits = ops.one_hot(choose(weights, uniforms[..., 0]), weights.shape[-1])
        mean, log_scale = ops.sum(hits * means, -1), ops.sum(hits * log_scales, -1)
        share = ops.clip(uniforms[..., 1], 1e-7, 1.0 - 1e-7)
        logit = ops.log(share) - ops.log1p(-share)
        return from_levels(to_levels(mean + ops.exp(log_scale) * logit))


def _components(parameters):
    """Logits of weights, means, and log-scales, at least -7 as in the code of [2]."""
    weights, means, log_scales = ops.split(parameters, 3, axis=-1)
    return weights, means, ops.maximum(log_scales, -7.0)


def to_levels(pixels):
    """Values in [-1, 1] to the nearest levels, int32 from 0 to 255."""
    levels = ops.round((pixels + 1.0) * ((LEVELS - 1) / 2.0))
    return ops.cast(ops.clip(levels, 0, LEVELS - 1), "int32")


def from_levels(levels):
    """Levels from 0 to 255 to float32 values in [-1, 1]."""
    return ops.cast(levels, "float32") * (2.0 / (LEVELS - 1)) - 1.0


def choose(logits, uniform):
    """The classes at which cumulative probabilities pass uniform numbers.

    Args:
        logits: Logits, (..., classes).
        uniform: Numbers in [0, 1), (...).

    Returns:
        int32 (...).
    """
    shares = ops.cumsum(ops.softmax(logits), axis=-1)[..., :-1]
    return ops.sum(ops.cast(shares <= uniform[..., None], "int32"), axis=-1)


@keras.saving.register_keras_serializable("keras_gen")
class PixelHead(layers.Layer):
    """Parameters of each channel's distribution, from features and earlier channels.

    The head has two layers of 1x1 convolutions. The first also takes the pixel's own
    channels through a fixed mask, whose rows stand for output channels; a row has a 1
    for each channel that the output channel depends on:

        R  0 0 0
        G  1 0 0
        B  1 1 0

    Args:
        kind: Kind of the distribution: "bernoulli" (-1 or 1), "categorical" (256
            levels) or "logistic_mixture" (256 levels, by discretised logistics).
        channels: Number of channels of the image.
        hidden: Features between the two layers, for each channel.
        num_components: Number of components of a "logistic_mixture".
        **kwargs: Arguments of `keras.layers.Layer`; `dtype` is float32 by default.

    Raises:
        ValueError: For another kind.
    """

    @checked
    def __init__(
        self,
        kind: Literal["bernoulli", "categorical", "logistic_mixture"],
        channels: Count,
        hidden: Count,
        num_components: Count = 10,
        **kwargs,
    ):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.kind, self.channels = kind, channels
        self.hidden, self.num_components = hidden, num_components
        self.distribution = {
            "bernoulli": Bernoulli,
            "categorical": Categorical,
            "logistic_mixture": lambda: LogisticMixture(num_components),
        }[kind]()
        self.mask = np.tri(channels, k=-1, dtype=np.float32).T[..., None]

    def build(self, features_shape, pixels_shape):
        """Builds for features (..., features) and pixels (..., channels)."""
        add = self.add_weight
        shape = (features_shape[-1], self.channels * self.hidden)
        self.context = add(name="context", shape=shape)
        shape = (self.channels, self.hidden)
        self.hidden_bias = add(name="hidden_bias", shape=shape, initializer="zeros")
        if self.channels > 1:
            shape = (self.channels, self.channels, self.hidden)
            self.earlier = add(name="earlier", shape=shape)
        count = self.distribution.num_parameters
        self.kernel = add(name="kernel", shape=(self.channels, self.hidden, count))
        self.bias = add(
            name="bias", shape=(self.channels, count), initializer=self._initial_bias
        )

    def _initial_bias(self, shape, dtype=None):
        """Zeros; for a mixture, means spread over [-1, 1] and log-scales of -2."""
        bias = np.zeros(shape, np.float32)
        if self.kind == "logistic_mixture":
            bias[:, self.num_components :] = np.concatenate(
                [
                    np.linspace(-1, 1, self.num_components),
                    np.full(self.num_components, -2.0),
                ]
            )
        return ops.convert_to_tensor(bias, dtype)

    def call(self, features, pixels):
        """Parameters of each channel's distribution.

        Args:
            features: Features, (..., features).
            pixels: Pixels (..., channels), in [-1, 1], whose distribution is computed;
                a channel's parameters depend only on the previous channels.

        Returns:
            float32 (..., channels, parameters).
        """
        # Not ops.relu, since TensorFlow 2.21 fails to fuse it with a residual sum, and
        # logs error messages.
        features = ops.maximum(features, 0.0)
        hidden = ops.tensordot(features, self.context, 1)
        hidden = ops.reshape(hidden, (-1, *pixels.shape[1:], self.hidden))
        hidden = hidden + self.hidden_bias
        if self.channels > 1:
            hidden = hidden + ops.tensordot(pixels, self.earlier * self.mask, 1)
        outputs = ops.einsum("...ch,chp->...cp", ops.relu(hidden), self.kernel)
        return outputs + self.bias

    def compute_output_shape(self, features_shape: tuple, pixels_shape: tuple) -> tuple:
        """(..., channels, parameters)."""
        return (*pixels_shape, self.distribution.num_parameters)

    def log_prob(self, parameters, pixels):
        """Log-probability of each channel, (..., channels), in nats."""
        return self.distribution.log_prob(parameters, pixels)

    def draw(self, features, uniforms):
        """Draws pixels, channel after channel.

        Args:
            features: Features, (batch, features).
            uniforms: Numbers in [0, 1), (batch, channels, num_uniforms).

        Returns:
            float32 (batch, channels), in [-1, 1].
        """
        drawn = [ops.zeros_like(uniforms[:, 0, 0])] * self.channels
        for channel in range(self.channels):
            parameters = self(features, ops.stack(drawn, axis=-1))
            drawn[channel] = self.distribution.quantile(
                parameters[:, channel], uniforms[:, channel]
            )
        return ops.stack(drawn, axis=-1)

    def get_config(self) -> dict:
        """The constructor's arguments."""
        names = ("kind", "channels", "hidden", "num_components")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
