"""Models behind one interface: those of this machine, and those of a server."""

import dataclasses
import functools
import inspect
import pathlib
import re
import typing
from collections.abc import Callable

import numpy as np

from keras_gen import data, runs, zoo
from keras_gen.cli import common, requests, rows
from keras_gen.core import hub_client
from keras_gen.core.abilities import Ability
from keras_gen.core.inputs import FILE_SUFFIX, IMAGE, Input
from keras_gen.core.noise import row_seeds
from keras_gen.data import catalog
from keras_gen.export import Client
from keras_gen.export.signatures import draws_rows, inputs_of

PART = 16  # Images that are drawn at once.
LARGEST = 256  # Numbers of a row that may be typed.
SHIPPED = ("mnist", "emoji", "faces")  # Data that ship.
KEPT = 4  # Models that are kept in memory.


@dataclasses.dataclass(frozen=True)
class Option:
    """An argument of an ability that is a plain value.

    Attributes:
        name: Name of the argument.
        default: Value of the argument if it is not given.
        choices: Values that are allowed; empty if they are not listed.
        kind: Type of the values: int, float or str.
    """

    name: str
    default: object = None
    choices: tuple = ()
    kind: type = int

    @classmethod
    def of(cls, parameter: inspect.Parameter) -> "Option":
        """The option that a parameter of an ability's function describes."""
        hints = [parameter.annotation, *typing.get_args(parameter.annotation)]
        literals = [h for h in hints if typing.get_origin(h) is typing.Literal]
        choices = typing.get_args(literals[0]) if literals else ()
        is_text = str in hints or any(isinstance(c, str) for c in choices)
        kind = str if is_text else float if float in hints else int
        return cls(parameter.name, parameter.default, choices, kind)


@dataclasses.dataclass(frozen=True)
class Offer:
    """Something that a model does with the values of a form.

    Attributes:
        name: Name of the ability, or of the signature on a server.
        summary: Description in one sentence.
        inputs: Declared inputs by name.
        output: Name of the output.
        draws: Boolean, whether rows are drawn from seeds and conditions alone.
        options: Options by name.
    """

    name: str
    summary: str
    inputs: dict[str, Input]
    output: str
    draws: bool = False
    options: dict[str, Option] = dataclasses.field(default_factory=dict)

    @classmethod
    def of_ability(cls, ability: Ability, model) -> "Offer":
        """The offer of an ability of a model."""
        parameters = inspect.signature(ability.function).parameters
        options = {name: Option.of(parameters[name]) for name in ability.options}
        return cls(
            ability.name,
            ability.summary,
            ability.declared(model),
            ability.output,
            ability.draws,
            options,
        )

    @property
    def fits_a_form(self) -> bool:
        """Whether all inputs can be given in a form: no row is too long to be typed."""
        return all(
            entry.role == IMAGE or entry.is_binary or _size(entry) <= LARGEST
            for entry in self.inputs.values()
        )


def spoken(name: str) -> str:
    """A name of code as words.

    >>> spoken("noise_seed")
    'noise seed'
    """
    return name.replace("_", " ")


def _size(entry):
    return np.prod([size or 1 for size in entry.shape], dtype=int)


class Source:
    """A model, or the client of one, whose methods have the names of its abilities.

    Attributes:
        title: Name of the model and of its weights.
        model: Object with the methods.
        offers: `Offer`s by name.
        data: Name or path of the data that it was trained with; None if unknown.
        split_seed: Seed with which a folder was split in training.
        has_examples: Boolean, whether the data are at hand, and hold images.
        url: Address for REST requests, such as
            "http://localhost:8501/v1/models/vae/labels/stable".
    """

    title: str
    model: object
    offers: dict[str, Offer]
    data: str | None = None
    split_seed: int = 0
    has_examples: bool = False
    url: str

    def python(self) -> list[str]:
        """Lines of Python that make `model`."""
        raise NotImplementedError

    def call(
        self,
        name: str,
        n: int | None,
        arguments: dict,
        options: dict,
        progress: Callable[[float], None] = lambda share: None,
    ) -> np.ndarray:
        """Calls an ability; rows are drawn in parts.

        Args:
            name: Name of the ability.
            n: Number of rows to draw; None for abilities that take rows.
            arguments: Values of the inputs by name.
            options: Values of the options by name.
            progress: Function that gets the share that is done after each part.

        Raises:
            ValueError: For arguments that the model does not take.
            OSError: If a server does not answer.
        """
        method = getattr(self.model, name)
        if n is None:
            return method(**arguments, **options)
        seeds, parts = row_seeds(n, arguments.pop("seed", None)), []
        for start in range(0, n, PART):
            part = slice(start, start + PART)
            cut = {
                key: value[part] if np.ndim(value) else value
                for key, value in arguments.items()
            }
            count = len(seeds[part])
            parts.append(method(n=count, seed=seeds[part], **cut, **options))
            progress(min(1.0, (start + PART) / n))
        return np.concatenate(parts)

    def names(self, entry: Input) -> tuple[str, ...]:
        """Names of the classes or attributes that an input counts; () if unknown."""
        return ()

    def names_of(self, count: int) -> tuple[str, ...]:
        """Names of so many classes; () if unknown."""
        return ()

    def example(self, entry: Input, seed: int) -> np.ndarray:
        """One image of the test data, (height, width, channels), in [-1, 1]."""
        raise NotImplementedError


