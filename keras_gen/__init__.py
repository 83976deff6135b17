"""keras_gen: a zoo of generative models for Keras 3 on TensorFlow."""

import keras as _keras

if _keras.backend.backend() != "tensorflow":
    raise ImportError(
        "keras_gen trains with TensorFlow: expected KERAS_BACKEND=tensorflow, got "
        f"{_keras.backend.backend()!r}."
    )

from keras_gen import (  # noqa: E402
    callbacks,
    data,
    distribute,
    export,
    images,
    latent,
    losses,
    metrics,
    models,
    runs,
    zoo,
)
from keras_gen.core.game import Lazy, Player  # noqa: E402
from keras_gen.core.model import GenerativeModel  # noqa: E402
from keras_gen.distributions import priors  # noqa: E402

__version__ = "0.1.0"
__all__ = [
    "GenerativeModel",
    "Lazy",
    "Player",
    "callbacks",
    "data",
    "distribute",
    "export",
    "images",
    "latent",
    "losses",
    "metrics",
    "models",
    "priors",
    "runs",
    "zoo",
]
