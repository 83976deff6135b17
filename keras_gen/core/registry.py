"""The one table of presets: a name, a model's class, and its configuration."""

import dataclasses
import difflib

import keras


@dataclasses.dataclass(frozen=True)
class Preset:
    """A model's class with the arguments that a name stands for."""

    name: str
    model: type
    config: dict

    @property
    def summary(self):
        """The first sentence of the model's module: what it is."""
        return self.model.__doc__.strip().splitlines()[0]


PRESETS: dict[str, Preset] = {}


def register(name, **config):
    """Makes a model's class known under a name, with these arguments.

        @register("dcgan", image_shape=(32, 32, 1))
        class DCGAN(GenerativeModel): ...

    Raises:
        ValueError: If the name is taken.
    """

    def decorate(cls):
        if name in PRESETS:
            raise ValueError(f"Expected a new name, got {name!r}, which is taken.")
        PRESETS[name] = Preset(name, cls, config)
        return keras.saving.register_keras_serializable("keras_gen")(cls)

    return decorate


def preset(name):
    """The preset of a name; ValueError with the nearest right ones."""
    if name not in PRESETS:
        near = difflib.get_close_matches(str(name), PRESETS, n=3, cutoff=0.4)
        known = near or sorted(PRESETS)
        raise ValueError(
            f"Expected a model's name, got {name!r}. "
            f"{'Nearest' if near else 'There are'}: {', '.join(known)}."
        )
    return PRESETS[name]
