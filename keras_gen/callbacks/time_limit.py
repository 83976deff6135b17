"""A limit on the time of `fit`."""

import time

import keras


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
