"""Costs of figures: seconds of each stage, and memory as the number of images grows.

    make bench-figures

The script first measures the peak memory of the pass that summarizes images, for
increasing numbers of images: it is constant once the limit of kept rows is reached.
Then it times all figures of 10,000 samples of the shipped DCGAN against 10,000 training
images of MNIST, with their floors.
"""

import resource
import time
from collections.abc import Iterator

import numpy as np
import rich
import rich.table

import keras_gen
from keras_gen import metrics


def timed(stages: list, table: rich.table.Table) -> Iterator:
    """Yields stages, and adds the seconds that each takes to a table."""
    for title, stage in stages:
        start = time.perf_counter()
        yield title, stage
        table.add_row(title, f"{time.perf_counter() - start:.1f}")


def noise(count: int, batch: int = 250) -> Iterator[np.ndarray]:
    """Yields batches of random images, `count` images in all."""
    random = np.random.default_rng(0)
    for _ in range(count // batch):
        yield random.uniform(-1, 1, (batch, 28, 28, 1)).astype(np.float32)


def main():
    """Prints two tables."""
    # Memory is measured first, since a later peak would include other work.
    table = rich.table.Table("images", "peak memory, MiB")
    for count in (10_000, 20_000, 40_000, 80_000):
        metrics.summarize(noise(count))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        table.add_row(str(count), f"{peak:.0f}")
    rich.print(table)
    table = rich.table.Table("stage", "seconds")
    model = keras_gen.zoo.load("dcgan", weights="mnist")
    start = time.perf_counter()
    metrics.Evaluation(model, "mnist").run(lambda stages: timed(stages, table))
    table.add_row("all", f"{time.perf_counter() - start:.1f}")
    rich.print(table)


if __name__ == "__main__":
    main()
