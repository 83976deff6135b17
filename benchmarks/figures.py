"""What figures cost: seconds a stage, and memory as the number of images grows.

    make bench-figures

All figures of 10,000 samples of the DCGAN that ships against 10,000 training images of
MNIST, with their floor. Then peak memory of the pass that figures are made from, over
streams of more and more images: it stays flat once the rows that are held are full.
"""

import resource
import time

import numpy as np
import rich
import rich.table

import keras_gen
from keras_gen import metrics


def timed(stages, table):
    for title, stage in stages:
        start = time.perf_counter()
        yield title, stage
        table.add_row(title, f"{time.perf_counter() - start:.1f}")


def noise(count, batch=250):
    random = np.random.default_rng(0)
    for _ in range(count // batch):
        yield random.uniform(-1, 1, (batch, 28, 28, 1)).astype(np.float32)


def main():
    # Memory first: a peak that other work reached would hide it.
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
