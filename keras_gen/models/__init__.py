"""The models: one a file, one line here."""

from keras_gen.models.classifier import Classifier
from keras_gen.models.conv_ae import ConvAE
from keras_gen.models.dcgan import DCGAN
from keras_gen.models.denoising_ae import DenoisingAE
from keras_gen.models.gan import GAN
from keras_gen.models.gmm import GMM
from keras_gen.models.linear_ae import LinearAE
from keras_gen.models.pixelcnn import PixelCNN
from keras_gen.models.pixelrnn import PixelRNN
from keras_gen.models.recurrent_ae import RecurrentAE
from keras_gen.models.sparse_ae import SparseAE
from keras_gen.models.stacked_ae import StackedAE
from keras_gen.models.vae import VAE

__all__ = [
    "Classifier",
    "DCGAN",
    "GAN",
    "GMM",
    "VAE",
    "ConvAE",
    "DenoisingAE",
    "LinearAE",
    "PixelCNN",
    "PixelRNN",
    "RecurrentAE",
    "SparseAE",
    "StackedAE",
]
