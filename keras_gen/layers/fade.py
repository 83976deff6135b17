"""From an old picture to a new one."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("keras_gen")
class Fade(layers.Layer):
    """(1 - alpha) old + alpha new (Karras et al., 2018, figure 2).

    Exactly the old one at alpha 0, and exactly the new one at 1.
    """

    def call(self, old, new, alpha):
        """Two tensors of a shape (batch, ...), and alpha (batch,) in [0, 1]."""
        share = ops.reshape(alpha, (-1,) + (1,) * (len(new.shape) - 1))
        return (1.0 - share) * old + share * new

    def compute_output_shape(self, old_shape, new_shape, alpha_shape):
        """The new one's."""
        return new_shape
