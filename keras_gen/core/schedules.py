"""Learning rate schedules over the steps of an optimizer."""

import keras
from keras import ops

from keras_gen.core import checks


@keras.saving.register_keras_serializable("keras_gen")
class LinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that is constant at first, then falls linearly to 0.

    Args:
        rate: Learning rate at the start.
        constant_steps: Steps at the initial learning rate.
        decay_steps: Steps of linear decay to zero after that; None disables decay.

    Raises:
        ValueError: For a rate that is not above 0, or too small a number of steps.
    """

    def __init__(
        self, rate: float, constant_steps: int, decay_steps: int | None = None
    ):
        checks.positive(rate=rate)
        checks.at_least(0, constant_steps=constant_steps)
        if decay_steps is not None:
            checks.at_least(1, decay_steps=decay_steps)
        self.rate = rate
        self.constant_steps, self.decay_steps = constant_steps, decay_steps

    def __call__(self, step):
        """The learning rate at a step, a float32 scalar."""
        if self.decay_steps is None:
            return ops.convert_to_tensor(self.rate, "float32")
        past = ops.cast(step, "float32") - self.constant_steps
        return self.rate * (1.0 - ops.clip(past / self.decay_steps, 0.0, 1.0))

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return {
            "rate": self.rate,
            "constant_steps": self.constant_steps,
            "decay_steps": self.decay_steps,
        }


def cosine(rate: float, steps: int | None):
    """A learning rate that falls to 0 along a cosine.

    Args:
        rate: Learning rate at the start.
        steps: Steps until it is 0; None keeps it constant.

    Returns:
        A `keras.optimizers.schedules.CosineDecay`, or the rate itself.
    """
    if steps is None:
        return rate
    return keras.optimizers.schedules.CosineDecay(rate, steps)
