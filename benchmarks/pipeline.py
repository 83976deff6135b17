"""Compares the images per second of the data pipeline with those of training.

    make bench

The pipeline is not a bottleneck if it is many times as fast as training. Compare only
the ratios: the rates depend on the machine.
"""

import itertools
import pathlib
import tempfile
import time

import keras
import numpy as np
import PIL.Image
import rich
import rich.table

import keras_gen

BATCH = 64


def pipeline_rate(dataset, steps=400):
    """Images per second of a dataset, after a warm-up."""
    batches = iter(dataset.repeat())
    for _ in itertools.islice(batches, 20):
        pass
    start = time.perf_counter()
    for _ in itertools.islice(batches, steps):
        pass
    return steps * BATCH / (time.perf_counter() - start)


def training_rate(name, dataset, steps=40, **overrides):
    """Images per second of `fit`, after a warm-up."""
    model = keras_gen.zoo.load(name, **overrides)
    model.fit(dataset, steps_per_epoch=5, verbose=0)
    start = time.perf_counter()
    model.fit(dataset, steps_per_epoch=steps, verbose=0)
    return steps * BATCH / (time.perf_counter() - start)


def write_pictures(folder, count=512, side=96):
    """Writes JPEG files into a folder."""
    random = np.random.default_rng(0)
    for i in range(count):
        coarse = random.integers(0, 256, (8, 8, 3), np.uint8)
        picture = PIL.Image.fromarray(coarse).resize((side, side))
        picture.save(pathlib.Path(folder) / f"{i}.jpg")


def main():
    keras.utils.set_random_seed(0)
    table = rich.table.Table(
        "data", "pipeline, images/s", "model", "training, images/s", "ratio"
    )
    with tempfile.TemporaryDirectory() as folder:
        write_pictures(folder)
        mnist = {"batch_size": BATCH, "seed": 0}
        cases = [
            ("mnist 28x28", "vae", ("mnist", {}), {}),
            ("mnist to 32x32", "dcgan", ("mnist", {"image_shape": (32, 32, 1)}), {}),
            (
                "folder to 64x64x3",
                "dcgan",
                (folder, {"image_shape": (64, 64, 3), "test_fraction": 0.0}),
                {"image_shape": (64, 64, 3), "width": 32},
            ),
        ]
        for label, name, (source, options), overrides in cases:
            dataset = keras_gen.data.load(source, **options, **mnist)
            pipeline = pipeline_rate(dataset)
            training = training_rate(name, dataset, **overrides)
            table.add_row(
                label,
                f"{pipeline:,.0f}",
                f"{name} {overrides or ''}",
                f"{training:,.0f}",
                f"{pipeline / training:.0f}",
            )
    rich.print(table)


if __name__ == "__main__":
    main()
