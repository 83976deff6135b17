"""Minibatch standard deviation [1]: shows a discriminator how varied images are.

1. Karras et al., "Progressive Growing of GANs", 2018, section 3.
"""

import keras
import tensorflow as tf
from keras import layers


@keras.saving.register_keras_serializable("keras_gen")
class MinibatchStdDev(layers.Layer):
    """Adds a map that holds the mean deviation of features over a group of images.

    Outside training an image is a group of its own, so that a row does not depend on
    who shares the batch: the map is 0.

    Args:
        group_size: Images in a group; the whole batch where it does not divide it.
        **kwargs: Of the layer; it computes in float32.
    """

    def __init__(self, group_size=4, **kwargs):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        self.group_size = group_size

    def call(self, x, training=False):
        """(batch, ..., features) to (batch, ..., features + 1)."""
        shape = tf.shape(x)
        if not training:
            return tf.concat([x, tf.zeros_like(x[..., :1])], axis=-1)
        divides = tf.equal(shape[0] % self.group_size, 0)
        size = tf.where(divides, self.group_size, shape[0])
        # Images i, i + m, i + 2m, ... are a group, m groups in all.
        groups = tf.reshape(x, tf.concat([[size, -1], shape[1:]], axis=0))
        variance = tf.math.reduce_variance(groups, axis=0)
        mean = tf.reduce_mean(
            tf.sqrt(variance + 1e-8),
            axis=tuple(range(1, len(x.shape))),
            keepdims=True,
        )
        repeats = tf.concat([[size], shape[1:-1], [1]], axis=0)
        return tf.concat([x, tf.tile(mean, repeats)], axis=-1)

    def compute_output_shape(self, input_shape):
        """One feature more."""
        return (*input_shape[:-1], input_shape[-1] + 1)

    def get_config(self):
        """The constructor's arguments."""
        return {**super().get_config(), "group_size": self.group_size}
