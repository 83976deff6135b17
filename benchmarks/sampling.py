"""Measures the seconds to draw 16 images, with caches and by the whole network.

    .venv/bin/python benchmarks/sampling.py pixelcnn

Without caches, the whole network runs for every pixel. Both ways draw the same images
from the same seeds, which is checked where both run to the end. For sides above 28, the
time without caches is that of 20 passes of the network, multiplied up to the number of
pixels. The ratios matter; the times depend on the machine.
"""

import sys
import time

import numpy as np
import rich
import rich.table
import tensorflow as tf

import keras_gen
from keras_gen.core.noise import row_seeds

BATCH = 16
SIDES = (16, 28, 40, 56)


def seconds(function, *arguments):
    """Seconds of the second call, since the first one traces the graph; its result."""
    function(*arguments)
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def measure(model):
    """Seconds with caches and without, and whether the images agree.

    The last is None if drawing without caches was not run to the end.
    """
    uniforms = tf.function(model.uniforms)(tf.constant(row_seeds(BATCH, 0)))
    cached, images = seconds(tf.function(model.draw, autograph=False), uniforms)
    side = model.image_shape[0]
    if side <= 28:
        naive = tf.function(model.draw_naively, autograph=False)
        naive.get_concrete_function(uniforms)
        start = time.perf_counter()
        agree = np.array_equal(naive(uniforms), images)
        return cached, time.perf_counter() - start, agree
    network = tf.function(model.averaged(model.network), autograph=False)
    passes = [seconds(network, images)[0] for _ in range(20)]
    return cached, float(np.mean(passes)) * side * side, None


def main(name: str = "pixelcnn"):
    """Prints a table with a row for each side."""
    table = rich.table.Table(
        "side", "cached, s", "naive, s", "ratio", "cached, us per pixel", "same images"
    )
    for side in SIDES:
        model = keras_gen.zoo.load(name, image_shape=(side, side, 1))
        cached, naive, agree = measure(model)
        table.add_row(
            str(side),
            f"{cached:.2f}",
            f"{naive:.1f}" + ("" if agree is not None else " (20 passes)"),
            f"{naive / cached:.0f}",
            f"{1e6 * cached / side**2:.0f}",
            {True: "yes", False: "NO", None: ""}[agree],
        )
    rich.print(f"{name}, {model.network.count_params():,} parameters, batch {BATCH}")
    rich.print(table)


if __name__ == "__main__":
    main(*sys.argv[1:])
