"""Compares the Fréchet distances of trained runs, and their time per training image.

    .venv/bin/python benchmarks/adversarial.py runs/dcgan/... runs/wgan_gp/...

It takes runs of `keras-gen train ... --data mnist`. Each is measured with 10,000
samples against 10,000 training images, with the default features; its row also has the
number of images that it was trained on. The time per image is measured on this machine,
with the run's batch size, and at the last level of models that grow: only ratios can be
compared.
"""

import json
import pathlib
from typing import Annotated

import numpy as np
import rich.console
import rich.table
import typer
from clock import Clock

import keras_gen
from keras_gen.metrics import Scale

NUM_TRAIN = {"mnist": 60_000}
# Enough steps for the mean to include penalties of every fourth or eighth step.
WARM_STEPS, STEPS = 6, 48


def milliseconds(model, settings: dict) -> float:
    """Mean training time of an image."""
    moves = max(player.moves for player in model.players().values())
    batches = keras_gen.data.load(
        settings["data"],
        features=tuple(model.batch_shapes()),
        image_shape=model.batch_shapes()["image"],
        batch_size=settings["batch_size"],
        seed=0,
    )
    clock = Clock()
    options = {"steps_per_epoch": WARM_STEPS + STEPS, "verbose": 0}
    model.fit(batches.repeat(), callbacks=[clock], **options)
    images = settings["batch_size"] * moves
    return 1000 * float(np.mean(clock.seconds[WARM_STEPS:])) / images


def main(
    runs: Annotated[list[pathlib.Path], typer.Argument(help="Folders of runs.")],
):
    """Prints a table."""
    table = rich.table.Table(
        *("model", "settings", "parameters", "images", "Fréchet", "recall", "coverage"),
        "ms per image",
    )
    for run in runs:
        settings = json.loads((run / "run.json").read_text())
        epochs = len((run / "log.csv").read_text().splitlines()) - 1
        model = keras_gen.zoo.load(settings["name"], weights=run / "model.keras")
        scale = Scale(settings["data"], model.image_shape)
        figures = scale.measure(scale.draw(model), floor=False)
        shown = [figures[k] for k in ("frechet_distance", "recall", "coverage")]
        table.add_row(
            settings["name"],
            ", ".join(f"{k}={v}" for k, v in settings["overrides"].items()),
            f"{model.count_params():,}",
            f"{epochs * NUM_TRAIN[settings['data']]:,}",
            *(f"{figure:.3g}" for figure in shown),
            f"{milliseconds(model, settings):.2f}",
        )
    rich.console.Console(width=110).print(table)


if __name__ == "__main__":
    typer.run(main)
