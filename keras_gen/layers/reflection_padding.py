"""Padding with the mirror image of the pixels inside an edge."""

import keras
from keras import ops

from keras_gen.core.arguments import checked
from keras_gen.core.types import Count


@keras.saving.register_keras_serializable("keras_gen")
class ReflectionPadding2D(keras.layers.Layer):
    """Pads maps on all sides by reflection, to avoid artefacts of zero padding.

        c b | a b c d | c b

    Args:
        size: Number of rows and columns added on each side, below the maps' sides.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    @checked
    def __init__(self, size: Count, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def call(self, maps):
        """Enlarges both sides of (batch, height, width, channels) by twice `size`."""
        sides = (self.size, self.size)
        return ops.pad(maps, ((0, 0), sides, sides, (0, 0)), mode="reflect")

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return {**super().get_config(), "size": self.size}
