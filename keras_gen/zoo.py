"""The zoo: models by name, the weights that ship for them, and their cards.

    model = keras_gen.zoo.load("dcgan", weights="mnist")
    images = model.sample(16, seed=0)

Weights that ship are a distribution of their own, keras-gen-zoo; in the repository they
are in `zoo/<preset>/<weights>/`: `card.json`, `weights.safetensors`, and pictures,
which are not part of the distribution. Weights of one's own have names too if
KERAS_GEN_ZOO, or `add`, names their folder or index; see `keras_gen.catalogue`. The
same two files are read from the Hugging Face Hub:

    model = keras_gen.zoo.load("hf://someone/dcgan-birds")

Loading runs no code from files: cards are JSON, and weights are arrays.
"""

import difflib
import hashlib
import inspect
import json
import os
import pathlib
from collections.abc import Callable, Iterable
from typing import Any, Literal

import keras
import numpy as np
import safetensors.numpy

from keras_gen import (
    catalogue,
    files,
    models,  # noqa: F401 Fills the registry.
)
from keras_gen.catalogue import add
from keras_gen.core import averages, checks, hub_client, weight_files
from keras_gen.core.abilities import abilities_of
from keras_gen.core.arguments import defaults_of, refuse_unknown
from keras_gen.core.model import GenerativeModel
from keras_gen.core.registry import PRESETS, load_plugins, preset
from keras_gen.weight_index import CARD, WEIGHTS, write_index

__all__ = [
    "add",
    "arguments",
    "card",
    "check_overrides",
    "configuration",
    "load",
    "load_weights",
    "names",
    "save_weights",
    "weights_of",
    "weights_path",
    "write_card",
    "write_index",
]


def names() -> list[str]:
    """The names of all models, sorted, with those of packages that bring presets.

    >>> keras_gen.zoo.names()[:3]
    ['aae', 'cgan', 'classifier']
    """
    load_plugins()
    return sorted(PRESETS)


def weights_of(name: str) -> list[str]:
    """The names of the weights for a model, sorted: those that ship, and one's own.

    >>> keras_gen.zoo.weights_of("stacked_ae")
    ['mnist', 'tied']

    Raises:
        ValueError: For an unknown name, with the nearest known ones in the message; or
            a place in KERAS_GEN_ZOO that is not there or is damaged.
    """
    return catalogue.weights_of(preset(name).name)


def card(
    name: str,
    weights: str | os.PathLike | None = None,
    *,
    revision: str | None = None,
) -> dict[str, Any]:
    """A description of a model, or of weights for it, in plain types.

    >>> keras_gen.zoo.card("gan")["configuration"]
    {'image_shape': (28, 28, 1), 'average': 0.999}
    >>> keras_gen.zoo.card("dcgan", "mnist")["data"]
    'mnist'

    Args:
        name: Name of the model; or "hf://user/name", without `weights`.
        weights: Name of weights (see `weights_of`), path of a folder with a card, or
            "hf://user/name"; None describes the model itself.
        revision: Branch, tag or commit on the Hugging Face Hub; None is "main".

    Returns:
        For weights: preset, configuration, data and their licence, the commands that
        trained them one after the other, measured figures, sha256. For a model: its
        summary, configuration, batch size, arguments with their defaults, abilities,
        and the names of its weights.

    Raises:
        ValueError: For unknown names; the message names the nearest known ones.
    """
    name, weights = _resolve(name, weights, revision)
    if weights is not None:
        return _read_card(*_find(name, weights, (CARD,)))
    chosen = preset(name)
    known = arguments(chosen.model)
    abilities = abilities_of(chosen.model, {**known, **chosen.config})
    return {
        "preset": name,
        "model": chosen.model.__name__,
        "summary": chosen.summary,
        "description": inspect.getdoc(inspect.getmodule(chosen.model)),
        "configuration": chosen.config,
        "batch_size": chosen.batch_size,
        "arguments": known,
        "abilities": sorted(abilities),
        "weights": weights_of(name),
    }


