"""The table of presets: each name stands for a model class and its arguments."""

import dataclasses
import difflib
import functools
import warnings
from collections.abc import Callable

import keras

from keras_gen import index, plugins

BATCH_SIZE = 64  # That of presets without one of their own.


@dataclasses.dataclass(frozen=True)
class Preset:
    """A named model class with arguments.

    Attributes:
        name: Name of the preset.
        model: Class of the model.
        config: Arguments of the class, by name; the others have their defaults.
        batch_size: Number of images in a batch that `keras-gen train` uses, and `fit`
            for arrays.
    """

    name: str
    model: type
    config: dict
    batch_size: int

    @property
    def summary(self) -> str:
        """The first line of the class's docstring: what the model is."""
        return self.model.__doc__.strip().splitlines()[0]


PRESETS: dict[str, Preset] = {}


def register(
    name: str, *, batch_size: int = BATCH_SIZE, **config
) -> Callable[[type], type]:
    """Decorates a model class: adds a preset, and registers it with Keras for saving.

        @register("dcgan", image_shape=(32, 32, 1))
        class DCGAN(GenerativeModel): ...

    Args:
        name: Name of the preset.
        batch_size: Number of images in a batch that the model is best trained with.
        **config: Arguments of the class.

    Raises:
        ValueError: If the name is taken, or that of the class: files of weights name
            the class.
    """

    def decorate(cls):
        modules = {e.preset: e.module for e in index.own_entries() if e.preset}
        if name in PRESETS or modules.get(name, cls.__module__) != cls.__module__:
            raise ValueError(f"Expected a new name, got {name!r}, which is taken.")
        _refuse_taken(cls)
        PRESETS[name] = Preset(name, cls, config, batch_size)
        return keras.saving.register_keras_serializable("keras_gen")(cls)

    return decorate


def batch_size_of(cls: type) -> int:
    """The batch size of the preset of a class, or of the first of its bases with one.

    Args:
        cls: Class of a model.
    """
    for base in cls.__mro__:
        for entry in PRESETS.values():
            if entry.model is base:
                return entry.batch_size
    return BATCH_SIZE


def _refuse_taken(cls):
    """Refuses a class whose name in files is that of another.

    Of packages that are not imported, only this one counts: another may be broken.
    """
    known = keras.saving.get_custom_objects().get(f"keras_gen>{cls.__name__}", cls)
    is_ours = known.__module__.startswith("keras_gen.")
    is_imported = isinstance(known, type) and issubclass(known, keras.Layer)
    if known.__module__ != cls.__module__ and (is_ours or is_imported):
        raise ValueError(
            f"Expected a new name of the class, got {cls.__name__!r}, which "
            f"{known.__module__} has."
        )


@functools.cache
def load_plugins() -> None:
    """Imports the packages that bring models, once; warns of those that fail."""
    for failure in plugins.failures():
        warnings.warn(failure, stacklevel=3)


def preset(name: str) -> Preset:
    """The preset with the given name.

    Raises:
        ValueError: For an unknown name; the message names the nearest known ones, and
            packages whose models cannot be used.
    """
    if str(name).startswith("hf://"):
        raise ValueError(
            f"Expected a model's name, got {name!r}, which stands for weights: pass it "
            "as weights."
        )
    if name not in PRESETS:
        failures = plugins.failures()
    if name not in PRESETS:
        near = difflib.get_close_matches(str(name), PRESETS, n=3, cutoff=0.4)
        known = near or sorted(PRESETS)
        first = (
            f"Expected a model's name, got {name!r}. "
            f"{'Nearest' if near else 'There are'}: {', '.join(known)}."
        )
        raise ValueError(" ".join((first, *failures)))
    return PRESETS[name]
