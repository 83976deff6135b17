"""Reflection padding: what lies beyond an edge is what lies before it."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_gen")
class ReflectionPadding2D(keras.layers.Layer):
    """Pads maps on all sides, without a border that convolutions could see.

        c b | a b c d | c b

    Args:
        size: Rows and columns on each side; less than the maps have.
        **kwargs: Of the layer.
    """

    def __init__(self, size, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def call(self, maps):
        """Maps (batch, height, width, channels), larger by twice the size."""
        sides = (self.size, self.size)
        return ops.pad(maps, ((0, 0), sides, sides, (0, 0)), mode="reflect")

    def get_config(self):
        """The constructor's arguments."""
        return {**super().get_config(), "size": self.size}
