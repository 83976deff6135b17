"""Trackers of experiments: TensorBoard, Weights & Biases, MLflow and Trackio.

The models have an optimizer for each player, and `model.optimizer` is None. The Keras
callbacks of these libraries read that one, so that their logging functions are called
here instead. A library is imported when it is asked for, and obeys its own variables,
such as WANDB_MODE, WANDB_PROJECT, MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME,
TRACKIO_DIR and TRACKIO_SPACE_ID.
"""

import difflib
import importlib
import json
import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

PROJECT = "keras-gen"  # Of a new run, unless the library's variable names another.


class TensorBoard:
    """TensorBoard: settings and grids, beside what the Keras callback of a run logs."""

    def start(
        self, folder: pathlib.Path, settings: Mapping[str, Any], known: str | None
    ) -> str:
        """Begins to log, or goes on.

        Args:
            folder: Path of the run's folder.
            settings: Settings of the run, of plain types.
            known: What this returned when the run began; None for a new run.

        Returns:
            A name by which the library finds the run when it goes on.
        """
        import tensorflow as tf

        self.tf, place = tf, folder / "tensorboard" / "samples"
        self.writer = tf.summary.create_file_writer(str(place))
        rows = [f"|{key}|`{json.dumps(value)}`|" for key, value in settings.items()]
        with self.writer.as_default():
            text = "\n".join(["|setting|value|", "|---|---|", *rows])
            tf.summary.text("settings", text, step=0)
        return "tensorboard"

    def log(self, epochs: int, figures: Mapping[str, float]) -> None:
        """Logs losses and figures.

        Args:
            epochs: Number of epochs that are done.
            figures: Dict from name to number.
        """

    def show(self, epochs: int, grid: pathlib.Path) -> None:
        """Logs a grid of samples.

        Args:
            epochs: Number of epochs that are done.
            grid: Path of the PNG file.
        """
        image = self.tf.io.decode_png(grid.read_bytes())
        with self.writer.as_default():
            self.tf.summary.image("samples", image[None], step=epochs)

    def finish(self, is_complete: bool) -> None:
        """Ends the logging.

        Args:
            is_complete: Boolean, whether training came to its end.
        """
        self.writer.close()


class WeightsAndBiases:
    """Weights & Biases; its methods are those of `TensorBoard`."""

    def start(self, folder, settings, known):
        """Begins to log, or goes on; see `TensorBoard.start`."""
        self.library = _imported("wandb")
        self.run = self.library.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=folder.name,
            dir=str(folder),
            config=dict(settings),
            id=known,
            resume="allow",
        )
        self.run.config.update(dict(settings), allow_val_change=True)
        # Not its own steps, which cannot go back: an epoch may be trained twice.
        self.run.define_metric("epoch")
        self.run.define_metric("*", step_metric="epoch")
        return self.run.id

    def log(self, epochs, figures):
        """Logs losses and figures."""
        self.run.log({**figures, "epoch": epochs})

    def show(self, epochs, grid):
        """Logs a grid of samples."""
        self.run.log({"samples": self.library.Image(str(grid)), "epoch": epochs})

    def finish(self, is_complete):
        """Ends the logging."""
        self.run.finish(exit_code=0 if is_complete else 1)


class MLflow:
    """MLflow; its methods are those of `TensorBoard`."""

    def start(self, folder, settings, known):
        """Begins to log, or goes on; see `TensorBoard.start`."""
        self.library = _imported("mlflow")
        if known is None and "MLFLOW_EXPERIMENT_ID" not in os.environ:
            name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
            self.library.set_experiment(name)
        run = self.library.start_run(
            run_id=known, run_name=None if known else folder.name
        )
        # Parameters cannot be changed: those of a run that goes on become tags.
        texts = {key: json.dumps(value) for key, value in settings.items()}
        old = run.data.params
        self.library.log_params({k: v for k, v in texts.items() if k not in old})
        changed = {k: v for k, v in texts.items() if old.get(k, v) != v}
        self.library.set_tags({f"resumed.{k}": v for k, v in changed.items()})
        return run.info.run_id

    def log(self, epochs, figures):
        """Logs losses and figures."""
        self.library.log_metrics(dict(figures), step=epochs)

    def show(self, epochs, grid):
        """Logs a grid of samples."""
        self.library.log_artifact(str(grid), "samples")

    def finish(self, is_complete):
        """Ends the logging."""
        self.library.end_run("FINISHED" if is_complete else "KILLED")


class Trackio:
    """Trackio; its methods are those of `TensorBoard`."""

    def start(self, folder, settings, known):
        """Begins to log, or goes on; see `TensorBoard.start`."""
        self.library = _imported("trackio")
        name = known or "-".join(folder.absolute().parts[-2:])
        self.run = self.library.init(
            project=os.environ.get("TRACKIO_PROJECT", PROJECT),
            name=name,
            config=dict(settings),
            resume="never" if known is None else "allow",
            embed=False,
        )
        return self.run.name

    def log(self, epochs, figures):
        """Logs losses and figures."""
        self.library.log(dict(figures), step=epochs)

    def show(self, epochs, grid):
        """Logs a grid of samples."""
        self.library.log({"samples": self.library.Image(str(grid))}, step=epochs)

    def finish(self, is_complete):
        """Ends the logging."""
        self.library.finish()


TRACKERS = {
    "tensorboard": TensorBoard,
    "wandb": WeightsAndBiases,
    "mlflow": MLflow,
    "trackio": Trackio,
}


def check(names: Iterable[str]) -> None:
    """Refuses trackers that are unknown, and those whose library is not installed.

    Args:
        names: Names of trackers.

    Raises:
        ValueError: For an unknown name, or one that is given twice.
        ImportError: For a library that is not installed, with what to install.
    """
    names = list(names)
    for name in names:
        if name not in TRACKERS:
            near = difflib.get_close_matches(name, TRACKERS, n=1)
            hint = f"; nearest: {near[0]}" if near else ""
            raise ValueError(
                f"Expected a tracker of {', '.join(TRACKERS)}, got {name!r}{hint}."
            )
        if names.count(name) > 1:
            raise ValueError(f"Expected each tracker once, got {name!r} twice.")
        if name != "tensorboard":
            _imported(name)


def _imported(name):
    """The library of a tracker."""
    with_what = f"pip install 'keras-gen[{name}]'"
    try:
        library = importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"The tracker {name} needs its library ({error}): {with_what}."
        ) from error
    if getattr(library, "__file__", None) is None:
        # Python takes a folder, such as the files of old runs, for a package.
        raise ImportError(f"The tracker {name} needs its library: {with_what}.")
    return library
