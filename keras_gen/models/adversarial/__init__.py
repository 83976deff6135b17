"""Generative adversarial networks: a generator against a discriminator."""

from keras_gen.models.adversarial.base import AdversarialModel
from keras_gen.models.adversarial.cgan import ConditionalGAN
from keras_gen.models.adversarial.dcgan import DCGAN
from keras_gen.models.adversarial.gan import GAN
from keras_gen.models.adversarial.infogan import InfoGAN
from keras_gen.models.adversarial.text_to_image import TextToImage
from keras_gen.models.adversarial.wgan_gp import WGANGP

__all__ = [
    "AdversarialModel",
    "ConditionalGAN",
    "DCGAN",
    "GAN",
    "InfoGAN",
    "TextToImage",
    "WGANGP",
]
