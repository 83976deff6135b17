"""Adds the weights of a run to `zoo/<preset>/<weights>/`, with card and pictures.

`samples.png` shows samples, or images beside their reconstructions if a model has no
distribution to sample from.

.venv/bin/python tools/ship.py runs/vae/20261121-075000 mnist
"""

import functools
import pathlib
import shlex
from typing import Annotated

import typer
from store import networks_of, unexplained, unread
from table import write as write_table

import keras_gen
from keras_gen import pictures
from keras_gen.data import licences
from keras_gen.hub.publishing import measured
from keras_gen.runs import Run


def main(
    folder: Annotated[pathlib.Path, typer.Argument(help="Folder of the run.")],
    weights: Annotated[str, typer.Argument(help="Name of the weights.")],
    notes: Annotated[
        str, typer.Option(help="Notes for the card: what was left out, what to expect.")
    ] = "",
    dtype: Annotated[
        str,
        typer.Option(help="Type of the stored weights: float16, float32 or int8."),
    ] = "float16",
    num_images: Annotated[
        int | None, typer.Option("-n", help="Number of samples that are measured.")
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option(help="Title of a stage that is not measured.")
    ] = None,
):
    """Stores a run's model, measures it as stored, and writes card and pictures."""
    run = Run.open(folder)
    name, data = run.settings.name, run.settings.data
    shipped = pathlib.Path("zoo") / name / weights
    model = run.load_model()
    names = unread(model)
    stored = {"dtype": dtype, "without": networks_of(names, model)}
    keras_gen.zoo.write_card(model, shipped, name=name, **stored)
    model = keras_gen.zoo.load(name, weights=shipped)  # With the rounded weights.
    split_seed = run.split_seed(data)
    options = {"num_images": num_images, "split_seed": split_seed}
    figures = measured(model, data, **options, without=without or ())
    again = f"keras-gen evaluate {name} --weights {weights} --json"
    if data != "mnist":
        again += f" --data {shlex.quote(data)}"
    if num_images:
        again += f" -n {num_images}"
    for title in without or ():
        again += f" --without {shlex.quote(title)}"
    keras_gen.zoo.write_card(
        model,
        shipped,
        name=name,
        **stored,
        samples=functools.partial(pictures.draw, model, data, split_seed=split_seed),
        data=data,
        data_licence=licences.of(data),
        commands=run.commands,
        figures=figures,
        figures_again=again,
        notes=notes,
    )
    for weight in unexplained(names, dict.fromkeys(f"{n}/" for n in stored["without"])):
        print(f'No ability reads {weight}: say in the card, in "kept", why it ships.')
    pictures.draw_growth(run.folder / "samples", shipped / "growth.gif")
    write_table()


if __name__ == "__main__":
    typer.run(main)
