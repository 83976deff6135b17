"""Checks of the values of images, and of the range from black to white."""

import numpy as np

from keras_gen.core.inputs import SLACK


def check_range(value_range: tuple[float, float] | None) -> None:
    """Refuses a range that is not a pair of finite numbers, the first the smaller.

    >>> check_range((0, 1))
    >>> check_range((1, 0))
    Traceback (most recent call last):
    ValueError: Expected value_range=(black, white) with black < white, got (1, 0).
    """
    if value_range is None:
        return
    try:
        low, high = map(float, value_range)
        good = low < high and np.isfinite([low, high]).all()
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ValueError(
            "Expected value_range=(black, white) with black < white, got "
            f"{value_range}."
        )


def default_range(dtype: np.dtype) -> tuple[float, float]:
    """Values of black and white for a type: floats, bytes or other ints, or bool."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return 0, 1
    return (0, 255) if dtype.kind in "iu" else (-1, 1)


def check_values(
    values: np.ndarray, value_range: tuple[float, float] | None = None
) -> None:
    """Refuses images outside of the range, and such as look like those of another one.

    Without a stated range, floats from 0 to 1 are refused, unless all are equal: images
    in [-1, 1] rarely have no dark pixel. So are ints that are 0 and 1 alone.

    Args:
        values: Images of any shape and numeric type, not empty.
        value_range: Values of black and white; None for those of `default_range`.

    Raises:
        ValueError: With the values that were found, and the range to give.
    """
    low, high = value_range or default_range(values.dtype)
    least, greatest = float(values.min()), float(values.max())
    slack = SLACK * (high - low) / 2
    got = f"got values from {least:g} to {greatest:g}"
    # NaN compares false.
    if not (least >= low - slack and greatest <= high + slack):
        range_, meaning = _likely(least, greatest, slack)
        raise ValueError(
            f"Expected images with values in [{low:g}, {high:g}], {got}; "
            f"keras_gen.data.load(..., value_range={range_}) converts {meaning}."
        )
    if value_range is not None or values.dtype.kind == "b":
        return
    if 0 <= least < greatest <= 1:
        raise ValueError(
            f"Expected value_range for images with values in [0, 1] alone, {got}; "
            "keras_gen.data.load(..., value_range=(0, 1)) converts images in which 0 "
            f"is black and 1 white, value_range=({low}, {high}) takes them as usual."
        )


def _likely(least, greatest, slack):
    """A range that fits the values, and what it means."""
    if -slack <= least and greatest <= 1 + slack:
        return (0, 1), "images in which 0 is black and 1 white"
    for white in (255, 65535):
        if least >= 0 and greatest <= white:
            return (0, white), f"images in which 0 is black and {white} white"
    return "(black, white)", "images of another range"
