"""An index of the package's models, without importing TensorFlow.

>>> models()["dcgan"]
'Deep convolutional generative adversarial network.'

The models are read from the sources of the classes that are registered with Keras, so
that the index needs no care when a model is added.
"""

import ast
import contextlib
import dataclasses
import functools
import pathlib

from keras_gen import plugins

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


def entries() -> tuple[Entry, ...]:
    """All classes that are registered with Keras, first those of this package.

    Those of other packages are the ones that their sources show; see `plugins`.
    """
    others = (entry for plugin in plugins.installed() for entry in entries_of(plugin))
    return (*own_entries(), *others)


@functools.cache
def own_entries() -> tuple[Entry, ...]:
    """The classes of this package that are registered with Keras."""
    paths = (path for folder in PACKAGE.iterdir() for path in folder.rglob("*.py"))
    return tuple(e for path in sorted(paths) for e in _entries_in(path, _module(path)))


def entries_of(plugin: plugins.Plugin) -> list[Entry]:
    """The registered classes in the sources of another package; nothing is imported.

    Sources that cannot be read show none.
    """
    found = []
    for module, path in plugin.sources():
        with contextlib.suppress(OSError, ValueError, SyntaxError):
            found += list(_entries_in(path, module))
    return found


def presets_of(plugin: plugins.Plugin) -> list[str]:
    """The names of presets that the sources of another package show."""
    return [entry.preset for entry in entries_of(plugin) if entry.preset]


def _module(path):
    return ".".join(["keras_gen", *path.relative_to(PACKAGE).with_suffix("").parts])


def _entries_in(path, module):
    source = path.read_text(encoding="utf-8")
    if "register" not in source:  # Spares most files the parsing.
        return
    for node in ast.parse(source).body:
        for call in getattr(node, "decorator_list", ()):
            function = ast.unparse(getattr(call, "func", call)).split(".")[-1]
            if function == "register_keras_serializable" or _is_preset(function, call):
                yield _entry(node, call, function, module)


def _is_preset(function, call):
    """Whether a decorator is `register("name", ...)`."""
    first = next(iter(getattr(call, "args", ())), None)
    return function == "register" and isinstance(getattr(first, "value", None), str)


def _entry(node, call, function, module):
    """The entry of a class, from its node and that of the decorator."""
    is_preset = function == "register"
    saved, package = node.name, "keras_gen"
    if not is_preset:
        arguments = dict(
            zip(("package", "name"), getattr(call, "args", ()), strict=False)
        )
        arguments |= {k.arg: k.value for k in getattr(call, "keywords", ())}
        values = {key: ast.literal_eval(value) for key, value in arguments.items()}
        package, saved = values.get("package", "Custom"), values.get("name") or saved
    return Entry(
        module,
        node.name,
        f"{package}>{saved}",
        ast.literal_eval(call.args[0]) if is_preset else None,
        (ast.get_docstring(node) or "").split("\n")[0],
    )
