"""The models: one a file, one line here."""

from keras_gen.models.aae import AAE
from keras_gen.models.cgan import ConditionalGAN
from keras_gen.models.classifier import Classifier
from keras_gen.models.conv_ae import ConvAE
from keras_gen.models.cyclegan import CycleGAN
from keras_gen.models.dcgan import DCGAN
from keras_gen.models.denoising_ae import DenoisingAE
from keras_gen.models.gan import GAN
from keras_gen.models.gmm import GMM
from keras_gen.models.infogan import InfoGAN
from keras_gen.models.linear_ae import LinearAE
from keras_gen.models.matcher import Matcher
from keras_gen.models.pixelcnn import PixelCNN
from keras_gen.models.pixelrnn import PixelRNN
from keras_gen.models.progan import ProGAN
from keras_gen.models.puzzle_gan import PuzzleGAN
from keras_gen.models.recurrent_ae import RecurrentAE
from keras_gen.models.semi_aae import SemiSupervisedAAE
from keras_gen.models.sparse_ae import SparseAE
from keras_gen.models.stacked_ae import StackedAE
from keras_gen.models.stargan import StarGAN
from keras_gen.models.stylegan import StyleGAN
from keras_gen.models.text_to_image import TextToImage
from keras_gen.models.transfer import classifier_from
from keras_gen.models.vae import VAE
from keras_gen.models.wgan_gp import WGANGP

__all__ = [
    "AAE",
    "Classifier",
    "DCGAN",
    "GAN",
    "GMM",
    "VAE",
    "WGANGP",
    "ConditionalGAN",
    "ConvAE",
    "CycleGAN",
    "DenoisingAE",
    "InfoGAN",
    "LinearAE",
    "Matcher",
    "PixelCNN",
    "PixelRNN",
    "ProGAN",
    "PuzzleGAN",
    "RecurrentAE",
    "SemiSupervisedAAE",
    "SparseAE",
    "StackedAE",
    "StyleGAN",
    "StarGAN",
    "TextToImage",
    "classifier_from",
]
