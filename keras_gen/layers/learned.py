"""A weight as a layer: a tensor that is the same for every row."""

from typing import Literal

import keras
from keras import layers, ops

from keras_gen.core.arguments import checked
from keras_gen.core.types import Count, Weight


@keras.saving.register_keras_serializable("keras_gen")
class Learned(layers.Layer):
    """A weight, repeated for each row of the input, whose values are ignored.

    With `trainable=False` the weight is state that is not trained by gradients, and
    `aggregation` says how values assigned by several replicas are combined.

    Args:
        shape: Shape of the weight.
        deviation: Standard deviation of its initial values, Gaussian around 0.
        aggregation: Aggregation of assigned values over replicas, as `add_weight` takes
            it: "none", "mean", "sum" or "only_first_replica".
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    @checked
    def __init__(
        self,
        shape: tuple[Count, ...],
        deviation: Weight = 0.0,
        aggregation: Literal["none", "mean", "sum", "only_first_replica"] = "none",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.shape, self.deviation = tuple(shape), deviation
        self.aggregation = aggregation

    def build(self, rows_shape):
        """Builds the weight, for rows of any shape."""
        self.value = self.add_weight(
            name="value",
            shape=self.shape,
            initializer=keras.initializers.RandomNormal(stddev=self.deviation),
            trainable=self.trainable,
            aggregation=self.aggregation,
        )

    def call(self, rows):
        """Rows (batch, ...) to the weight for each of them, (batch, *shape)."""
        value = ops.cast(self.value, self.compute_dtype)
        return ops.broadcast_to(value, (ops.shape(rows)[0], *self.shape))

    def compute_output_shape(self, rows_shape: tuple) -> tuple:
        """(batch, *shape)."""
        return (rows_shape[0], *self.shape)

    def get_config(self) -> dict:
        """The constructor's arguments."""
        names = ("shape", "deviation", "aggregation")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
