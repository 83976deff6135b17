"""The models: a package for each family, a file for each model."""

from keras_gen.models.adversarial import (
    DCGAN,
    GAN,
    WGANGP,
    ConditionalGAN,
    InfoGAN,
    TextToImage,
)
from keras_gen.models.adversarial_autoencoders import AAE, SemiSupervisedAAE
from keras_gen.models.autoencoders import (
    ConvAE,
    DenoisingAE,
    LinearAE,
    RecurrentAE,
    SparseAE,
    StackedAE,
)
from keras_gen.models.autoregressive import PixelCNN, PixelRNN
from keras_gen.models.diffusion import (
    DDPM,
    EDM,
    Consistency,
    FlowMatching,
    TextToImageDiffusion,
)
from keras_gen.models.growing import ProGAN, StyleGAN
from keras_gen.models.judges import Classifier, Matcher, classifier_from
from keras_gen.models.mixtures import GMM
from keras_gen.models.parts import PuzzleGAN
from keras_gen.models.translation import CycleGAN, StarGAN
from keras_gen.models.variational import VAE

__all__ = [
    "AAE",
    "Classifier",
    "ConditionalGAN",
    "Consistency",
    "ConvAE",
    "CycleGAN",
    "DCGAN",
    "DDPM",
    "DenoisingAE",
    "EDM",
    "FlowMatching",
    "GAN",
    "GMM",
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
    "StarGAN",
    "StyleGAN",
    "TextToImage",
    "TextToImageDiffusion",
    "VAE",
    "WGANGP",
    "classifier_from",
]
