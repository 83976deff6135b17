"""Callbacks for `fit`: checkpoints to resume from, sample grids, figures, trackers."""

from keras_gen.callbacks.epoch_time import EpochTime
from keras_gen.callbacks.evaluate import Evaluate
from keras_gen.callbacks.power_averages import PowerAverages, reconstruct
from keras_gen.callbacks.sample_grid import SampleGrid
from keras_gen.callbacks.time_limit import TimeLimit
from keras_gen.callbacks.track import Track
from keras_gen.core.checkpoint import Checkpoint, save_model
from keras_gen.core.guards import StopOnNonFinite, refuse_unfit
from keras_gen.models.growing.schedule import Grow, Phase

__all__ = [
    "Checkpoint",
    "EpochTime",
    "Evaluate",
    "Grow",
    "Phase",
    "PowerAverages",
    "SampleGrid",
    "StopOnNonFinite",
    "TimeLimit",
    "Track",
    "reconstruct",
    "refuse_unfit",
    "save_model",
]
