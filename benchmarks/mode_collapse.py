"""Modes covered by adversarial models, plain and with remedies for mode collapse.

    .venv/bin/python benchmarks/mode_collapse.py grid
    .venv/bin/python benchmarks/mode_collapse.py stacked

`grid`: 25 Gaussians in the plane, networks of dense layers. `stacked`: Stacked MNIST,
1000 modes, convolutions. All models of a table train on the same number of real points
or images, in batches of one size, and are measured with 25,600 samples. On two cores
the grid takes about 6 minutes per seed and Stacked MNIST about an hour.

1. Srivastava et al., "VEEGAN", 2017. 2. Lin et al., "PacGAN", 2018.
"""

import time
from typing import Annotated

import keras
import rich
import rich.table
import typer

import keras_gen
from keras_gen.data.gaussians import MIXTURES
from keras_gen.metrics import Scale, mixture_modes, modes

BATCH = 64
NUM_SAMPLES = 25_600
PLANE = {
    "image_shape": None,
    "point_dim": 2,
    "latent_dim": 2,
    "widths": (128, 128, 128),
    "generator_rate": 1e-3,
    "discriminator_rate": 1e-3,
    "average": None,
}
GRID = {
    "gan": ("gan", {}),
    "gan, minibatch deviation": ("gan", {"minibatch_stddev": True}),
    "gan, packing 4": ("gan", {"packing": 4}),
    "gan, R1": ("gan", {"r1": 0.1}),
    "gan, WGAN-GP": (
        "gan",
        {"loss": "wasserstein", "gradient_penalty": 1.0, "discriminator_moves": 5},
    ),
}
# As published: batch normalization, no penalty and no average.
PUBLISHED = {
    "normalization": "batch",
    "r1": 0.0,
    "generator_rate": None,
    "discriminator_rate": None,
    "average": None,
}
STACKED = {
    "dcgan": ("dcgan", PUBLISHED),
    "dcgan, packing 2": ("dcgan", {**PUBLISHED, "packing": 2}),
    "dcgan, R1": ("dcgan", {**PUBLISHED, "r1": 1.0}),
    "dcgan, the preset": ("dcgan", {}),
}


def on_grid(name: str, settings: dict, batches: int, seed: int) -> dict:
    """Trains a model on the grid of Gaussians; returns the modes that it covers."""
    model = keras_gen.zoo.load(name, **PLANE, **settings)
    fit(model, "gaussian_grid", batches, seed)
    points = model.sample_points(NUM_SAMPLES, seed=0)
    return mixture_modes(points, *MIXTURES["gaussian_grid"])


def on_stacked(name: str, settings: dict, batches: int, seed: int) -> dict:
    """Trains a model on Stacked MNIST; returns the modes that it covers."""
    model = keras_gen.zoo.load(name, image_shape=(28, 28, 3), width=32, **settings)
    fit(model, "stacked_mnist", batches, seed)
    scale = Scale("stacked_mnist", model.image_shape, num_images=NUM_SAMPLES)
    counts = scale.draw(model).class_counts
    return modes(counts, scale.real("train").class_counts)


def fit(model, data: str, count: int, seed: int) -> None:
    """Trains on `count` batches, independently of the number of batches per step."""
    moves = max(player.moves for player in model.players().values())
    batches = keras_gen.data.load(
        data, image_shape=model.image_shape, batch_size=BATCH, seed=seed
    )
    keras.utils.set_random_seed(seed)
    model.compile(seed=seed)
    model.fit(batches.repeat(), steps_per_epoch=count // moves, verbose=0)


TABLES = {"grid": (on_grid, GRID, 15_000), "stacked": (on_stacked, STACKED, 6_000)}


def main(
    data: Annotated[str, typer.Argument(help="Data: grid or stacked.")],
    only: Annotated[str, typer.Option(help="Title of the only row to run.")] = "",
    batches: Annotated[
        int, typer.Option(help="Batches of 64 per model; 0 takes the usual number.")
    ] = 0,
    seeds: Annotated[int, typer.Option(help="Number of trainings of each row.")] = 1,
):
    """Prints a table."""
    run, models, usual = TABLES[data]
    rows = []
    for title, (name, settings) in models.items():
        for seed in range(seeds if only in ("", title) else 0):
            start = time.perf_counter()
            figures = run(name, settings, batches or usual, seed)
            taken = time.perf_counter() - start
            rows.append((title, seed, figures, taken))
            print(*rows[-1], flush=True)
    table = rich.table.Table("model", "seed", *rows[0][2], "training, s")
    for title, seed, figures, taken in rows:
        shown = [f"{value:.4g}" for value in figures.values()]
        table.add_row(title, str(seed), *shown, f"{taken:.0f}")
    rich.print(table)


if __name__ == "__main__":
    typer.run(main)
