"""Autoencoders whose codes a discriminator compares with a prior."""

from keras_gen.models.adversarial_autoencoders.aae import AAE
from keras_gen.models.adversarial_autoencoders.semi_aae import SemiSupervisedAAE

__all__ = [
    "AAE",
    "SemiSupervisedAAE",
]
