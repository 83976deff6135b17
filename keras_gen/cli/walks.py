"""Pictures of latent space and of neighbours: walks, mixed styles, nearest images."""

import functools
import pathlib
from typing import Annotated

import typer

import keras_gen
from keras_gen import progress
from keras_gen.cli import bars, completions
from keras_gen.cli.common import (
    Force,
    Name,
    Scale,
    TrainedWeights,
    choose_weights,
    data_of,
    load_model,
    output_option,
    output_path,
    split_seed_of,
)

Data = Annotated[
    str | None,
    typer.Option(
        help="Data set whose test images are encoded, if the model encodes.",
        show_default="that of the weights",
        autocompletion=completions.data_sets,
    ),
]
Steps = Annotated[int, typer.Option(min=2, help="Number of images in each walk.")]
LatentSeed = Annotated[
    int, typer.Option(min=0, help="Seed of latents, if they are drawn from a prior.")
]
walk_output = functools.partial(
    output_option, "Path of the files without .png and .gif"
)
SUFFIXES = (".png", ".gif")


def interpolate(
    name: Name,
    weights: TrainedWeights = None,
    data: Data = None,
    n: Annotated[int, typer.Option("-n", min=1, help="Number of walks.")] = 8,
    steps: Steps = 11,
    spherical: Annotated[
        bool | None,
        typer.Option(
            help="Walk along arcs, for Gaussian latents, instead of lines.",
            show_default="arcs for diffusion models",
        ),
    ] = None,
    seed: LatentSeed = 0,
    output: walk_output("interpolation") = None,
    force: Force = False,
    scale: Scale = 2,
):
    """Walks from latents to other latents: a grid with a row for each walk, and a GIF.

    The ends are encoded images, or samples of the prior if the model cannot encode.
    Models with classes or captions walk between samples of the prior, each with a class
    or a caption that is drawn.
    """
    from keras_gen.core.abilities import default_conditions
    from keras_gen.core.noise import row_seeds

    weights = choose_weights(name, weights)
    output = output_path(output, "interpolation", force, SUFFIXES)
    model = _load(name, weights, "decode")
    inputs = model.abilities()["decode"].declared(model)
    conditions = default_conditions(inputs, row_seeds(n, seed))
    ends = _latents(model, name, weights, data, 2 * n, seed)
    if len(ends) < 2 * n:
        raise ValueError(
            f"Expected {2 * n} test images, two for each walk, got {len(ends)}: -n "
            "gives fewer walks, --data other images."
        )
    with bars.work("walking"):
        walks = keras_gen.latent.interpolate(
            model, ends[:n], ends[n:], steps, spherical, **conditions
        )
    _write_walks(walks, output, scale)


def traverse(
    name: Name,
    weights: TrainedWeights = None,
    data: Data = None,
    coordinates: Annotated[
        str | None,
        typer.Option(help="Coordinates, as in '0,3,7'.", show_default="the first ten"),
    ] = None,
    steps: Steps = 11,
    seed: LatentSeed = 0,
    output: walk_output("traversal") = None,
    force: Force = False,
    scale: Scale = 2,
):
    """Walks along coordinates: a grid with a row for each coordinate, and a GIF.

    All walks start from one image (or one sample of the prior). A coordinate goes from
    the 1st to the 99th percentile of its values for 1000 images. Models with classes or
    captions start from a sample of the prior, with a class or a caption that is drawn.
    """
    import numpy as np

    from keras_gen.core.abilities import default_conditions
    from keras_gen.core.noise import row_seeds

    latent = keras_gen.latent
    chosen = None if coordinates is None else whole_numbers(coordinates)
    weights = choose_weights(name, weights)
    output = output_path(output, "traversal", force, SUFFIXES)
    model = _load(name, weights, "decode")
    inputs = model.abilities()["decode"].declared(model)
    conditions = default_conditions(inputs, row_seeds(1, seed))
    with bars.work("encoding images"):
        latents = _latents(model, name, weights, data, 1000, seed)
    if chosen is None:
        chosen = range(min(10, latents.shape[1]))
    walks = [
        latent.traverse(
            model, latents[:1], i, latent.spread(latents, i, steps), **conditions
        )[0]
        for i in progress.over(chosen, "walking")
    ]
    _write_walks(np.stack(walks), output, scale)


