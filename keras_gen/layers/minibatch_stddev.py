"""Minibatch standard deviation [1]: tells a discriminator how varied images are.

1. Karras et al., "Progressive Growing of GANs", 2018, section 3.
"""

import keras
import tensorflow as tf
from keras import layers

from keras_gen.core.arguments import checked
from keras_gen.core.types import Count


@keras.saving.register_keras_serializable("keras_gen")
class MinibatchStdDev(layers.Layer):
    """Adds a map with the mean standard deviation of features over a group of images.

    Outside of training, each image is its own group, so that the output for a row does
    not depend on the other rows of the batch: the map is 0. A discriminator's verdicts
    are therefore others than in training; and in training an image changes the map of
    its group, so that a penalty of gradients is not quite that of single images, as in
    [1]. The layer computes in float32.

    Args:
        group_size: Number of images in a group. If the batch size is not a multiple of
            it, the whole batch is one group.
        **kwargs: Arguments of `keras.layers.Layer`, except `dtype`.
    """

    @checked
    def __init__(self, group_size: Count = 4, **kwargs):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        self.group_size = group_size

    def call(self, x, training=False):
        """(batch, ..., features) to float32 (batch, ..., features + 1)."""
        shape = tf.shape(x)
        if not training:
            return tf.concat([x, tf.zeros_like(x[..., :1])], axis=-1)
        divides = tf.equal(shape[0] % self.group_size, 0)
        size = tf.where(divides, self.group_size, shape[0])
        # Of m groups, one consists of images i, i + m, i + 2m, ...
        groups = tf.reshape(x, tf.concat([[size, -1], shape[1:]], axis=0))
        variance = tf.math.reduce_variance(groups, axis=0)
        mean = tf.reduce_mean(
            tf.sqrt(variance + 1e-8),
            axis=tuple(range(1, len(x.shape))),
            keepdims=True,
        )
        repeats = tf.concat([[size], shape[1:-1], [1]], axis=0)
        return tf.concat([x, tf.tile(mean, repeats)], axis=-1)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """The shape of the input, with one feature more."""
        return (*input_shape[:-1], input_shape[-1] + 1)

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return {**super().get_config(), "group_size": self.group_size}
