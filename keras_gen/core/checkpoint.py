"""Checkpoints from which an interrupted run continues."""

import os
import pathlib
import tempfile
import warnings

import keras

from keras_gen import distribute
from keras_gen.core import keras_internals, weight_files
from keras_gen.core.arguments import checked
from keras_gen.core.types import Count, Path
from keras_gen.files import write_aside


class Checkpoint(keras.callbacks.Callback):
    """Saves the whole state of training at the end of epochs, and resumes from it.

    The file is a `.keras` archive with the weights, every optimizer, the averages, the
    step and the random state. It is written to a temporary file, which is flushed to
    the disk and renamed: a run that is killed at any moment and started again by the
    same script continues from the last checkpoint, with the same data (if they have a
    seed) and the same noise as without the interruption. A script that sets
    TensorFlow's global seed must set the same one again, since the order of shuffled
    data depends on it.

    >>> model = keras_gen.zoo.load("stacked_ae", image_shape=(8, 8, 1))
    >>> images = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), np.uint8)
    >>> options = {"callbacks": [Checkpoint("run/checkpoint.keras")], "verbose": 0}
    >>> history = model.fit(images, epochs=1, **options)
    >>> model = keras_gen.zoo.load("stacked_ae", image_shape=(8, 8, 1))
    >>> history = model.fit(images, epochs=3, **options)  # Resumes after epoch 1.
    >>> history.epoch
    [1, 2]

    Args:
        path: Path of the file, ending in `.keras`.
        every: Epochs between checkpoints; the last epoch is written in any case.
            `fit(steps_per_epoch=...)` makes epochs shorter. Put this callback before
            others that change weights at the end of training.
        resume: Boolean, whether `fit` continues from the file if it exists. Constant
            learning rates are those that were compiled, not those in the file.
    """

    @checked
    def __init__(self, path: Path, every: Count = 1, resume: bool = True):
        super().__init__()
        if not str(path).endswith(".keras"):
            raise ValueError(f"Expected a path that ends in .keras, got {path}.")
        self.path, self.every, self.resume = pathlib.Path(path), every, resume
        self.epoch, self._unsaved = 0, False

    def restore(self, model: keras.Model) -> bool:
        """Restores the model from the file; returns False if there is no file.

        Raises:
            ValueError: For a model that is compiled with other kinds of optimizers, or
                a file that is damaged or does not fit.
        """
        if not self.resume or not self.path.exists():
            self.epoch = 0
            model.epoch.assign(0)  # Weights to start from may count their own epochs.
            return False
        _check_optimizers(model, self.path)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            model.load_weights(self.path)
        for warning in warned:
            # Keras passes over the state of an optimizer with other slots.
            if "Skipping variable loading" in str(warning.message):
                raise ValueError(
                    f"Expected optimizers with the slots of those in {self.path}, got "
                    "others, such as with another momentum or amsgrad."
                )
        self.epoch = int(model.epoch.numpy())
        return True

    def on_epoch_end(self, epoch, logs=None):
        """Writes the checkpoint after every `every` epochs."""
        self.model.epoch.assign(epoch + 1)
        self._unsaved = (epoch + 1) % self.every != 0
        if not self._unsaved:
            save_model(self.model, self.path)

    def on_train_end(self, logs=None):
        """Writes the last epochs, if `every` does not divide their number."""
        if self._unsaved:
            save_model(self.model, self.path)
            self._unsaved = False


def _check_optimizers(model, path):
    """Refuses other kinds of optimizers than those whose state a file holds."""
    compiled = weight_files.read_config(path).get("compile_config") or {}
    saved = weight_files.optimizers_of(compiled, path)
    for name, optimizer in model.optimizers.items():
        kind = type(keras_internals.unscaled(optimizer)).__name__
        was = saved[name]["class_name"] if name in saved else kind
        if was != kind:
            raise ValueError(
                f"Expected {was} for {name!r}, as in {path}, got {kind}. "
                "keras_gen.zoo.load(..., weights=path) begins anew with its weights."
            )


def save_model(model: keras.Model, path: str | os.PathLike):
    """Runs `model.save(path)` on one worker, by a temporary file that is renamed."""
    if distribute.is_chief(model.distribute_strategy):
        write_aside(path, model.save)
    else:  # All workers must take part: to save, they read variables together.
        with tempfile.TemporaryDirectory() as folder:
            model.save(os.path.join(folder, "unused.keras"))
