"""The page of a run: its curves, its last grid of samples, and its settings."""

import contextlib
import pathlib

import keras

from keras_gen import distribute, page

SECONDS = 30  # After which a browser reads the page of a training that goes on again.


class RunPage(keras.callbacks.Callback):
    """Writes a page about the training after each epoch, `index.html`.

    Args:
        folder: Path of the run's folder, with `log.csv` and `samples`.
        title: Title of the page.
        settings: Dict from name to value of the settings of the run.
        commands: Dict from what a shell command does to the command.
    """

    def __init__(
        self, folder: pathlib.Path, title: str, settings: dict, commands: dict
    ):
        super().__init__()
        self.folder, self.title = folder, title
        self.settings, self.commands = settings, commands

    def on_epoch_end(self, epoch, logs=None):
        """Writes the page of a training that goes on."""
        self._write(epoch + 1, SECONDS)

    def on_train_end(self, logs=None):
        """Writes the last page, which stays as it is."""
        self._write(int(self.model.epoch.numpy()), 0)

    def _write(self, epochs, refresh):
        log = self.folder / "log.csv"
        if not distribute.is_chief(self.model.distribute_strategy) or not log.is_file():
            return
        state = f"Epoch {epochs:,} of {self.params['epochs']:,}"
        parts = [page.heading(state)]
        with contextlib.suppress(ValueError):  # A log that lost its epochs.
            parts.append(page.curves(log))
        grids = sorted((self.folder / "samples").glob("epoch_*.png"))
        if grids:
            number = int(grids[-1].stem.removeprefix("epoch_"))
            parts.append(page.heading("Samples"))
            caption = f"After epoch {number:,}, always with the same seed"
            parts.append(page.picture(caption, grids[-1].read_bytes()))
        parts.append(page.heading("Commands"))
        for what, command in self.commands.items():
            parts += [page.heading(what, 3), page.code(command)]
        rows = [(key, value) for key, value in self.settings.items()]
        parts += [page.heading("Settings"), page.table(rows, ("setting", "value"))]
        page.write_page(self.folder / "index.html", self.title, parts, refresh)
