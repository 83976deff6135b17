"""Padding with the mirror image of what lies inside an edge."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_gen")
class ReflectionPadding2D(keras.layers.Layer):
    """Pads maps on all sides by reflection, so that convolutions meet no edge.

        c b | a b c d | c b

    Args:
        size: Rows and columns added on each side; fewer than the maps have.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, size: int, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def call(self, maps):
        """Maps (batch, height, width, channels), both sides larger by twice `size`."""
        sides = (self.size, self.size)
        return ops.pad(maps, ((0, 0), sides, sides, (0, 0)), mode="reflect")

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return {**super().get_config(), "size": self.size}