class Local(Source):
    """A model of this machine.

    Args:
        name: Name of its preset.
        weights: Its weights, as for `keras_gen.zoo.load`.
        is_open: Boolean, whether other machines reach the page: images of data that
            others do not have by their name are then not shown.

    Raises:
        ValueError: For names or files that do not fit.
    """

    def __init__(self, name: str, weights: str | None, is_open: bool = False):
        self.name, self.weights, self.is_open = name, weights, is_open
        self.title = f"{name} {weights}" if weights else f"{name}, untrained"
        self.model = zoo.load(name, weights)
        self.url = f"http://localhost:8501/v1/models/{name}/labels/stable"
        if weights:
            self.data, self.split = common.data_of(name, weights)
            if self.data is not None:
                self.split_seed = common.split_seed_of(name, weights, self.data)
        found = {
            name: Offer.of_ability(ability, self.model)
            for name, ability in self.model.abilities().items()
        }
        self.offers = {n: offer for n, offer in found.items() if offer.fits_a_form}

    def python(self) -> list[str]:
        """Lines of Python that make `model`."""
        words = [repr(self.name)] + [f"weights={self.weights!r}"] * bool(self.weights)
        return [f"model = keras_gen.zoo.load({', '.join(words)})".replace("'", '"')]

    def names(self, entry: Input) -> tuple[str, ...]:
        """Names of the classes or attributes that an input counts; () if unknown."""
        if entry.shape:
            return self._attributes(entry.shape[0])
        return self.names_of(entry.range[1] + 1)

    @functools.cache  # noqa: B019 Few models are kept.
    def names_of(self, count: int) -> tuple[str, ...]:
        """Names of so many classes; () if unknown."""
        known = requests.class_names(self.model, self.data, count)
        return known or self._attributes(count)

    def _attributes(self, count):
        if self.data is None or re.split("[/?]", self.data)[0] != "faces":
            return ()
        shape = self.model.batch_shapes()["image"]
        known = data.load(self.data, self.split, image_shape=shape).attribute_names
        return tuple(map(spoken, known)) if len(known) == count else ()

    @property
    def has_examples(self) -> bool:
        """Whether the data are at hand and may be shown, and hold images."""
        if self.is_open and self.data is not None and not catalog.is_public(self.data):
            return False
        is_here = self.data is not None and (
            re.split("[/?]", self.data)[0] in SHIPPED
            or pathlib.Path(self.data).expanduser().exists()
        )
        return is_here and "image" in self.model.batch_shapes()

    def example(self, entry: Input, seed: int) -> np.ndarray:
        """One image of the test data, (height, width, channels), in [-1, 1]."""
        found, _ = rows.from_data(
            entry, self.model, self.data, self.split, 1, seed, self.split_seed
        )
        return found[0]


class Served(Source):
    """A model on a server of TF Serving.

    Args:
        address: Address of the server, as for `keras_gen.export.Client`.
        name: Name of the model on the server.
        label: Label of the version; None uses the newest.

    Raises:
        OSError: If the server does not answer, or has no such model.
    """

    def __init__(self, address: str, name: str, label: str | None = "stable"):
        self.address, self.name, self.label = address, name, label
        self.title = f"{name} on {address}"
        self.model = Client(address, name, label=label, progress=False)
        host = address if "://" in address else f"http://{address.split(':')[0]}:8501"
        version = f"/labels/{label}" if label else ""
        self.url = f"{host.rstrip('/')}/v1/models/{name}{version}"
        card = self.model.card
        found = {
            name: Offer(
                name,
                entry.get("summary", name),
                inputs_of(card, name),
                entry["output"],
                draws_rows(card, name),
            )
            for name, entry in card["signatures"].items()
            if not name.endswith(FILE_SUFFIX)
        }
        self.offers = {n: offer for n, offer in found.items() if offer.fits_a_form}

    def python(self) -> list[str]:
        """Lines of Python that make `model`."""
        words = [f'"{self.address}"', f'"{self.name}"']
        if self.label != "stable":
            words.append(f"label={self.label!r}".replace("'", '"'))
        return [f"model = keras_gen.export.Client({', '.join(words)})"]


def find(name: str, weights: str | None) -> tuple[str, str | None]:
    """The preset and the weights that a user means: folders and cards name the preset.

    Args:
        name: Name of a preset.
        weights: Name of weights, path of a file or of a folder, or hf://user/name.

    Raises:
        ValueError: For a folder or a repository that names none.
    """
    if not weights:
        return name, None
    if hub_client.is_address(weights):
        return zoo.card(weights)["preset"], weights
    if weights in zoo.weights_of(name):
        return name, weights
    path = pathlib.Path(weights).expanduser()
    folder = path if path.is_dir() else path.parent
    if (folder / runs.SETTINGS).is_file():
        return runs.Settings.read(folder / runs.SETTINGS).name, str(path)
    if (folder / zoo.CARD).is_file():
        return zoo.card(name, str(folder))["preset"], str(folder)
    return name, str(path) if path.exists() else weights


def open_local(name: str, weights: str | None, is_open: bool = False) -> Local:
    """A model of this machine, kept in memory until its file changes."""
    name, weights = find(name, weights)
    path = pathlib.Path(weights or "")
    changed = [
        file.stat().st_mtime_ns
        for file in (path, path / runs.MODEL)
        if weights and file.is_file()
    ]
    return _local(name, weights, is_open, tuple(changed))


@functools.lru_cache(KEPT)
def _local(name, weights, is_open, changed):
    return Local(name, weights, is_open)


@functools.lru_cache(KEPT)
def open_served(address: str, name: str, label: str | None) -> Served:
    """A model on a server."""
    return Served(address, name, label)
