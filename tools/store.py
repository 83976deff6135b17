"""Stores weights with a card again: without what no ability reads, or as int8.

The copy is written into another folder; move it into `zoo/` if its figures are right.

.venv/bin/python tools/store.py zoo/aae/mnist /tmp/aae-mnist --strip --dtype int8
"""

import pathlib
from collections.abc import Iterable, Mapping
from typing import Annotated

import typer

import keras_gen
from keras_gen.export.signatures import signatures_of
from keras_gen.files import read_json


def unread(model: keras_gen.GenerativeModel) -> list[str]:
    """The names of the stored weights that no ability of a model reads.

    An ability reads the variables from which its results are computed, in its graph and
    in those of all choices of its options. If a network has a moving average, abilities
    read that.

    Args:
        model: A model.
    """
    named = [keras_gen.zoo.named_weights(model, averaged=a) for a in (False, True)]
    names = list(named[0])
    for signature in signatures_of(model, list(model.abilities())).values():
        if not names:  # Tracing a graph takes seconds.
            break
        if signature.takes_files:
            continue
        specs = {n: declared.spec for n, declared in signature.inputs.items()}
        read = _read_by(signature.function.get_concrete_function(**specs))
        names = [
            name
            for name in names
            if not any(id(variables[name].value) in read for variables in named)
        ]
    return names


def _read_by(function):
    """The ids of the variables from which the results of a graph are computed."""
    count = len(function.captured_inputs)
    inside = function.inputs[len(function.inputs) - count :]
    captured = {
        id(inner.op): id(outer)
        for outer, inner in zip(function.captured_inputs, inside, strict=True)
    }
    seen, operations = set(), [output.op for output in function.outputs]
    while operations:
        operation = operations.pop()
        if id(operation) not in seen:
            seen.add(id(operation))
            operations += [tensor.op for tensor in operation.inputs]
    handles = {captured[key] for key in captured.keys() & seen}
    return {id(v) for v in function.variables if id(v.handle) in handles}


def unexplained(names: Iterable[str], kept: Mapping[str, str]) -> list[str]:
    """Those of the names of weights for which a card gives no reason.

    Args:
        names: Names of weights that no ability reads.
        kept: Reasons by name of a weight, or by "network/" for all of a network.
    """
    return sorted(
        name
        for name in names
        if name not in kept and f"{name.split('/')[0]}/" not in kept
    )


def networks_of(names: list[str], model: keras_gen.GenerativeModel) -> list[str]:
    """The networks of which all weights are among the names."""
    known = keras_gen.zoo.named_weights(model, averaged=False)
    read = {name.split("/")[0] for name in set(known) - set(names)}
    return sorted({name.split("/")[0] for name in names} - read)


def main(
    folder: Annotated[pathlib.Path, typer.Argument(help="Folder of the card.")],
    to: Annotated[pathlib.Path, typer.Argument(help="Folder of the copy.")],
    strip: Annotated[
        bool, typer.Option("--strip", help="Leave out networks that no ability reads.")
    ] = False,
    dtype: Annotated[
        str,
        typer.Option(help="Type of the stored weights: float16, float32 or int8."),
    ] = "float16",
):
    """Writes a copy of weights with a card, and prints what it saves."""
    if to.exists():
        raise ValueError(f"Expected a new folder, got {to}, which exists.")
    card = read_json(folder / "card.json")
    name = card["preset"]
    model = keras_gen.zoo.load(name, weights=folder)
    without = list(model.missing_networks)
    if strip:
        without = sorted({*without, *networks_of(unread(model), model)})
    own = ("preset", "model", "configuration", "parameters", "stored_as", "sha256")
    entries = {k: v for k, v in card.items() if k not in (*own, "without")}
    if "kept" in entries:
        kept = entries.pop("kept").items()
        reasons = {k: v for k, v in kept if k.split("/")[0] not in without}
        entries |= {"kept": reasons} if reasons else {}
    keras_gen.zoo.write_card(
        model, to, name=name, dtype=dtype, without=without, **entries
    )
    before, after = (
        (path / keras_gen.zoo.WEIGHTS).stat().st_size for path in (folder, to)
    )
    print(f"{folder}: {before:,} bytes, {to}: {after:,} bytes, without {without}")


if __name__ == "__main__":
    typer.run(main)
