"""Parts of data that are drawn at random, whatever the order of the rows.

Every row gets a number, a hash of a seed, of the row's content, and of how many equal
rows came before it. The rows with the smallest numbers are drawn, in the order of the
numbers, so that a sorted and a shuffled copy of a set give the same rows in the same
order.
"""

import collections
import hashlib
import heapq
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from keras_gen.data.pipeline import without_autotuning

MEMORY_LIMIT = 2**30  # Largest number of bytes of rows that are in memory at once.
_NONE = (-1, 0)  # Nothing drawn so far: no row has a number below 0.


def draw(
    dataset: tf.data.Dataset,
    count: int | None,
    seed: int,
    *,
    batch_size: int,
    by: Sequence[str] | None = None,
    keep_order: bool = False,
) -> tf.data.Dataset:
    """Batches of rows that are drawn at random, the same for every order of the data.

    >>> rows = np.arange(100)
    >>> sets = [tf.data.Dataset.from_tensor_slices({"row": r}) for r in (rows, -rows)]
    >>> first, second = (
    ...     next(iter(draw(data.batch(32), 5, 0, batch_size=5)))["row"].numpy()
    ...     for data in (sets[0], sets[0].shuffle(100))
    ... )
    >>> bool((first == second).all())
    True

    Args:
        dataset: Batches of dicts. Each pass over the dataset must give the same rows.
        count: Number of rows; all, if there are fewer. None draws all.
        seed: Seed of the draw.
        batch_size: Number of rows in a batch of the result.
        by: Names of the features whose content is hashed; None takes all. Rows that are
            equal in these are drawn in the order of the data.
        keep_order: Boolean, whether rows keep the order of the data if all of them are
            drawn and fit in `MEMORY_LIMIT`.

    Returns:
        A dataset of dicts. The first pass over it reads `dataset`, once for each
        `MEMORY_LIMIT` bytes of drawn rows; what fits in that memory is kept for further
        passes.
    """
    rows = _Drawn(dataset, count, seed, by, keep_order)
    spec = {
        name: tf.TensorSpec((None, *entry.shape[1:]), entry.dtype)
        for name, entry in dataset.element_spec.items()
    }
    return without_autotuning(
        tf.data.Dataset.from_generator(
            lambda: rows.batches(batch_size), output_signature=spec
        )
    )


def draw_rows(
    batches: Iterable[dict],
    count: int,
    seed: int,
    by: Sequence[str] | None = None,
    after: tuple[int, int] = _NONE,
) -> tuple[list[tuple[int, dict]], int]:
    """The rows of batches with the smallest numbers, in the order of their numbers.

    Args:
        batches: Batches, dicts of arrays.
        count: Largest number of rows.
        seed: Seed of the numbers.
        by: Names of the features whose content is hashed; None takes all.
        after: The largest number that was drawn before, and how many rows with that
            number were; these and smaller ones are left out.

    Returns:
        Pairs of a row's number and the row, a dict; and the number of rows among which
        they were chosen.
    """
    last, repeated = after
    heap, seen = [], 0
    for number, batch, index in _numbered(batches, seed, by):
        if number < last:
            continue
        if number == last and repeated:
            repeated -= 1
            continue
        # The largest number is on top; of equal ones, the row that came last.
        entry, seen = (-number, -seen), seen + 1
        if len(heap) < count:
            heapq.heappush(heap, (*entry, _copied(batch, index)))
        elif entry > heap[0][:2]:
            heapq.heapreplace(heap, (*entry, _copied(batch, index)))
    ordered = sorted(heap, key=lambda item: (-item[0], -item[1]))
    return [(-number, row) for number, _, row in ordered], seen


def draw_images(
    batches: Iterable, count: int, seed: int, among: int = 100_000
) -> np.ndarray:
    """Images that are drawn from the first batches, for initial weights.

    Args:
        batches: Batches of images, (batch, height, width, channels).
        count: Largest number of images.
        seed: Seed of the draw.
        among: Number of images, rounded up to whole batches, that are read: data may be
            endless.

    Returns:
        Images (at most count, height, width, channels).

    Raises:
        ValueError: For no images.
    """

    def first():
        read = 0
        for batch in batches:
            yield {"image": np.asarray(batch)}
            read += len(batch)
            if read >= among:
                return

    found, _ = draw_rows(first(), count, seed)
    if not found:
        raise ValueError("Expected images, got none.")
    return np.stack([row["image"] for _, row in found])


def _numbered(batches, seed, by):
    """Yields the number of each row, its batch, and its index there."""
    start = hashlib.blake2b(str(int(seed)).encode(), digest_size=8)
    seen = collections.Counter()
    for batch in batches:
        names = sorted(batch if by is None else by)
        for index in range(len(batch[names[0]])):
            content = start.copy()
            for name in names:
                value = batch[name][index]
                content.update(value if isinstance(value, bytes) else value.tobytes())
            copies = seen[content.digest()]
            seen[content.digest()] += 1
            if copies:  # Otherwise, all copies would be drawn, or none.
                content.update(copies.to_bytes(8, "big"))
            yield int.from_bytes(content.digest(), "big"), batch, index


def _copied(batch, index):
    """One row of a batch; a view would keep the whole batch in memory."""
    rows = {name: values[index] for name, values in batch.items()}
    return {n: v if isinstance(v, bytes) else np.array(v) for n, v in rows.items()}


class _Drawn:
    """The rows of a draw, read block by block."""

    def __init__(self, dataset, count, seed, by, keep_order):
        self._dataset, self._seed, self._by = dataset, seed, by
        self._count = float("inf") if count is None else count
        self._keep_order, self._kept = keep_order, None

    def batches(self, size) -> Iterator[dict]:
        """Batches of the rows, dicts of arrays."""
        part = []
        for row in self._rows():
            part.append(row)
            if len(part) == size:
                yield _stacked(part)
                part = []
        if part:
            yield _stacked(part)

    def _rows(self):
        if self._kept is not None:
            yield from self._kept
            return
        limit = self._rows_in_memory()
        done, after = 0, _NONE
        while done < self._count:
            size = int(min(limit, self._count - done))
            found, seen = draw_rows(
                self._dataset.as_numpy_iterator(), size, self._seed, self._by, after
            )
            rows = [row for _, row in found]
            is_all = seen <= size
            if done == 0 and is_all and self._keep_order:
                rows = self._in_order()
            if done == 0 and (is_all or size == self._count):
                self._kept = rows
            yield from rows
            if is_all:
                return
            done += len(rows)
            after = _after([number for number, _ in found], after)

    def _in_order(self):
        return [
            _copied(batch, index)
            for batch in self._dataset.as_numpy_iterator()
            for index in range(len(next(iter(batch.values()))))
        ]

    def _rows_in_memory(self):
        for batch in self._dataset.take(1).as_numpy_iterator():
            row = _copied(batch, 0)
            sizes = [len(v) if isinstance(v, bytes) else v.nbytes for v in row.values()]
            return max(1, MEMORY_LIMIT // max(sum(sizes), 1))
        return 1


def _after(numbers, before):
    """The largest number drawn so far, and how many rows with it were drawn."""
    last = numbers[-1]
    repeated = numbers.count(last)
    return last, repeated + (before[1] if before[0] == last else 0)


def _stacked(rows):
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    # As objects, since NumPy's own strings drop null bytes at the end.
    return {
        name: np.array(values, object if isinstance(values[0], bytes) else None)
        for name, values in columns.items()
    }
