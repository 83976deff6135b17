"""Adversarial networks whose images grow during training."""

from keras_gen.models.growing.base import GrowingModel
from keras_gen.models.growing.progan import ProGAN
from keras_gen.models.growing.schedule import Grow, Phase
from keras_gen.models.growing.stylegan import StyleGAN

__all__ = [
    "Grow",
    "GrowingModel",
    "Phase",
    "ProGAN",
    "StyleGAN",
]
