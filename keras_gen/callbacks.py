"""Callbacks for `fit`: checkpoints to resume from, sample grids, and guards."""

import dataclasses
import math
import os
import pathlib
import tempfile
import time

import keras
import numpy as np

from keras_gen import distribute, images
from keras_gen.files import write_aside

_UNFIT = {
    "LearningRateScheduler": "give the optimizer a schedule, such as "
    "keras.optimizers.schedules.ExponentialDecay, as its learning rate",
    "ReduceLROnPlateau": "give the optimizer a schedule, such as "
    "keras.optimizers.schedules.CosineDecay, as its learning rate",
    "SwapEMAWeights": "build the model with average=0.999, which keeps a moving "
    "average that sampling, saving and export use",
    "BackupAndRestore": "use keras_gen.callbacks.Checkpoint, which brings back every "
    "optimizer, the step and the random state",
}


def refuse_unfit(callbacks):
    """ValueError for callbacks that read `model.optimizer`: players have their own."""
    for callback in callbacks:
        for kind in type(callback).__mro__:
            if kind.__name__ in _UNFIT and kind.__module__.startswith("keras."):
                raise ValueError(
                    f"Expected callbacks that do not need a single optimizer, got "
                    f"{kind.__name__}: {_UNFIT[kind.__name__]}."
                )


class StopOnNonFinite(keras.callbacks.Callback):
    """Ends `fit` with FloatingPointError when a loss is infinite or not a number.

    `fit` adds it by itself, before all others: no checkpoint is written of such a
    state.
    """

    def on_train_batch_end(self, batch, logs=None):
        """Looks at all losses; a mean that was hit once stays so."""
        for name, value in (logs or {}).items():
            if name.endswith("_loss") and not math.isfinite(value):
                player = name.removesuffix("_loss")
                raise FloatingPointError(
                    f"The loss of player {player!r} is {float(value)} at step "
                    f"{int(self.model.step.numpy())}. A lower learning rate or "
                    "compile(clip_norm=...) may help; the last checkpoint is whole."
                )


class Checkpoint(keras.callbacks.Callback):
    """Saves everything at the end of epochs, and resumes from it.

    The file is a `.keras` archive: weights, every optimizer, averages, the step and the
    random state. It is written aside and renamed: a run that is killed at any moment
    and started again by the same script goes on from the last one, and sees what it
    would have seen (where the data have a seed).

    Args:
        path: The file, ending in `.keras`.
        every: Epochs between checkpoints. `fit(steps_per_epoch=...)` makes epochs
            shorter.
        resume: Whether `fit` goes on from the file where it exists.
    """

    def __init__(self, path, every=1, resume=True):
        super().__init__()
        if not str(path).endswith(".keras"):
            raise ValueError(f"Expected a path that ends in .keras, got {path}.")
        if every < 1:
            raise ValueError(f"Expected every >= 1 epochs, got {every}.")
        self.path, self.every, self.resume = pathlib.Path(path), every, resume
        self.epoch = 0

    def restore(self, model):
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


@dataclasses.dataclass(frozen=True)
class Phase:
    """A level's time in the training of a growing model.

    Attributes:
        side: Of the images, in pixels.
        fade: Images over which the level is faded in; 0 for the first.
        stable: Images after that.
        batch_size: Images in a move, over all replicas, of which the data's batches are
            multiples; None for whole batches.
        learning_rate: Of all players; None for what they have.
    """

    side: int
    fade: int
    stable: int
    batch_size: int | None = None
    learning_rate: float | None = None

    def __post_init__(self):
        """Refuses what no phase can have."""
        if min(self.fade, self.stable) < 0:
            raise ValueError(f"Expected fade and stable of at least 0, got {self}.")
        if self.batch_size is not None and self.batch_size < 1:
            raise ValueError(f"Expected a batch_size of at least 1, got {self}.")
        if self.learning_rate is not None and not self.learning_rate > 0:
            raise ValueError(f"Expected a learning_rate above 0, got {self}.")


