"""Random numbers: named draws in training, row seeds in abilities.

In a training step every draw has a name. Its seed depends only on the run's seed, the
step, the scope in the step (which player, which mini-batch), the name and the replica.
So additional draws do not change the others, replicas draw different noise, and a
resumed run draws the same numbers as without the interruption.

In an ability every row has a seed of its own, so that the same seed gives the same row
whatever the batch, the machine or the server.
"""

import contextlib
import secrets
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf

DISTRIBUTIONS = {
    "normal": tf.random.stateless_normal,
    "uniform": tf.random.stateless_uniform,
}


# In training.


class StepNoise:
    """The seeds of one mini-batch's draws, by name.

    Args:
        run_seed: Seed of the run, an int64 scalar.
        count: Number of the step, an int64 scalar.
        scope: Position in the step, such as "train/generator/0".
    """

    def __init__(self, run_seed, count, scope: str):
        self._run_seed, self._count, self._scope = run_seed, count, scope
        self._names = set()

    def seed(self, name: str):
        """The seed of a draw, int32 (2,), for `tf.random.stateless_*`.

        Raises:
            ValueError: If the name was used before in this scope: both draws would give
                the same numbers.
        """
        if name in self._names:
            raise ValueError(
                f"Expected a name for each draw in {self._scope}, got {name!r} twice."
            )
        self._names.add(name)
        key = zlib.crc32(f"{self._scope}/{name}".encode()) & 0x7FFFFFFF
        seed = tf.stack(
            [tf.cast(self._run_seed, tf.int32), tf.cast(self._count, tf.int32)]
        )
        seed = tf.random.experimental.stateless_fold_in(seed, key)
        context = tf.distribute.get_replica_context()
        replica = context.replica_id_in_sync_group if context else 0
        return tf.random.experimental.stateless_fold_in(seed, replica)


class _Scopes(threading.local):
    """The current `StepNoise` of each model, by the model's id.

    A strategy runs each replica in its own thread, and switches between the threads in
    the middle of a loss whenever replicas wait for each other.
    """

    def __init__(self):
        self.current = {}


_scopes = _Scopes()


class Noise:
    """Mixin for the random numbers of training; `GenerativeModel` inherits it.

    A model has the scalar variables `seed` (of the run), `step` and `tested` (the
    number of test steps).
    """

    @contextlib.contextmanager
    def noise_scope(self, scope: str, training: bool = True):
        """Context in which draws belong to a scope; losses are called in one."""
        count = self.step if training else self.tested
        phase = "train" if training else "test"
        outer = _scopes.current.get(id(self))
        noise = StepNoise(self.seed.value, count.value, f"{phase}/{scope}")
        _scopes.current[id(self)] = noise
        try:
            yield
        finally:
            _scopes.current[id(self)] = outer
            if outer is None:
                del _scopes.current[id(self)]

    def noise_seed(self, name: str):
        """The seed of a named draw, int32 (2,), for functions that take a seed."""
        noise = _scopes.current.get(id(self))
        if noise is None:  # A loss that is called outside of a step.
            noise = StepNoise(self.seed.value, self.step.value, "")
        return noise.seed(name)

    def noise(self, name: str, shape: Sequence, distribution: str = "normal"):
        """Named random numbers, float32 of the given shape.

        Args:
            name: Name of the draw, unique within one loss or `forward`.
            shape: Shape, ints or scalar tensors.
            distribution: Distribution: "normal" (mean 0, standard deviation 1) or
                "uniform" (on [0, 1)).
        """
        return DISTRIBUTIONS[distribution](shape, self.noise_seed(name))


# In abilities.


def row_seeds(
    n: int, seed: int | Sequence[int] | np.ndarray | None = None
) -> np.ndarray:
    """One seed for each row, int64 (n,).

    Args:
        n: Number of rows, at least 1.
        seed: Seed, an int in [0, 2**31), from which row i gets `seed * 2**32 + i`; or n
            ints in [0, 2**63), one for each row. None draws a seed.

    Raises:
        ValueError: For n < 1, seeds out of range, or a number of seeds other than n.
    """
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise ValueError(f"Expected a number of rows of at least 1, got {n!r}.")
    if seed is None:
        seed = secrets.randbits(31)
    seeds = np.asarray(seed)
    if seeds.dtype.kind not in "iu" or (seeds < 0).any() or (seeds >= 2**63).any():
        raise ValueError(
            f"Expected seeds that are ints of at least 0 and below 2**63, got {seed!r}."
        )
    if seeds.ndim == 0:
        if seeds >= 2**31:
            raise ValueError(f"Expected a seed below 2**31, got {seed}.")
        return (np.int64(seeds) << np.int64(32)) + np.arange(n, dtype=np.int64)
    if seeds.shape != (n,):
        raise ValueError(f"Expected {n} seeds, one a row, got shape {seeds.shape}.")
    return seeds.astype(np.int64)


def row_generator(seed: int) -> np.random.Generator:
    """A NumPy generator for the draws of a row outside of a graph.

    Args:
        seed: Seed of the row, an int of at least 0.
    """
    return np.random.default_rng(int(seed))


_replaced = threading.local()


@contextlib.contextmanager
def replaced_draws(replace: Callable) -> Iterator[None]:
    """Context in which another function provides the draws of `for_each_row`.

    Args:
        replace: Function with the arguments of `for_each_row` that returns the numbers.
    """
    _replaced.current = replace
    try:
        yield
    finally:
        _replaced.current = None


def for_each_row(draw: Callable, seed, shape, *, stream: int = 0, rows=None):
    """Draws for each row from its own seed, independently of the rest of the batch.

    Args:
        draw: Function from a key, int32 (2,), to float32 numbers of `shape`; with
            `rows`, from a key and a row.
        seed: Seeds of the rows, int64 (batch,).
        shape: Shape of the numbers drawn for one row.
        stream: Number of the draw, for abilities that draw several times per row: the
            same seeds give different keys for each number.
        rows: Tensor (batch, ...) whose rows are passed to `draw` too, or None.

    Returns:
        The drawn numbers, float32 (batch, *shape).
    """
    replace = getattr(_replaced, "current", None)
    if replace is not None:
        return replace(draw, seed, shape, stream=stream, rows=rows)

    def key(row_seed):
        return row_key(row_seed, stream)

    spec = tf.TensorSpec(shape, tf.float32)
    if rows is None:
        return tf.map_fn(lambda s: draw(key(s)), seed, fn_output_signature=spec)
    return tf.map_fn(
        lambda pair: draw(key(pair[0]), pair[1]), (seed, rows), fn_output_signature=spec
    )


def seeds_of_values(values) -> tf.Tensor:
    """Seeds that follow from rows of whole numbers, int64 (batch,).

    Equal rows have equal seeds, whatever the batch; others hardly ever do.

    Args:
        values: Whole numbers, int64 (batch, ...).
    """
    rows = tf.reshape(values, (tf.shape(values)[0], -1))
    size = tf.shape(rows)[1:]
    factors = tf.random.stateless_uniform(size, (0, 0), None, None, tf.int64)
    sums = tf.reduce_sum(rows * factors, axis=1)  # Modulo 2**64.
    return tf.bitwise.bitwise_and(sums, 2**63 - 1)


def row_key(row_seed, stream: int = 0):
    """The key of a row's draw, int32 (2,), for `tf.random.stateless_*`.

    Args:
        row_seed: Seed of the row, an int64 scalar.
        stream: Number of the draw, as in `for_each_row`.
    """
    bits = tf.bitcast(row_seed, tf.int32)
    if not stream:
        return bits
    return tf.random.experimental.stateless_fold_in(bits, stream)
