"""A limit on the time of `fit`."""

import time

import keras

from keras_gen.core.arguments import checked
from keras_gen.core.types import Weight


class TimeLimit(keras.callbacks.Callback):
    """Stops `fit` at the first step after a given time.

    The epoch in which it stops counts as whole, as a line says that it prints: a run
    that is resumed begins with the next one.

    >>> model = keras_gen.zoo.load("gan", image_shape=(8, 8, 1), widths=(16,))
    >>> images = np.random.default_rng(0).integers(0, 256, (128, 8, 8, 1), np.uint8)
    >>> limit = keras_gen.callbacks.TimeLimit(minutes=0)
    >>> history = model.fit(images, epochs=3, callbacks=[limit], verbose=0)
    <BLANKLINE>
    The time is over at step 1 of 2; this epoch counts as whole when a run resumes.
    >>> history.epoch
    [0]

    Args:
        minutes: Minutes from the start of `fit`.
    """

    @checked
    def __init__(self, minutes: Weight):
        super().__init__()
        self.minutes = minutes

    def on_train_begin(self, logs=None):
        """Starts the clock."""
        self.end = time.monotonic() + 60 * self.minutes

    def on_train_batch_end(self, batch, logs=None):
        """Stops training when the time is over."""
        if time.monotonic() > self.end and not self.model.stop_training:
            self.model.stop_training = True
            steps = (self.params or {}).get("steps")
            if steps is None or batch + 1 < steps:
                print(
                    f"\nThe time is over at step {batch + 1} of {steps or 'unknown'}; "
                    "this epoch counts as whole when a run resumes."
                )
