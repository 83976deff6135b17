"""Figures for generated images that can be compared: each names what it was made of."""

from keras_gen.metrics.classes import classifier_score, modes
from keras_gen.metrics.gaussian import Statistics, frechet_distance
from keras_gen.metrics.kernel import kernel_distance
from keras_gen.metrics.neighbours import density_coverage, precision_recall

__all__ = [
    "Statistics",
    "classifier_score",
    "density_coverage",
    "frechet_distance",
    "kernel_distance",
    "modes",
    "precision_recall",
]
