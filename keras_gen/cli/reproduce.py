"""`keras-gen reproduce`: weights trained again by the commands of their card."""

import contextlib
import dataclasses
import json
import pathlib
import shlex
import sys
from typing import Annotated

import typer

import keras_gen
from keras_gen.cli import completions
from keras_gen.cli.common import (
    AsJson,
    Weights,
    command_line,
    note,
    parse_values,
    print_table,
)
from keras_gen.cli.evaluate import evaluate
from keras_gen.cli.train import refuse_with_resume, train, train_or_stop

TRAIN, EVALUATE = ["keras-gen", "train"], ["keras-gen", "evaluate"]
MEASURING = ("num_images", "num_samples", "seed", "split_seed", "without")
NOT_OF_CARDS = ("--config", "--tracker")


def reproduce(
    name: Annotated[
        str,
        typer.Argument(
            help="Model and weights with a card: vae:mnist.",
            autocompletion=completions.models_with_weights,
        ),
    ],
    weights: Weights = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Largest number of epochs of each command, for a trial.",
            show_default="those of the commands",
        ),
    ] = None,
    steps_per_epoch: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of steps that count as an epoch, for a trial.",
            show_default="those of the commands",
        ),
    ] = None,
    num_images: Annotated[
        int | None,
        typer.Option(
            "-n",
            min=1,
            help="Number of images for all figures, for a trial.",
            show_default="that of the card",
        ),
    ] = None,
    runs: Annotated[
        pathlib.Path, typer.Option(help="Folder in which runs are kept.")
    ] = pathlib.Path("runs"),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the commands, and run none.")
    ] = False,
    as_json: AsJson = False,
):
    """Trains weights again by the commands of their card, and compares the figures.

    The commands run one after the other; in all but the first, RUN stands for the
    folder of the run of the command before. Commands other than those of keras-gen
    train are refused before the first one runs. A trial takes fewer epochs, steps or
    images, so that its figures cannot be compared with those of the card. Figures are
    measured with the settings of the card: on as many images, and without the stages
    that it leaves out.
    """
    name, _, found = name.partition(":")
    weights = found or weights
    if not weights:
        raise ValueError(f"Expected {name}:WEIGHTS, or --weights, got {name!r}.")
    card = keras_gen.zoo.card(name, weights)
    measuring = measuring_of(card)
    if num_images is not None:
        measuring["num_images"] = num_images
    stages = _bounded(stages_of(card, name), epochs, steps_per_epoch)
    lines = [stage.command for stage in stages]
    if dry_run:
        print(json.dumps({"commands": lines}) if as_json else "\n".join(lines))
        return
    is_trial = bool(epochs or steps_per_epoch or num_images)
    for line in lines:
        note(f"Command: {line}")
    if is_trial:
        note("A trial: its figures cannot be compared with those of the card.")
    with contextlib.redirect_stdout(sys.stderr):  # The output holds the figures alone.
        run = None
        for stage in stages:
            run = stage.train(run, runs)
        model = keras_gen.zoo.load(name, run.model_path)
        model.compile(seed=measuring.get("seed", 0))  # As `keras-gen evaluate` does.
        data = card.get("data") or run.settings.data
        figures = keras_gen.metrics.evaluate(model, data, **measuring)
    known = card.get("figures") or {}
    if as_json:
        facts = {"run": str(run.folder), "is_trial": is_trial, "commands": lines}
        print(json.dumps({**facts, "card": known, "reproduced": figures}))
        return
    keys = [*known, *(key for key in figures if key not in known)]
    rows = [(key, _shown(known.get(key)), _shown(figures.get(key))) for key in keys]
    print_table(("figure", "card", "trial" if is_trial else "reproduced"), rows, None)
    note(f"The run is in {run.folder}.")


def _shown(value):
    if value is None:
        return "-"
    return f"{value:.5g}" if isinstance(value, float) else str(value)


@dataclasses.dataclass(frozen=True)
class Stage:
    """A command of a card.

    Attributes:
        settings: Settings of its run when it ends.
        changes: Overrides with which the run of the stage before is resumed; None
            starts a new run.
    """

    settings: "keras_gen.runs.Settings"
    changes: dict | None = None

    @property
    def command(self) -> str:
        """The command line, in which RUN stands for the run of the stage before."""
        if self.changes is None:
            return self.settings.command
        name, epochs = self.settings.name, self.settings.epochs
        words = ["train", name, "--resume", keras_gen.runs.PREVIOUS, "--epochs", epochs]
        for key, value in self.changes.items():
            words += ["--set", f"{key}={keras_gen.runs.as_option(value)}"]
        return command_line(*words)

    def train(self, previous, runs: pathlib.Path):
        """Trains the stage, and returns its run.

        Args:
            previous: Run of the stage before; None for the first.
            runs: Path of the folder for new runs.
        """
        if self.changes is not None:
            train_or_stop(previous, self.settings.epochs, self.changes, verbose=2)
            return previous
        settings = self.settings
        if settings.source[1] == keras_gen.runs.PREVIOUS:
            settings = settings.with_source(previous.folder)
        values = {field.name: getattr(settings, field.name) for field in _fields()}
        run = keras_gen.runs.Run.create(**values, runs=runs)
        train_or_stop(run, verbose=2)
        return run


