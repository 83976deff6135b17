"""Leaky ReLU that TensorFlow does not fuse with a convolution while it is trained."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("keras_gen")
class LeakyReLU(keras.layers.LeakyReLU):
    """`keras.layers.LeakyReLU`, for use behind convolutions.

    The gradient of a leaky ReLU takes its input. TensorFlow 2.21 fuses a convolution,
    its bias and a leaky ReLU even so, which removes this input from the graph. It then
    logs "remapper failed" and makes no fusion in the whole graph. In training, an
    operation that copies nothing stands between, so that only the bias is fused.

    It takes the arguments of `keras.layers.LeakyReLU`.
    """

    def call(self, inputs, training=False):
        """Activations with the shape of the inputs."""
        if training:
            inputs = tf.ensure_shape(inputs, inputs.shape)
        return super().call(inputs)
