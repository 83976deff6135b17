"""Equalised learning rate [1]: kernels are scaled when used, not when initialised.

Optimizers that divide by the size of a gradient, such as Adam, then change all weights
at the same relative speed.

1. Karras et al., "Progressive Growing of GANs", 2018, section 4.1.
"""

import math

import keras
from keras import layers, ops

from keras_gen.core.arguments import checked
from keras_gen.core.types import Count, Rate

HE = math.sqrt(2)  # Gain that makes up for a rectifier after the layer.


class _Equalized(layers.Layer):
    """Kernel and bias of a layer, and the factors that they are used with.

    The kernel is drawn from N(0, 1) and used times gain / sqrt(fan in), He's constant.

    Args:
        units: Number of output features.
        gain: Gain of the activation after the layer: `HE` for a rectifier, else 1.
        rate: Factor on the learning rate of kernel and bias: their initial values are
            divided by it, and they are multiplied by it when used.
        bias_start: Initial value of the bias as it is used.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    @checked
    def __init__(
        self,
        units: Count,
        gain: Rate = HE,
        rate: Rate = 1.0,
        bias_start: float = 0.0,
        **kwargs,
    ):
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
        """The bias as it is used, in the dtype that the layer computes in."""
        return ops.cast(self.bias * self.rate, self.compute_dtype)

    def get_config(self) -> dict:
        """The constructor's arguments."""
        names = ("units", "gain", "rate", "bias_start")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("keras_gen")
class EqualizedDense(_Equalized):
    """A dense layer with an equalised learning rate [1], without activation.

    Args:
        units: Number of output features.
        **kwargs: `gain`, the gain of the activation after the layer (`HE`, for a
            rectifier); `rate`, a factor on the learning rate (1); `bias_start`, the
            initial bias (0); and arguments of `keras.layers.Layer`.
    """

    def build(self, shape):
        """Builds for (batch, features)."""
        self._add_weights(shape[-1], self.units)

    def call(self, x):
        """(batch, features) to (batch, units)."""
        return ops.matmul(x, self.scaled_kernel()) + self.scaled_bias()

    def compute_output_shape(self, shape: tuple) -> tuple:
        """The shape of the input, with `units` features."""
        return (*shape[:-1], self.units)


@keras.saving.register_keras_serializable("keras_gen")
class EqualizedConv2D(_Equalized):
    """A convolution with an equalised learning rate [1] and "same" padding.

    Args:
        units: Number of output maps.
        kernel_size: Side of the square kernel.
        halves: Boolean, whether the means of four neighbouring outputs are returned, as
            from a convolution with stride 2; sides of the input are then even.
        **kwargs: `gain`, `rate` and `bias_start`, as for `EqualizedDense`, and
            arguments of `keras.layers.Layer`.
    """

    @checked
    def __init__(
        self, units: Count, kernel_size: Count = 3, halves: bool = False, **kwargs
    ):
        super().__init__(units, **kwargs)
        self.kernel_size, self.halves = kernel_size, halves

    def build(self, shape):
        """Builds for (batch, height, width, maps)."""
        self._add_weights(self.kernel_size, self.kernel_size, shape[-1], self.units)

    def call(self, x):
        """(batch, height, width, maps) to (batch, height, width, units), or halved."""
        kernel, stride = self.scaled_kernel(), 1
        if self.halves:  # One kernel convolves and takes the mean.
            kernel, stride = _mean_of_shifted(kernel), 2
        return ops.conv(x, kernel, stride, padding="same") + self.scaled_bias()

    def compute_output_shape(self, shape: tuple) -> tuple:
        """The shape of the input, with `units` maps, and halved sides if it halves."""
        batch, height, width, _ = shape
        if self.halves:
            height, width = (side and side // 2 for side in (height, width))
        return (batch, height, width, self.units)

    def get_config(self) -> dict:
        """The constructor's arguments."""
        own = {"kernel_size": self.kernel_size, "halves": self.halves}
        return {**super().get_config(), **own}


def _mean_of_shifted(kernel):
    """The mean of a kernel at four positions, (side + 1, side + 1, inputs, outputs)."""
    shifts = [(0, 1), (1, 0)]
    return sum(
        ops.pad(kernel, [rows, columns, (0, 0), (0, 0)]) / 4
        for rows in shifts
        for columns in shifts
    )
