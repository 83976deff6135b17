"""`keras-gen query`: one request to a server."""

import json
import pathlib
from typing import Annotated

import typer

import keras_gen
from keras_gen.cli import bars
from keras_gen.cli.common import Scale, new_path, output_option, parse_values


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
    scale: Scale = 2,
):
    """Sends a request to a server; images become a grid, other results are JSON."""
    from keras_gen.core.inputs import SEED, with_role
    from keras_gen.export.signatures import draws_rows, inputs_of

    output = output or new_path("answer.png")
    given = {**parse_values(arguments), **({"images": images} if images else {})}
    options = {"label": label or None, "progress": bars.are_shown()}
    with keras_gen.export.Client(address, served, **options) as client:
        signatures = client.card["signatures"]
        if ability not in signatures:
            raise ValueError(
                f"Expected one of {', '.join(signatures)}, got {ability!r}."
            )
        if draws_rows(client.card, ability):
            given["n"] = n
        inputs = inputs_of(client.card, ability)
        given = {**{entry.name: seed for entry in with_role(inputs, SEED)}, **given}
        answer = getattr(client, ability)(**given)
    if answer.ndim == 4:
        keras_gen.images.save_grid(answer, output, scale=scale)
        print(f"{len(answer)} images are in {output}.")
    else:
        print(json.dumps(answer.tolist()))