def mix(
    name: Name,
    weights: TrainedWeights = None,
    layers: Annotated[
        str,
        typer.Option(help="Layers with the styles of the top row, 0 is the coarsest."),
    ] = "0,1,2,3",
    n: Annotated[
        int, typer.Option("-n", min=1, help="Number of rows and of columns.")
    ] = 5,
    seed: LatentSeed = 0,
    output: output_option("Path of the PNG file", "mix.png") = None,
    force: Force = False,
    scale: Scale = 2,
):
    """Mixes styles: a table of images with the layers of two others.

    The images of the top row give the styles of the chosen layers, and those of the
    left column give all others. Models with classes draw one for each of them.
    """
    from keras_gen.core.abilities import default_conditions
    from keras_gen.core.noise import row_seeds

    chosen = whole_numbers(layers)
    weights = choose_weights(name, weights)
    path = output_path(output, "mix.png", force)
    model = _load(name, weights, "map")
    latents = keras_gen.latent.draw(model, 2 * n, seed)
    with bars.work("mixing"):
        inputs = model.abilities()["map"].declared(model)
        labels = default_conditions(inputs, row_seeds(2 * n, seed)).get("labels")
        table = keras_gen.latent.mix_styles(
            model,
            latents[:n],
            latents[n:],
            chosen,
            None if labels is None else (labels[:n], labels[n:]),
        )
    flat = table.reshape(-1, *table.shape[2:])
    keras_gen.images.save_grid(flat, path, table.shape[1], scale)
    print(f"The table is in {path}.")


def nearest(
    name: Name,
    weights: TrainedWeights = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Data set that is searched.",
            show_default="that of the weights",
            autocompletion=completions.data_sets,
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="Part of the data.")] = "train",
    n: Annotated[int, typer.Option("-n", min=1, help="Number of samples.")] = 8,
    k: Annotated[
        int, typer.Option("-k", min=1, help="Number of neighbours of each sample.")
    ] = 7,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the samples.")] = 0,
    output: output_option("Path of the PNG file", "nearest.png") = None,
    force: Force = False,
    scale: Scale = 2,
):
    """Shows samples, and beside each the training images whose pixels are nearest.

    Distances are of pixels. `keras-gen evaluate` measures whether samples are copies.
    """
    weights = choose_weights(name, weights)
    path = output_path(output, "nearest.png", force)
    data = data or data_of(name, weights)[0]
    if data is None:
        raise ValueError("Expected --data, with the training images, got none.")
    model = _load(name, weights, "sample")
    samples = model.sample(n, seed=seed)
    with bars.work(f"searching {data}"):
        neighbours = keras_gen.metrics.memorisation.nearest_images(
            samples, data, split, k, split_seed_of(name, weights, data)
        )
    picture = keras_gen.metrics.memorisation.neighbours_grid(samples, neighbours)
    content = keras_gen.images.png(picture, scale)
    keras_gen.files.write_aside(
        path, lambda aside: pathlib.Path(aside).write_bytes(content)
    )
    print(f"{n} samples and their nearest images are in {path}.")


def whole_numbers(text: str) -> list[int]:
    """The whole numbers in a text, with commas between them.

    >>> whole_numbers("0,3, 7")
    [0, 3, 7]

    Raises:
        ValueError: For another text.
    """
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdigit() for word in words):
        raise ValueError(f"Expected whole numbers, as in '0,3,7', got {text!r}.")
    return [int(word) for word in words]


def _load(name, weights, ability):
    """The model, which must have an ability."""
    model = load_model(name, weights)
    if ability not in model.abilities():
        others = ", ".join(model.abilities()) or "none"
        raise ValueError(
            f"Expected a model with the ability {ability}, got {name} with {others}."
        )
    return model


def _latents(model, name, weights, data, count, seed):
    """Codes of test images; samples of the prior for models with conditions."""
    from keras_gen.core.inputs import LABEL, TEXT, with_role

    inputs = model.abilities()["decode"].declared(model)
    if with_role(inputs, LABEL) or with_role(inputs, TEXT):
        if data is not None:
            raise ValueError(
                f"Expected no --data: {name} starts from samples of its prior, got "
                f"{data!r}."
            )
        return keras_gen.latent.draw(model, count, seed)
    data = data or data_of(name, weights)[0] or "mnist"
    split_seed = split_seed_of(name, weights, data)
    return keras_gen.latent.of_data(model, data, count, seed, split_seed)


def _write_walks(walks, output, scale):
    """A PNG and a GIF of images (walks, steps, height, width, channels)."""
    picture, animation = (pathlib.Path(f"{output}{suffix}") for suffix in SUFFIXES)
    flat = walks.reshape(-1, *walks.shape[2:])
    keras_gen.images.save_grid(flat, picture, walks.shape[1], scale)
    keras_gen.images.save_animation(walks.swapaxes(0, 1), animation, scale=scale)
    print(f"The walks are in {picture} and {animation}.")
