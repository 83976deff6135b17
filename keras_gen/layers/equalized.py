"""Equalised learning rate [1]: kernels are scaled where they are used, not drawn small.

Optimizers that divide by a gradient's size, as Adam, then move all weights at the same
relative speed.

1. Karras et al., "Progressive Growing of GANs", 2018, section 4.1.
"""

import math

import keras
from keras import layers, ops

HE = math.sqrt(2)  # Makes up for a rectifier that follows.


class _Equalized(layers.Layer):
    """Kernel and bias of a layer, and what they are multiplied with when used.

    The kernel is drawn from N(0, 1) and used times gain / sqrt(fan in), He's constant.

    Args:
        units: Features that come out.
        gain: `HE` where a rectifier follows, 1 elsewhere.
        rate: Multiplies the learning rate of kernel and bias: they are drawn larger by
            1 / rate and used smaller by it.
        bias_start: Value of the bias in use, at first.
        **kwargs: Of the layer.
    """

    def __init__(self, units, gain=HE, rate=1.0, bias_start=0.0, **kwargs):
        super().__init__(**kwargs)
        self.units, self.gain, self.rate = units, gain, rate
        self.bias_start = bias_start

    def _add_weights(self, *kernel_shape):
        self.scale = self.gain / math.sqrt(math.prod(kernel_shape[:-1])) * self.rate
        self.kernel = self.add_weight(
            name="kernel",
            shape=kernel_shape,
            initializer=keras.initializers.RandomNormal(stddev=1.0 / self.rate),
        )
        self.bias = self.add_weight(
            name="bias",
            shape=(self.units,),
            initializer=keras.initializers.Constant(self.bias_start / self.rate),
        )

    def scaled_kernel(self):
        """The kernel as it is used, in the dtype that the layer computes in."""
        return ops.cast(self.kernel * self.scale, self.compute_dtype)

    def scaled_bias(self):
        """The bias as it is used."""
        return ops.cast(self.bias * self.rate, self.compute_dtype)

    def get_config(self):
        """The constructor's arguments."""
        names = ("units", "gain", "rate", "bias_start")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("keras_gen")
class EqualizedDense(_Equalized):
    """A dense layer with an equalised learning rate, without activation."""

    def build(self, shape):
        """Builds for (batch, features)."""
        self._add_weights(shape[-1], self.units)

    def call(self, x):
        """(batch, features) to (batch, units)."""
        return ops.matmul(x, self.scaled_kernel()) + self.scaled_bias()

    def compute_output_shape(self, shape):
        """The last dimension is `units`."""
        return (*shape[:-1], self.units)


@keras.saving.register_keras_serializable("keras_gen")
class EqualizedConv2D(_Equalized):
    """A convolution with an equalised learning rate, of stride 1, that keeps the size.

    Args:
        units: Maps that come out.
        kernel_size: Of the square kernel.
        **kwargs: `gain`, `rate`, `bias_start`, and those of the layer.
    """

    def __init__(self, units, kernel_size=3, **kwargs):
        super().__init__(units, **kwargs)
        self.kernel_size = kernel_size

    def build(self, shape):
        """Builds for (batch, height, width, maps)."""
        self._add_weights(self.kernel_size, self.kernel_size, shape[-1], self.units)

    def call(self, x):
        """(batch, height, width, maps) to (batch, height, width, units)."""
        return ops.conv(x, self.scaled_kernel(), padding="same") + self.scaled_bias()

    def compute_output_shape(self, shape):
        """The last dimension is `units`."""
        return (*shape[:-1], self.units)

    def get_config(self):
        """The constructor's arguments."""
        return {**super().get_config(), "kernel_size": self.kernel_size}
