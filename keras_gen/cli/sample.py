"""`keras-gen sample`: a grid of samples."""

import pathlib
from typing import Annotated

import rich
import typer

import keras_gen
from keras_gen.cli.common import Name, Picture, Scale, Weights


def sample(
    name: Name,
    weights: Weights,
    n: Annotated[int, typer.Option("-n", help="Number of images.")] = 64,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Seed: the same seed gives the same images.", show_default="random"
        ),
    ] = None,
    output: Picture = pathlib.Path("samples.png"),
    scale: Scale = 2,
):
    """Draws images from a trained model into one grid."""
    model = keras_gen.zoo.load(name, weights)
    if "sample" not in model.abilities():
        raise ValueError(f"{name} has no distribution to sample from.")
    keras_gen.images.save_grid(model.sample(n, seed=seed), output, scale=scale)
    rich.print(f"{n} images are in {output}.")
