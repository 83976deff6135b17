"""Places where weights are looked up by name: the zoo that ships, and one's own.

The weights that ship are a distribution of their own, `keras-gen-zoo`, which must be of
the same version as this package, up to the second number. Further places are named by
the environment variable KERAS_GEN_ZOO and by `add`. Each is one of these:

- a folder that holds `<preset>/<weights>/card.json` and `weights.safetensors`;
- the `https://` address of an index; see `keras_gen.weight_index`.

A name that two places give to different weights of one model is refused when it is
used: no place hides another. Nothing here imports TensorFlow.
"""

import dataclasses
import importlib.util
import os
import pathlib
import re
from typing import Protocol

from keras_gen import files, weight_index
from keras_gen.weight_index import CARD

VARIABLE = "KERAS_GEN_ZOO"
PACKAGE = pathlib.Path(__file__).parent
_added = []  # Places from `add`.


class Place(Protocol):
    """A place where weights are looked up by name.

    Attributes:
        title: Description of the place, for messages.
    """

    title: str

    def presets(self) -> set[str]:
        """The names of the models that there are weights for."""

    def names(self, preset: str) -> set[str]:
        """The names of the weights for a model."""

    def card_sha256(self, preset: str, name: str) -> str:
        """The SHA-256 of the card of weights, in hexadecimal."""

    def folder(self, preset: str, name: str, whole: bool) -> pathlib.Path:
        """A folder with the card of weights and, if `whole`, the weights."""


# Looking up.


def weights_of(preset: str, is_local: bool = False) -> list[str]:
    """The names of the weights for a model in all places, sorted.

    Args:
        preset: Name of the model's preset.
        is_local: Boolean, whether indexes that would be downloaded are left out.

    Raises:
        ValueError: For a place in KERAS_GEN_ZOO that is not there or is damaged.
        DownloadError: For an index that cannot be downloaded.
    """
    chosen = places(is_local)
    return sorted({name for place in chosen for name in place.names(preset)})


def find(preset: str, name: object) -> Place | None:
    """The place that holds weights; None if there is none.

    Args:
        preset: Name of the model's preset.
        name: Name of the weights; anything but a string is no name.

    Raises:
        ValueError: If several places have different weights of this name.
    """
    known = places() if isinstance(name, str) else []
    holders = [place for place in known if name in place.names(preset)]
    if not holders:
        return None
    first, *others = holders
    for other in others:
        if other.card_sha256(preset, name) != first.card_sha256(preset, name):
            raise ValueError(
                f"Expected one place with the weights {name!r} of {preset!r}, got "
                f"others in {first.title} and in {other.title}: rename those of your "
                f"own, or pass the path of a folder with a card."
            )
    return first


def places(is_local: bool = False) -> list[Place]:
    """All places: the zoo that ships, then those of KERAS_GEN_ZOO, then those added.

    Args:
        is_local: Boolean, whether indexes in KERAS_GEN_ZOO are left out.

    Raises:
        ValueError: For a place in KERAS_GEN_ZOO that is not there or is damaged.
        DownloadError: For an index that cannot be downloaded.
    """
    shipped = [] if problem() else [Folder(zoo_folder(), "the zoo that ships")]
    texts = _split(os.environ.get(VARIABLE, ""))
    texts = [text for text in texts if not (is_local and "://" in text)]
    named = [_place(text, VARIABLE) for text in texts]
    return [*shipped, *named, *_added]


def add(place: str | os.PathLike) -> None:
    """Adds a place where weights are looked up by name, for this process.

    Args:
        place: Path of a folder, or address of an index. An index that is added again
            is downloaded again.

    Raises:
        ValueError: For a folder that is not there or has no cards, or no index.
        DownloadError: For an index that cannot be downloaded.
    """
    weight_index.index_at.cache_clear()
    new = _place(os.fspath(place), "keras_gen.zoo.add")
    _added[:] = [old for old in _added if old.title != new.title] + [new]


def _split(text):
    """Paths and addresses between separators; addresses contain colons of their own."""
    end = re.escape(os.pathsep)
    host = r"(?:[^/@\s]*@)?(?:\[[^\]/]*\]|[^/:;\s]*)(?::\d+)?"
    address = rf"[a-z]+://{host}(?:/[^{end}]*)?"
    found = re.findall(rf"{address}|[^{end}]+", text)
    return [part.strip() for part in found if part.strip()]


def _place(text, source):
    """The place with a path or an address."""
    if "://" in text:
        return weight_index.index_at(text)
    path = pathlib.Path(text).expanduser()
    if not path.is_dir():
        raise ValueError(
            f"Expected the path of a folder or the https:// address of an index in "
            f"{source}, got {text!r}, which is no folder."
        )
    if next(path.glob(f"*/*/{CARD}"), None) is None:
        raise ValueError(
            f"Expected a folder with <preset>/<weights>/{CARD} in {source}, got "
            f"{text!r}, which has none."
        )
    return Folder(path.resolve(), text)


# The zoo that ships.


def zoo_folder() -> pathlib.Path | None:
    """The folder of the weights that ship; None if keras-gen-zoo is not installed.

    In a clone of the repository, it is the clone's own.
    """
    clone = PACKAGE.parent / "zoo"
    if (clone / "pyproject.toml").is_file() and (clone / "__init__.py").is_file():
        return clone
    spec = importlib.util.find_spec("keras_gen_zoo")
    if spec is None or spec.origin is None:
        return None
    return pathlib.Path(spec.origin).parent


def problem() -> str | None:
    """The reason why weights that ship cannot be used, and what to do; or None."""
    ours = _version_in(PACKAGE)
    series = ".".join(ours.split(".")[:2])
    install = f"pip install 'keras-gen-zoo=={series}.*', or ./zoo in a clone"
    if (PACKAGE / "cards").is_dir():
        return (
            f"an installation of keras-gen 0.1 has left weights in {PACKAGE / 'cards'}:"
            f" remove that folder, then {install}"
        )
    folder = zoo_folder()
    if folder is None:
        return (
            "keras-gen-zoo, the distribution of the weights that ship, is not "
            f"installed: {install}"
        )
    theirs = _version_in(folder)
    if theirs.split(".")[:2] != ours.split(".")[:2]:
        return (
            f"keras-gen {ours} needs keras-gen-zoo {series}, and keras-gen-zoo "
            f"{theirs} is installed: {install}"
        )
    return None


def _version_in(package):
    """The version that a package states in its `__init__.py`."""
    text = files.read_text(package / "__init__.py")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    return found[1] if found else "unknown"


# Folders.


@dataclasses.dataclass(frozen=True)
class Folder:
    """A folder with `<preset>/<weights>/card.json`; see `Place`.

    Attributes:
        path: Path of the folder.
        title: Description of the place, for messages.
    """

    path: pathlib.Path
    title: str

    def presets(self) -> set[str]:
        """The names of the models that there are weights for."""
        return {card.parent.parent.name for card in self.path.glob(f"*/*/{CARD}")}

    def names(self, preset: str) -> set[str]:
        """The names of the weights for a model."""
        return {card.parent.name for card in (self.path / preset).glob(f"*/{CARD}")}

    def card_sha256(self, preset: str, name: str) -> str:
        """The SHA-256 of the card of weights."""
        return files.sha256(self.path / preset / name / CARD)

    def folder(self, preset: str, name: str, whole: bool) -> pathlib.Path:
        """The folder with the card of weights, and the weights."""
        return self.path / preset / name
