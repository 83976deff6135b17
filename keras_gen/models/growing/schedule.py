"""The schedule of a growing model: phases, counted in images."""

import dataclasses
from collections.abc import Sequence

import keras

from keras_gen import distribute
from keras_gen.core.arguments import check_fields, checked
from keras_gen.core.types import Count, Natural, Rate


@dataclasses.dataclass(frozen=True)
class Phase:
    """The training of one level of a growing model.

    Attributes:
        side: Height and width of the level's images, in pixels.
        fade: Number of images over which the level is faded in; 0 for the first level.
        stable: Number of images after that.
        batch_size: Number of images in a mini-batch, over all replicas, which divides
            the data's batch size; None uses the data's batches whole.
        learning_rate: Learning rate of all players, which is lowered for one with lazy
            penalties as `game.lazy_adam` says; None keeps theirs.
    """

    side: Count
    fade: Natural
    stable: Natural
    batch_size: Count | None = None
    learning_rate: Rate | None = None

    def __post_init__(self):
        """Refuses numbers that no phase can have."""
        check_fields(self)


class Grow(keras.callbacks.Callback):
    """Takes a growing model through its levels, counted in images.

    The current phase follows from the number of images that the model has trained on,
    which is saved with it: a resumed run can continue in the middle of a fade. A model
    that is ahead of the schedule keeps its level until the schedule has reached it:
    images never shrink.

    Args:
        schedule: `Phase`s with rising sides; after the last one the model stays at its
            level. None uses the model's `default_schedule()` for the length of the run.
    """

    @checked
    def __init__(self, schedule: Sequence[Phase] | None = None):
        super().__init__()
        self.schedule, self._is_given = schedule, schedule is not None

    def on_train_begin(self, logs=None):
        """Checks the schedule, and prints if it will not reach full size in this run.

        Batch sizes are checked in the first step.

        Raises:
            ValueError: For sides that do not rise, or a phase that the model refuses.
        """
        end = self.model.last_image()
        if not self._is_given:
            self.schedule = self.model.default_schedule(end)
        sides = [phase.side for phase in self.schedule]
        if not sides or sides != sorted(set(sides)):
            raise ValueError(f"Expected phases with rising sides, got {sides}.")
        for phase in self.schedule:
            self.model.check_phase(phase)
        self.model.batch_sizes = tuple(phase.batch_size for phase in self.schedule)
        self._phase = None
        self._is_announced = end is not None and self._announce(end)

    def _announce(self, end):
        """Prints what a run to the given image will do; returns whether it falls short.

        The last step is that which ends at this image: growth has to end before it.
        """
        model, full = self.model, self.model.shape[0]
        phase, alpha = self.place(max(end - (model.step_images or 0), 0))
        if self._is_full() or (phase.side == full and alpha == 1.0):
            fitted = not self._is_given and model.phase_images is None
            if fitted and len(self.schedule) > 1 and self.params.get("verbose"):
                self._say(
                    f"Of {end:,} images, the first {self._growth():,} are for growth "
                    f"from {_size(self.schedule[0].side)} to {_size(full)} pixels, in "
                    f"phases of {self.schedule[0].stable:,} (phase_images)."
                )
            return False
        if self.schedule[-1].side < full:
            self._say(
                f"This run will not reach {_size(full)} pixels: the schedule of Grow "
                f"ends at {_size(self.schedule[-1].side)}."
            )
            return True
        side = max(phase.side, model.image_shape[0])
        where = "in the fade to" if side == full else "at"
        self._say(
            f"This run will not reach {_size(full)} pixels: it ends after {end:,} "
            f"images, {where} {_size(side)}, and growth takes {self._growth():,}. "
            f"{self._advice()}"
        )
        return True

    def _advice(self):
        """What to change so that the model reaches full size."""
        if self._is_given:
            return "Shorten the phases of Grow, or train for more epochs."
        if self.model.phase_images is None:
            return "Train for more steps."
        return (
            f"Lower phase_images, which is {self.model.phase_images:,}, or set it to "
            "None, which fits it to the run; or train for more epochs."
        )

    def _growth(self):
        """The number of images until the last level is faded in."""
        whole = sum(phase.fade + phase.stable for phase in self.schedule)
        return whole - self.schedule[-1].stable

    def _is_full(self):
        """Whether the model has reached full size, with its last level faded in."""
        growth, model = self.model.growth, self.model
        return model.level == model.last and float(growth.alpha.numpy()) == 1.0

    def _say(self, sentence):
        if distribute.is_chief(self.model.distribute_strategy):
            print(sentence, flush=True)

    def on_train_end(self, logs=None):
        """Prints if training stopped before full size, unless that was said before."""
        if not self._is_full() and not self._is_announced:
            side, full = self.model.image_shape[0], self.model.shape[0]
            where = "in the fade to" if side == full else "at"
            self._say(
                f"Training ended {where} {_size(side)} pixels, before the schedule "
                f"reached {_size(full)}."
            )

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


def _size(side):
    """The size of square images, as it is printed."""
    return f"{side}x{side}"
