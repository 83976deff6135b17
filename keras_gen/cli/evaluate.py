"""`keras-gen evaluate`: figures of a model or of a folder of images, and a report."""

import json
import pathlib
from collections.abc import Iterator, Sequence
from typing import Annotated

import rich
import rich.console
import rich.progress
import rich.table
import typer

import keras_gen
from keras_gen import metrics, zoo
from keras_gen.cli.common import AsJson, Weights


def evaluate(
    name: Annotated[
        str | None,
        typer.Argument(help="Name of the model; left out with --images."),
    ] = None,
    weights: Weights = None,
    data: Annotated[
        str, typer.Option(help="Real images: 'mnist', another name, or a folder.")
    ] = "mnist",
    images: Annotated[
        pathlib.Path | None,
        typer.Option(help="Folder of images to measure instead of a model."),
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(
            help="Feature extractor: 'mnist', a file of weights of InceptionV3, or the "
            "folder of a SavedModel.",
            show_default="the one for the data",
        ),
    ] = None,
    num_images: Annotated[
        int,
        typer.Option(
            "-n", help="Number of samples, and of training and test images each."
        ),
    ] = 10_000,
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
    seed: Annotated[int, typer.Option(help="Seed of samples and subsets.")] = 0,
    as_json: AsJson = False,
    report: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="Path of the report, an HTML page.",
            show_default="report.html; none with --json",
        ),
    ] = None,
):
    """Measures a model's samples, or a folder of images, against real images.

    Figures whose names end in _floor compare held-out real images with the real images:
    they are the values of a perfect model. Compare only figures with the same features
    and number of images. The report is one HTML page with all figures, grids, curves
    and settings.
    """
    if (name is None) == (images is None):
        raise ValueError("Expected a model's name, or --images.")
    model = None
    if name is not None:
        if weights is None:
            raise ValueError("Expected --weights: 'mnist', a file, or a folder.")
        model = zoo.load(name, weights)
        model.compile(seed=seed)
    evaluation = metrics.Evaluation(
        model,
        data,
        images=images,
        features=features,
        num_images=num_images,
        num_samples=num_samples,
        judge=judge,
        seed=seed,
    )
    figures = evaluation.run(_progress_bar)
    if report is None and not as_json:
        report = pathlib.Path("report.html")
    if report is not None:
        settings = {"data": data, "images": num_images, "seed": seed}
        settings["keras_gen"] = keras_gen.__version__
        metrics.write_report(
            report,
            f"{name} {weights}" if name else str(images),
            evaluation.figures,
            settings | (model.get_config() if model else {}),
            evaluation.pictures(),
            _log_of(weights),
        )
    if as_json:
        print(json.dumps(figures))
        return
    table = rich.table.Table("figure", "value", "floor")
    for row in metrics.report.rows(figures):
        table.add_row(*row)
    rich.print(table)
    rich.print(f"The report is in {report}.")


def _progress_bar(stages: Sequence) -> Iterator:
    """Yields the stages, and shows the current one on the error stream."""
    columns = (
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TimeElapsedColumn(),
        rich.progress.TextColumn("{task.description}"),
    )
    console = rich.console.Console(stderr=True)
    with rich.progress.Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=len(stages))
        for stage in stages:
            bar.update(task, description=stage[0])
            yield stage
            bar.advance(task)


def _log_of(weights):
    """The log of the run that the weights come from, or None."""
    if weights is None:
        return None
    path = pathlib.Path(weights)
    log = (path if path.is_dir() else path.parent) / "log.csv"
    return log if log.is_file() else None
