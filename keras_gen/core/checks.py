"""Checks of arguments: each raises a ValueError with the expected and actual values."""

import os
from collections.abc import Collection


def at_least(minimum: float, **values: float) -> None:
    """Refuses values below a minimum, and NaN.

    >>> at_least(1, moves=2)
    >>> at_least(1, moves=0)
    Traceback (most recent call last):
    ValueError: Expected moves >= 1, got 0.
    """
    for name, value in values.items():
        if not value >= minimum:
            raise ValueError(f"Expected {name} >= {minimum}, got {value}.")


def positive(**values: float) -> None:
    """Refuses values of 0 and below, and NaN."""
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"Expected {name} > 0, got {value}.")


def counts(**values: int) -> None:
    """Refuses values that are not ints of at least 1."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"Expected {name} that is an int >= 1, got {value!r}.")


def fraction(**values: float) -> None:
    """Refuses values outside [0, 1]."""
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise ValueError(f"Expected {name} in [0, 1], got {value}.")


def one_of(known: Collection, **values) -> None:
    """Refuses values that are not among the known ones."""
    for name, value in values.items():
        if value not in known:
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
