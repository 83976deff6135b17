"""Layers that models share: one public layer a file."""

from keras_gen.layers.affine_network import AffineNetwork
from keras_gen.layers.diagonal_bilstm import DiagonalBiLSTM
from keras_gen.layers.flow import Flow
from keras_gen.layers.gated_stacks import GatedStacks
from keras_gen.layers.masked_convolution import MaskedConv2D
from keras_gen.layers.masked_dense import MaskedDense
from keras_gen.layers.minibatch_stddev import MinibatchStdDev
from keras_gen.layers.pixel_head import PixelHead
from keras_gen.layers.raster import RasterLayer
from keras_gen.layers.reflection_padding import ReflectionPadding2D
from keras_gen.layers.row_lstm import RowLSTM
from keras_gen.layers.spectral import SpectralConv2D, SpectralDense
from keras_gen.layers.text_encoder import TextEncoder
from keras_gen.layers.transposed_dense import TransposedDense

__all__ = [
    "AffineNetwork",
    "DiagonalBiLSTM",
    "Flow",
    "GatedStacks",
    "MaskedConv2D",
    "MaskedDense",
    "MinibatchStdDev",
    "PixelHead",
    "RasterLayer",
    "ReflectionPadding2D",
    "RowLSTM",
    "SpectralConv2D",
    "SpectralDense",
    "TextEncoder",
    "TransposedDense",
]
