"""Checks of arguments: each raises a ValueError with the expected and actual values."""

import os
from collections.abc import Collection

from keras_gen.core import types


def at_least(minimum: float, **values: float) -> None:
    """Refuses values below a minimum, values that are not finite, and other types.

    >>> at_least(1, moves=2)
    >>> at_least(1, moves=0)
    Traceback (most recent call last):
    ValueError: Expected moves >= 1, got 0.
    """
    for name, value in values.items():
        if not (types.is_number(value) and value >= minimum):
            raise ValueError(f"Expected {name} >= {minimum}, got {types.shown(value)}.")


def positive(**values: float) -> None:
    """Refuses values of 0 and below, values that are not finite, and other types."""
    for name, value in values.items():
        if not (types.is_number(value) and value > 0):
            raise ValueError(f"Expected {name} > 0, got {types.shown(value)}.")


def counts(**values: int) -> None:
    """Refuses values that are not ints of at least 1."""
    for name, value in values.items():
        if not (types.is_whole(value) and value >= 1):
            raise ValueError(f"Expected {name} that is an int >= 1, got {value!r}.")


def one_of(known: Collection, **values) -> None:
    """Refuses values that are not among the known ones."""
    for name, value in values.items():
        if not isinstance(value, str) or value not in known:
            raise ValueError(f"Expected {name} of {list(known)}, got {value!r}.")


def fits_memory(rows: int, row_bytes: int) -> None:
    """Refuses a number of rows that needs more than the machine's memory.

    Args:
        rows: Number of rows; other types are left to other checks.
        row_bytes: Estimate of the memory of one row, in bytes.
    """
    try:
        needed, memory = float(rows * row_bytes), _memory()
    except (TypeError, ValueError, OverflowError):
        return
    if needed > memory:
        raise ValueError(
            f"Expected a number of rows that fits in {memory / 2**30:.0f} GiB of "
            f"memory, got {rows}, which need about {needed / 2**30:.3g} GiB: draw them "
            "in parts, with row seeds."
        )


def _memory():
    """The machine's memory in bytes; infinity where it is unknown."""
    names = ("SC_PAGE_SIZE", "SC_PHYS_PAGES")
    if not set(names) <= set(getattr(os, "sysconf_names", ())):
        return float("inf")
    return float(os.sysconf(names[0]) * os.sysconf(names[1]))
