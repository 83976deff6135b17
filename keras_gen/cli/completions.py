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
    for word in _words(context):
        yield from _weights_of(word.partition(":")[0], incomplete)


def models_with_weights(context: typer.Context, incomplete: str) -> Found:
    """Names of models, and NAME:WEIGHTS once the name is complete."""
    words = _words(context)
    if words[-1:] == [":"]:
        # To bash, a colon is a word of its own, and only what follows is replaced.
        names = [word for word in words if word != ":"]
        yield from _weights_of(*names[-1:], incomplete)
        return
    start, equals, typed = incomplete.rpartition("=")
    name, colon, begun = typed.partition(":")
    found = _weights_of(name, begun) if colon else models(name)
    for ending, what in found:
        yield f"{start}{equals}{name + colon if colon else ''}{ending}", what


def _words(context):
    """The arguments that were typed before, such as names of models."""
    given = context.params.get("names") or context.params.get("name") or ()
    # Typer leaves words aside while the option before the cursor has no value.
    return [*([given] if isinstance(given, str) else given), *context.args]


def _weights_of(name, begun):
    """Names of weights that begin as what was typed, for a NAME or SERVED=NAME."""
    preset = name.partition("=")[2] or name
    with contextlib.suppress(ValueError, OSError):  # Using them shows the error.
        for found in catalogue.weights_of(preset, is_local=True):
            if found.startswith(begun):
                yield found, f"weights of {preset}"


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
