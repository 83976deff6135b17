"""`keras-gen push`: a model on the Hugging Face Hub."""

from typing import Annotated

import typer

import keras_gen


def push(
    source: Annotated[
        str,
        typer.Argument(
            help="Folder of a run, folder with a card, or .keras file to push."
        ),
    ],
    repository: Annotated[
        str, typer.Argument(help="Repository on the hub, as user/name.")
    ],
    private: Annotated[
        bool | None,
        typer.Option(
            "--private/--public",
            help="Visibility of a repository that does not exist yet.",
            show_default="that of the account",
        ),
    ] = None,
    create_pr: Annotated[
        bool,
        typer.Option("--create-pr", help="Open a pull request instead of a commit."),
    ] = False,
    licence: Annotated[
        str | None,
        typer.Option(
            "--licence",
            "--license",
            help="Licence of the weights, by the hub's identifier: apache-2.0, mit, "
            "cc-by-4.0, ...",
            show_default="none is stated",
        ),
    ] = None,
    notes: Annotated[
        str | None, typer.Option(help="Notes for the card: what to expect, what not.")
    ] = None,
    evaluate: Annotated[
        bool,
        typer.Option(
            "--evaluate",
            help="Measure all figures first, as `keras-gen evaluate` does; takes "
            "minutes.",
        ),
    ] = False,
    dtype: Annotated[
        str | None,
        typer.Option(
            help="Type of the stored weights: float32, or float16 for half the size.",
            show_default="float32, or that of the card",
        ),
    ] = None,
    data_pictures: Annotated[
        bool,
        typer.Option(
            "--data-pictures",
            help="Also push pictures that show images of your own data.",
        ),
    ] = False,
    message: Annotated[
        str | None,
        typer.Option(help="Message of the commit.", show_default="the model's name"),
    ] = None,
):
    """Pushes a model to the Hugging Face Hub: card, weights, README and pictures.

    Others then load it by `keras_gen.zoo.load("hf://user/name")`, or use it by
    `--weights hf://user/name`. A README that was edited on the hub is kept. The token
    is that of `hf auth login`, or HF_TOKEN.
    """
    keras_gen.hub.push(
        source,
        repository,
        private=private,
        create_pr=create_pr,
        licence=licence,
        notes=notes,
        evaluate=evaluate,
        dtype=dtype,
        message=message,
        data_pictures=data_pictures,
    )
