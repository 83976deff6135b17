"""Linear interpolation between two tensors, by a share for each row."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("keras_gen")
class Fade(layers.Layer):
    """(1 - alpha) old + alpha new (Karras et al., 2018, figure 2).

    The result is exactly `old` at alpha 0, and exactly `new` at alpha 1.
    """

    def call(self, old, new, alpha):
        """Interpolates between two tensors.

        Args:
            old: Tensor (batch, ...) for alpha 0.
            new: Tensor of the same shape for alpha 1.
            alpha: Share of `new`, (batch,), in [0, 1].

        Returns:
            Tensor of the same shape.
        """
        share = ops.reshape(alpha, (-1,) + (1,) * (len(new.shape) - 1))
        return (1.0 - share) * old + share * new

    def compute_output_shape(
        self, old_shape: tuple, new_shape: tuple, alpha_shape: tuple
    ) -> tuple:
        """The shape of `new`."""
        return new_shape
