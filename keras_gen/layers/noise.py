"""Noise on maps, each by a strength of its own."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("keras_gen")
class AddNoise(layers.Layer):
    """x + strength * noise, a learned strength a map (Karras et al., 2019, section 3).

    The noise is one map, given from outside; strengths start at 0.
    """

    def build(self, x_shape, noise_shape):
        """Builds for (batch, height, width, maps)."""
        self.strength = self.add_weight(
            name="strength", shape=(x_shape[-1],), initializer="zeros"
        )

    def call(self, x, noise):
        """Maps (batch, height, width, maps) with noise (batch, height, width, 1)."""
        return x + ops.cast(self.strength, self.compute_dtype) * noise

    def compute_output_shape(self, x_shape, noise_shape):
        """The maps' shape."""
        return x_shape