class Grow(keras.callbacks.Callback):
    """Takes a growing model through its levels, counted in images.

    Where it stands follows from the images that the model has seen, which are saved
    with it: a resumed run goes on in the middle of a fade. A model that is beyond that
    place stays as it is until the schedule is there too: none shrinks.

    Args:
        schedule: `Phase`s, the sides rising; after the last one the
            model stays there. None takes the model's `default_schedule()`.
    """

    def __init__(self, schedule=None):
        super().__init__()
        self.schedule = schedule

    def on_train_begin(self, logs=None):
        """Checks the schedule; the sizes of batches when the first is there."""
        if self.schedule is None:
            self.schedule = self.model.default_schedule()
        sides = [phase.side for phase in self.schedule]
        if not sides or sides != sorted(set(sides)):
            raise ValueError(f"Expected phases with rising sides, got {sides}.")
        for phase in self.schedule:
            self.model.check_phase(phase)
        self.model.batch_sizes = tuple(phase.batch_size for phase in self.schedule)
        self._phase = None

    def on_train_batch_begin(self, batch, logs=None):
        """Sets alpha, and where a phase begins all else."""
        growth, side = self.model.growth, self.model.image_shape[0]
        phase, alpha = self.place(int(growth.images.numpy()))
        if phase.side < side:
            return
        if phase is not self._phase:
            self.model.enter(phase)
            self._phase = phase
        reached = float(growth.alpha.numpy())
        if phase.side == side:
            alpha = max(alpha, reached)
        if alpha != reached:
            growth.alpha.assign(alpha)

    def place(self, images):
        """The phase in which so many images have been seen, and its alpha."""
        for phase in self.schedule:
            length = phase.fade + phase.stable
            if images < length:
                break
            if phase is not self.schedule[-1]:
                images -= length
        return phase, min(images / phase.fade, 1.0) if phase.fade else 1.0


class TimeLimit(keras.callbacks.Callback):
    """Ends `fit` after so much time, at the next step.

    Args:
        minutes: From the start of `fit`.
    """

    def __init__(self, minutes):
        super().__init__()
        self.minutes = minutes

    def on_train_begin(self, logs=None):
        """Starts the clock."""
        self.end = time.monotonic() + 60 * self.minutes

    def on_train_batch_end(self, batch, logs=None):
        """Looks at the clock."""
        if time.monotonic() > self.end:
            self.model.stop_training = True


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


class Evaluate(keras.callbacks.Callback):
    """Puts figures of samples into the logs, by the averaged generator.

    Put it before callbacks that write logs. Samples, reference and subsets have seeds
    of their own: the run's random numbers stay what they would have been.

    Args:
        data: A source with a train and a test split; see `keras_gen.data.load`.
        every: Epochs between figures.
        features: See `keras_gen.metrics.extractor`; None takes the default.
        num_images: Samples, and real images on either side.
        seed: Of samples, reference and subsets.
        figures: Names of `keras_gen.metrics.image_figures` to show; None shows all.
    """

    def __init__(
        self,
        data,
        every=1,
        features=None,
        num_images=5000,
        seed=0,
        figures=("frechet_distance", "precision", "recall", "coverage"),
    ):
        super().__init__()
        if every < 1:
            raise ValueError(f"Expected every >= 1 epochs, got {every}.")
        self.data, self.every, self.features = data, every, features
        self.num_images, self.seed, self.figures = num_images, seed, figures
        self._scale = None

    def on_train_begin(self, logs=None):
        """Takes in the real images, once."""
        if "sample" not in self.model.abilities():
            raise ValueError(f"{type(self.model).__name__} cannot sample.")
        self._measure_by_its_size()

    def _measure_by_its_size(self):
        from keras_gen import metrics  # They stand above.

        shape = self.model.image_shape  # Of a model that grows another later on.
        if self._scale is None or self._scale.image_shape != tuple(shape):
            self._scale = metrics.Scale(
                self.data, shape, self.features, self.num_images, self.seed
            )

    def on_epoch_end(self, epoch, logs=None):
        """Measures where it is due."""
        if logs is None or (epoch + 1) % self.every:
            return
        self._measure_by_its_size()
        drawn = self._scale.draw(self.model)
        figures = self._scale.measure(drawn, floor=False)
        for name, value in figures.items():
            if isinstance(value, float | int) and (
                self.figures is None or name in self.figures
            ):
                logs[name] = value
