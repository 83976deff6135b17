"""Models that are not generative, but measure generative models."""

from keras_gen.models.judges.classifier import Classifier
from keras_gen.models.judges.matcher import Matcher
from keras_gen.models.judges.transfer import classifier_from

__all__ = [
    "Classifier",
    "Matcher",
    "classifier_from",
]
