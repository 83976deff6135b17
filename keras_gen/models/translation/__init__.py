"""Models that translate images from one set to another."""

from keras_gen.models.translation.cyclegan import CycleGAN
from keras_gen.models.translation.stargan import StarGAN

__all__ = [
    "CycleGAN",
    "StarGAN",
]