def load(
    name: str,
    weights: str | os.PathLike | None = None,
    *,
    revision: str | None = None,
    dtype: str | None = None,
    **overrides,
) -> GenerativeModel:
    """Builds a model and compiles it with the optimizers of its paper.

    >>> model = keras_gen.zoo.load("dcgan", weights="mnist")
    >>> model.sample(4, seed=0).shape
    (4, 32, 32, 1)
    >>> model = keras_gen.zoo.load("gan", image_shape=(8, 8, 3), widths=[16])
    >>> model.image_shape
    (8, 8, 3)

    Args:
        name: Name of the model, one of `names()`; or "hf://user/name", without
            `weights`: the card in that repository of the Hugging Face Hub names the
            model.
        weights: Weights to load, with the configuration that they were trained with:
            a name of `weights_of` ("mnist"), the path of a `.keras` file from
            `model.save`, of a run's folder, or of a folder with a card, or
            "hf://user/name" or "hf://user/name@revision". None starts from random
            weights.
        revision: Branch, tag or commit on the Hugging Face Hub; None is "main".
        dtype: Dtype policy: "float32", "mixed_float16" or "mixed_bfloat16". None takes
            the one in force or, for a `.keras` file or a run's folder, that in which it
            was trained.
        **overrides: Arguments of the model's class, which replace those of the preset
            or of the weights. A `.keras` file keeps its optimizers: arguments that they
            follow from, such as a learning rate, take effect after `compile()`.

    Raises:
        ValueError: For unknown names (the message names the nearest known ones), or
            files that are damaged, do not belong together or do not fit the model. Also
            in one sentence for repositories of the hub that are missing, gated or
            cannot be reached.
        OSError: For weights of an index that cannot be downloaded.
    """
    name, weights = _resolve(name, weights, revision)
    chosen = preset(name)
    check_overrides(name, overrides)
    if weights is None:
        return _build(chosen.model, {**chosen.config, **overrides}, dtype)
    path, source = _find(name, weights, (CARD, WEIGHTS))
    if path.is_file():
        return _load_archive(chosen, path, overrides, dtype)
    contents = _read_card(path, source)
    if contents["model"] != chosen.model.__name__:
        raise ValueError(
            f"Expected weights of {chosen.model.__name__}, got {source} of "
            f"{contents['model']}."
        )
    arrays = _weights_of_card(path, contents, source)
    card_name = f"{source}/{CARD}"
    config = _saved_config(chosen, contents["configuration"], card_name)
    model = _build_saved(chosen, {**config, **overrides}, dtype, card_name, arrays)
    load_weights(model, arrays, without=contents.get("without", ()))
    return model


def arguments(cls: type) -> dict[str, Any]:
    """The arguments of a model's class, inherited ones included, with their defaults.

    >>> keras_gen.zoo.arguments(keras_gen.models.DCGAN)["latent_dim"]
    100
    """
    return defaults_of(cls)


def check_overrides(name: str, overrides: Iterable[str]) -> None:
    """Refuses names that are not arguments of a model.

    Args:
        name: Name of the model.
        overrides: Names of arguments.

    Raises:
        ValueError: For such a name; the message gives the nearest known arguments. Also
            for "dtype", which is not an argument of a single model.
    """
    if "dtype" in overrides:
        raise ValueError(f"Expected arguments of {name}, got 'dtype': pass dtype=...")
    refuse_unknown(preset(name).model, overrides)


def _build(cls, config, dtype):
    model = cls.from_arguments({**config, "dtype": dtype})
    model.compile()
    return model


def _saved_config(chosen, saved, source):
    """The arguments in a saved configuration, which must be known and plain."""
    config = {**chosen.model.upgrade_config(saved)}
    try:
        check_overrides(chosen.name, set(config) - {"dtype"})
    except ValueError as error:
        raise ValueError(f"{error} It is in {source}.") from error
    if not _plain(list(config.values())):
        raise ValueError(f"Expected a configuration of plain values in {source}.")
    return config


def _build_saved(chosen, config, dtype, source, path):
    """A model with the configuration in a file, and as many weights as a file has."""
    try:
        with weight_files.no_larger_than(path):
            model = chosen.model.from_arguments({**config, "dtype": dtype})
        model.compile()
        return model
    except Exception as error:  # What values of other types cause is of any class.
        raise ValueError(
            f"The configuration in {source} does not build a {chosen.model.__name__}: "
            f"{error}"
        ) from error


# Weights as arrays, the form of weights that ship.


