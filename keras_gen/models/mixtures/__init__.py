"""Mixtures of simple densities over pixels."""

from keras_gen.models.mixtures.gmm import GMM

__all__ = ["GMM"]
