"""Models that predict one pixel after the other."""

from keras_gen.models.autoregressive.base import AutoregressiveModel
from keras_gen.models.autoregressive.pixelcnn import PixelCNN
from keras_gen.models.autoregressive.pixelrnn import PixelRNN

__all__ = [
    "AutoregressiveModel",
    "PixelCNN",
    "PixelRNN",
]
