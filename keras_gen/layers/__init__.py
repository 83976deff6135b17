"""Layers that models share: one public layer in each file."""

from keras_gen.layers.adain import AdaIN
from keras_gen.layers.affine_network import AffineNetwork
from keras_gen.layers.blur import Blur
from keras_gen.layers.diagonal_bilstm import DiagonalBiLSTM
from keras_gen.layers.equalized import EqualizedConv2D, EqualizedDense
from keras_gen.layers.fade import Fade
from keras_gen.layers.fast_cropping import FastCropping2D
from keras_gen.layers.flow import Flow
from keras_gen.layers.gated_stacks import GatedStacks
from keras_gen.layers.leaky_relu import LeakyReLU
from keras_gen.layers.learned import Learned
from keras_gen.layers.masked_convolution import MaskedConv2D
from keras_gen.layers.masked_dense import MaskedDense
from keras_gen.layers.minibatch_stddev import MinibatchStdDev
from keras_gen.layers.modulated_group_norm import ModulatedGroupNorm
from keras_gen.layers.noise import AddNoise
from keras_gen.layers.pixel_head import PixelHead
from keras_gen.layers.pixel_norm import PixelNorm
from keras_gen.layers.raster import RasterLayer
from keras_gen.layers.reflection_padding import ReflectionPadding2D
from keras_gen.layers.row_lstm import RowLSTM
from keras_gen.layers.spectral import SpectralConv2D, SpectralDense
from keras_gen.layers.text_encoder import TextEncoder
from keras_gen.layers.time_embedding import TimeEmbedding
from keras_gen.layers.transposed_dense import TransposedDense
from keras_gen.layers.zoom import Zoom

__all__ = [
    "AdaIN",
    "AddNoise",
    "AffineNetwork",
    "Blur",
    "DiagonalBiLSTM",
    "EqualizedConv2D",
    "EqualizedDense",
    "Fade",
    "FastCropping2D",
    "Flow",
    "GatedStacks",
    "LeakyReLU",
    "Learned",
    "MaskedConv2D",
    "MaskedDense",
    "MinibatchStdDev",
    "ModulatedGroupNorm",
    "PixelHead",
    "PixelNorm",
    "RasterLayer",
    "ReflectionPadding2D",
    "RowLSTM",
    "SpectralConv2D",
    "SpectralDense",
    "TextEncoder",
    "TimeEmbedding",
    "TransposedDense",
    "Zoom",
]
