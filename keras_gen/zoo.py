"""The zoo: models by name, with the weights that ship, and their cards.

    model = keras_gen.zoo.load("dcgan", weights="mnist")
    images = model.sample(16, seed=0)

What ships lies in `zoo/<preset>/<weights>/`: `card.json`, `weights.safetensors` and
pictures, which stay in the repository. Nothing that is loaded can run code: cards are
JSON, weights are arrays.
"""

import difflib
import importlib.resources
import inspect
import json
import pathlib
import zipfile

import numpy as np
import safetensors
import safetensors.numpy

from keras_gen import models  # noqa: F401 Fills the registry.
from keras_gen.core.abilities import abilities_of
from keras_gen.core.model import GenerativeModel
from keras_gen.core.registry import PRESETS, preset
from keras_gen.files import sha256, write_aside, write_text

WEIGHTS = "weights.safetensors"


def names() -> list[str]:
    """The names of all models, sorted."""
    return sorted(PRESETS)


def weights_of(name: str) -> list[str]:
    """The names of the weights that ship for a model, sorted."""
    folder = _shipped() / preset(name).name
    if not folder.is_dir():
        return []
    return sorted(p.name for p in folder.iterdir() if (p / "card.json").is_file())


def card(name: str, weights: str | None = None) -> dict:
    """What is known of a model, or of weights that ship for it.

    Args:
        name: The model's name.
        weights: The weights' name; None describes the preset.

    Returns:
        For weights: preset, configuration, data and their licence, the command that
        trained them, measured figures, sha256. For a preset: its summary,
        configuration, abilities, and the names of its weights.
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
        "arguments": known,
        "abilities": sorted(abilities),
        "weights": weights_of(name),
    }


def load(
    name: str,
    weights=None,
    *,
    dtype: str | None = None,
    **overrides,
) -> GenerativeModel:
    """Builds a model, compiled with its paper's optimizers.

    Args:
        name: One of `names()`.
        weights: None starts from random weights. A name that ships ("mnist") or a path
            brings weights and the configuration that they were trained with: a `.keras`
            file that a model was saved to, a run's folder, or a folder with a card.
        dtype: A dtype policy: "float32", "mixed_float16", "mixed_bfloat16". None takes
            the one in force.
        **overrides: Arguments of the model's class, in place of the preset's.

    Raises:
        ValueError: For names that are not there (the nearest are named), or weights
            whose sha256, names or shapes do not fit.
    """
    chosen = preset(name)
    _check_overrides(chosen, overrides)
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
    model = _build(chosen.model, {**contents["configuration"], **overrides}, dtype)
    load_weights(model, path / WEIGHTS)
    return model


def arguments(cls) -> dict:
    """The arguments of a model's class, those of its bases included, with defaults."""
    found = {}
    for base in cls.__mro__:
        parameters = inspect.signature(base.__init__).parameters.values()
        for parameter in parameters:
            if parameter.default is not parameter.empty:
                found.setdefault(parameter.name, parameter.default)
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    found.pop("dtype", None)
    return found


def _check_overrides(chosen, overrides):
    known = arguments(chosen.model)
    for key in overrides:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=3) or sorted(known)
            raise ValueError(
                f"Expected an argument of {chosen.model.__name__}, got {key!r}. "
                f"Nearest: {', '.join(near)}."
            )


def _build(cls, config, dtype):
    model = cls.from_config({**config, "dtype": dtype})
    model.compile()
    return model


# Weights as arrays, for what ships.


def save_weights(model, path, dtype="float32"):
    """Writes the networks' weights as named arrays, without optimizers.

    Of a network with a moving average, only the average is written.

    Args:
        model: A `GenerativeModel`.
        path: A `.safetensors` file.
        dtype: Of floats: "float32", or "float16" for half the size. Counters keep
            their own.
    """
    arrays = {}
    for name, variable in _named(model, averaged=True).items():
        array = np.asarray(variable.numpy(), order="C")
        is_float = np.issubdtype(array.dtype, np.floating)
        arrays[name] = array.astype(dtype) if is_float else array
    write_aside(path, lambda aside: safetensors.numpy.save_file(arrays, aside))


def load_weights(model, path):
    """Reads what `save_weights` wrote; averages start from the same weights.

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
        if name.startswith("averaged_"):
            source = model.networks()[name.removeprefix("averaged_")]
            network.set_weights(source.get_weights())


def _named(model, averaged):
    """Variables by name: network, place in it, own name: "generator/003/kernel"."""
    found = {}
    for name, network in model.networks().items():
        if name.startswith("averaged_"):
            continue
        source = model.averaged(network) if averaged else network
        for place, variable in enumerate(source.weights):
            found[f"{name}/{place:03d}/{variable.name}"] = variable
    return found


# Where weights lie.


def _shipped():
    return pathlib.Path(str(importlib.resources.files("keras_gen.cards")))


def _find(name, weights):
    """The folder or file of weights, by the name that ships or by path."""
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


def _load_archive(chosen, path, overrides, dtype):
    """A model from the plain configuration in a `.keras` file, and its weights."""
    try:
        with zipfile.ZipFile(path) as archive:
            saved = json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"Expected a .keras file, got {path}: {error}") from error
    if saved.get("class_name") != chosen.model.__name__:
        raise ValueError(
            f"Expected a saved {chosen.model.__name__}, got {path} with "
            f"{saved.get('class_name')!r}."
        )
    config = {**saved["config"], **overrides}
    saved_dtype = config.pop("dtype", None)
    _check_overrides(chosen, config)
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
    """Whether a value is numbers, strings, and lists or dicts of them: no objects."""
    if isinstance(value, (list, tuple)):
        return all(map(_plain, value))
    if isinstance(value, dict):
        return "class_name" not in value and _plain([*value, *value.values()])
    return value is None or isinstance(value, (bool, int, float, str))


def _restore_optimizers(model, compiled):
    """Compiles as saved, for optimizers of Keras; others would be foreign code."""
    for saved in compiled["optimizers"].values():
        if saved.get("module") != "keras.optimizers":
            raise ValueError(
                f"Expected an optimizer of Keras, got {saved.get('class_name')!r} of "
                f"{saved.get('module')!r}; load the file with keras.saving.load_model."
            )
    model.compile_from_config(compiled)


# Shipping.


def write_card(model, folder, *, name, dtype="float16", samples=None, **entries):
    """Writes a folder that `load` takes: weights, card, and a sample grid.

    Args:
        model: The trained model.
        folder: `zoo/<preset>/<weights>`.
        name: The preset's name.
        dtype: Of the weights in the file.
        samples: A function that writes a picture to a path; None writes none.
        **entries: data, data_licence, command, figures, notes, ...

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