def save_weights(
    model: GenerativeModel,
    path: str | os.PathLike,
    dtype: Literal["float32", "float16", "int8"] = "float32",
    *,
    without: Iterable[str] | None = None,
) -> None:
    """Writes the networks' weights as named arrays, without optimizers.

    If a network has a moving average, the average is written instead.

    Args:
        model: A model.
        path: Path of the `.safetensors` file.
        dtype: Type of floats in the file; float16 halves its size, and int8, which
            rounds large arrays to 255 levels in each channel, halves it again.
            Integers, such as counters, keep their type.
        without: Names of networks that are not written; see `load_weights`. None leaves
            out those that the model's own weights lack.

    Raises:
        ValueError: For weights that the type cannot hold, or unknown networks.
    """
    without = model.missing_networks if without is None else without
    _write_arrays(_arrays_of(model, dtype, without), path)


def _arrays_of(model, dtype, without=()):
    """The weights of a model by name, which must be finite in their type."""
    checks.one_of(("float32", "float16", "int8"), dtype=dtype)
    floats = "float16" if dtype == "int8" else dtype
    arrays = {}
    for name, variable in named_weights(model, averaged=True, without=without).items():
        array = np.asarray(variable.numpy(), order="C")
        if np.issubdtype(array.dtype, np.floating):
            with np.errstate(over="ignore"):
                array = array.astype(floats)
            if not np.isfinite(array).all():
                raise ValueError(
                    f"Expected weights that are finite as {dtype}, got others in "
                    f"{name}."
                )
        arrays[name] = array
    return weight_files.to_int8(arrays) if dtype == "int8" else arrays


def _write_arrays(arrays, path):
    with files.aside(path) as aside:
        safetensors.numpy.save_file(arrays, aside)


def load_weights(
    model: GenerativeModel, path: str | os.PathLike, *, without: Iterable[str] = ()
) -> None:
    """Reads a file from `save_weights`; moving averages start from the same weights.

    Args:
        model: Model of the same configuration.
        path: Path of the `.safetensors` file.
        without: Names of networks that the file lacks, since no ability reads them.
            They keep their weights, which are random in a new model; if it is trained,
            `fit` says so.

    Raises:
        ValueError: For a damaged file, names, shapes or types that are not the model's,
            or values that are not finite. The model is then as it was.
    """
    targets = named_weights(model, averaged=False, without=without)
    arrays = weight_files.read_arrays(path, targets)
    for name, variable in targets.items():
        variable.assign(arrays[name])
    for name, network in model.networks().items():
        if name.startswith(averages.PREFIX):
            source = model.networks()[name.removeprefix(averages.PREFIX)]
            network.set_weights(source.get_weights())
    model.missing_networks = tuple(without)


def named_weights(
    model: GenerativeModel, averaged: bool, without: Iterable[str] = ()
) -> dict[str, keras.Variable]:
    """Variables by network, index and name, such as "generator/003/kernel".

    Args:
        model: A model.
        averaged: Boolean, whether moving averages take the place of their networks.
        without: Names of networks to leave out.

    Raises:
        ValueError: For unknown networks.
    """
    own = [n for n in model.networks() if not n.startswith(averages.PREFIX)]
    if not isinstance(without, (list, tuple)) or any(n not in own for n in without):
        raise ValueError(f"Expected networks without weights of {own}, got {without}.")
    found = {}
    for name, network in model.networks().items():
        if name.startswith(averages.PREFIX) or name in without:
            continue
        source = model.averaged(network) if averaged else network
        for number, variable in enumerate(source.weights):
            found[f"{name}/{number:03d}/{variable.name}"] = variable
    return found


# Finding and reading weights.


def _resolve(name, weights, revision):
    """The preset's name and the weights; both from a card if `name` is "hf://..."."""
    in_name, in_weights = map(hub_client.is_address, (name, weights))
    if revision is not None and not (in_name or in_weights):
        raise ValueError(
            f"Expected a revision only with hf://user/name, got {revision!r}."
        )
    if in_weights and not in_name:
        return name, str(hub_client.parse(weights, revision))
    if not in_name:
        return name, weights
    if weights is not None:
        raise ValueError(
            f"Expected {name!r} without other weights, got {str(weights)!r}."
        )
    address = str(hub_client.parse(name, revision))
    contents = _read_card(*_fetched(address, (CARD,)))
    files.check_entries(contents, {"preset": str}, f"{address}/{CARD}")
    try:
        return preset(contents["preset"]).name, address
    except ValueError as error:
        raise ValueError(
            f"{error} {address} needs it: this version of keras_gen lacks it, or it "
            "belongs to another package."
        ) from error


