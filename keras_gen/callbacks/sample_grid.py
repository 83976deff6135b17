"""Grids of samples, written as training goes on."""

import pathlib

import keras
import numpy as np

from keras_gen import distribute, images


class SampleGrid(keras.callbacks.Callback):
    """Writes a grid of samples, always of the same seeds, as training goes on.

    Args:
        folder: Gets `epoch_0001.png`, ...
        every: Epochs between grids.
        n: Samples in a grid.
        seed: Of the samples.
        images: What to reconstruct, float32 (n, height, width, channels), for models
            without `sample`; a batch, a dict, for those that show what they do by
            `pictures`.
        **conditions: For `sample`: `labels=`, ...; of a model with classes, labels that
            are not given go through all of them.
    """

    def __init__(self, folder, every=1, n=64, seed=0, images=None, **conditions):
        super().__init__()
        self.folder, self.every, self.n = pathlib.Path(folder), every, n
        self.seed, self.images, self.conditions = seed, images, conditions

    def on_train_begin(self, logs=None):
        """Checks that the model can draw something."""
        if "sample" not in self.model.abilities() and self.images is None:
            raise ValueError(
                f"{type(self.model).__name__} cannot sample: expected "
                "SampleGrid(images=...) to reconstruct or to show."
            )

    def on_epoch_end(self, epoch, logs=None):
        """Writes the grid where it is due."""
        if (epoch + 1) % self.every == 0:
            self.write(self.folder / f"epoch_{epoch + 1:04d}.png")

    def write(self, path):
        """Writes the grid of the model as it is; by one worker of several."""
        if not distribute.is_chief(self.model.distribute_strategy):
            return
        if self.images is None:
            conditions = dict(self.conditions)
            if "labels" in self.model.abilities()["sample"].specs(self.model):
                labels = np.arange(self.n) % self.model.num_classes
                conditions.setdefault("labels", labels)
            drawn = self.model.sample(self.n, seed=self.seed, **conditions)
            images.save_grid(drawn, path)
        elif isinstance(self.images, dict):
            rows = self.model.pictures(self.images)
            images.save_grid(rows.reshape(-1, *rows.shape[2:]), path, rows.shape[1])
        else:
            pairs = np.stack([self.images, self.model.reconstruct(self.images)], 1)
            images.save_grid(pairs.reshape(-1, *pairs.shape[2:]), path)
