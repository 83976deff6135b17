"""Callbacks that `fit` refuses, and losses on which it stops."""

import math
import os
from collections.abc import Collection, Iterable

import keras

from keras_gen.core import keras_internals

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


def check_monitors(
    callbacks: Iterable[keras.callbacks.Callback],
    names: Collection[str],
    has_validation: bool,
):
    """Checks what callbacks monitor before the first epoch; losses of players fall.

    Keras would fail after the first epoch, or warn after each.

    Args:
        callbacks: Callbacks of `fit`.
        names: Names of losses and figures in the logs.
        has_validation: Boolean, whether `fit` has validation data.

    Raises:
        ValueError: For a callback whose value is not in the logs, or for whose value
            no direction is known.
    """
    for callback in callbacks:
        mode = getattr(callback, "mode", None)
        monitor = getattr(callback, "monitor", None)
        if mode is None or not isinstance(monitor, str):
            continue
        if not getattr(callback, "save_best_only", True):
            continue
        kind, name = type(callback).__name__, monitor.removeprefix("val_")
        is_validation = monitor.startswith("val_")
        if is_validation and name in names and not has_validation:
            raise ValueError(
                f"Expected validation data for {kind}(monitor={monitor!r}), got none."
            )
        is_unknown = name not in names and (mode == "auto" or name == "loss")
        if is_unknown:  # With a mode, another callback may add a value of any name.
            raise ValueError(
                f"Expected {kind} with monitor of {list(names)}, or with 'val_' before "
                f"it, got {monitor!r}."
            )
        if mode == "auto" and name.endswith("_loss"):
            keras_internals.set_direction(callback)
        elif mode == "auto":
            raise ValueError(
                f"Expected {kind}(monitor={monitor!r}) with mode='min' or mode='max', "
                "got none."
            )


_PROCESS = []  # The id of the process that built the first model.


def refuse_forked():
    """Refuses to run in a forked child of a process that has run TensorFlow.

    TensorFlow's threads do not exist there, and it would wait for them forever.
    """
    if not _PROCESS:
        _PROCESS.append(os.getpid())
    if _PROCESS[0] != os.getpid():
        raise RuntimeError(
            "TensorFlow does not run in a forked process; expected one that is started "
            "by multiprocessing.get_context('spawn')."
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
