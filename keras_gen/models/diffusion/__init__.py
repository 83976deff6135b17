"""Diffusion models and flow matching: networks that take noise away, step by step."""

from keras_gen.models.diffusion.consistency import Consistency
from keras_gen.models.diffusion.ddpm import DDPM
from keras_gen.models.diffusion.edm import EDM
from keras_gen.models.diffusion.flow_matching import FlowMatching
from keras_gen.models.diffusion.text_to_image_diffusion import (
    TextToImageDiffusion,
)

__all__ = ["Consistency", "DDPM", "EDM", "FlowMatching", "TextToImageDiffusion"]
