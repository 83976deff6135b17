"""`keras-gen export` and `keras-gen label`: folders for servers and other runtimes."""

import pathlib
import shlex
import warnings
from typing import Annotated

import typer

import keras_gen
from keras_gen.cli import bars, completions
from keras_gen.cli.common import Weights, has_card, load_model, note, parse_values
from keras_gen.cli.usage import query_example

Folder = Annotated[pathlib.Path, typer.Option(help="Folder for TF Serving.")]
SERVING = pathlib.Path("serving")
FORMATS = ("saved_model", "onnx", "litert")


def export(
    names: Annotated[
        list[str],
        typer.Argument(
            help="Models as SERVED=NAME:WEIGHTS, one or more: 'digits=vae:mnist'. "
            "Without SERVED= the name on the server is NAME; without :WEIGHTS, "
            "--weights is used.",
            autocompletion=completions.models_with_weights,
        ),
    ],
    weights: Weights = None,
    to: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="Folder for TF Serving, or for the folders of other formats.",
            show_default="serving, onnx or litert",
        ),
    ] = None,
    format: Annotated[
        str,
        typer.Option(
            help="Format: saved_model, for TF Serving; onnx; or litert. The last two "
            "write a file for each ability, and take only --ability.",
            autocompletion=completions.one_of(*FORMATS),
        ),
    ] = "saved_model",
    version: Annotated[
        int | None,
        typer.Option(help="Number of the version.", show_default="the next one"),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(
            help="Label of the versions.",
            show_default="stable if no version of the model has it, else canary",
        ),
    ] = None,
    abilities: Annotated[
        list[str] | None,
        typer.Option(
            "--ability",
            help="Ability to export, with only the weights that it needs; may be "
            "repeated.",
            show_default="all",
        ),
    ] = None,
    float16: Annotated[
        bool, typer.Option("--float16", help="Store weights in half the bytes.")
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Option of abilities and its value as JSON: steps=20, or a list, "
            "steps=[1,10], for signatures of each; may be repeated.",
        ),
    ] = None,
    root: Annotated[
        str, typer.Option(help="Path of the folder on the server.")
    ] = "/serving",
):
    """Makes or extends a folder for TF Serving: models, configuration, manifests.

    With --format onnx or litert, it writes the folder TO/SERVED with a file for each
    ability that converts, and a card.
    """
    if format not in FORMATS:
        raise ValueError(f"Expected a format of {FORMATS}, got {format!r}.")
    settings = parse_values(settings)
    chosen = [_parse_served(name, weights) for name in names]
    if format != "saved_model":
        if float16 or settings or version is not None or label is not None:
            raise ValueError(
                "Expected --float16, --set, --version, --label with saved_model alone, "
                f"got --format {format}."
            )
        _write_files(chosen, format, to or pathlib.Path(format), abilities)
        return
    to = SERVING if to is None else to
    deploy = keras_gen.export.deploy
    _check_targets([served for served, _, _ in chosen], to, version, label)
    models = [load_model(preset, source) for _, preset, source in chosen]
    for model, (served, _, _) in zip(models, chosen, strict=True):
        _check_options(settings, model, served)
    for model, (served, preset, source) in zip(models, chosen, strict=True):
        card = _card_of(preset, source)
        options = {"abilities": abilities, "float16": float16, "card": card}
        options |= settings
        options |= {"label": label, "root": root}
        with bars.work(f"exporting {served}"):
            path = deploy.add(model, to, served, version, **options)
        print(f"{path}: {_describe_labels(to, served)}")
    print("What to type next:")
    print(f"  (cd {shlex.quote(str(to))} && docker compose --profile cpu up)")
    if (command := query_example(model, served, abilities)) is not None:
        print(f"  {command}")


def label(
    served: Annotated[str, typer.Argument(help="Name of the model on the server.")],
    name: Annotated[str, typer.Argument(help="Name of the label: stable, canary, ...")],
    version: Annotated[
        int | None,
        typer.Argument(help="Version that gets the label; left out with --remove."),
    ] = None,
    to: Folder = SERVING,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the label.")] = False,
):
    """Sets, moves or removes a label of a model's versions.

    Moving the label stable to another version releases that version, or rolls back to
    it.
    """
    deploy = keras_gen.export.deploy
    if remove == (version is not None):
        raise ValueError("Expected a version, or --remove.")
    if remove:
        keras_gen.export.deploy.remove_label(to, served, name)
    else:
        deploy.set_label(to, served, name, version)
    print(f"{served}: {_describe_labels(to, served)}")


def _check_options(settings, model, served):
    """Refuses --set with what is no option of an ability."""
    abilities = model.abilities().values()
    known = {option: None for ability in abilities for option in ability.options}
    for key in settings:
        if key not in known:
            raise ValueError(
                f"Expected --set with an option of the abilities of {served} "
                f"({', '.join(known) or 'none'}), got {key!r}."
            )


def _write_files(chosen, format, to, abilities):
    """Writes files of another format for each model into a folder of its own."""
    for folder in (to / served for served, _, _ in chosen):
        if folder.exists():
            raise ValueError(f"Expected a new folder, got {folder}, which exists.")
    for served, preset, source in chosen:
        folder = to / served
        model = load_model(preset, source)
        write = getattr(keras_gen.export, format)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            card = _card_of(preset, source)
            with bars.work(f"exporting {folder.name}"):
                write(model, folder, abilities=abilities, card=card)
        for warning in warned:
            note(str(warning.message))
        print("\n".join(str(path) for path in sorted(folder.iterdir())))


def _card_of(preset, source):
    """What an export's card says of the weights."""
    card = {"preset": preset}
    if has_card(preset, source):
        card["trained"] = keras_gen.zoo.card(preset, source)
    return card


def _parse_served(text, weights):
    """Name on the server, preset and weights from `[SERVED=]NAME[:WEIGHTS]`."""
    served, equals, rest = text.partition("=")
    preset, _, source = (rest if equals else text).partition(":")
    source = source or weights
    if not source:
        raise ValueError(f"Expected --weights, or {preset}:WEIGHTS, got {text!r}.")
    return (served if equals else preset), preset, source


def _check_targets(served, to, version, label):
    """Refuses, before any work, versions that cannot be added."""
    if version is not None and len(set(served)) < len(served):
        raise ValueError(f"Expected one version {version} of each model, got {served}.")
    for name in served:
        keras_gen.export.deploy.check(to, name, version, label)


def _describe_labels(folder, served):
    labels = keras_gen.export.deploy.labels(folder, served)
    return ", ".join(f"{name} is version {n}" for name, n in sorted(labels.items()))
