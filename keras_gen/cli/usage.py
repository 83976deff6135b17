"""What abilities take, in words and as commands that work."""

import difflib
import inspect
import json
import math
import typing
from collections.abc import Collection

from keras_gen.cli.common import command_line, data_of

# Models are first tried by the first of these abilities that they have.
FIRST = ("sample", "translate", "reconstruct", "classify", "encode", "match", "cut")
LONGEST = 32  # Number of values of a row that a command shows, at most.


def usage_of(declared: dict) -> str:
    """The options that stand for inputs, with what they take.

    Args:
        declared: `Input`s by name.
    """
    return ", ".join(_option_of(entry) for entry in declared.values()) or "nothing"


def _option_of(entry):
    from keras_gen.core.inputs import LABEL, MASK, SEED, TEXT

    flags = {LABEL: "--label", MASK: "--mask", SEED: "--seed", TEXT: "--caption"}
    has_flag = entry.role in flags
    if has_flag and (entry.role != SEED or entry.name == "seed"):
        flag = flags[entry.role]
    else:
        is_file = entry.shape and not entry.is_binary
        flag = "--input" if is_file else f"--set {entry.name}="
    facts = []
    if entry.name != flag.strip("-"):
        facts.append(entry.name)
    if entry.shape:
        facts.append("x".join("any" if d is None else str(d) for d in entry.shape))
    if entry.range and not entry.shape and entry.role != SEED:
        facts.append(f"{entry.range[0]:g} to {entry.range[1]:g}")
    if entry.default is not None:
        is_drawn = callable(entry.default)
        facts.append("default: drawn" if is_drawn else f"default: {entry.default}")
    return f"{flag} ({', '.join(facts)})" if facts else flag


def print_abilities(model, name: str, weights: str | None) -> None:
    """Prints the abilities of a model, what each takes, and a command for each."""
    for ability in model.abilities().values():
        print(f"{ability.name}: {ability.summary}")
        print(f"  takes {usage_of(ability.declared(model))}")
        for option in ability.options:
            print(f"  and {_plain_option(ability, option)}")
        command = example(model, name, weights or "WEIGHTS", ability)
        print(f"  {command}")


def _plain_option(ability, name):
    """The words of --set for an option of an ability that is no input."""
    parameter = inspect.signature(ability.function).parameters[name]
    choices = typing.get_args(parameter.annotation)
    is_choice = typing.get_origin(parameter.annotation) is typing.Literal
    values = " or ".join(map(str, choices)) if is_choice else "VALUE"
    return f"--set {name}={values} (default: {parameter.default})"


def example(model, name: str, weights: str, ability) -> str:
    """A command that uses an ability; words in capitals are to be replaced.

    Args:
        model: The model.
        name: Name of its preset.
        weights: Its weights.
        ability: The `Ability`.
    """
    from keras_gen.core.inputs import LABEL, MASK, TEXT

    words = ["run", name, ability.name, "--weights", weights]
    for entry in _needed(model, ability):
        if entry.role == LABEL:
            words += ["--label", entry.range[0]]
        elif entry.role == TEXT:
            words += ["--caption", "red heart"]
        elif entry.role == MASK:
            words += ["--mask", "upper"]
        elif entry.is_binary:
            wanted = [1] + [0] * (entry.shape[0] - 1)
            words += ["--set", f"{entry.name}={json.dumps(wanted)}"]
        elif not entry.shape:
            words += ["--set", f"{entry.name}=VALUE"]
        else:
            words += _rows(entry, model, *data_of(name, weights))
    if ability.name == "sample" and len(words) == 5:
        words = ["sample", name, "--weights", weights]
    return command_line(*words)


def _needed(model, ability):
    """The inputs that a caller must give: without a default, except seeds."""
    from keras_gen.core.inputs import SEED

    for entry in ability.declared(model).values():
        is_fixed = entry.default is not None and not callable(entry.default)
        has_default = entry.default is not None and ability.draws
        if entry.role != SEED and not is_fixed and not has_default:
            yield entry


def _rows(entry, model, data, split):
    """Words that give the rows of an input."""
    from keras_gen.cli.rows import feature_of, takes_pictures

    if data is not None and feature_of(entry) in model.batch_shapes():
        return ["--data", data, *([] if split == "test" else ["--split", split])]
    is_file = takes_pictures(entry)
    return ["--input", "IMAGE.png" if is_file else f"{entry.name.upper()}.npy"]


def first_ability(model, among: Collection[str] | None = None):
    """The ability by which a model is first tried; None for a model without any.

    Args:
        model: The model.
        among: Names of the abilities to choose from; None for all.
    """
    known = {n: a for n, a in model.abilities().items() if not among or n in among}
    chosen = [*(name for name in FIRST if name in known), *known]
    return known[chosen[0]] if chosen else None


def first_example(model, name: str, weights: str) -> str | None:
    """A command that tries a model; None for a model without abilities."""
    ability = first_ability(model)
    return None if ability is None else example(model, name, weights, ability)


def query_example(
    model, served: str, abilities: Collection[str] | None = None
) -> str | None:
    """A command that asks a server for the first ability of a model.

    It is None for a signature that is no ability, and for inputs of many numbers.

    Args:
        model: The model.
        served: Its name on the server.
        abilities: Names of the abilities that are served; None for all.
    """
    import numpy as np

    from keras_gen.core.inputs import IMAGE, TEXT

    ability = first_ability(model, abilities)
    if ability is None:
        return None
    words = ["query", "localhost:8500", served, ability.name]
    for entry in _needed(model, ability):
        if entry.role == IMAGE:
            words += ["--images", "IMAGE.png"]
        elif entry.role == TEXT:
            words += ["--set", f'{entry.name}=["red heart"]']
        elif math.prod(entry.shape) > LONGEST:
            return None
        else:
            value = entry.range[0] if entry.range else 0
            if entry.shape:
                value = np.full((1, *entry.shape), value).tolist()
            words += ["--set", f"{entry.name}={json.dumps(value)}"]
    return command_line(*words)


def refuse_ability(model, name: str, weights: str, ability: str) -> None:
    """Refuses an ability that a model lacks, with the nearest and a command.

    Raises:
        ValueError: Always.
    """
    known = model.abilities()
    near = difflib.get_close_matches(ability, known, n=1)
    command = first_example(model, name, weights)
    if near:
        command = example(model, name, weights, known[near[0]])
    raise ValueError(
        f"Expected an ability of {name} ({', '.join(known)}), got {ability!r}. "
        f"Try: {command}"
    )
