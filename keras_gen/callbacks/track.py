"""Trackers of experiments, which log the epochs of `fit`."""

import json
import pathlib
import warnings
from typing import Literal

import keras

from keras_gen import distribute, files, trackers
from keras_gen.core.arguments import checked
from keras_gen.core.types import Path

STATE = "trackers.json"  # How each tracker finds the run when it goes on.


class Track(keras.callbacks.Callback):
    """Logs losses, figures, settings and sample grids to a tracker of experiments.

    What is logged goes where the tracker's library sends it: TensorBoard and Trackio
    keep it on this machine, Weights & Biases sends it to its server unless WANDB_MODE
    is "offline", and MLflow to MLFLOW_TRACKING_URI. Training that resumes with the same
    folder goes on with the same tracked run. Of several workers, only the chief logs.

    >>> model = keras_gen.zoo.load("gan", image_shape=(8, 8, 1), widths=(16,))
    >>> images = np.random.default_rng(0).integers(0, 256, (128, 8, 8, 1), np.uint8)
    >>> grid = keras_gen.callbacks.SampleGrid("tracked/samples")
    >>> track = keras_gen.callbacks.Track("tensorboard", "tracked")
    >>> history = model.fit(images, epochs=2, callbacks=[grid, track], verbose=0)
    >>> sorted(path.name for path in pathlib.Path("tracked").iterdir())
    ['samples', 'tensorboard', 'trackers.json']

    Args:
        tracker: Name of the tracker. TensorBoard gets settings and grids; its losses
            are those of `keras.callbacks.TensorBoard`.
        folder: Path of the run's folder. Grids are those that `SampleGrid`, earlier in
            the list of callbacks, writes to its folder `samples`.
        settings: Dict from name to value of the settings to log, of plain types.
    """

    @checked
    def __init__(
        self,
        tracker: Literal["tensorboard", "wandb", "mlflow", "trackio"],
        folder: Path,
        settings: dict | None = None,
    ):
        super().__init__()
        trackers.check([tracker])
        self.tracker, self.folder = tracker, pathlib.Path(folder)
        self.settings, self._log = dict(settings or {}), None

    def on_train_begin(self, logs=None):
        """Starts the tracked run, or goes on with it."""
        if not distribute.is_chief(self.model.distribute_strategy):
            return
        known = tracked(self.folder)
        log = trackers.TRACKERS[self.tracker]()
        settings = json.loads(json.dumps(self.settings))
        try:
            found = log.start(self.folder, settings, known.get(self.tracker))
        except Exception as error:  # Each library has classes of its own.
            raise OSError(
                f"The tracker {self.tracker} could not start: {error}"
            ) from error
        text = json.dumps({**known, self.tracker: found}, indent=2) + "\n"
        files.write_text(self.folder / STATE, text)
        self._log = log

    def on_epoch_end(self, epoch, logs=None):
        """Logs losses, figures, and the grid of the epoch if there is one."""
        if self._log is None:
            return
        figures = {key: float(value) for key, value in (logs or {}).items()}
        grid = self.folder / "samples" / f"epoch_{epoch + 1:04d}.png"
        try:
            self._log.log(epoch + 1, figures)
            if grid.is_file():
                self._log.show(epoch + 1, grid)
        except Exception as error:
            self._warn(f"did not take epoch {epoch + 1}", error)

    def _warn(self, what, error):
        """Warns of an error of the library, which shall not end a training."""
        text = f"The tracker {self.tracker} {what}, and training goes on: {error}"
        warnings.warn(text, stacklevel=3)

    def on_train_end(self, logs=None):
        """Ends the tracked run as complete."""
        self.close(is_complete=True)

    def close(self, is_complete: bool = False) -> None:
        """Ends the tracked run; does nothing if it is ended.

        Args:
            is_complete: Boolean, whether training came to its end.
        """
        log, self._log = self._log, None
        if log is not None:
            try:
                log.finish(is_complete)
            except Exception as error:
                self._warn("could not end its run", error)


def tracked(folder: Path) -> dict[str, str]:
    """How trackers find the run of a folder, by name; empty if it was not tracked.

    Args:
        folder: Path of the run's folder.
    """
    path = pathlib.Path(folder) / STATE
    return files.read_json(path) if path.is_file() else {}
