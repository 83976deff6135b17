"""`keras-gen evaluate`: figures of a model or of a folder of images, and a report."""

import json
import pathlib
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

import keras_gen
from keras_gen import progress
from keras_gen.cli import bars, completions
from keras_gen.cli.common import (
    AsJson,
    Weights,
    load_model,
    new_path,
    note,
    output_path,
    run_of,
)


def evaluate(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Name of the model, or the folder of a run; left out with --images.",
            autocompletion=completions.models,
        ),
    ] = None,
    weights: Weights = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Real images: 'mnist', another name, or a folder.",
            autocompletion=completions.data_sets,
            show_default="those that the model was trained on, or mnist",
        ),
    ] = None,
    images: Annotated[
        pathlib.Path | None,
        typer.Option(help="Folder of images to measure instead of a model."),
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(
            help="Feature extractor: 'mnist', a file of InceptionV3's weights or of a "
            "Keras model, or the folder of a SavedModel.",
            show_default="the one for the data",
        ),
    ] = None,
    num_images: Annotated[
        int | None,
        typer.Option(
            "-n",
            help="Number of samples, and of training and test images each, for all "
            "figures.",
            show_default="10,000, and all training images in the search for copies",
        ),
    ] = None,
    num_samples: Annotated[
        int,
        typer.Option(
            help="Number of importance samples per image, for likelihoods of VAEs."
        ),
    ] = 5_000,
    judge: Annotated[
        str | None,
        typer.Option(
            help="Weights of the model that scores the results: of a classifier of "
            "styles for translations, or of a matcher for captions.",
            show_default="weights that ship",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Seed of samples, of real images and of subsets.")
    ] = 0,
    split_seed: Annotated[
        int | None,
        typer.Option(
            help="Seed with which a folder was split in training, so that no training "
            "image is tested.",
            show_default="that of the run, or 0",
        ),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(
            help="Title of a stage that is left out, such as 'likelihood'; repeatable."
        ),
    ] = None,
    as_json: AsJson = False,
    report: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="Path of the report, an HTML page.",
            show_default="report.html, with a number if that exists; none with --json",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a report that exists at --report.")
    ] = False,
):
    """Measures a model's samples, or a folder of images, against real images.

    The floor of a figure compares held-out real images with the training images: it is
    the value of a perfect model. Compare only figures with the same features and number
    of images. If there are more images than are measured, they are drawn at random by
    the seed, whatever their order. A run's folder is split as it was in training. The
    report is one HTML page with all figures, grids, curves and settings.
    """
    if report is not None:
        report = output_path(report, "report.html", force, option="--report")
    elif force:
        raise ValueError("Expected --force with --report, got no --report.")
    if (
        name is not None
        and weights is None
        and (pathlib.Path(name) / keras_gen.runs.SETTINGS).exists()
    ):
        name, weights = keras_gen.runs.Run.open(name).settings.name, name
    if (name is None) == (images is None):
        raise ValueError("Expected a model's name, or --images.")
    model = None
    if name is not None:
        if weights is None:
            raise ValueError("Expected --weights: 'mnist', a file, or a folder.")
        model = load_model(name, weights)
        model.compile(seed=seed)
    run = run_of(name, weights)
    if data is None:
        data = run.settings.data if run else _data_of_card(name, weights)
    if split_seed is None:
        split_seed = _split_seed(run, data)
    with bars.work("preparing data"):
        evaluation = keras_gen.metrics.Evaluation(
            model,
            data,
            images=images,
            features=features,
            num_images=num_images,
            num_samples=num_samples,
            judge=judge,
            seed=seed,
            split_seed=split_seed,
            without=without or (),
        )
    if run is not None and (change := run.change_of(data, evaluation.context.test)):
        note(change)
    figures = evaluation.run(_shown)
    if as_json:
        print(json.dumps(figures), flush=True)
    else:
        print("\n".join(keras_gen.metrics.report.lines(figures)), flush=True)
    if report is None and not as_json:
        report = new_path("report.html")
    if report is not None:
        log = None if run is None else run.folder / keras_gen.runs.LOG
        settings = {"data": data, "images": evaluation.context.num_images, "seed": seed}
        settings["split_seed"] = split_seed
        if without:
            settings["without"] = ", ".join(without)
        settings["keras_gen"] = keras_gen.__version__
        keras_gen.metrics.write_report(
            report,
            f"{name} {weights}" if name else str(images),
            evaluation.figures,
            settings | (model.get_config() if model else {}),
            evaluation.pictures(),
            log if log is not None and log.is_file() else None,
        )
    if not as_json:
        print(f"\nThe report is in {report}.")


def _shown(stages: Sequence) -> Iterator:
    """Yields the stages, and shows the current one."""
    for stage in progress.over(stages, "figures"):
        with bars.work(stage[0]):
            yield stage


def _data_of_card(name, weights):
    """The data that weights with a card were trained on; "mnist" for others."""
    try:
        return keras_gen.zoo.card(name, weights)["data"] or "mnist"
    except (KeyError, OSError, ValueError):  # A file, or a card without data.
        return "mnist"


def _split_seed(run, data):
    """The seed with which a run split its data; 0 for other data.

    It is printed what this means for the images that are tested.
    """
    if run is None or not run.is_of(data):
        return 0
    if run.settings.split.partition("[")[0] != "train":
        note(
            f"The run was trained on the split {run.settings.split!r}: training images "
            "may be among the test images."
        )
    return run.settings.seed
