"""MNIST: 60,000 training and 10,000 test images of handwritten digits, 28x28 pixels.

The four files of Y. LeCun, C. Cortes and C. Burges, in their IDX format, are in
`files/`; `files/README.md` states their source and licence.
"""

import functools
import gzip
import importlib.resources

import numpy as np

from keras_gen.data.splits import select

_FILES = {"train": "train", "test": "t10k"}


def load(split: str = "train") -> dict[str, np.ndarray]:
    """The images of a split and their labels.

    Args:
        split: Name of a split, or a part of one, as for `keras_gen.data.load`.

    Returns:
        A dict of `image`, uint8 (count, 28, 28, 1), and `label`, int64 (count,).
    """
    return select(split, {name: functools.partial(_read, name) for name in _FILES})


@functools.cache
def _read(split):
    images = _idx(f"{_FILES[split]}-images-idx3-ubyte.gz")
    labels = _idx(f"{_FILES[split]}-labels-idx1-ubyte.gz")
    return {"image": images[..., None], "label": labels.astype(np.int64)}


def _idx(name):
    """The array in an IDX file of bytes.

    The file begins with the bytes 0, 0, 8 and the rank, followed by the dimensions as
    big-endian int32 and the values.
    """
    packed = importlib.resources.files("keras_gen.data") / "files" / name
    with packed.open("rb") as file, gzip.open(file) as unpacked:
        content = unpacked.read()
    rank = content[3]
    shape = np.frombuffer(content, ">i4", count=rank, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)
