"""`keras-gen train`: a `keras_gen.runs.Run`, new or resumed."""

import pathlib
import shlex
import sys
from typing import Annotated

import typer

import keras_gen
from keras_gen import trackers
from keras_gen.cli import completions
from keras_gen.cli.common import (
    Name,
    Overrides,
    Weights,
    command_line,
    note,
    parse_values,
)
from keras_gen.cli.config import SET, ConfigFile
from keras_gen.cli.usage import first_example

WITH_RESUME = ("--resume", "--epochs", "--set", "--tracker")


def train(
    context: typer.Context,
    name: Name,
    config: ConfigFile = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Data set: 'mnist', 'emoji', 'emoji/noto,openmoji', 'faces', "
            "'faces/personas?glasses', the name of one in tensorflow-datasets, or a "
            "folder of images; two folders with a comma between them are two domains.",
            autocompletion=completions.data_sets,
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            help="Number of epochs, counted from the start of the run; with --resume, "
            "the new end.",
            show_default="20, or that of the resumed run",
        ),
    ] = None,
    steps_per_epoch: Annotated[
        int | None,
        typer.Option(
            help="Number of steps that count as an epoch.", show_default="all data"
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            help="Number of images in a batch.", show_default="that of the model"
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="Part of the data to train on.")] = "train",
    validation: Annotated[
        str | None,
        typer.Option(help="Part of the data to measure losses on, such as 'test'."),
    ] = None,
    labels: Annotated[
        int | None,
        typer.Option(
            help="Number of labels to keep; all others are hidden.", show_default="all"
        ),
    ] = None,
    mirror: Annotated[
        bool, typer.Option("--mirror", help="Flip half of the images horizontally.")
    ] = False,
    weights: Weights = None,
    networks: Annotated[
        str | None,
        typer.Option(
            help="Networks that start from --weights, with commas between them: "
            "encoder,decoder. Weights of another model are then NAME:WEIGHTS.",
            show_default="all",
        ),
    ] = None,
    overrides: Overrides = None,
    seed: Annotated[
        int, typer.Option(help="Seed of initial weights, order of data, and noise.")
    ] = 0,
    dtype: Annotated[
        str | None,
        typer.Option(
            help="Dtype policy: float32, mixed_float16 or mixed_bfloat16.",
            show_default="float32",
            autocompletion=completions.one_of(
                "float32", "mixed_float16", "mixed_bfloat16"
            ),
        ),
    ] = None,
    strategy: Annotated[
        str,
        typer.Option(
            help="Distribution strategy: auto, mirrored or multi_worker.",
            autocompletion=completions.one_of("auto", "mirrored", "multi_worker"),
        ),
    ] = "auto",
    jit: Annotated[
        bool,
        typer.Option("--jit", help="Compile the step with XLA; on one replica only."),
    ] = False,
    runs: Annotated[
        pathlib.Path, typer.Option(help="Folder in which runs are kept.")
    ] = pathlib.Path("runs"),
    tracker: Annotated[
        list[str] | None,
        typer.Option(
            help="Tracker that also gets losses, figures, settings and sample grids: "
            "tensorboard, wandb, mlflow or trackio; may be repeated.",
            autocompletion=completions.one_of(*trackers.TRACKERS),
        ),
    ] = None,
    resume: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="Folder of a run to resume from its last checkpoint; only --epochs, "
            "--set and --tracker may be given with it."
        ),
    ] = None,
):
    """Trains a model into the folder runs/NAME/TIME/, or resumes a run.

    Before it starts, it prints what the data are and what is left out, changed and held
    out; after the first steps, how long an epoch takes. Images that are stored in
    colour stay so: a preset with one channel gets three, unless --set image_shape=...
    or --weights are given.

    The folder holds the settings (run.json), the log (log.csv, and tensorboard/ for
    TensorBoard), a grid of samples for each epoch (samples/), and the model with
    everything that training needs (model.keras). With --resume, an interrupted run
    continues from there; one that was stopped in its first epoch starts anew with its
    settings.
    """
    options = {"verbose": "auto" if sys.stdout.isatty() else 2}
    options["tracker"] = tracker or ()
    trackers.check(options["tracker"])
    if resume is not None:
        refuse_with_resume(context)
        run = keras_gen.runs.Run.open(resume, name)
        model = train_or_stop(run, epochs, parse_values(overrides), **options)
    else:
        if data is None:
            raise ValueError("Expected --data: 'mnist', another name, or a folder.")
        run = keras_gen.runs.Run.create(
            name,
            data,
            runs=runs,
            split=split,
            validation=validation,
            labels=labels,
            mirror=mirror,
            batch_size=batch_size,
            epochs=keras_gen.runs.Settings.epochs if epochs is None else epochs,
            steps_per_epoch=steps_per_epoch,
            weights=weights,
            networks=networks,
            overrides={**context.meta.get(SET, {}), **parse_values(overrides)},
            seed=seed,
            dtype=dtype,
            strategy=strategy,
            jit=jit,
        )
        model = train_or_stop(run, **options)
    path = str(run.model_path)
    print(f"The model is in {shlex.quote(path)}. What to type next:")
    example = first_example(model, name, path)
    if example is not None:
        print(f"  {example}")
        print(f"  {command_line('export', name, '--weights', path)}")


def train_or_stop(run, *args, **options):
    """Trains a run; if the user stops it by Ctrl-C, says how to go on.

    Args:
        run: The `keras_gen.runs.Run`.
        *args: Arguments of `Run.train`.
        **options: Further arguments of `Run.train`.

    Raises:
        typer.Exit: With code 130, as a shell has it, after Ctrl-C.
    """
    try:
        return run.train(*args, **options)
    except KeyboardInterrupt as error:
        print(flush=True)
        note(_stopped(run))
        raise typer.Exit(130) from error


def _stopped(run):
    """A line on what a stopped run has left."""
    if not (run.folder / keras_gen.runs.SETTINGS).is_file():
        return "Stopped before training began; nothing was written."
    if not run.model_path.is_file():
        return (
            f"Stopped in the first epoch; {run.folder} holds the settings. Start it "
            f"again with: {run.resume_command}"
        )
    return (
        f"Stopped. The last complete epoch is in {run.folder}; go on with: "
        f"{run.resume_command}"
    )


def refuse_with_resume(context: typer.Context) -> None:
    """Refuses options that the settings of the resumed run determine.

    Args:
        context: The parsed command line.

    Raises:
        ValueError: For such options.
    """
    given = {
        parameter.opts[0]
        for parameter in context.command.params
        if context.get_parameter_source(parameter.name).name == "COMMANDLINE"
    }
    refused = given - {"name", *WITH_RESUME, "--quiet"}
    if refused:
        raise ValueError(
            f"Expected only {', '.join(WITH_RESUME[1:])} with --resume, got "
            f"{sorted(refused)}."
        )
