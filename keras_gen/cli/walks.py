"""`keras-gen interpolate` and `keras-gen traverse`: walks through latent space."""

import pathlib
from typing import Annotated

import numpy as np
import rich
import typer

import keras_gen
from keras_gen.cli.common import Name, Scale, Weights

Data = Annotated[
    str,
    typer.Option(help="Data set whose test images are encoded, if the model encodes."),
]
Steps = Annotated[int, typer.Option(help="Number of images in each walk.")]
LatentSeed = Annotated[
    int, typer.Option(help="Seed of latents, if they are drawn from a prior.")
]
Output = Annotated[
    pathlib.Path,
    typer.Option("-o", "--output", help="Path of the files without .png and .gif."),
]


def interpolate(
    name: Name,
    weights: Weights,
    data: Data = "mnist",
    n: Annotated[int, typer.Option("-n", help="Number of walks.")] = 8,
    steps: Steps = 11,
    spherical: Annotated[
        bool,
        typer.Option(help="Walk along arcs, for Gaussian latents, instead of lines."),
    ] = False,
    seed: LatentSeed = 0,
    output: Output = pathlib.Path("interpolation"),
    scale: Scale = 2,
):
    """Walks from latents to other latents: a grid with a row for each walk, and a GIF.

    The ends are encoded images, or samples of the prior if the model cannot encode.
    """
    model = keras_gen.zoo.load(name, weights)
    ends = keras_gen.latent.of_data(model, data, 2 * n, seed)
    walks = keras_gen.latent.interpolate(model, ends[:n], ends[n:], steps, spherical)
    _write_walks(walks, output, scale)


def traverse(
    name: Name,
    weights: Weights,
    data: Data = "mnist",
    coordinates: Annotated[
        str | None,
        typer.Option(help="Coordinates, as in '0,3,7'.", show_default="the first ten"),
    ] = None,
    steps: Steps = 11,
    seed: LatentSeed = 0,
    output: Output = pathlib.Path("traversal"),
    scale: Scale = 2,
):
    """Walks along coordinates: a grid with a row for each coordinate, and a GIF.

    All walks start from one image (or one sample of the prior). A coordinate goes from
    the 1st to the 99th percentile of its values for 1000 images.
    """
    model = keras_gen.zoo.load(name, weights)
    latents = keras_gen.latent.of_data(model, data, 1000, seed)
    chosen = range(min(10, latents.shape[1]))
    if coordinates is not None:
        chosen = [int(word) for word in coordinates.split(",")]
    walks = [
        keras_gen.latent.traverse(
            model, latents[:1], i, keras_gen.latent.spread(latents, i, steps)
        )[0]
        for i in chosen
    ]
    _write_walks(np.stack(walks), output, scale)


def _write_walks(walks, output, scale):
    """A PNG and a GIF of images (walks, steps, height, width, channels)."""
    picture, animation = output.with_suffix(".png"), output.with_suffix(".gif")
    flat = walks.reshape(-1, *walks.shape[2:])
    keras_gen.images.save_grid(flat, picture, walks.shape[1], scale)
    keras_gen.images.save_animation(walks.swapaxes(0, 1), animation, scale=scale)
    rich.print(f"The walks are in {picture} and {animation}.")
