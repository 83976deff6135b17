"""Learning rates that change with the steps of an optimizer."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_gen")
class LinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that stays, and then falls to 0 on a line.

    Args:
        rate: At the start.
        constant_steps: That it stays so.
        decay_steps: That it falls for, then; None lets it stay for ever.
    """

    def __init__(self, rate, constant_steps, decay_steps=None):
        if rate <= 0 or constant_steps < 0 or (decay_steps or 1) < 1:
            raise ValueError(
                "Expected rate > 0, constant_steps >= 0 and decay_steps >= 1 or None, "
                f"got {rate}, {constant_steps} and {decay_steps}."
            )
        self.rate = rate
        self.constant_steps, self.decay_steps = constant_steps, decay_steps

    def __call__(self, step):
        """The rate at a step, a float32 scalar."""
        if self.decay_steps is None:
            return ops.convert_to_tensor(self.rate, "float32")
        past = ops.cast(step, "float32") - self.constant_steps
        return self.rate * (1.0 - ops.clip(past / self.decay_steps, 0.0, 1.0))

    def get_config(self):
        """The constructor's arguments."""
        return {
            "rate": self.rate,
            "constant_steps": self.constant_steps,
            "decay_steps": self.decay_steps,
        }


def cosine(rate, steps):
    """A rate that falls to 0 in so many steps, by a cosine; None keeps it as it is."""
    if steps is None:
        return rate
    return keras.optimizers.schedules.CosineDecay(rate, steps)
