"""MNIST, all of it: 60,000 training and 10,000 test images, 28x28, ten digits.

The four files of Y. LeCun, C. Cortes and C. Burges in their IDX format ship in
`files/`, which states where they come from and under which licence.
"""

import functools
import gzip
import importlib.resources

import numpy as np

from keras_gen.data.splits import select

_FILES = {"train": "train", "test": "t10k"}


def load(split="train"):
    """Images, uint8 (count, 28, 28, 1), and labels, int64 (count,), of a split."""
    return select(split, {name: functools.partial(_read, name) for name in _FILES})


@functools.cache
def _read(split):
    images = _idx(f"{_FILES[split]}-images-idx3-ubyte.gz")
    labels = _idx(f"{_FILES[split]}-labels-idx1-ubyte.gz")
    return {"image": images[..., None], "label": labels.astype(np.int64)}


def _idx(name):
    """An array of bytes: magic 0, 0, 8, rank; sizes as big-endian int32; values."""
    packed = importlib.resources.files("keras_gen.data") / "files" / name
    with packed.open("rb") as file, gzip.open(file) as unpacked:
        content = unpacked.read()
    rank = content[3]
    shape = np.frombuffer(content, ">i4", count=rank, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)
