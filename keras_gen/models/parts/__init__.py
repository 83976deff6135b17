"""Models that generate images from parts of them."""

from keras_gen.models.parts.puzzle_gan import PuzzleGAN

__all__ = [
    "PuzzleGAN",
]
