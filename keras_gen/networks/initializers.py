"""Initializers that several networks share."""

import keras


def dcgan_initializer() -> keras.initializers.Initializer:
    """Zero-centred normal weights with standard deviation 0.02.

    Radford, Metz and Chintala, "Unsupervised Representation Learning with Deep
    Convolutional Generative Adversarial Networks", 2016, section 4.
    """
    return keras.initializers.RandomNormal(stddev=0.02)


def he_initializer() -> keras.initializers.Initializer:
    """Zero-centred normal weights with variance 2 / fan in.

    Through layers with rectifiers, outputs and gradients keep their scale without
    normalization: He et al., "Delving Deep into Rectifiers", 2015, section 2.2.
    """
    return keras.initializers.HeNormal()


def near_zero() -> keras.initializers.Initializer:
    """Weights of a layer whose output should start at 0.

    Weights of exactly 0 would give no gradient to the layers before it at first.
    """
    return keras.initializers.VarianceScaling(1e-4, "fan_avg", "uniform")
