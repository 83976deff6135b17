"""`keras-gen query`: one request to a server."""

import json
import pathlib
from typing import Annotated

import typer

import keras_gen
from keras_gen.cli import bars
from keras_gen.cli.common import (
    Force,
    Scale,
    output_option,
    output_path,
    parse_values,
)


def query(
    address: Annotated[
        str,
        typer.Argument(
            help="Address of the server: HOST:PORT for gRPC, http://HOST:PORT for REST."
        ),
    ],
    served: Annotated[str, typer.Argument(help="Name of the model on the server.")],
    ability: Annotated[str, typer.Argument(help="Ability to use.")] = "sample",
    images: Annotated[
        list[pathlib.Path] | None,
        typer.Option(
            help="Path of an image file, which the server decodes; may be repeated."
        ),
    ] = None,
    n: Annotated[
        int,
        typer.Option("-n", min=1, help="Number of rows, for abilities that draw them."),
    ] = 64,
    seed: Annotated[
        int | None, typer.Option(help="Seed of what is drawn.", show_default="random")
    ] = None,
    arguments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Argument of the ability and its value as JSON; may be repeated.",
        ),
    ] = None,
    label: Annotated[
        str, typer.Option(help="Label of the version to use; '' uses the newest.")
    ] = "stable",
    output: output_option("Path of the PNG file, for images", "answer.png") = None,
    force: Force = False,
    scale: Scale = 2,
):
    """Sends a request to a server; images become a grid, other results are JSON."""
    from keras_gen.core.inputs import IMAGES, SEED, with_role
    from keras_gen.export.signatures import draws_rows, inputs_of

    path = output_path(output, "answer.png", force)
    given = {**parse_values(arguments), **({"images": images} if images else {})}
    options = {"label": label or None, "progress": bars.are_shown()}
    with keras_gen.export.Client(address, served, **options) as client:
        signatures = client.card["signatures"]
        if ability not in signatures:
            raise ValueError(
                f"Expected one of {', '.join(signatures)}, got {ability!r}."
            )
        name = signatures[ability]["output"]
        shape = signatures[ability]["outputs"][name]["shape"]
        can_be_shown = len(shape) == 4 and shape[-1] in (1, 3, 4)
        if output is not None and not can_be_shown:
            raise ValueError(
                "Expected -o with an ability that gives images or masks, got "
                f"{ability!r}, which gives {name}."
            )
        if draws_rows(client.card, ability):
            given["n"] = n
        inputs = inputs_of(client.card, ability)
        given = {**{entry.name: seed for entry in with_role(inputs, SEED)}, **given}
        answer = getattr(client, ability)(**given)
    if can_be_shown and (name == IMAGES or output is not None):
        if name != IMAGES:  # Masks and probabilities in [0, 1].
            answer = 2 * answer - 1
        keras_gen.images.save_grid(answer, path, scale=scale)
        print(f"{len(answer)} images are in {path}.")
    else:
        print(json.dumps(answer.tolist()))
