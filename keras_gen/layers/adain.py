"""Adaptive instance normalisation: a style sets each map's mean and deviation."""

import keras
from keras import layers, ops

from keras_gen.layers.equalized import EqualizedDense


@keras.saving.register_keras_serializable("keras_gen")
class AdaIN(layers.Layer):
    """Adaptive instance normalisation (Karras et al., 2019, equation 1).

        y_s (x - mean(x)) / deviation(x) + y_b,    (y_s, y_b) = A w

    Mean and standard deviation are those of a feature map's pixels, computed in float32
    under every dtype policy. A is a learned affine function of the style w; its initial
    bias gives deviation 1 and mean 0 for w = 0.
    """

    def build(self, x_shape, style_shape):
        """Builds for maps (batch, height, width, maps) and styles (batch, numbers)."""
        options = {"dtype": self.dtype_policy, "gain": 1.0}
        self.deviation = EqualizedDense(
            x_shape[-1], bias_start=1.0, name="deviation", **options
        )
        self.mean = EqualizedDense(x_shape[-1], name="mean", **options)
        self.deviation.build(style_shape)
        self.mean.build(style_shape)
        self.built = True

    def call(self, x, style):
        """Gives maps the mean and standard deviation that the style determines.

        Args:
            x: Feature maps, (batch, height, width, maps).
            style: Styles, (batch, numbers).

        Returns:
            (batch, height, width, maps).
        """
        wide = ops.cast(x, "float32")
        centred = wide - ops.mean(wide, axis=(1, 2), keepdims=True)
        square = ops.mean(ops.square(centred), axis=(1, 2), keepdims=True)
        plain = ops.cast(centred * ops.rsqrt(square + 1e-8), self.compute_dtype)
        deviation, mean = self.deviation(style), self.mean(style)
        return plain * deviation[:, None, None] + mean[:, None, None]

    def compute_output_shape(self, x_shape: tuple, style_shape: tuple) -> tuple:
        """The shape of the maps."""
        return x_shape
