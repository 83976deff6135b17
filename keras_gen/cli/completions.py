"""What the shell completes: names of models, weights, data sets, and words of options.

Nothing here imports TensorFlow or asks a server, so that the shell need not wait.
"""

import contextlib
from collections.abc import Iterator

import typer

from keras_gen import catalogue, config, index

Found = Iterator[tuple[str, str]]


def models(incomplete: str) -> Found:
    """Names of models that begin as what was typed, with what they are."""
    for name, summary in index.models().items():
        if name.startswith(incomplete):
            yield name, summary.removesuffix(".")


def weights(context: typer.Context, incomplete: str) -> Found:
    """Names of weights on this machine for the model that was typed before."""
    given = context.params.get("name") or context.params.get("names")
    # Typer leaves words aside while the option before the cursor has no value.
    words = given or context.args
    for word in [words] if isinstance(words, str) else words:
        name = (word.partition("=")[2] or word).partition(":")[0]
        with contextlib.suppress(ValueError, OSError):  # Using them shows the error.
            for found in catalogue.weights_of(name, is_local=True):
                if found.startswith(incomplete):
                    yield found, f"weights of {name}"


def models_with_weights(incomplete: str) -> Found:
    """Names of models, and NAME:WEIGHTS once the name is complete."""
    name, colon, begun = incomplete.partition(":")
    if not colon:
        yield from models(incomplete)
        return
    with contextlib.suppress(ValueError, OSError):
        for found in catalogue.weights_of(name, is_local=True):
            if found.startswith(begun):
                yield f"{name}:{found}", f"weights of {name}"


def data_sets(incomplete: str) -> Found:
    """Names of the data sets that ship; the shell itself completes paths."""
    for name in config.DATA_SETS:
        if name.startswith(incomplete):
            yield name, "data set that ships"


def one_of(*names: str):
    """A function that completes one of several words.

    Args:
        *names: The words.
    """

    def complete(incomplete: str) -> Found:
        return ((name, "") for name in names if name.startswith(incomplete))

    return complete
