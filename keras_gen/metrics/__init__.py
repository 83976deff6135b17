"""Figures of generative models that can be compared, and the functions they use.

`evaluate` computes all figures that a model's abilities allow. Each figure is also a
function of arrays, which can be called separately. The results include the name of the
features with which figures of images were computed.
"""

from keras_gen.metrics import codes, densities
from keras_gen.metrics.classes import classifier_score, mixture_modes, modes
from keras_gen.metrics.evaluation import Evaluation, evaluate, evaluate_folder
from keras_gen.metrics.features import Extractor, extractor
from keras_gen.metrics.figures import FIGURES, Context, Figure
from keras_gen.metrics.gaussian import Statistics, frechet_distance
from keras_gen.metrics.kernel import kernel_distance
from keras_gen.metrics.memorisation import (
    Neighbours,
    memorisation_figures,
    nearest,
    neighbours_grid,
)
from keras_gen.metrics.neighbours import density_coverage, precision_recall
from keras_gen.metrics.path_length import perceptual_path_length
from keras_gen.metrics.report import write_report
from keras_gen.metrics.scale import Scale
from keras_gen.metrics.summary import Summary, image_figures, summarize
from keras_gen.metrics.variety import ms_ssim, sample_similarity, sliced_wasserstein

__all__ = [
    "FIGURES",
    "Context",
    "Evaluation",
    "Extractor",
    "Figure",
    "Neighbours",
    "Scale",
    "Statistics",
    "Summary",
    "classifier_score",
    "codes",
    "densities",
    "density_coverage",
    "evaluate",
    "evaluate_folder",
    "extractor",
    "frechet_distance",
    "image_figures",
    "kernel_distance",
    "memorisation_figures",
    "mixture_modes",
    "modes",
    "ms_ssim",
    "nearest",
    "neighbours_grid",
    "perceptual_path_length",
    "precision_recall",
    "sample_similarity",
    "sliced_wasserstein",
    "summarize",
    "write_report",
]
