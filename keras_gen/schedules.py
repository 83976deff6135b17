"""Learning rates that change with the step."""

import keras


def cosine(rate, steps):
    """A rate that falls to 0 in so many steps, by a cosine; None keeps it as it is."""
    if steps is None:
        return rate
    return keras.optimizers.schedules.CosineDecay(rate, steps)
