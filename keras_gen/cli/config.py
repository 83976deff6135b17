"""The option `--config`: a file in place of many options of a command."""

import inspect
import os
import pathlib
import types
import typing
from typing import Annotated

import typer

from keras_gen import catalogue, config
from keras_gen.cli.common import errors_in_one_line

SET = "keras_gen.config.set"  # Values of `set` in the file, in the context's `meta`.
NOT_IN_FILES = {"config", "resume", "quiet", "help"}
RUN = "run.json"  # A run's own record, whose paths start from the working folder.


def _use_file(context: typer.Context, path: pathlib.Path | None):
    """Makes the values of a file the defaults of a command."""
    if path is not None and not context.resilient_parsing:
        with errors_in_one_line():
            values = read_options(context.command, path)
        context.meta[SET] = values.pop("overrides", {})
        context.default_map = {**(context.default_map or {}), **values}
    return path


ConfigFile = Annotated[
    pathlib.Path | None,
    typer.Option(
        help="File in YAML or TOML with options by their names (name: dcgan, "
        "batch-size: 32, set: {width: 32}), which those of the command line override; "
        "its relative paths start from its folder. A run's is RUN/config.yaml.",
        is_eager=True,
        callback=_use_file,
    ),
]


def read_options(command, path: pathlib.Path) -> dict:
    """Reads the values of a file for the parameters of a command, by their names.

    Args:
        command: Command of Click.
        path: Path of the file.

    Raises:
        ValueError: For names that are no options, values of other types, or paths that
            lie in the working folder instead of that of the file.
        OSError: For a file that cannot be read.
    """
    known = {_name(p): p for p in command.params if _name(p) not in NOT_IN_FILES}
    kinds = typing.get_type_hints(inspect.unwrap(command.callback))
    values = {}
    for given, value in config.read(path).items():
        name = "set" if given == "overrides" else given.replace("_", "-")
        config.refuse_unknown(name, known, path)
        parameter = known[name]
        if parameter.name in values:
            raise ValueError(
                f"Expected each option once in {path}, got {name!r} twice."
            )
        if value is not None:
            values[parameter.name] = _checked(kinds[parameter.name], name, value, path)
    base = pathlib.Path() if path.name == RUN else path.parent
    shipped = (
        catalogue.weights_of(values.get("name", "")) if "weights" in values else ()
    )
    for name in ("data", "weights", "runs"):
        text = values.get(name)
        if text is not None and not (name == "weights" and text in shipped):
            values[name] = _placed(name, text, base, path)
    return values


def _name(parameter):
    """The name of a parameter in a file: that of the option without its dashes."""
    return max(parameter.opts, key=len).lstrip("-")


def _checked(kind, name, value, path):
    """A value that has the type of its parameter, without any conversion."""
    kinds = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    if name == "set":
        words, is_fine = "names with values", isinstance(value, dict)
    elif list[str] in kinds:
        value = [value] if isinstance(value, str) else value
        words = "a list of strings"
        is_fine = isinstance(value, list) and all(isinstance(v, str) for v in value)
    elif bool in kinds:
        words, is_fine = "true or false", isinstance(value, bool)
    elif int in kinds:
        words, is_fine = "a whole number", type(value) is int
    else:
        words, is_fine = "a string", isinstance(value, str)
    if not is_fine:
        raise ValueError(f"Expected {name} that is {words} in {path}, got {value!r}.")
    return value


def _placed(name, text, base, path):
    """A value whose relative paths start from the working folder."""
    moved = config.relocate(text, base, pathlib.Path())
    if name == "runs" and not os.path.isabs(text):  # It need not exist yet.
        return os.path.join(base, pathlib.Path(text).expanduser())
    is_elsewhere = moved == text and not os.path.isabs(pathlib.Path(text).expanduser())
    if is_elsewhere and base.resolve() != pathlib.Path().resolve():
        if any(
            pathlib.Path(part.strip()).exists() for part in (text, *text.split(","))
        ):
            raise ValueError(
                f"Expected {name} relative to the folder of {path}, got {text!r}, "
                "which lies in the working folder instead: write its absolute path."
            )
    return moved
