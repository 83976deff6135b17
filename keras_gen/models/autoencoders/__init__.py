"""Autoencoders without a prior over their codes."""

from keras_gen.models.autoencoders.base import Autoencoder
from keras_gen.models.autoencoders.conv_ae import ConvAE
from keras_gen.models.autoencoders.denoising_ae import DenoisingAE
from keras_gen.models.autoencoders.linear_ae import LinearAE
from keras_gen.models.autoencoders.recurrent_ae import RecurrentAE
from keras_gen.models.autoencoders.sparse_ae import SparseAE
from keras_gen.models.autoencoders.stacked_ae import StackedAE

__all__ = [
    "Autoencoder",
    "ConvAE",
    "DenoisingAE",
    "LinearAE",
    "RecurrentAE",
    "SparseAE",
    "StackedAE",
]
