"""Callbacks that `fit` refuses, and losses on which it stops."""

import math
from collections.abc import Iterable

import keras

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


def refuse_unfit(callbacks: Iterable[keras.callbacks.Callback]):
    """Refuses Keras callbacks that need `model.optimizer`: each player has its own.

    Raises:
        ValueError: For such a callback; the message says what to use instead.
    """
    for callback in callbacks:
        for kind in type(callback).__mro__:
            if kind.__name__ in _UNFIT and kind.__module__.startswith("keras."):
                raise ValueError(
                    f"Expected callbacks that do not need a single optimizer, got "
                    f"{kind.__name__}: {_UNFIT[kind.__name__]}."
                )


class StopOnNonFinite(keras.callbacks.Callback):
    """Ends `fit` with FloatingPointError when a loss is infinite or not a number.

    `fit` adds it before all other callbacks, so that no checkpoint of such a state is
    written.
    """

    def on_train_batch_end(self, batch, logs=None):
        """Checks all losses; once infinite, a running mean stays infinite."""
        for name, value in (logs or {}).items():
            if name.endswith("_loss") and not math.isfinite(value):
                player = name.removesuffix("_loss")
                raise FloatingPointError(
                    f"The loss of player {player!r} is {float(value)} at step "
                    f"{int(self.model.step.numpy())}. A lower learning rate or "
                    "compile(clip_norm=...) may help; the last checkpoint is whole."
                )
