"""Compares the duration of training steps in float32 and in a mixed precision.

    .venv/bin/python benchmarks/precision.py [mixed_float16]

Both models of a row take turns, so that other work on the machine slows down both. The
ratios matter; on a CPU they depend on whether it multiplies matrices of bfloat16 (AMX).
"""

import sys

import keras
import numpy as np
import rich
import rich.console
import rich.table
from clock import Clock

import keras_gen

SHAPE = (64, 64, 3)
STEPS = 17  # The first traces the graph; 16 have as many lazy penalties in each turn.
TURNS = 3
GROWN = {"start": 64, "base_maps": 512, "max_maps": 128, "r1_every": 8}
CASES = [
    ("dcgan", {"width": 32}, 64),
    ("progan", {"loss": "non_saturating", "gradient_penalty": 0, "r1": 1, **GROWN}, 32),
    ("stylegan", GROWN, 32),
    ("cyclegan", {}, 4),
    ("vae", {}, 64),
    ("ddpm", {}, 16),
]


def seconds_per_step(model, data, batch_size) -> float:
    """Mean duration of a step, without the first of a call of `fit`."""
    clock = Clock()
    model.fit(data, batch_size=batch_size, verbose=0, callbacks=[clock])
    return float(np.mean(clock.seconds[1:]))


def measure(name: str, options: dict, batch_size: int, dtype: str) -> tuple:
    """Shortest of the turns' mean durations, in float32 and in another precision."""
    models, best = [], [np.inf, np.inf]
    for policy in ("float32", dtype):
        model = keras_gen.zoo.load(name, image_shape=SHAPE, dtype=policy, **options)
        model.compile(seed=0)
        models.append(model)
    random, count = np.random.default_rng(0), STEPS * batch_size
    data = {
        key: random.integers(0, 2, (count, *shape))
        if key in ("label", "domain")
        else random.uniform(-1, 1, (count, *shape)).astype("float32")
        for key, shape in models[0].batch_shapes().items()
    }
    for _ in range(TURNS):
        for i, model in enumerate(models):
            best[i] = min(best[i], seconds_per_step(model, data, batch_size))
    return tuple(best)


def main(dtype: str = "mixed_bfloat16"):
    """Prints a table with a row for each model."""
    keras.utils.set_random_seed(0)
    table = rich.table.Table("model", "batch", "float32, s", f"{dtype}, s", "ratio")
    for name, options, batch_size in CASES:
        wide, narrow = measure(name, options, batch_size, dtype)
        table.add_row(
            name,
            str(batch_size),
            f"{wide:.3f}",
            f"{narrow:.3f}",
            f"{wide / narrow:.2f}",
        )
    rich.print(f"{SHAPE[0]}x{SHAPE[1]} pixels, {SHAPE[2]} channels")
    rich.console.Console().print(table)


if __name__ == "__main__":
    main(*sys.argv[1:])
