"""An index of the package: its models and weights, without importing TensorFlow.

>>> models()["dcgan"]
'Deep convolutional generative adversarial network.'

The models are read from the sources of the classes that are registered with Keras, so
that the index needs no care when a model is added.
"""

import ast
import dataclasses
import functools
import importlib.resources
import pathlib

PACKAGE = pathlib.Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Entry:
    """A class that is registered with Keras.

    Attributes:
        module: Name of the module that defines the class.
        name: Name of the class.
        registered_name: Name under which Keras saves the class.
        preset: Name of the model's preset; None for classes that are no presets.
        summary: First line of the class's docstring.
    """

    module: str
    name: str
    registered_name: str
    preset: str | None
    summary: str


def models() -> dict[str, str]:
    """The summary of each model, by the name of its preset, sorted."""
    presets = {entry.preset: entry.summary for entry in entries() if entry.preset}
    return dict(sorted(presets.items()))


def weights_folder() -> pathlib.Path:
    """Path of the folder of weights that ship."""
    return pathlib.Path(str(importlib.resources.files("keras_gen.cards")))


def weights_of(name: str) -> list[str]:
    """The names of the weights that ship for a model, sorted; empty if none do.

    Args:
        name: Name of the model's preset.
    """
    cards = (weights_folder() / name).glob("*/card.json")
    return sorted(card.parent.name for card in cards)


@functools.cache
def entries() -> tuple[Entry, ...]:
    """All classes that are registered with Keras."""
    paths = (path for folder in PACKAGE.iterdir() for path in folder.rglob("*.py"))
    return tuple(entry for path in sorted(paths) for entry in _entries_in(path))


def _entries_in(path):
    source = path.read_text(encoding="utf-8")
    if "register" not in source:  # Spares most files the parsing.
        return
    module = ".".join(["keras_gen", *path.relative_to(PACKAGE).with_suffix("").parts])
    for node in ast.parse(source).body:
        for call in getattr(node, "decorator_list", ()):
            function = ast.unparse(getattr(call, "func", call)).split(".")[-1]
            if function in ("register", "register_keras_serializable"):
                yield _entry(node, call, function, module)


def _entry(node, call, function, module):
    """The entry of a class, from its node and that of the decorator."""
    options = {keyword.arg: keyword.value for keyword in call.keywords}
    is_preset = function == "register"
    saved = node.name
    if not is_preset and "name" in options:
        saved = ast.literal_eval(options["name"])
    return Entry(
        module,
        node.name,
        f"keras_gen>{saved}",
        ast.literal_eval(call.args[0]) if is_preset else None,
        (ast.get_docstring(node) or "").split("\n")[0],
    )
