"""Figures: one class for each kind of measurement, in the order of an evaluation.

A `Figure` declares when it applies, computes its numbers and draws its pictures. To add
one, write a subclass and append an instance to `FIGURES`, or return it from a model's
`own_figures`; nothing else needs to change.
"""

from keras_gen.metrics.figures.arithmetic import Arithmetic
from keras_gen.metrics.figures.attribute_translations import AttributeTranslations
from keras_gen.metrics.figures.attribute_vectors import AttributeVectors
from keras_gen.metrics.figures.base import Figure
from keras_gen.metrics.figures.captions import Captions
from keras_gen.metrics.figures.categories import Categories
from keras_gen.metrics.figures.code_information import CodeInformation
from keras_gen.metrics.figures.codes import Codes
from keras_gen.metrics.figures.condition_translations import ConditionTranslations
from keras_gen.metrics.figures.context import Context
from keras_gen.metrics.figures.distances import Distances
from keras_gen.metrics.figures.label_agreement import LabelAgreement
from keras_gen.metrics.figures.likelihood import Likelihood
from keras_gen.metrics.figures.losses import Losses
from keras_gen.metrics.figures.memorisation import Memorisation
from keras_gen.metrics.figures.named_attributes import NamedAttributes
from keras_gen.metrics.figures.parts import AssembledParts
from keras_gen.metrics.figures.parzen import Parzen
from keras_gen.metrics.figures.path_length import PathLength
from keras_gen.metrics.figures.prior import PriorMatch
from keras_gen.metrics.figures.real_images import RealImages
from keras_gen.metrics.figures.reconstructions import Reconstructions
from keras_gen.metrics.figures.samples import Samples
from keras_gen.metrics.figures.translations import Translations
from keras_gen.metrics.figures.variety import Variety

FIGURES: list[Figure] = [
    Losses(),
    Reconstructions(),
    Translations(),
    AttributeTranslations(),
    ConditionTranslations(),
    AssembledParts(),
    Captions(),
    NamedAttributes(),
    Likelihood(),
    Codes(),
    Categories(),
    AttributeVectors(),
    CodeInformation(),
    PriorMatch(),
    Samples(),
    RealImages("train", "training images"),
    RealImages("test", "test images"),
    Distances(),
    Variety(),
    Memorisation(),
    Parzen(),
    LabelAgreement(),
    Arithmetic(),
    PathLength(),
]

__all__ = ["FIGURES", "Context", "Figure"]
