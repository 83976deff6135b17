"""Noise added to feature maps, with a learned strength for each map."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("keras_gen")
class AddNoise(layers.Layer):
    """x + strength * noise, a learned strength for each map (Karras et al., 2019, 3).

    The noise is an input, one map that all feature maps share. The initial strengths
    are 0.
    """

    def build(self, x_shape, noise_shape):
        """Builds for (batch, height, width, maps)."""
        self.strength = self.add_weight(
            name="strength", shape=(x_shape[-1],), initializer="zeros"
        )

    def call(self, x, noise):
        """Maps with noise.

        Args:
            x: Feature maps, (batch, height, width, maps).
            noise: Noise, (batch, height, width, 1).

        Returns:
            (batch, height, width, maps).
        """
        return x + ops.cast(self.strength, self.compute_dtype) * noise

    def compute_output_shape(self, x_shape: tuple, noise_shape: tuple) -> tuple:
        """The shape of the maps."""
        return x_shape