def _fetched(address, names):
    """The folder in the hub's cache with files of a repository, and the address."""
    return hub_client.fetch(hub_client.parse(address), names), address


def _find(name, weights, names):
    """The folder or file of weights, and what messages call it.

    Args:
        name: Name of the model.
        weights: Name of weights, a path, or an address of the hub.
        names: Names of the files that are wanted; others are not downloaded.
    """
    place = catalogue.find(preset(name).name, weights)
    if place is not None:
        path = place.folder(name, weights, WEIGHTS in names)
        return path, str(path)
    if hub_client.is_address(weights):
        return _fetched(weights, names)
    path = pathlib.Path(weights).expanduser()
    if (path / "card.json").is_file() or (path.is_file() and path.suffix == ".keras"):
        return path, str(path)
    if (path / "model.keras").is_file():  # A run's folder.
        return path / "model.keras", str(path / "model.keras")
    known = weights_of(name)
    near = difflib.get_close_matches(str(weights), known, n=3, cutoff=0.4)
    problem = catalogue.problem()
    raise ValueError(
        f"Expected a name of weights for {name!r} ({', '.join(near or known) or 'none'}"
        "), a .keras file, the folder of a run or of a card, or hf://user/name, got "
        f"{str(weights)!r}" + (f"; {problem}." if problem else ".")
    )


def _read_card(folder, source):
    """The card in a folder, with the entries that `load` needs.

    Args:
        folder: Path of the folder.
        source: Name of the folder, for messages.
    """
    name = f"{source}/{CARD}"
    if pathlib.Path(folder).is_file():
        raise ValueError(f"Expected weights with a card, got {source}, without one.")
    contents = files.parse_json(files.read_text(pathlib.Path(folder) / CARD), name)
    kinds = {"model": str, "configuration": dict, "sha256": str}
    files.check_entries(contents, kinds, name)
    return _with_commands(contents, name)


def _with_commands(contents, path):
    """The card with its commands as a list; version 0.1 wrote one string."""
    if "commands" not in contents and isinstance(contents.get("command"), str):
        found = {"command": ("commands", contents["command"].split(" && "))}
        return dict(found.get(key, (key, value)) for key, value in contents.items())
    commands = contents.get("commands", [])
    if not isinstance(commands, list) or not all(isinstance(c, str) for c in commands):
        raise ValueError(f"Expected a list of strings as commands in {path}.")
    return contents


def _weights_of_card(folder, contents, source):
    """The path of the weights that a card describes, whose SHA-256 is compared."""
    path, wanted = folder / WEIGHTS, contents["sha256"]
    if not path.is_file():
        raise ValueError(f"Expected {WEIGHTS} beside the card, got none in {folder}.")
    found = files.sha256(path)
    if found == wanted:
        return path
    # `write_card` was killed between two renames.
    new = folder / _new_name(wanted)
    if new.is_file() and files.sha256(new) == wanted:
        return new
    remedy = "Copy both files again, or write them by keras_gen.zoo.write_card."
    if hub_client.is_address(source):
        remedy = f"If the cache was damaged, delete {folder.parents[1]}."
    raise ValueError(
        f"Expected {source}/{WEIGHTS} with sha256 {wanted}, got {found}: the file is "
        f"not the one that the card describes. {remedy}"
    )


def weights_path(folder: str | os.PathLike) -> pathlib.Path:
    """The path of the weights in a folder with a card.

    Args:
        folder: Path of the folder.

    Raises:
        ValueError: If there are none, or not those that the card describes.
    """
    folder = pathlib.Path(folder)
    return _weights_of_card(folder, _read_card(folder, str(folder)), str(folder))


def configuration(name: str, path: str | os.PathLike) -> dict[str, Any]:
    """The arguments of the model in a `.keras` file, by name, without `dtype`.

    If an older version wrote the file, they are those that give its networks now.

    Args:
        name: Name of the model.
        path: Path of the file.
    """
    saved = _read_archive(preset(name), path)
    config = _saved_config(preset(name), saved["config"], path)
    return {key: value for key, value in config.items() if key != "dtype"}


def _read_archive(chosen, path):
    """What a `.keras` file of a model says of it."""
    saved = weight_files.read_config(path)
    if saved["class_name"] != chosen.model.__name__:
        raise ValueError(
            f"Expected a saved {chosen.model.__name__}, got {path} with "
            f"{saved['class_name']!r}."
        )
    return saved


