"""The time that training will take, measured in its first steps."""

import time

import keras

from keras_gen.core.arguments import checked
from keras_gen.core.types import Count


class EpochTime(keras.callbacks.Callback):
    """Prints once how long an epoch takes, and all epochs together.

    It measures the steps after the first one, in which TensorFlow traces the graph.
    What follows an epoch (validation, checkpoints, pictures) is not counted. With
    `fit(verbose=0)` it prints nothing.

    >>> model = keras_gen.zoo.load("gan", image_shape=(8, 8, 1), widths=(16,))
    >>> images = np.random.default_rng(0).integers(0, 256, (128, 8, 8, 1), np.uint8)
    >>> times = keras_gen.callbacks.EpochTime(steps=2)
    >>> history = model.fit(images, batch_size=16, verbose=2, callbacks=[times])
    About ... of training per epoch (8 steps)...

    Args:
        steps: Number of steps to measure. If an epoch has fewer, the time is printed at
            its end, unless it is the last.
    """

    @checked
    def __init__(self, steps: Count = 20):
        super().__init__()
        self.steps = steps

    def on_train_begin(self, logs=None):
        """Forgets what was measured before."""
        self._seconds, self._measured, self._is_traced = 0.0, 0, False
        self._first_epoch = None
        self._is_done = self.params.get("verbose") == 0

    def on_epoch_begin(self, epoch, logs=None):
        """Counts the steps of an epoch."""
        self._in_epoch = 0
        if self._first_epoch is None:
            self._first_epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        """Starts the clock."""
        self._start = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        """Adds the time of a step; prints after the last that is measured."""
        self._in_epoch += 1
        if not self._is_traced:
            self._is_traced = True
            return
        self._seconds += time.monotonic() - self._start
        self._measured += 1
        if self._measured >= self.steps and self.params.get("steps"):
            self._print(self.params["steps"])

    def on_epoch_end(self, epoch, logs=None):
        """Prints after an epoch that has fewer steps."""
        if self._measured and epoch + 1 < self.params["epochs"]:
            self._print(self._in_epoch)

    def _print(self, steps):
        if self._is_done:
            return
        self._is_done = True
        if self.params.get("verbose") != 2:
            print()  # Ends the line of the progress bar.
        seconds = steps * self._seconds / self._measured
        number = f"{steps:,} step{'' if steps == 1 else 's'}"
        text = f"About {duration(seconds)} of training per epoch ({number})"
        epochs = self.params["epochs"] - self._first_epoch
        current, final = _shape(self.model), self.model.batch_shapes().get("image")
        if current != final:
            side = f"{current[1]}x{current[0]}"
            text += f" while images have {side} pixels; larger ones take longer"
        elif epochs > 1:
            text += f", {duration(epochs * seconds)} for {epochs:,} epochs"
        print(f"{text}.", flush=True)


def _shape(model):
    """The shape of images that a model trains on now, which may grow."""
    shape = getattr(model, "image_shape", None)
    return shape and tuple(shape)


def duration(seconds: float) -> str:
    """A time in words, with two digits or more.

    >>> [duration(s) for s in (0.2, 8.31, 75, 600, 8000, 400_000)]
    ['0.2 s', '8.3 s', '75 s', '10 min', '2 h 13 min', '4 days 15 h']
    """
    if seconds < 10:
        return f"{max(seconds, 0.1):.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} days {hours % 24} h"
