"""The table of presets: each name stands for a model class and its arguments."""

import dataclasses
import difflib
from collections.abc import Callable

import keras

BATCH_SIZE = 64  # That of presets without one of their own.


@dataclasses.dataclass(frozen=True)
class Preset:
    """A named model class with arguments.

    Attributes:
        name: Name of the preset.
        model: Class of the model.
        config: Arguments of the class, by name; the others have their defaults.
        batch_size: Number of images in a batch that `keras-gen train` uses.
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
        ValueError: If the name is taken.
    """

    def decorate(cls):
        if name in PRESETS:
            raise ValueError(f"Expected a new name, got {name!r}, which is taken.")
        PRESETS[name] = Preset(name, cls, config, batch_size)
        return keras.saving.register_keras_serializable("keras_gen")(cls)

    return decorate


def preset(name: str) -> Preset:
    """The preset with the given name.

    Raises:
        ValueError: For an unknown name; the message names the nearest known ones.
    """
    if name not in PRESETS:
        near = difflib.get_close_matches(str(name), PRESETS, n=3, cutoff=0.4)
        known = near or sorted(PRESETS)
        raise ValueError(
            f"Expected a model's name, got {name!r}. "
            f"{'Nearest' if near else 'There are'}: {', '.join(known)}."
        )
    return PRESETS[name]