def _load_archive(chosen, path, overrides, dtype):
    """A model with the plain configuration and the weights of a `.keras` file."""
    saved = _read_archive(chosen, path)
    config = {**_saved_config(chosen, saved["config"], path), **overrides}
    saved_dtype = config.pop("dtype", None)
    compiled = saved.get("compile_config") or {}
    weight_files.optimizers_of(compiled, path)
    weight_files.check_whole(path)
    model = _build_saved(chosen, config, dtype or saved_dtype, path, path)
    if compiled:
        try:
            model.compile_from_config(compiled)
        except Exception as error:  # Of any class, as arguments may have any type.
            raise ValueError(
                f"The optimizers in {path} cannot be rebuilt: {error}"
            ) from error
    model.load_weights(path)
    return model


def _plain(value):
    """Whether a value consists of numbers, strings, lists and dicts, not objects."""
    if isinstance(value, (list, tuple)):
        return all(map(_plain, value))
    if isinstance(value, dict):
        return "class_name" not in value and _plain([*value, *value.values()])
    return value is None or isinstance(value, (bool, int, float, str))


# Shipping.


def write_card(
    model: GenerativeModel,
    folder: str | os.PathLike,
    *,
    name: str,
    dtype: Literal["float32", "float16", "int8"] = "float16",
    without: Iterable[str] | None = None,
    samples: Callable[[pathlib.Path], object] | None = None,
    **entries,
) -> dict[str, Any]:
    """Writes a folder for `load`: a grid of samples, weights, and card.

    All is checked before anything is written. A folder that has weights and a card
    already can be loaded at any moment: it holds the old or the new ones.

    Args:
        model: The trained model.
        folder: Path of the folder: `zoo/<preset>/<weights>`.
        name: Name of the preset.
        dtype: Type of floats in the file of weights; see `save_weights`.
        without: Names of networks whose weights are not stored, since no ability reads
            them. None leaves out those that the model's own weights lack.
        samples: Function that writes a picture to a given path; None writes no picture.
        **entries: Further entries of the card: data, data_licence, commands, figures,
            notes, ...

    Returns:
        The card.

    Raises:
        ValueError: For a name that is not the model's, entries that are not plain, or
            weights that the type cannot hold.
    """
    folder = pathlib.Path(folder)
    without = list(model.missing_networks if without is None else without)
    arrays = _arrays_of(model, dtype, without)
    config = {k: v for k, v in model.get_config().items() if k not in ("dtype", "name")}
    contents = {
        "preset": preset(name).name,
        "model": type(model).__name__,
        "configuration": config,
        **entries,
        "parameters": int(
            sum(np.prod(v.shape) for v in named_weights(model, True, without).values())
        ),
        "stored_as": dtype,
        **({"without": without} if without else {}),
    }
    if preset(name).model is not type(model):
        raise ValueError(f"Expected the name of a {contents['model']}, got {name!r}.")
    _as_json(contents)  # Before anything is written.
    if samples is not None:
        folder.mkdir(parents=True, exist_ok=True)
        samples(folder / "samples.png")
    return _replace_card(folder, contents, arrays)


def _replace_card(folder, contents, arrays):
    """Replaces weights and card; after a kill at any moment, a pair fits.

    Until the card has been replaced, the new weights lie beside the old ones under a
    name with their hash, where `load` finds them.
    """
    content = safetensors.numpy.save(arrays)
    contents = {**contents, "sha256": hashlib.sha256(content).hexdigest()}
    new = folder / _new_name(contents["sha256"])
    folder.mkdir(parents=True, exist_ok=True)
    with files.locked(folder):
        files.write_bytes(new, content)
        files.write_text(folder / CARD, _as_json(contents))
        files.replace(new, folder / WEIGHTS)
        for leftover in folder.glob(_new_name("*")):  # Of writers that were killed.
            leftover.unlink()
    return contents


def _new_name(digest):
    """Name of the file of weights until the card that describes it is written."""
    return f"weights-{digest[:16]}.safetensors"


def _as_json(contents):
    try:
        return json.dumps(contents, indent=2) + "\n"
    except (TypeError, ValueError) as error:
        raise ValueError(f"Expected entries of plain values: {error}.") from error
