"""keras_gen: a zoo of generative models for Keras 3 on TensorFlow.

Modules are imported when they are first used, since importing TensorFlow takes seconds.
`keras.saving.load_model` finds all classes at once; see `keras_gen.registration`.
"""

import importlib
from typing import TYPE_CHECKING

from keras_gen import registration

if TYPE_CHECKING:
    from keras_gen import (
        callbacks,
        data,
        distribute,
        export,
        hub,
        images,
        latent,
        losses,
        metrics,
        models,
        runs,
        zoo,
    )
    from keras_gen.core.game import Lazy, Player
    from keras_gen.core.model import GenerativeModel
    from keras_gen.distributions import priors

__version__ = "0.2.0.dev0"
__all__ = [
    "GenerativeModel",
    "Lazy",
    "Player",
    "callbacks",
    "data",
    "distribute",
    "export",
    "hub",
    "images",
    "latent",
    "losses",
    "metrics",
    "models",
    "priors",
    "runs",
    "zoo",
]
# Modules that define the names which are not modules of the package itself.
_PLACES = {
    "GenerativeModel": "core.model",
    "Lazy": "core.game",
    "Player": "core.game",
    "priors": "distributions.priors",
}
_INNER = ("core", "distributions", "files", "layers", "networks")

registration.start()


def __dir__():
    return sorted({*globals(), *__all__, *_INNER})


if not TYPE_CHECKING:  # Type checkers know the names from the imports above.

    def __getattr__(name):
        if name not in (*__all__, *_INNER):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        path = f"{__name__}.{_PLACES.get(name, name)}"
        module = importlib.import_module(path)
        found = module if path.endswith(f".{name}") else getattr(module, name)
        globals()[name] = found
        return found
