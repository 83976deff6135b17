"""Bars that show the progress of commands, on a terminal and after a second only.

They are written to the standard error. There are none in pipes, with `--quiet`, or with
`--json`.
"""

import contextlib
import sys
import threading
from collections.abc import Iterable, Iterator

from keras_gen import progress

DELAY = 1.0  # Seconds after which a bar appears.


class Bars:
    """Bars of one command, one below the other.

    Args:
        delay: Seconds after which they appear.
    """

    def __init__(self, delay: float):
        self._delay, self._bars, self._timer = delay, None, None
        self._lock, self._open = threading.Lock(), 0

    def over(self, items: Iterable, what: str, total: int | None) -> Iterator:
        """Yields items, and shows how many are done; see `progress.over`.

        Args:
            items: Items to loop over.
            what: Name of the work.
            total: Number of items; None for work of unknown length.
        """
        if total == 1 and self._open:  # The bar above shows as much.
            yield from items
            return
        task = self._begin(what, total)
        try:
            for item in items:
                yield item
                self._bars.advance(task)
        finally:
            self._end(task)

    @contextlib.contextmanager
    def work(self, what: str) -> Iterator[None]:
        """Shows that something is done, without saying how much is left.

        Args:
            what: Name of the work.
        """
        task = self._begin(what, None)
        try:
            yield
        finally:
            self._end(task)

    def _begin(self, what, total):
        if self._bars is None:
            self._bars = _new_bars()
        with self._lock:
            self._open += 1
            if self._open == 1:
                self._timer = threading.Timer(self._delay, self._show)
                self._timer.daemon = True
                self._timer.start()
        return self._bars.add_task(what, total=total)

    def _show(self):
        with self._lock:
            if self._open:
                self._bars.start()

    def _end(self, task):
        self._bars.remove_task(task)
        with self._lock:
            self._open -= 1
            if not self._open:
                self._timer.cancel()
                self._bars.stop()


def _new_bars():
    import rich.console
    import rich.progress
    import rich.text

    class Count(rich.progress.MofNCompleteColumn):
        """Number of items that are done, where there are items."""

        def render(self, task):
            return rich.text.Text() if task.total is None else super().render(task)

    return rich.progress.Progress(
        rich.progress.TextColumn("{task.description}", markup=False),
        rich.progress.BarColumn(),
        Count(),
        rich.progress.TimeElapsedColumn(),
        console=rich.console.Console(stderr=True),
        transient=True,
        redirect_stdout=False,  # What is printed into a pipe stays there.
    )


_bars = None  # Those of the command that runs; None shows none.


@contextlib.contextmanager
def shown(is_quiet: bool) -> Iterator[None]:
    """Shows bars within a block, if the standard error is a terminal.

    Args:
        is_quiet: Boolean, whether none are shown.
    """
    global _bars
    before = _bars
    _bars = (
        None if is_quiet or not (sys.stderr and sys.stderr.isatty()) else Bars(DELAY)
    )
    try:
        with progress.shown_by(_bars and _bars.over):
            yield
    finally:
        _bars = before


def are_shown() -> bool:
    """Whether bars are shown in this command."""
    return _bars is not None


def work(what: str) -> contextlib.AbstractContextManager:
    """Shows within a block that something is done.

    Args:
        what: Name of the work.
    """
    return contextlib.nullcontext() if _bars is None else _bars.work(what)
