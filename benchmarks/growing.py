"""Cost of growing: time per step and memory at every level.

    .venv/bin/python benchmarks/growing.py [stylegan]

One process trains a model that grows from 4x4 to its last level, level by level. For
comparison, a separate process for each level trains a model of this size that does not
grow. The time is the median over steps, without the first two; memory is the resident
set size of the process at the end of a level (Linux only).
"""

import gc
import json
import pathlib
import subprocess
import sys
from typing import Annotated

import numpy as np
import rich.console
import rich.table
import typer
from clock import Clock

import keras_gen
from keras_gen.callbacks import Phase

LAST = 64
SIDES = [4 << level for level in range(5)]
BATCH = 16
STEPS = 12


def resident() -> float:
    """Resident set size of this process, in megabytes."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def measure(name: str, built: int, sides: list[int]) -> list[tuple[float, float]]:
    """Time and memory of a model at some levels.

    Args:
        name: Name of the preset.
        built: Side of images at the model's last level, in pixels.
        sides: Sides of images at the levels that are measured.

    Returns:
        Milliseconds per step and megabytes, for each side.
    """
    sizes = {"base_maps": 1024, "max_maps": 128}  # Those of the level, not of the size.
    model = keras_gen.zoo.load(name, image_shape=(built, built, 3), start=4, **sizes)
    model.compile(seed=0)
    images = np.random.default_rng(0).uniform(-1, 1, (BATCH, built, built, 3))
    rows = []
    for side in sides:
        phase = Phase(side, fade=STEPS * BATCH // 2, stable=10**9)
        clock = Clock()
        data = {"image": np.tile(images, (STEPS, 1, 1, 1)).astype("float32")}
        grow = keras_gen.callbacks.Grow([phase])
        model.fit(data, batch_size=BATCH, verbose=0, callbacks=[grow, clock])
        gc.collect()
        rows.append((1000 * float(np.median(clock.seconds[2:])), resident()))
    return rows


def measure_apart(name: str, built: int, sides: list[int]) -> list:
    """The result of `measure`, in a process of its own."""
    arguments = [
        sys.executable,
        __file__,
        name,
        "--measure",
        json.dumps([built, sides]),
    ]
    answer = subprocess.run(arguments, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(answer.stdout.splitlines()[-1])


def main(
    name: Annotated[
        str, typer.Argument(help="Name of the preset: progan or stylegan.")
    ] = "progan",
    measured: Annotated[str, typer.Option("--measure", hidden=True)] = "",
):
    """Prints a table of time and memory at every level."""
    if measured:
        print(json.dumps(measure(name, *json.loads(measured))))
        return
    table = rich.table.Table(
        *("side", "grown, ms per step", "at once, ms per step", "ratio"),
        *("grown, MB", "at once, MB"),
        title=f"{name}, batch size {BATCH}",
    )
    grown = measure_apart(name, LAST, SIDES)
    for side, (ms, megabytes) in zip(SIDES, grown, strict=True):
        [(alone, memory)] = measure_apart(name, side, [side])
        cells = (f"{ms:.0f}", f"{alone:.0f}", f"{ms / alone:.2f}")
        table.add_row(str(side), *cells, f"{megabytes:.0f}", f"{memory:.0f}")
    rich.console.Console(width=110).print(table)


if __name__ == "__main__":
    typer.run(main)
