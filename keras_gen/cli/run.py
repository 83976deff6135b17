"""`keras-gen run`: any ability of any model, with rows from files or from data.

There is one command for all abilities, whose options stand for roles of inputs, since
the same ability of two models may take other inputs: what a model's ability takes is
declared by its `inputs()`, and `keras-gen run NAME` prints it.
"""

import json
import pathlib
from typing import Annotated

import typer

import keras_gen
from keras_gen.cli import bars, completions, results
from keras_gen.cli.common import (
    AsJson,
    Force,
    Name,
    TrainedWeights,
    choose_weights,
    load_model,
    parse_values,
)
from keras_gen.cli.requests import Request
from keras_gen.cli.usage import print_abilities, refuse_ability


def run(
    name: Name,
    ability: Annotated[
        str | None,
        typer.Argument(
            help="Ability to use, such as translate, classify, complete or encode.",
            show_default="lists them, with what they take",
        ),
    ] = None,
    files: Annotated[
        list[pathlib.Path] | None,
        typer.Argument(help="Further files for --input, so that globs work."),
    ] = None,
    weights: TrainedWeights = None,
    inputs: Annotated[
        list[pathlib.Path] | None,
        typer.Option(
            "--input",
            help="Images, folders of images, or .npy files, whose rows the ability "
            "takes.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Data set from which rows are drawn, instead of --input.",
            autocompletion=completions.data_sets,
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Part of the data.", show_default="test")
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            help="Class or domain, by number or by name; may be repeated, to use each.",
        ),
    ] = None,
    captions: Annotated[
        list[str] | None,
        typer.Option("--caption", help="Caption; may be repeated, to use each."),
    ] = None,
    mask: Annotated[
        str | None,
        typer.Option(
            help="Pixels that are kept: upper, lower, left or right, or an image whose "
            "light pixels are."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Any other argument of the ability: its value as JSON, or a .npy file "
            "with a value for each row; may be repeated.",
        ),
    ] = None,
    n: Annotated[
        int | None,
        typer.Option(
            "-n",
            min=1,
            help="Number of rows that are drawn, for each label or caption.",
            show_default="16, or 8 for each of several",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, help="Seed of what is drawn or chosen.", show_default="random"
        ),
    ] = None,
    output: Annotated[
        pathlib.Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Path of a .png, .npy or .csv file, or of a folder for one .png for "
            "each image.",
            show_default="ABILITY.png for images; other results are printed",
        ),
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
    scale: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Size of an image's pixel in pixels of the picture.",
            show_default="such that images are about 128 pixels wide",
        ),
    ] = None,
):
    """Uses an ability of a trained model: translates, completes, classifies, encodes.

    Without an ability, it lists those of the model, and what each of them takes. Every
    row is combined with every label and caption. Images become a grid with a text under
    each; arrays are printed, or written as .npy or .csv.
    """
    if ability is None:
        weights = weights or next(iter(keras_gen.zoo.weights_of(name)), None)
        print_abilities(load_model(name, weights), name, weights)
        return
    weights = choose_weights(name, weights)
    if as_json and output is not None:
        raise ValueError("Expected --json or -o, got both.")
    if split is not None and data is None:
        raise ValueError("Expected --split with --data, got no --data.")
    results.check_output(output, force)
    model = load_model(name, weights)
    if ability not in model.abilities():
        refuse_ability(model, name, weights, ability)
    request = Request(model, model.abilities()[ability], name, weights, seed)
    request.read_settings(parse_values(settings))
    request.read_conditions(labels, captions)
    request.read_mask(mask)
    request.read_rows([*(inputs or ()), *(files or ())], data, split or "test", n)
    with bars.work(ability):
        answer = request.answer()
    if as_json:
        print(json.dumps(answer.tolist()))
    else:
        results.write(request, answer, output, scale)
