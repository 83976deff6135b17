"""Splits by name, and parts of them: "train", "train[:50000]", "test[10%:20%]"."""

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Mapping

import numpy as np

_SPLIT = re.compile(r"(\w+)(?:\[(-?\d+%?)?:(-?\d+%?)?\])?")


def parse(split: str, names: Collection[str]) -> tuple[str, Callable[[int], slice]]:
    """The name of a split, and a function from its size to the selected slice.

    >>> name, part = parse("test[10%:20%]", ("train", "test"))
    >>> name, part(1000)
    ('test', slice(100, 200, None))

    Args:
        split: Name of a split, or a part of one.
        names: Names of the existing splits.

    Raises:
        ValueError: For an unknown name, or a text that is not a split.
    """
    match = _SPLIT.fullmatch(split)
    if not match or match[1] not in names:
        raise ValueError(
            f"Expected a split of {list(names)}, or a part such as "
            f"'{next(iter(names))}[:1000]' or '{next(iter(names))}[10%:20%]', got "
            f"{split!r}."
        )

    def position(text, count):
        if text is None:
            return None
        if text.endswith("%"):
            return round(int(text[:-1]) / 100 * count)
        return int(text)

    def part(count):
        return slice(position(match[2], count), position(match[3], count))

    return match[1], part


def at_random(
    count: int, test_fraction: float, seed: int | None
) -> dict[str, np.ndarray]:
    """The rows of the splits "train", "test" and "all" of data without splits.

    >>> {name: rows.tolist() for name, rows in at_random(5, 0.4, seed=0).items()}
    {'train': [0, 1, 3], 'test': [2, 4], 'all': [0, 1, 2, 3, 4]}

    Args:
        count: Number of rows.
        test_fraction: Share of the rows in the test split, in [0, 1).
        seed: Seed of the split; None is 0.

    Returns:
        Name of the split to its rows, int64, in increasing order.
    """
    order = np.random.default_rng(seed or 0).permutation(count)
    tests = round(test_fraction * count)
    chosen = {"train": order[tests:], "test": order[:tests], "all": order}
    return {name: np.sort(rows) for name, rows in chosen.items()}


def digest(rows: Iterable[str]) -> str:
    """A text that changes if rows are added, removed or renamed, and with them a split.

    >>> digest(["a.png", "b.png"]) == digest(["a.png", "b.png", "c.png"])
    False

    Args:
        rows: Names of the rows that `at_random` divides, in their order.
    """
    joined = "\n".join(rows).encode("utf-8", "surrogateescape")
    return hashlib.sha256(joined).hexdigest()


def select(
    split: str, sources: Mapping[str, Callable[[], dict[str, np.ndarray]]]
) -> dict[str, np.ndarray]:
    """The arrays of a split, or of a part of one.

    Args:
        split: Name of a split, or "all", or a part of one.
        sources: Functions that return all arrays of a split, by its name.
    """
    name, part = parse(split, (*sources, "all"))
    if name == "all":
        splits = [source() for source in sources.values()]
        arrays = {key: np.concatenate([a[key] for a in splits]) for key in splits[0]}
    else:
        arrays = sources[name]()
    count = len(next(iter(arrays.values())))
    return {key: value[part(count)] for key, value in arrays.items()}
