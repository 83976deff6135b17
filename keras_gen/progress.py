"""Progress of what takes a while, for whoever shows it.

Functions that loop over batches tell it here. Nothing is shown unless someone has said
how; the command line does.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
_shows = [None]  # The last one is in use.


def over(items: Iterable[T], what: str, total: int | None = None) -> Iterable[T]:
    """The same items, one after the other, while it is shown how many are done.

    Args:
        items: Items to loop over.
        what: Name of the work, in a few words.
        total: Number of items, for those without a length.
    """
    if _shows[-1] is None:
        return items
    return _shows[-1](items, what, len(items) if total is None else total)


@contextlib.contextmanager
def shown_by(show: Callable[[Iterable, str, int], Iterable] | None) -> Iterator[None]:
    """Shows progress within a block.

    Args:
        show: Function of items, a name and a number of items that yields the items;
            None shows nothing.
    """
    _shows.append(show)
    try:
        yield
    finally:
        _shows.pop()
