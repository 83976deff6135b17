"""The schedule of a growing model: phases, counted in images."""

import dataclasses
from collections.abc import Sequence

import keras

from keras_gen.core import checks


@dataclasses.dataclass(frozen=True)
class Phase:
    """The training of one level of a growing model.

    Attributes:
        side: Height and width of the level's images, in pixels.
        fade: Number of images over which the level is faded in; 0 for the first level.
        stable: Number of images after that.
        batch_size: Number of images in a mini-batch, over all replicas, which divides
            the data's batch size; None uses the data's batches whole.
        learning_rate: Learning rate of all players; None keeps theirs.
    """

    side: int
    fade: int
    stable: int
    batch_size: int | None = None
    learning_rate: float | None = None

    def __post_init__(self):
        """Refuses numbers that no phase can have."""
        checks.at_least(0, fade=self.fade, stable=self.stable)
        if self.batch_size is not None:
            checks.at_least(1, batch_size=self.batch_size)
        if self.learning_rate is not None:
            checks.positive(learning_rate=self.learning_rate)


class Grow(keras.callbacks.Callback):
    """Takes a growing model through its levels, counted in images.

    The current phase follows from the number of images that the model has trained on,
    which is saved with it: a resumed run can continue in the middle of a fade. A model
    that is ahead of the schedule keeps its level until the schedule has reached it:
    images never shrink.

    Args:
        schedule: `Phase`s with rising sides; after the last one the model stays at its
            level. None uses the model's `default_schedule()`.
    """

    def __init__(self, schedule: Sequence[Phase] | None = None):
        super().__init__()
        self.schedule = schedule

    def on_train_begin(self, logs=None):
        """Checks the schedule. Batch sizes are checked in the first step.

        Raises:
            ValueError: For sides that do not rise, or a phase that the model refuses.
        """
        if self.schedule is None:
            self.schedule = self.model.default_schedule()
        sides = [phase.side for phase in self.schedule]
        if not sides or sides != sorted(set(sides)):
            raise ValueError(f"Expected phases with rising sides, got {sides}.")
        for phase in self.schedule:
            self.model.check_phase(phase)
        self.model.batch_sizes = tuple(phase.batch_size for phase in self.schedule)
        self._phase = None

    def on_train_batch_begin(self, batch, logs=None):
        """Enters a phase when it begins, and sets alpha."""
        growth, side = self.model.growth, self.model.image_shape[0]
        phase, alpha = self.place(int(growth.images.numpy()))
        if phase.side < side:
            return
        if phase is not self._phase:
            self.model.enter(phase)
            self._phase = phase
        reached = float(growth.alpha.numpy())
        if phase.side == side:
            alpha = max(alpha, reached)
        if alpha != reached:
            growth.alpha.assign(alpha)

    def place(self, images: int) -> tuple[Phase, float]:
        """The phase, and alpha in [0, 1], after the given number of images."""
        for phase in self.schedule:
            length = phase.fade + phase.stable
            if images < length:
                break
            if phase is not self.schedule[-1]:
                images -= length
        return phase, min(images / phase.fade, 1.0) if phase.fade else 1.0
