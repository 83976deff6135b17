"""From features to the distribution of a pixel's channels, one after the other."""

import keras
import numpy as np
from keras import layers, ops

LEVELS = 256


class Bernoulli:
    """Binary pixels, -1 or 1, from a logit."""

    num_parameters, num_uniforms = 1, 1

    def log_prob(self, parameters, pixels):
        """Nats; of values between -1 and 1 the mean over draws with that mean."""
        logits, white = parameters[..., 0], (pixels + 1.0) / 2.0
        return white * ops.log_sigmoid(logits) + (1.0 - white) * ops.log_sigmoid(
            -logits
        )

    def quantile(self, parameters, uniforms):
        """The value below which a share of all draws lies."""
        white = uniforms[..., 0] < ops.sigmoid(parameters[..., 0])
        return ops.where(white, 1.0, -1.0)


class Categorical:
    """256 levels with a probability each, from logits (van den Oord et al., 2016a)."""

    num_parameters, num_uniforms = LEVELS, 1

    def log_prob(self, parameters, pixels):
        """Nats, of the nearest levels."""
        hits = ops.one_hot(to_levels(pixels), LEVELS)
        return ops.sum(hits * ops.log_softmax(parameters), axis=-1)

    def quantile(self, parameters, uniforms):
        """The value below which a share of all draws lies."""
        return from_levels(choose(parameters, uniforms[..., 0]))


class LogisticMixture:
    """256 levels by a mixture of discretised logistics (Salimans et al., 2017).

    A level's probability is what the logistic distribution has within half a level
    (equation 2), at the ends with all beyond.
    """

    num_uniforms = 2

    def __init__(self, num_components):
        self.num_parameters = 3 * num_components

    def log_prob(self, parameters, pixels):
        """Nats, of the nearest levels."""
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
        """A component by the first number, its quantile by the second."""
        weights, means, log_scales = _components(parameters)
        hits = ops.one_hot(choose(weights, uniforms[..., 0]), weights.shape[-1])
        mean, log_scale = ops.sum(hits * means, -1), ops.sum(hits * log_scales, -1)
        share = ops.clip(uniforms[..., 1], 1e-7, 1.0 - 1e-7)
        logit = ops.log(share) - ops.log1p(-share)
        return from_levels(to_levels(mean + ops.exp(log_scale) * logit))


def _components(parameters):
    """Logits of weights, means, and log-scales of at least -7 (as Salimans et al.)."""
    weights, means, log_scales = ops.split(parameters, 3, axis=-1)
    return weights, means, ops.maximum(log_scales, -7.0)


def to_levels(pixels):
    """[-1, 1] to the nearest of 0..255, int32."""
    levels = ops.round((pixels + 1.0) * ((LEVELS - 1) / 2.0))
    return ops.cast(ops.clip(levels, 0, LEVELS - 1), "int32")


def from_levels(levels):
    """0..255 to [-1, 1]."""
    return ops.cast(levels, "float32") * (2.0 / (LEVELS - 1)) - 1.0


def choose(logits, uniform):
    """The class at which cumulated probabilities pass a number in [0, 1)."""
    shares = ops.cumsum(ops.softmax(logits), axis=-1)[..., :-1]
    return ops.sum(ops.cast(shares <= uniform[..., None], "int32"), axis=-1)


OUTPUTS = ("bernoulli", "categorical", "logistic_mixture")


@keras.saving.register_keras_serializable("keras_gen")
class PixelHead(layers.Layer):
    """Parameters of every channel's distribution, from features and channels before it.

    Two layers of 1x1 convolutions. The first takes in the pixel's own channels through
    a fixed mask: a row a channel that comes out, of the channels that it sees,

        R  0 0 0
        G  1 0 0
        B  1 1 0

    Args:
        kind: "bernoulli" (-1 or 1), "categorical" (256 levels) or "logistic_mixture"
            (256 levels, by discretised logistics).
        channels: Of the image.
        hidden: Features a channel between the two layers.
        num_components: Logistics in a mixture.
        **kwargs: Of the layer.
    """

    def __init__(self, kind, channels, hidden, num_components=10, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        if kind not in OUTPUTS:
            raise ValueError(f"Expected an output of {OUTPUTS}, got {kind!r}.")
        self.kind, self.channels = kind, channels
        self.hidden, self.num_components = hidden, num_components
        self.distribution = {
            "bernoulli": Bernoulli,
            "categorical": Categorical,
            "logistic_mixture": lambda: LogisticMixture(num_components),
        }[kind]()
        self.mask = np.tri(channels, k=-1, dtype=np.float32).T[..., None]

    def build(self, features_shape, pixels_shape):
        """Builds for features and pixels of shape (..., features), (..., channels)."""
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
            name="bias", shape=(self.channels, count), initializer=self._first_bias
        )

    def _first_bias(self, shape, dtype=None):
        """Zeros, but means of logistics spread over [-1, 1] and narrower than that."""
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
        """float32 (..., channels, parameters).

        Args:
            features: (..., features).
            pixels: The pixels themselves, (..., channels), in [-1, 1]; a channel's
                parameters follow from those before it alone.
        """
        # Not ops.relu: TensorFlow 2.21 fails to fuse it with a residual sum, loudly.
        features = ops.maximum(features, 0.0)
        hidden = ops.tensordot(features, self.context, 1)
        hidden = ops.reshape(hidden, (-1, *pixels.shape[1:], self.hidden))
        hidden = hidden + self.hidden_bias
        if self.channels > 1:
            hidden = hidden + ops.tensordot(pixels, self.earlier * self.mask, 1)
        outputs = ops.einsum("...ch,chp->...cp", ops.relu(hidden), self.kernel)
        return outputs + self.bias

    def compute_output_shape(self, features_shape, pixels_shape):
        """A row of parameters a channel."""
        return (*pixels_shape, self.distribution.num_parameters)

    def log_prob(self, parameters, pixels):
        """Nats of every channel, (..., channels)."""
        return self.distribution.log_prob(parameters, pixels)

    def draw(self, features, uniforms):
        """Draws pixels, channel after channel.

        Args:
            features: (batch, features).
            uniforms: Numbers from [0, 1), (batch, channels, n).

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

    def get_config(self):
        """The constructor's arguments."""
        names = ("kind", "channels", "hidden", "num_components")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
