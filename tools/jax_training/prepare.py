"""Writes what `train.py` needs of a run's data, and TensorFlow has to compute.

    python tools/jax_training/prepare.py RUN

The file RUN/data.npz holds the images of the split as bytes, as `keras_gen.data.load`
resizes them, and labels; of captions, the rows of the text encoder's table. Images of
faces are left out, since `train.py` composes them itself.
"""

import pathlib
import sys

import numpy as np
import tensorflow as tf

from keras_gen import data, runs, zoo
from keras_gen.data import faces


def features_of(settings):
    """The features of a run's training data, as arrays."""
    model = zoo.load(settings.name, **settings.overrides)
    wanted, source = set(model.batch_shapes()), settings.data
    if faces.is_selection(source):
        found = faces.load("train", source)
        wanted.discard("image")
    else:
        shape = model.batch_shapes()["image"]
        options = {"image_shape": shape, "batch_size": 1000, "shuffle": False}
        batches = list(data.load(source, settings.split, **options))
        found = {
            name: np.concatenate([batch[name] for batch in batches]) for name in wanted
        }
    if "image" in wanted:
        found["image"] = np.rint(127.5 * (found["image"] + 1.0)).astype(np.uint8)
    if "caption" in wanted:
        tokens = model.text_encoder.tokens(tf.constant(found["caption"]))
        found["caption"] = tokens.to_tensor(-1).numpy().astype(np.int16)
    return {name: found[name] for name in wanted}


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    features = features_of(runs.Settings.read(folder / runs.SETTINGS))
    np.savez_compressed(folder / "data.npz", **features)
