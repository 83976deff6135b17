"""Splits by name, and parts of them: "train", "train[:50000]", "test[10%:20%]"."""

import re

_SPLIT = re.compile(r"(\w+)(?:\[(-?\d+%?)?:(-?\d+%?)?\])?")


def parse(split, names):
    """The name of a split and a function of its size that gives the slice.

    Raises:
        ValueError: For another name, or something that is no split.
    """
    match = _SPLIT.fullmatch(split)
    if not match or match[1] not in names:
        raise ValueError(
            f"Expected a split of {list(names)}, or a part such as "
            f"'{next(iter(names))}[:1000]' or '{next(iter(names))}[10%:20%]', got "
            f"{split!r}."
        )

    def place(text, count):
        if text is None:
            return None
        if text.endswith("%"):
            return round(int(text[:-1]) / 100 * count)
        return int(text)

    return match[1], lambda count: slice(place(match[2], count), place(match[3], count))


def select(split, sources):
    """The part of a source that a split names.

    Args:
        split: As above.
        sources: Split name to a function that gives a dict of arrays.
    """
    name, part = parse(split, sources)
    arrays = sources[name]()
    count = len(next(iter(arrays.values())))
    return {key: value[part(count)] for key, value in arrays.items()}
