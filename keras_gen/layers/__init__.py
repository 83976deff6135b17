"""Layers that several models use: one a file."""

from keras_gen.layers.gated_stacks import GatedStacks
from keras_gen.layers.masked_convolution import MaskedConv2D
from keras_gen.layers.pixel_head import PixelHead
from keras_gen.layers.raster import RasterLayer

__all__ = ["GatedStacks", "MaskedConv2D", "PixelHead", "RasterLayer"]
