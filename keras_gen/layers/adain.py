"""A style gives every map its mean and deviation."""

import keras
from keras import layers, ops

from keras_gen.layers.equalized import EqualizedDense


@keras.saving.register_keras_serializable("keras_gen")
class AdaIN(layers.Layer):
    """Adaptive instance normalisation (Karras et al., 2019, equation 1).

        y_s (x - mean(x)) / deviation(x) + y_b,    (y_s, y_b) = A w

    Mean and deviation are over a map's pixels, in float32 whatever the policy; A is
    affine, learned, and gives deviation 1 and mean 0 for w = 0 at first.
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
        """(batch, height, width, maps) in the style (batch, numbers)."""
        wide = ops.cast(x, "float32")
        centred = wide - ops.mean(wide, axis=(1, 2), keepdims=True)
        square = ops.mean(ops.square(centred), axis=(1, 2), keepdims=True)
        plain = ops.cast(centred * ops.rsqrt(square + 1e-8), self.compute_dtype)
        deviation, mean = self.deviation(style), self.mean(style)
        return plain * deviation[:, None, None] + mean[:, None, None]

    def compute_output_shape(self, x_shape, style_shape):
        """The maps' shape."""
        return x_shape
