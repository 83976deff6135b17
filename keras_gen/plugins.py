"""Other packages that bring models: entry points of the group `keras_gen.presets`.

A package names, in its pyproject.toml, the module (or package) that registers presets:

    [project.entry-points."keras_gen.presets"]
    bird_models = "bird_models.presets"

It is imported when a name is looked up that is not one of this package, or when all
names are. This module itself imports nothing but the standard library.
"""

import dataclasses
import functools
import importlib
import importlib.machinery
import importlib.util
import pathlib
from collections.abc import Iterator

GROUP = "keras_gen.presets"


@dataclasses.dataclass(frozen=True)
class Plugin:
    """A package that brings models.

    Attributes:
        package: Name and version of the installed distribution.
        module: Name of the module to import.
    """

    package: str
    module: str

    def sources(self) -> Iterator[tuple[str, pathlib.Path]]:
        """The name and the path of each Python file to look for models in.

        Nothing is imported. There are none if the module cannot be found.
        """
        path = _located(self.module)
        if path is None:
            return
        if path.name != "__init__.py":
            yield self.module, path
            return
        for inner in sorted(path.parent.rglob("*.py")):
            parts = inner.relative_to(path.parent).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            yield ".".join((self.module, *parts)), inner


def _located(module):
    """The path of a module's source, found without importing its parents."""
    first, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(first)
        for count in range(1, len(rest) + 1):
            folders = None if spec is None else spec.submodule_search_locations
            if folders is None:
                return None
            name = ".".join((first, *rest[:count]))
            spec = importlib.machinery.PathFinder.find_spec(name, list(folders))
    except (ImportError, ValueError):
        return None
    is_source = spec is not None and spec.origin and spec.origin.endswith(".py")
    return pathlib.Path(spec.origin) if is_source else None


@functools.cache
def installed() -> tuple[Plugin, ...]:
    """The packages that bring models, by name."""
    import importlib.metadata  # Slow, and needed only when names are looked up.

    found = {}
    for point in importlib.metadata.entry_points(group=GROUP):
        package = (
            f"{point.dist.name} {point.dist.version}" if point.dist else point.name
        )
        found[point.module] = Plugin(package, point.module)
    return tuple(sorted(found.values(), key=lambda plugin: plugin.package))


@functools.cache
def failures() -> tuple[str, ...]:
    """Imports all packages that bring models; a sentence on each that fails.

    The others are not affected by one that fails.
    """
    lines = []
    for plugin in installed():
        try:
            importlib.import_module(plugin.module)
        except (
            Exception,
            SystemExit,
        ) as error:  # Another package may raise errors of any class.
            text = " ".join(f"{type(error).__name__}: {error}".split())
            lines.append(
                f"The models of the package {plugin.package} cannot be used: the "
                f"import of {plugin.module} failed with {text[:300].rstrip('.')}."
            )
    return tuple(lines)
