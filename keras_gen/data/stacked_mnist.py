"""Stacked MNIST: three digits as the channels of one image, 1000 modes.

It has 60,000 training and 10,000 test images, 28x28x3: each channel contains every
digit of the MNIST split once, each in another fixed order. The label is 100 red + 10
green + blue.

1. Metz et al., "Unrolled Generative Adversarial Networks", 2017.
"""

import functools

import numpy as np

from keras_gen.data import mnist
from keras_gen.data.splits import select


def load(split: str = "train") -> dict[str, np.ndarray]:
    """The images of a split and their labels.

    Args:
        split: Name of a split, or a part of one, as for `keras_gen.data.load`.

    Returns:
        A dict of `image`, uint8 (count, 28, 28, 3), and `label`, int64 (count,), from 0
        to 999.
    """
    return select(
        split, {name: functools.partial(_stack, name) for name in ("train", "test")}
    )


def _stack(split):
    digits = mnist.load(split)
    random = np.random.default_rng(1000)
    orders = [random.permutation(len(digits["label"])) for _ in range(3)]
    red, green, blue = (digits["label"][order] for order in orders)
    images = np.concatenate([digits["image"][order] for order in orders], axis=-1)
    return {"image": images, "label": 100 * red + 10 * green + blue}
