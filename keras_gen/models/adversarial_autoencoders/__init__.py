"""Autoencoders whose codes are matched to a prior by a discriminator."""

from keras_gen.models.adversarial_autoencoders.aae import AAE
from keras_gen.models.adversarial_autoencoders.base import AdversarialAutoencoder
from keras_gen.models.adversarial_autoencoders.semi_aae import SemiSupervisedAAE

__all__ = [
    "AAE",
    "AdversarialAutoencoder",
    "SemiSupervisedAAE",
]
