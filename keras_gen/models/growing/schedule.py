"""The schedule of a growing model: phases, counted in images."""

import dataclasses

import keras


@dataclasses.dataclass(frozen=True)
class Phase:
    """A level's time in the training of a growing model.

    Attributes:
        side: Of the images, in pixels.
        fade: Images over which the level is faded in; 0 for the first.
        stable: Images after that.
        batch_size: Images in a move, over all replicas, of which the data's batches are
            multiples; None for whole batches.
        learning_rate: Of all players; None for what they have.
    """

    side: int
    fade: int
    stable: int
    batch_size: int | None = None
    learning_rate: float | None = None

    def __post_init__(self):
        """Refuses what no phase can have."""
        if min(self.fade, self.stable) < 0:
            raise ValueError(f"Expected fade and stable of at least 0, got {self}.")
        if self.batch_size is not None and self.batch_size < 1:
            raise ValueError(f"Expected a batch_size of at least 1, got {self}.")
        if self.learning_rate is not None and not self.learning_rate > 0:
            raise ValueError(f"Expected a learning_rate above 0, got {self}.")


class Grow(keras.callbacks.Callback):
    """Takes a growing model through its levels, counted in images.

    Where it stands follows from the images that the model has seen, which are saved
    with it: a resumed run goes on in the middle of a fade. A model that is beyond that
    place stays as it is until the schedule is there too: none shrinks.

    Args:
        schedule: `Phase`s, the sides rising; after the last one the
            model stays there. None takes the model's `default_schedule()`.
    """

    def __init__(self, schedule=None):
        super().__init__()
        self.schedule = schedule

    def on_train_begin(self, logs=None):
        """Checks the schedule; the sizes of batches when the first is there."""
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
        """Sets alpha, and where a phase begins all else."""
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

    def place(self, images):
        """The phase in which so many images have been seen, and its alpha."""
        for phase in self.schedule:
            length = phase.fade + phase.stable
            if images < length:
                break
            if phase is not self.schedule[-1]:
                images -= length
        return phase, min(images / phase.fade, 1.0) if phase.fade else 1.0
