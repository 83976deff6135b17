"""Noise on the inputs of denoising autoencoders [1].

Each function takes values of any shape, a level and a seed. The values are pixels in
[-1, 1] by default; `OF_UNITS` has the same noise for the units of a hidden layer.

1. Vincent et al., "Stacked Denoising Autoencoders", 2010, section 3.3.
"""

import functools

import tensorflow as tf

from keras_gen.core import checks


def gaussian(
    values, level: float, seed, limits: tuple[float, float] | None = (-1.0, 1.0)
):
    """Adds Gaussian noise.

    Args:
        values: float32, of any shape.
        level: Standard deviation of the noise; with limits, as a fraction of the
            distance between them.
        seed: Seed, int32 (2,).
        limits: Smallest and largest value, to which the result is clipped; None for no
            limits.
    """
    noise = tf.random.stateless_normal(tf.shape(values), seed)
    if limits is None:
        return values + level * noise
    low, high = limits
    return tf.clip_by_value(values + (high - low) * level * noise, low, high)


def masking(values, level: float, seed, off: float = -1.0):
    """Sets a fraction `level` of all values to `off`: pixels to black."""
    uniform = tf.random.stateless_uniform(tf.shape(values), seed)
    return tf.where(uniform < level, off, values)


def salt_and_pepper(values, level: float, seed):
    """Makes a fraction `level` of all pixels black or white, with equal probability."""
    uniform = tf.random.stateless_uniform(tf.shape(values), seed)
    extreme = tf.where(uniform < level / 2, -1.0, 1.0)
    return tf.where(uniform < level, extreme, values)


OF_PIXELS = {
    "gaussian": gaussian,
    "masking": masking,
    "salt_and_pepper": salt_and_pepper,
}

# Units of a hidden layer have no largest value, which salt-and-pepper noise would need.
OF_UNITS = {
    "gaussian": functools.partial(gaussian, limits=None),
    "masking": functools.partial(masking, off=0.0),
}


def check_level(noise: str, level: float) -> None:
    """Refuses a level of noise that is out of its range.

    Args:
        noise: Kind of the noise, a key of `OF_PIXELS` or `OF_UNITS`.
        level: Level: at least 0, and for all kinds but "gaussian" at most 1.

    Raises:
        ValueError: If the level is out of this range.
    """
    if noise == "gaussian":
        checks.at_least(0, level=level)
    elif not 0 <= level <= 1:
        raise ValueError(f"Expected a level of noise in [0, 1], got {level}.")
