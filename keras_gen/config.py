"""Files that stand for the options of a command: YAML, TOML or JSON.

    name: dcgan
    data: photos          # A folder beside this file.
    epochs: 50
    set: {width: 32}

Nothing here imports TensorFlow.
"""

import difflib
import glob
import json
import os
import pathlib
import re
import tomllib
from collections.abc import Collection, Mapping
from typing import Any

from keras_gen.files import read_text, write_text

SUFFIXES = (".yaml", ".yml", ".toml", ".json")
# Data sets that ship or are drawn: their names go before folders of the same name.
DATA_SETS = (
    "emoji",
    "faces",
    "gaussian_grid",
    "gaussian_ring",
    "mnist",
    "stacked_mnist",
)


def read(path: str | os.PathLike) -> dict[str, Any]:
    """Reads a file of options; numbers such as 1e-4 are numbers, as in JSON.

    Args:
        path: Path of a file whose suffix names its format.

    Raises:
        ValueError: For another suffix, or a file that holds anything but names with
            values, or a name twice.
        OSError: For a file that cannot be read.
    """
    path = pathlib.Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(
            f"Expected a file {', '.join(SUFFIXES)}, got {path}; for the folder of a "
            "run, its config.yaml."
        )
    text = read_text(path)
    try:
        contents = _parse(text, path.suffix.lower())
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        kind = path.suffix[1:].upper().replace("YML", "YAML")
        raise ValueError(f"Expected {kind} in {path}: {reason}") from error
    if not isinstance(contents, dict) or not all(isinstance(k, str) for k in contents):
        raise ValueError(f"Expected options with values in {path}, got others.")
    return contents


def write(path: str | os.PathLike, values: Mapping[str, Any], comment: str) -> None:
    """Writes options as YAML, from which `read` returns the same values.

    Args:
        path: Path of the file.
        values: Values of plain types, by name.
        comment: Lines above the values.
    """
    import yaml

    _, dumper = _yaml_classes()
    options = {"sort_keys": False, "allow_unicode": True, "default_flow_style": None}
    lines = [f"# {line}\n" for line in comment.splitlines()]
    text = yaml.dump(dict(values), Dumper=dumper, width=88, **options)
    write_text(path, "".join(lines) + text)


def refuse_unknown(name: str, known: Collection[str], source: str | os.PathLike):
    """Refuses a name that stands for no option, with the nearest that do.

    Args:
        name: Name in the file.
        known: Names of all options.
        source: Path of the file, for the message.

    Raises:
        ValueError: For a name that is not known.
    """
    if name in known:
        return
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"nearest: {', '.join(near)}" if near else f"all: {', '.join(known)}"
    raise ValueError(f"Expected names of options in {source}, got {name!r}; {hint}.")


def relocate(text: str, source: str | os.PathLike, target: str | os.PathLike) -> str:
    """Data or weights whose relative paths lead from another folder to the same place.

    Names of data sets and of weights, addresses and absolute paths stay as they are. In
    "NAME:PATH", the weights of another model, the path changes.

    Args:
        text: Name or path, or several with commas between them.
        source: Path of the folder that relative paths start from.
        target: Path of the folder that they shall start from.
    """
    if "," in text and not (pathlib.Path(source) / text).exists():
        return ",".join(relocate(part, source, target) for part in text.split(","))
    path = text.strip()
    if re.split("[/?]", path)[0] in DATA_SETS:
        return text
    if "://" in path or path.startswith("~") or os.path.isabs(path):
        return text
    place = os.path.join(os.path.abspath(source), path)
    model, colon, weights = path.partition(":")
    is_model = colon and re.fullmatch("[a-z][a-z0-9_]+", model)
    if is_model and not os.path.exists(place):  # Weights of another model.
        return f"{model}:{relocate(weights, source, target)}"
    is_path = path.startswith(".") or path.endswith("/") or os.path.exists(place)
    if not path or not (is_path or (glob.has_magic(place) and glob.glob(place))):
        return text
    try:
        moved = os.path.relpath(place, os.path.abspath(target))
    except ValueError:  # On Windows, on another drive.
        return place
    is_name = re.split("[/?]", moved)[0] in DATA_SETS
    return os.path.join(os.curdir, moved) if is_name else moved


def _parse(text, suffix):
    if suffix == ".toml":
        return tomllib.loads(text)
    if suffix == ".json":
        return json.loads(text)
    import yaml

    loader, _ = _yaml_classes()
    try:
        return yaml.load(text, Loader=loader)  # A subclass of SafeLoader.
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _yaml_classes():
    """A loader that refuses names given twice, and a dumper, both with JSON's floats.

    YAML 1.1 takes 1e-4, without a point, for a string.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node, deep=False):
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            for i, key in enumerate(keys):
                if key in keys[:i]:
                    raise ValueError(f"it has {key!r} twice.")
            return super().construct_mapping(node, deep)

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data):
            return True

    number = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$")
    for cls in (Loader, Dumper):
        cls.add_implicit_resolver("tag:yaml.org,2002:float", number, "-+0123456789")
    return Loader, Dumper
