"""Measures samples of diffusion models for each sampler and number of steps.

    .venv/bin/python benchmarks/diffusion.py flow_matching/mnist ddpm/mnist
    .venv/bin/python benchmarks/diffusion.py edm=runs/edm/NAME

Each line has the figures of `keras-gen evaluate` for as many samples as real images,
the time for an image, and the number of evaluations of the network. The times depend on
the machine, and compare within one run. `--log` keeps each line as soon as it is
measured; a second call with the same file goes on where the first was stopped. The
site draws `benchmarks/diffusion.jsonl`, which was measured so.
`--curvature` adds, for each model, the length of the paths from noise to data over that
of their chords: 1 for straight paths.
"""

import json
import pathlib
import time
from typing import Annotated

import rich.console
import rich.table
import typer

import keras_gen
from keras_gen.metrics.scale import Scale
from keras_gen.models.diffusion import samplers

SAMPLERS = ("dpm++", "heun", "ddim", "ancestral")
SHOWN = ("frechet_distance", "precision", "recall", "coverage")
ALONE = "own"  # The sampler of models that have a single one.


def load(name: str):
    """A model with weights that ship, "edm/mnist", or of a file, "edm=model.keras"."""
    preset, separator, path = name.partition("=")
    if not separator:
        preset, _, path = name.partition("/")
    return keras_gen.zoo.load(preset, weights=path)


def measure(model, scale: Scale, sampler: str, steps: int) -> dict:
    """Figures of samples, and the seconds that an image took."""
    options = {"steps": steps} | ({} if sampler == ALONE else {"sampler": sampler})
    model.sample(model.rows_per_call, seed=1, **options)  # Traces the graph.
    begin = time.perf_counter()
    images = model.sample(scale.num_images, seed=0, **options)
    seconds = (time.perf_counter() - begin) / scale.num_images
    found = scale.measure(images, floor=False)
    # Heun's last step, to data, evaluates once.
    evaluations = 2 * steps - 1 if sampler == "heun" else steps
    return {
        "sampler": sampler,
        "steps": steps,
        "evaluations": evaluations,
        **{name: round(float(found[name]), 5) for name in SHOWN},
        "milliseconds": round(1000 * seconds, 2),
    }


def measured(name, data, num_images, steps, chosen, log) -> list[dict]:
    """The figures of a model, a dict for each sampler and number of steps."""
    asked = {"model": name, "data": data, "images": num_images}
    lines = log.read_text().splitlines() if log is not None and log.exists() else ()
    known = [row for row in map(json.loads, lines) if asked.items() <= row.items()]
    model = load(name)
    if not hasattr(model, "sampler"):
        chosen = [ALONE]
    rows, scale = [], Scale(data, model.image_shape, num_images=num_images)
    for sampler in chosen:
        for count in steps:
            key = {"sampler": sampler, "steps": count}
            row = next((row for row in known if key.items() <= row.items()), None)
            if row is None:
                floor = scale.measure(scale.real("test"), floor=False)
                row = asked | {"floor": round(float(floor["frechet_distance"]), 5)}
                row |= measure(model, scale, sampler, count)
                if log is not None:
                    with log.open("a") as file:
                        file.write(json.dumps(row) + "\n")
            rows.append(row)
    return rows


def table_of(name: str, rows: list[dict]) -> rich.table.Table:
    """A table of the figures of one model."""
    table = rich.table.Table(
        "sampler", "steps", "evaluations", *SHOWN, "ms an image", title=name
    )
    for row in rows:
        figures = [f"{row[key]:.3f}" for key in SHOWN]
        first = [str(row[key]) for key in ("sampler", "steps", "evaluations")]
        # A log may omit times that were measured on a busy machine.
        duration = row.get("milliseconds")
        table.add_row(*first, *figures, f"{duration:.2f}" if duration else "–")
    return table


def main(
    names: Annotated[
        list[str], typer.Argument(help="Weights that ship, or PRESET=PATH.")
    ],
    data: Annotated[str, typer.Option(help="Data set of the models.")] = "mnist",
    num_images: Annotated[int, typer.Option("-n", help="Number of samples.")] = 10_000,
    steps: Annotated[str, typer.Option(help="Numbers of steps.")] = "1,2,5,10,20,50",
    chosen: Annotated[
        str, typer.Option("--samplers", help="Names of samplers.")
    ] = ",".join(SAMPLERS),
    with_curvature: Annotated[bool, typer.Option("--curvature")] = False,
    log: Annotated[
        pathlib.Path | None, typer.Option(help="File that keeps each line as JSON.")
    ] = None,
):
    """Prints a table for each model."""
    console = rich.console.Console()
    counts = [int(count) for count in steps.split(",")]
    for name in names:
        rows = measured(name, data, num_images, counts, chosen.split(","), log)
        console.print(table_of(name, rows))
        console.print(f"Floor of the distance: {rows[0]['floor']:.3f}")
        if with_curvature:
            places = load(name).trajectory(64, seed=0, steps=100)
            bent = samplers.curvature(places)
            console.print(f"Length of paths over chords: {bent:.3f}")


if __name__ == "__main__":
    typer.run(main)
