"""Sinusoidal features of a number [1], as networks take times.

1. Vaswani et al., "Attention Is All You Need", 2017, section 3.5.
"""

import math

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("keras_gen")
class TimeEmbedding(layers.Layer):
    """Numbers to cosines and sines of frequencies from 1 to 1 / 10000, in radians.

    Args:
        units: Number of features, even.
        scale: Factor of the numbers; with 1000, times in [0, 1] have the features of
            the positions 0 to 1000.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, units: int, scale: float = 1000.0, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        if units < 2 or units % 2:
            raise ValueError(f"Expected an even number of units, got {units}.")
        self.units, self.scale = units, scale

    def call(self, time):
        """(batch,) to float32 (batch, units)."""
        half = self.units // 2
        exponent = ops.arange(half, dtype="float32") / half
        frequencies = self.scale * ops.exp(-math.log(10_000.0) * exponent)
        angles = ops.cast(time, "float32")[:, None] * frequencies
        return ops.concatenate([ops.cos(angles), ops.sin(angles)], axis=-1)

    def compute_output_shape(self, shape: tuple) -> tuple:
        """(batch, units)."""
        return (shape[0], self.units)

    def get_config(self) -> dict:
        """The constructor's arguments."""
        config = {**super().get_config(), "units": self.units, "scale": self.scale}
        return {name: value for name, value in config.items() if name != "dtype"}
