"""Sharing models on the Hugging Face Hub.

    keras_gen.hub.push(model, "someone/dcgan-birds", data="birds", licence="cc-by-4.0")
    model = keras_gen.zoo.load("hf://someone/dcgan-birds")

A repository holds `card.json` and `weights.safetensors`, which are all that is loaded,
`README.md`, `config.json` (by which the hub counts downloads) and pictures.
`pip install 'keras-gen[hub]'` installs the hub's client.
"""

from keras_gen.hub.callback import Push
from keras_gen.hub.publishing import push

__all__ = ["Push", "push"]
