"""Cropping with a fast gradient."""

import keras
import tensorflow as tf
from keras import layers


@keras.saving.register_keras_serializable("keras_gen")
class FastCropping2D(layers.Cropping2D):
    """`Cropping2D` by `tf.slice`, whose gradient pads.

    The gradient of a strided slice took a twelfth of the step of a small PixelRNN.
    """

    def call(self, x):
        """(batch, height, width, features) to a part of the height and width."""
        (top, _), (left, _) = self.cropping
        size = self.compute_output_shape((-1, *x.shape[1:]))
        return tf.slice(x, (0, top, left, 0), size)
