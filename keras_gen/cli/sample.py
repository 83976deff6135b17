"""`keras-gen sample`: a grid of samples."""

from typing import Annotated

import typer

import keras_gen
from keras_gen import progress
from keras_gen.cli.common import (
    Force,
    Name,
    Scale,
    TrainedWeights,
    choose_weights,
    load_model,
    output_option,
    output_path,
    parse_values,
)
from keras_gen.cli.usage import first_example

PART = 16  # Images that are drawn at once.


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
    force: Force = False,
    scale: Scale = 2,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Option of the model's sampling and its value as JSON, such as "
            "steps=20; may be repeated.",
        ),
    ] = None,
):
    """Draws images from a trained model into one grid."""
    settings = parse_values(settings)
    weights = choose_weights(name, weights)
    path = output_path(output, "samples.png", force)
    model = load_model(name, weights)
    if "sample" not in model.abilities():
        command = first_example(model, name, weights)
        raise ValueError(
            f"Expected a model that samples images, got {name}, which does not. "
            f"Try: {command}"
        )
    unknown = sorted(set(settings) - set(model.abilities()["sample"].options))
    if unknown:
        options = ", ".join(model.abilities()["sample"].options) or "none"
        raise ValueError(
            f"Expected --set with an option of {name}'s sampling ({options}), got "
            f"{unknown[0]!r}."
        )
    keras_gen.images.save_grid(drawn(model, n, seed, settings), path, scale=scale)
    print(f"{n} images are in {path}.")


def drawn(model, n: int, seed: int | None, options: dict):
    """Draws images in parts, and tells which are drawn.

    Args:
        model: The model.
        n: Number of images.
        seed: Seed of the draw; None draws one.
        options: Options of `model.sample`, by name.

    Returns:
        Images, float32 (n, height, width, channels), in [-1, 1]: those of one call.
    """
    import numpy as np

    from keras_gen.core.noise import row_seeds

    seeds = row_seeds(n, seed)
    parts = [seeds[start : start + PART] for start in range(0, n, PART)]
    shown = progress.over(parts, "drawing")
    return np.concatenate([model.sample(seed=s, n=len(s), **options) for s in shown])
