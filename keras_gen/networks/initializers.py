"""Initializers that several networks share."""

import keras


def dcgan_initializer() -> keras.initializers.Initializer:
    """Zero-centred normal weights with standard deviation 0.02.

    Radford, Metz and Chintala, "Unsupervised Representation Learning with Deep
    Convolutional Generative Adversarial Networks", 2016, section 4.
    """
    return keras.initializers.RandomNormal(stddev=0.02)
