"""How long steps of training take."""

import time

import keras


class Clock(keras.callbacks.Callback):
    """Seconds of every step."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_train_batch_begin(self, batch, logs=None):
        """A step starts."""
        self.start = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        """A step has ended."""
        self.seconds.append(time.perf_counter() - self.start)
