"""A limit on the time of `fit`."""

import time

import keras


class TimeLimit(keras.callbacks.Callback):
    """Stops `fit` at the first step after a given time.

    >>> limit = keras_gen.callbacks.TimeLimit(minutes=8)  # doctest: +SKIP
    >>> model.fit(train, epochs=100, callbacks=[limit])  # doctest: +SKIP

    Args:
        minutes: Minutes from the start of `fit`.
    """

    def __init__(self, minutes: float):
        super().__init__()
        self.minutes = minutes

    def on_train_begin(self, logs=None):
        """Starts the clock."""
        self.end = time.monotonic() + 60 * self.minutes

    def on_train_batch_end(self, batch, logs=None):
        """Stops the training when the time is over."""
        if time.monotonic() > self.end:
            self.model.stop_training = True
