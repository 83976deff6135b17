"""Durations of training steps.

Notes for measurements:

- Use the mean, not the median, for a model with a lazy penalty: the median ignores the
  few steps that compute the penalty.
- Measure single steps, not calls of `fit`: a growing model is traced anew in each call.
- Linux divides the cores among sessions (autogroups): `nice` has an effect only within
  one `setsid`.
"""

import time

import keras


class Clock(keras.callbacks.Callback):
    """Records the duration of every training step.

    Attributes:
        seconds: Durations of the steps so far, in order.
    """

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_train_batch_begin(self, batch, logs=None):
        """Notes when a step starts."""
        self.start = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        """Adds the step's duration."""
        self.seconds.append(time.perf_counter() - self.start)
