"""Checkpoints that a killed run goes on from."""

import os
import pathlib
import tempfile

import keras

from keras_gen import distribute
from keras_gen.core import checks
from keras_gen.files import write_aside


class Checkpoint(keras.callbacks.Callback):
    """Saves everything at the end of epochs, and resumes from it.

    The file is a `.keras` archive: weights, every optimizer, averages, the step and the
    random state. It is written aside and renamed: a run that is killed at any moment
    and started again by the same script goes on from the last checkpoint, with the same
    data (if they have a seed) and the same noise as without the interruption. A script
    that sets TensorFlow's global seed must set the same one again, since the order of
    shuffled data depends on it.

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
        every: Epochs between checkpoints. `fit(steps_per_epoch=...)` makes epochs
            shorter.
        resume: Whether `fit` goes on from the file where it exists.
    """

    def __init__(self, path, every: int = 1, resume: bool = True):
        super().__init__()
        if not str(path).endswith(".keras"):
            raise ValueError(f"Expected a path that ends in .keras, got {path}.")
        checks.at_least(1, every=every)
        self.path, self.every, self.resume = pathlib.Path(path), every, resume
        self.epoch = 0

    def restore(self, model) -> bool:
        """Brings the model to the state of the file; False where there is none."""
        if not self.resume or not self.path.exists():
            return False
        model.load_weights(self.path)
        self.epoch = int(model.epoch.numpy())
        return True

    def on_epoch_end(self, epoch, logs=None):
        """Writes the checkpoint where it is due."""
        self.model.epoch.assign(epoch + 1)
        if (epoch + 1) % self.every == 0:
            save_model(self.model, self.path)


def save_model(model, path):
    """`model.save(path)`, written aside and renamed; by one worker of several."""
    if distribute.is_chief(model.distribute_strategy):
        write_aside(path, model.save)
    else:  # Saving reads variables together with the other workers.
        with tempfile.TemporaryDirectory() as folder:
            model.save(os.path.join(folder, "unused.keras"))
