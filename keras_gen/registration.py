"""Registration with Keras of classes that are not imported yet.

`keras.saving.load_model` knows the classes in a file by their registered names, such as
"keras_gen>DCGAN", and imports no modules to find them. `import keras_gen` alone must
therefore be enough to register all classes, but does not import them, since they need
TensorFlow. Instead, as soon as Keras is imported, each name gets a stand-in, which
imports its class when a file holds it.
"""

import importlib
import importlib.abc
import os
import sys

from keras_gen import index


def start() -> None:
    """Registers all classes, now or when Keras will be imported.

    Raises:
        ImportError: If Keras has, or is told to have, another backend than TensorFlow.
    """
    if "keras" in sys.modules:
        _register()
        return
    _check_backend(os.environ.get("KERAS_BACKEND") or "tensorflow")
    if not any(isinstance(finder, _AfterKeras) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AfterKeras())


class _AfterKeras(importlib.abc.MetaPathFinder):
    """Registers all classes right after Keras is imported, by whichever module."""

    def find_spec(self, name, path=None, target=None):
        """The usual specification of Keras, whose loader then calls `_register`."""
        if name != "keras":
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        found = (finder.find_spec(name, path, target) for finder in others)
        spec = next((spec for spec in found if spec is not None), None)
        if spec is not None and spec.loader is not None:
            self._extend(spec.loader)
        return spec

    def _extend(self, loader):
        execute = loader.exec_module

        def exec_module(module):
            execute(module)
            _register()
            if self in sys.meta_path:
                sys.meta_path.remove(self)

        loader.exec_module = exec_module


def _register():
    """Gives the name of each class that is not imported yet a stand-in."""
    import keras  # Has been imported.

    _check_backend(keras.backend.backend())
    known = keras.saving.get_custom_objects()
    for entry in index.entries():
        known.setdefault(entry.registered_name, _stand_in(entry))


def _check_backend(name):
    if name != "tensorflow":
        raise ImportError(
            "keras_gen trains with TensorFlow: expected KERAS_BACKEND=tensorflow, got "
            f"{name!r}."
        )


def _stand_in(entry):
    """A class whose objects are those of the class that it stands for.

    Keras calls nothing of a registered class but `from_config`.
    """

    def from_config(config):
        cls = getattr(importlib.import_module(entry.module), entry.name)
        return cls.from_config(config)

    parts = {"__module__": entry.module, "from_config": staticmethod(from_config)}
    return type(entry.name, (), parts)