def _fields():
    return dataclasses.fields(keras_gen.runs.Settings)


def stages_of(card: dict, name: str) -> list[Stage]:
    """The commands of a card, parsed by the command line of `keras-gen train`.

    Anyone may have written the card. So a command may train a model on a data set,
    from weights that ship or those of the stage before, and do nothing else.

    Args:
        card: Card of weights.
        name: Name of the model that the last command must train.

    Raises:
        ValueError: For a card without commands, or with others.
    """
    commands = card.get("commands")
    if not commands:
        raise ValueError(f"Expected a card with commands, got one of {name} without.")
    stages = []
    for command in commands:
        try:
            stages.append(_parse(command, stages[-1] if stages else None))
        except Exception as error:  # Typer's errors have classes of Click or its own.
            raise ValueError(
                f"Expected a card with commands keras-gen train {name} ..., got "
                f"{command!r}: {_reason(error)}"
            ) from error
    if stages[-1].settings.name != name:
        raise ValueError(
            f"Expected a card whose last command is keras-gen train {name} ..., got "
            f"{commands[-1]!r}: it is for another model."
        )
    return stages


def measuring_of(card: dict) -> dict:
    """Arguments of `keras_gen.metrics.evaluate` with which a card was measured.

    Args:
        card: Card of weights, whose entry `figures_again` is the command.

    Raises:
        ValueError: For a card with another command.
    """
    command = card.get("figures_again")
    if not command:
        return {}
    try:
        words = shlex.split(command)
        if words[:2] != EVALUATE:
            raise ValueError("it is another command.")
        context = _context_of(evaluate, words[2:])
        given = {name for name in context.params if _is_given(context, name)}
        if given & {"images", "features", "judge"}:
            raise ValueError("--images, --features and --judge are for users to set.")
    except Exception as error:  # Typer's errors have classes of Click or its own.
        raise ValueError(
            "Expected a card with figures of keras-gen evaluate ..., got "
            f"{command!r}: {_reason(error)}"
        ) from error
    return {name: context.params[name] for name in MEASURING if name in given}


def _reason(error):
    return getattr(error, "message", "") or str(error)


def _context_of(command, words):
    """What the command line makes of words after the name of a command."""
    parser = typer.Typer(add_completion=False)
    parser.command(add_help_option=False)(command)
    return typer.main.get_command(parser).make_context(command.__name__, list(words))


def _is_given(context, name):
    return context.get_parameter_source(name).name != "DEFAULT"


def _parse(command, before):
    """A command as a stage; other errors than ValueError are those of Typer."""
    words, previous = shlex.split(command), keras_gen.runs.PREVIOUS
    if words[:2] != TRAIN:
        raise ValueError("it is another command.")
    if any(word.partition("=")[0] in NOT_OF_CARDS for word in words):
        raise ValueError(f"{' and '.join(NOT_OF_CARDS)} are for users to set.")
    context = _context_of(train, words[2:])
    given = dict(context.params)
    if _is_given(context, "runs"):
        raise ValueError("--runs is for users to set.")
    name, overrides = given["name"], parse_values(given["overrides"])
    keras_gen.zoo.check_overrides(name, overrides)
    if given["resume"] is not None:
        if before is None or str(given["resume"]) != previous:
            raise ValueError(f"--resume takes only {previous}, the run before.")
        if name != before.settings.name:
            raise ValueError(f"{previous} is of another model.")
        refuse_with_resume(context)
        settings = dataclasses.replace(
            before.settings,
            epochs=given["epochs"] or before.settings.epochs,
            overrides={**before.settings.overrides, **overrides},
        )
        return Stage(settings, overrides)
    if given["data"] is None:
        raise ValueError("it lacks --data.")
    settings = {field.name: given[field.name] for field in _fields()}
    settings |= {"overrides": overrides}
    if given["epochs"] is None:
        del settings["epochs"]
    stage = Stage(keras_gen.runs.Settings(**settings))
    if given["weights"]:
        source, weights = stage.settings.source
        known = list(keras_gen.zoo.weights_of(source))
        known += [previous] if before and before.settings.name == source else []
        if weights not in known:
            raise ValueError(
                f"--weights of {source} takes only {', '.join(known) or 'none'}."
            )
    return stage


def _bounded(stages, epochs, steps_per_epoch):
    """Stages of at most so many epochs each; a resumed run counts from its start."""
    bounded, before = [], None
    for stage in stages:
        resumed = stage.changes is not None
        done = before.epochs if resumed else 0
        own = stage.settings.epochs - done
        before = stage.settings
        own = own if epochs is None else min(own, epochs)
        settings = {"epochs": (bounded[-1].settings.epochs if resumed else 0) + own}
        if steps_per_epoch is not None:
            settings["steps_per_epoch"] = steps_per_epoch
        bounded.append(
            Stage(dataclasses.replace(stage.settings, **settings), stage.changes)
        )
    return bounded
