"""The zoo: models by name, the weights that ship for them, and their cards.

    model = keras_gen.zoo.load("dcgan", weights="mnist")
    images = model.sample(16, seed=0)

Weights that ship are in `zoo/<preset>/<weights>/` of the repository: `card.json`,
`weights.safetensors`, and pictures, which are not part of the package. Loading runs no
code from files: cards are JSON, and weights are arrays.
"""

import difflib
import importlib.resources
import inspect
import json
import os
import pathlib
import zipfile
from collections.abc import Callable, Iterable
from typing import Any, Literal

import keras
import numpy as np
import safetensors
import safetensors.numpy

from keras_gen import models  # noqa: F401 Fills the registry.
from keras_gen.core import averages
from keras_gen.core.abilities import abilities_of
from keras_gen.core.arguments import defaults_of, refuse_unknown
from keras_gen.core.model import GenerativeModel
from keras_gen.core.registry import PRESETS, preset
from keras_gen.files import sha256, write_aside, write_text

WEIGHTS = "weights.safetensors"


def names() -> list[str]:
    """The names of all models, sorted.

    >>> keras_gen.zoo.names()[:3]
    ['aae', 'cgan', 'classifier']
    """
    return sorted(PRESETS)


def weights_of(name: str) -> list[str]:
    """The names of the weights that ship for a model, sorted.

    >>> keras_gen.zoo.weights_of("stacked_ae")
    ['mnist', 'tied']

    Raises:
        ValueError: For an unknown name; the message names the nearest known ones.
    """
    folder = _shipped() / preset(name).name
    if not folder.is_dir():
        return []
    return sorted(p.name for p in folder.iterdir() if (p / "card.json").is_file())


def card(name: str, weights: str | os.PathLike | None = None) -> dict[str, Any]:
    """A description of a model, or of weights for it, in plain types.

    >>> keras_gen.zoo.card("gan")["configuration"]
    {'image_shape': (28, 28, 1)}
    >>> keras_gen.zoo.card("dcgan", "mnist")["data"]
    'mnist'

    Args:
        name: Name of the model.
        weights: Name of weights that ship, or path of a folder with a card; None
            describes the model itself.

    Returns:
        For weights: preset, configuration, data and their licence, the command that
        trained them, measured figures, sha256. For a model: its summary, configuration,
        batch size, arguments with their defaults, abilities, and the names of its
        weights.

    Raises:
        ValueError: For unknown names; the message names the nearest known ones.
    """
    if weights is not None:
        return _read_card(_find(name, weights))
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
        name: Name of the model, one of `names()`.
        weights: Weights to load, with the configuration that they were trained with:
            the name of weights that ship ("mnist"), or the path of a `.keras` file from
            `model.save`, of a run's folder, or of a folder with a card. None starts
            from random weights.
        dtype: Dtype policy: "float32", "mixed_float16" or "mixed_bfloat16". None takes
            the one in force.
        **overrides: Arguments of the model's class, which replace those of the preset
            or of the weights.

    Raises:
        ValueError: For unknown names (the message names the nearest known ones), or
            weights whose sha256, names or shapes do not fit.
    """
    chosen = preset(name)
    check_overrides(name, overrides)
    if weights is None:
        return _build(chosen.model, {**chosen.config, **overrides}, dtype)
    path = _find(name, weights)
    if path.is_file():
        return _load_archive(chosen, path, overrides, dtype)
    contents = _read_card(path)
    if contents["model"] != chosen.model.__name__:
        raise ValueError(
            f"Expected weights of {chosen.model.__name__}, got {path} of "
            f"{contents['model']}."
        )
    found = sha256(path / WEIGHTS)
    if found != contents["sha256"]:
        raise ValueError(
            f"Expected {path / WEIGHTS} with sha256 {contents['sha256']}, got {found}: "
            "the file is not the one that the card describes."
        )
    saved = chosen.model.upgrade_config(contents["configuration"])
    model = _build(chosen.model, {**saved, **overrides}, dtype)
    load_weights(model, path / WEIGHTS)
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
        ValueError: For such a name; the message gives the nearest known arguments.
    """
    refuse_unknown(preset(name).model, overrides)


def _build(cls, config, dtype):
    model = cls.from_arguments({**config, "dtype": dtype})
    model.compile()
    return model


# Weights as arrays, the form of weights that ship.


def save_weights(
    model: GenerativeModel,
    path: str | os.PathLike,
    dtype: Literal["float32", "float16"] = "float32",
) -> None:
    """Writes the networks' weights as named arrays, without optimizers.

    If a network has a moving average, the average is written instead.

    Args:
        model: A model.
        path: Path of the `.safetensors` file.
        dtype: Type of floats in the file; float16 halves its size. Integers, such as
            counters, keep their type.
    """
    arrays = {}
    for name, variable in _named(model, averaged=True).items():
        array = np.asarray(variable.numpy(), order="C")
        is_float = np.issubdtype(array.dtype, np.floating)
        arrays[name] = array.astype(dtype) if is_float else array
    write_aside(path, lambda aside: safetensors.numpy.save_file(arrays, aside))


