"""Measures samples of diffusion models for each sampler and number of steps.

    .venv/bin/python benchmarks/diffusion.py flow_matching/mnist ddpm/mnist
    .venv/bin/python benchmarks/diffusion.py edm=runs/edm/NAME --num-images 2000

Each line has the figures of `keras-gen evaluate` for as many samples as real images,
the time for an image, and the number of evaluations of the network. The times depend on
the machine, and compare within one run. `--curvature` adds, for each model, the length
of the paths from noise to data over that of their chords: 1 for straight paths.
"""

import time
from typing import Annotated

import numpy as np
import rich.console
import rich.table
import tensorflow as tf
import typer

import keras_gen
from keras_gen.metrics.scale import Scale
from keras_gen.models.diffusion import samplers

SAMPLERS = ("dpm++", "heun", "ddim", "ancestral")
SHOWN = ("frechet_distance", "precision", "recall", "coverage")


def load(name: str):
    """A model with weights that ship, "edm/mnist", or of a file, "edm=model.keras"."""
    preset, separator, path = name.partition("=")
    if not separator:
        preset, _, path = name.partition("/")
    return keras_gen.zoo.load(preset, weights=path)


def measure(model, scale: Scale, sampler: str, steps: int, num_images: int) -> dict:
    """Figures of samples, and the seconds that an image took."""
    options = {"sampler": sampler, "steps": steps}
    if not hasattr(model, "sampler"):  # Consistency models have a single one.
        del options["sampler"]
    model.sample(model.rows_per_call, seed=1, **options)  # Traces the graph.
    begin = time.perf_counter()
    images = model.sample(num_images, seed=0, **options)
    seconds = (time.perf_counter() - begin) / num_images
    return {**scale.measure(images, floor=False), "seconds": seconds}


def curvature(model, rows: int = 64, steps: int = 100) -> float:
    """The mean length of sampled paths over that of their chords.

    Positions are x / (alpha + sigma), in which the paths of one pair of data and noise
    are straight for all processes.
    """
    path = model.process.path(steps)
    scale = path.alpha + path.sigma
    latents = model.latents(tf.range(rows, dtype=tf.int64))
    x = float(path.sigma[0]) * tf.reshape(latents, (rows, *model.shape))
    denoise, step = model.denoiser(path), samplers.ddim_steps(path)
    places = [x / scale[0]]
    for i in range(steps):
        data = denoise(x, i)
        data = data[0] if isinstance(data, tuple) else data
        x = step.of_x[i] * x + step.of_data[i] * data
        places.append(x / scale[i + 1])
    places = np.reshape(places, (steps + 1, rows, -1))
    lengths = np.linalg.norm(np.diff(places, axis=0), axis=-1).sum(axis=0)
    return float(np.mean(lengths / np.linalg.norm(places[-1] - places[0], axis=-1)))


def main(
    names: Annotated[
        list[str], typer.Argument(help="Weights that ship, or PRESET=PATH.")
    ],
    data: Annotated[str, typer.Option(help="Data set of the models.")] = "mnist",
    num_images: Annotated[int, typer.Option(help="Number of samples.")] = 10_000,
    steps: Annotated[str, typer.Option(help="Numbers of steps.")] = "1,2,5,10,20,50",
    chosen: Annotated[
        str, typer.Option("--samplers", help="Names of samplers.")
    ] = ",".join(SAMPLERS),
    with_curvature: Annotated[bool, typer.Option("--curvature")] = False,
):
    """Prints a table for each model."""
    console = rich.console.Console()
    for name in names:
        model = load(name)
        scale = Scale(data, model.image_shape, num_images=num_images)
        floor = scale.measure(scale.real("test"), floor=False)["frechet_distance"]
        table = rich.table.Table(
            "sampler", "steps", "evaluations", *SHOWN, "ms an image", title=name
        )
        for sampler in chosen.split(","):
            for count in map(int, steps.split(",")):
                found = measure(model, scale, sampler, count, num_images)
                # Heun's last step, to data, evaluates once.
                evaluations = 2 * count - 1 if sampler == "heun" else count
                table.add_row(
                    sampler,
                    str(count),
                    str(evaluations),
                    *(f"{found[key]:.3f}" for key in SHOWN),
                    f"{1000 * found['seconds']:.2f}",
                )
        console.print(table)
        console.print(f"Floor of the distance: {floor:.3f}")
        if with_curvature:
            console.print(f"Length of paths over chords: {curvature(model):.3f}")


if __name__ == "__main__":
    typer.run(main)
