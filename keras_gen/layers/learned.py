"""A tensor that is learned, the same for every row."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("keras_gen")
class Learned(layers.Layer):
    """A weight, given once a row of whatever comes in.

    Args:
        shape: Of the weight.
        deviation: Of its values at first, Gaussian around 0.
        **kwargs: Of the layer.
    """

    def __init__(self, shape, deviation=0.0, **kwargs):
        super().__init__(**kwargs)
        self.shape, self.deviation = tuple(shape), deviation

    def build(self, rows_shape):
        """Builds for any rows."""
        self.value = self.add_weight(
            name="value",
            shape=self.shape,
            initializer=keras.initializers.RandomNormal(stddev=self.deviation),
        )

    def call(self, rows):
        """(batch, ...) to (batch, *shape)."""
        value = ops.cast(self.value, self.compute_dtype)
        return ops.broadcast_to(value, (ops.shape(rows)[0], *self.shape))

    def compute_output_shape(self, rows_shape):
        """The weight's shape, a row each."""
        return (rows_shape[0], *self.shape)

    def get_config(self):
        """The constructor's arguments."""
        own = {"shape": self.shape, "deviation": self.deviation}
        return {**super().get_config(), **own}
