"""Grids of samples, written during training."""

import os
import pathlib

import keras
import numpy as np

from keras_gen import distribute, images
from keras_gen.core.arguments import checked
from keras_gen.core.inputs import LABEL, with_role
from keras_gen.core.types import Count, Path, Seed


class SampleGrid(keras.callbacks.Callback):
    """Writes a grid of samples after epochs, always drawn with the same seeds.

    Training that resumes first writes the grid of the last epoch before it, if it is
    missing: the process may have been killed between the checkpoint and the grid.

    >>> model = keras_gen.zoo.load("gan", image_shape=(8, 8, 1), widths=(16,))
    >>> images = np.random.default_rng(0).integers(0, 256, (128, 8, 8, 1), np.uint8)
    >>> grid = keras_gen.callbacks.SampleGrid("samples")
    >>> history = model.fit(images, epochs=2, callbacks=[grid], verbose=0)
    >>> sorted(path.name for path in pathlib.Path("samples").iterdir())
    ['epoch_0001.png', 'epoch_0002.png']

    Args:
        folder: Path of the folder for the files `epoch_0001.png`, ...
        every: Number of epochs between grids.
        n: Number of samples in a grid.
        seed: Seed of the samples.
        images: Images to reconstruct, float32 (n, height, width, channels), for models
            without `sample`; or a batch, a dict, for models with `pictures`.
        **conditions: Conditions of `sample`, such as `labels=`. If a model takes labels
            and none are given, all classes are drawn in turn.
    """

    @checked(unchecked=("images",))
    def __init__(
        self,
        folder: Path,
        every: Count = 1,
        n: Count = 64,
        seed: Seed = 0,
        images: np.ndarray | dict | None = None,
        **conditions,
    ):
        super().__init__()
        self.folder, self.every, self.n = pathlib.Path(folder), every, n
        self.seed, self.images, self.conditions = seed, images, conditions
        self._has_begun = False

    def on_train_begin(self, logs=None):
        """Checks that there is something to draw."""
        self._has_begun = False
        if "sample" not in self.model.abilities() and self.images is None:
            raise ValueError(
                f"{type(self.model).__name__} cannot sample: expected "
                "SampleGrid(images=...) to reconstruct or to show."
            )

    def on_epoch_begin(self, epoch, logs=None):
        """Writes the grid of the epochs that were done before, if it is missing."""
        if not self._has_begun:
            self._write_missing(epoch)
        self._has_begun = True

    def on_train_end(self, logs=None):
        """Writes the last grid if it is missing and all epochs were done before."""
        done = int(self.model.epoch.numpy())
        if not self._has_begun and done == self.params["epochs"]:
            self._write_missing(done)

    def on_epoch_end(self, epoch, logs=None):
        """Writes a grid every `every` epochs."""
        if (epoch + 1) % self.every == 0:
            self.write(self._path(epoch + 1))

    def _path(self, epochs):
        return self.folder / f"epoch_{epochs:04d}.png"

    def _write_missing(self, epochs):
        if epochs and epochs % self.every == 0 and not self._path(epochs).exists():
            self.write(self._path(epochs))

    def write(self, path: str | os.PathLike) -> None:
        """Writes a grid of the current model; of several workers, only the chief does.

        Args:
            path: Path of the PNG file.
        """
        if not distribute.is_chief(self.model.distribute_strategy):
            return
        if self.images is None:
            drawn = self.model.sample(
                self.n, seed=self.seed, **{**self._all_labels(), **self.conditions}
            )
            images.save_grid(drawn, path)
        elif isinstance(self.images, dict):
            rows = self.model.pictures(self.images)
            images.save_grid(rows.reshape(-1, *rows.shape[2:]), path, rows.shape[1])
        else:
            pairs = np.stack([self.images, self.model.reconstruct(self.images)], 1)
            images.save_grid(pairs.reshape(-1, *pairs.shape[2:]), path)

    def _all_labels(self):
        """All labels that `sample` takes, in turn, by name of the input."""
        declared = self.model.abilities()["sample"].declared(self.model)
        return {
            entry.name: np.arange(self.n) % (entry.range[1] + 1)
            for entry in with_role(declared, LABEL)
        }