def load_weights(model: GenerativeModel, path: str | os.PathLike) -> None:
    """Reads a file from `save_weights`; moving averages start from the same weights.

    Args:
        model: Model of the same configuration.
        path: Path of the `.safetensors` file.

    Raises:
        ValueError: If names or shapes are not the model's, or values are not finite.
    """
    try:
        arrays = safetensors.numpy.load_file(path)
    except safetensors.SafetensorError as error:
        raise ValueError(f"Expected a file of arrays, got {path}: {error}") from error
    targets = _named(model, averaged=False)
    if arrays.keys() != targets.keys():
        odd = sorted(arrays.keys() ^ targets.keys())
        raise ValueError(
            f"Expected the weights of this {type(model).__name__}, got {path} with "
            f"other names: {odd[:4]}."
        )
    for name, variable in targets.items():
        array = arrays[name]
        if array.shape != tuple(variable.shape):
            raise ValueError(
                f"Expected {name} of shape {tuple(variable.shape)}, got {array.shape} "
                f"in {path}."
            )
        if not np.isfinite(array).all():
            raise ValueError(f"Expected finite weights, got NaN in {name} of {path}.")
    for name, variable in targets.items():
        variable.assign(arrays[name])
    for name, network in model.networks().items():
        if name.startswith(averages.PREFIX):
            source = model.networks()[name.removeprefix(averages.PREFIX)]
            network.set_weights(source.get_weights())


def _named(model, averaged) -> dict[str, keras.Variable]:
    """Variables by network, index and name, such as "generator/003/kernel"."""
    found = {}
    for name, network in model.networks().items():
        if name.startswith(averages.PREFIX):
            continue
        source = model.averaged(network) if averaged else network
        for index, variable in enumerate(source.weights):
            found[f"{name}/{index:03d}/{variable.name}"] = variable
    return found


# Finding and reading weights.


def _shipped():
    return pathlib.Path(str(importlib.resources.files("keras_gen.cards")))


def _find(name, weights):
    """The folder or file of weights, from the name of weights that ship or a path."""
    shipped = weights_of(name)
    if weights in shipped:
        return _shipped() / name / weights
    path = pathlib.Path(weights)
    if (path / "card.json").is_file() or (path.is_file() and path.suffix == ".keras"):
        return path
    if (path / "model.keras").is_file():  # A run's folder.
        return path / "model.keras"
    near = difflib.get_close_matches(str(weights), shipped, n=3, cutoff=0.4)
    known = ", ".join(near or shipped) or "none"
    raise ValueError(
        f"Expected weights that ship for {name!r} ({known}), a .keras file, or the "
        f"folder of a run or of a card, got {str(weights)!r}."
    )


def _read_card(folder):
    with open(pathlib.Path(folder) / "card.json", encoding="utf-8") as file:
        return json.load(file)


def _read_archive(path):
    """The class, configuration and compilation that a `.keras` file holds."""
    try:
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"Expected a .keras file, got {path}: {error}") from error


def configuration(name: str, path: str | os.PathLike) -> dict[str, Any]:
    """The arguments of the model in a `.keras` file, by name, without `dtype`.

    If an older version wrote the file, they are those that give its networks now.

    Args:
        name: Name of the model.
        path: Path of the file.
    """
    saved = preset(name).model.upgrade_config(_read_archive(path)["config"])
    return {key: value for key, value in saved.items() if key != "dtype"}


def _load_archive(chosen, path, overrides, dtype):
    """A model with the plain configuration and the weights of a `.keras` file."""
    saved = _read_archive(path)
    if saved.get("class_name") != chosen.model.__name__:
        raise ValueError(
            f"Expected a saved {chosen.model.__name__}, got {path} with "
            f"{saved.get('class_name')!r}."
        )
    config = {**chosen.model.upgrade_config(saved["config"]), **overrides}
    saved_dtype = config.pop("dtype", None)
    check_overrides(chosen.name, config)
    if not _plain(list(config.values())):
        raise ValueError(f"Expected a configuration of plain values in {path}.")
    model = _build(chosen.model, config, dtype or saved_dtype)
    compiled = saved.get("compile_config")
    if compiled:
        try:
            _restore_optimizers(model, compiled)
        except (TypeError, ValueError) as error:
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


def _restore_optimizers(model, compiled):
    """Compiles as saved, but only with Keras's optimizers: others may run any code."""
    for saved in compiled["optimizers"].values():
        if saved.get("module") != "keras.optimizers":
            raise ValueError(
                f"Expected an optimizer of Keras, got {saved.get('class_name')!r} of "
                f"{saved.get('module')!r}; load the file with keras.saving.load_model."
            )
    model.compile_from_config(compiled)


# Shipping.


def write_card(
    model: GenerativeModel,
    folder: str | os.PathLike,
    *,
    name: str,
    dtype: Literal["float32", "float16"] = "float16",
    samples: Callable[[pathlib.Path], object] | None = None,
    **entries,
) -> dict[str, Any]:
    """Writes a folder for `load`: weights, card, and a grid of samples.

    Args:
        model: The trained model.
        folder: Path of the folder: `zoo/<preset>/<weights>`.
        name: Name of the preset.
        dtype: Type of floats in the file of weights.
        samples: Function that writes a picture to a given path; None writes no picture.
        **entries: Further entries of the card: data, data_licence, command, figures,
            notes, ...

    Returns:
        The card.
    """
    folder = pathlib.Path(folder)
    save_weights(model, folder / WEIGHTS, dtype)
    config = {k: v for k, v in model.get_config().items() if k not in ("dtype", "name")}
    contents = {
        "preset": name,
        "model": type(model).__name__,
        "configuration": config,
        **entries,
        "parameters": int(sum(np.prod(v.shape) for v in _named(model, True).values())),
        "stored_as": dtype,
        "sha256": sha256(folder / WEIGHTS),
    }
    text = json.dumps(contents, indent=2) + "\n"
    write_text(folder / "card.json", text)
    if samples is not None:
        samples(folder / "samples.png")
    return contents
