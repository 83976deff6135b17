"""Models that generate images from some of their parts."""

from keras_gen.models.parts.puzzle_gan import PuzzleGAN

__all__ = [
    "PuzzleGAN",
]
