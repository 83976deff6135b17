"""`keras-gen sample`: a grid of samples."""

from typing import Annotated

import typer

import keras_gen
from keras_gen.cli.common import (
    Name,
    Scale,
    TrainedWeights,
    choose_weights,
    new_path,
    output_option,
)
from keras_gen.cli.usage import first_example


def sample(
    name: Name,
    weights: TrainedWeights = None,
    n: Annotated[int, typer.Option("-n", min=1, help="Number of images.")] = 64,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Seed: the same seed gives the same images.",
            show_default="random",
        ),
    ] = None,
    output: output_option("Path of the PNG file", "samples.png") = None,
    scale: Scale = 2,
):
    """Draws images from a trained model into one grid."""
    weights = choose_weights(name, weights)
    path = output or new_path("samples.png")
    model = keras_gen.zoo.load(name, weights)
    if "sample" not in model.abilities():
        command = first_example(model, name, weights)
        raise ValueError(
            f"Expected a model that samples images, got {name}, which does not. "
            f"Try: {command}"
        )
    keras_gen.images.save_grid(model.sample(n, seed=seed), path, scale=scale)
    print(f"{n} images are in {path}.")
