"""`keras-gen app`: a page in the browser."""

import importlib.util
import pathlib
from typing import Annotated

import typer

import keras_gen
from keras_gen.cli import completions
from keras_gen.cli.common import Weights, note


def open_app(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Name of the first model, or of the model on the server.",
            autocompletion=completions.models,
            show_default="dcgan",
        ),
    ] = None,
    weights: Weights = None,
    server: Annotated[
        str | None,
        typer.Option(
            help="Address of a TF Serving server, whose models are used: HOST:PORT for "
            "gRPC, http://HOST:PORT for REST.",
            show_default="models of this machine",
        ),
    ] = None,
    label: Annotated[
        str,
        typer.Option(help="Label of the version on the server; '' uses the newest."),
    ] = "stable",
    runs: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="Folder of the runs that can be followed.",
            show_default="runs, or none where other machines reach the page",
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            help="Address that the page is served on; 0.0.0.0 lets other machines use "
            "it, from lists alone."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="Port.", show_default="the first free from 7860"
        ),
    ] = None,
    share: Annotated[
        bool, typer.Option("--share", help="Make a public link, through Gradio's host.")
    ] = False,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
):
    """Opens a page in the browser, which uses models and follows runs.

    The page draws, walks, reconstructs, translates and completes with a model, and
    compares two; a second tab follows a training. Only this machine reaches it, unless
    --host or --share is given, and it asks no other host for anything. Others see no
    images of your own data, unless --runs names a folder whose grids show them.
    """
    if importlib.util.find_spec("gradio") is None:
        raise ImportError("The app needs Gradio: pip install 'keras-gen[app]'")
    if server is None and name is not None and name not in keras_gen.index.models():
        keras_gen.zoo.weights_of(name)  # Refuses the name, with the nearest.
    note("The page opens in a few seconds.")
    from keras_gen.app.launch import launch
    from keras_gen.app.settings import Settings

    settings = Settings(
        name or ("" if server else "dcgan"),
        weights,
        server,
        label or None,
        None if runs is None else str(runs),
        host,
        share,
    )
    launch(settings, port, browser)
