"""The models: one a file, one line here."""

from keras_gen.models.classifier import Classifier
from keras_gen.models.dcgan import DCGAN
from keras_gen.models.gan import GAN
from keras_gen.models.gmm import GMM
from keras_gen.models.pixelcnn import PixelCNN
from keras_gen.models.pixelrnn import PixelRNN
from keras_gen.models.vae import VAE

__all__ = ["DCGAN", "GAN", "GMM", "VAE", "Classifier", "PixelCNN", "PixelRNN"]
