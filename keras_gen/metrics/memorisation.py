"""Whether samples are copies of training images.

The nearest training images of samples, in pixels and in features, are shown in a
picture; their distances are compared with those of held-out images, which the model
cannot have memorised.
"""

from __future__ import annotations  # `help` shows ArrayLike by its name.

import numpy as np
from numpy.typing import ArrayLike

from keras_gen import data
from keras_gen import images as image_files
from keras_gen.metrics.checks import check_features, check_pair
from keras_gen.metrics.neighbours import BLOCK, squared_distances


class Neighbours:
    """The k nearest neighbours of some rows among rows that arrive in batches.

    Memory does not grow with the number of rows that arrive.

    >>> found = Neighbours([[0.0], [5.0]])
    >>> found.update([[1.0], [7.0]])
    >>> found.distances.tolist(), found.places.tolist()
    ([[1.0], [2.0]], [[0], [1]])

    Attributes:
        distances: Distances to the neighbours, float64 (batch, k), nearest first.
        places: Indices of the neighbours in the order of arrival, int (batch, k).
    """

    def __init__(self, rows: ArrayLike, k: int = 1):
        """Starts with no neighbours.

        Args:
            rows: Rows whose neighbours are searched, (batch, numbers): features, or
                flattened images.
            k: Number of neighbours of each row.
        """
        self._rows = check_features(rows).astype(np.float64)
        self._k, self._count = k, 0
        self._squares = np.empty((len(rows), 0))
        self.places = np.empty((len(rows), 0), int)

    @property
    def distances(self) -> np.ndarray:
        """Distances to the neighbours found so far."""
        return np.sqrt(self._squares)

    def update(self, among: ArrayLike) -> None:
        """Adds rows among which neighbours are searched, (count, numbers)."""
        among = check_features(among).astype(np.float64)
        for start in range(0, len(among), BLOCK):
            block = among[start : start + BLOCK]
            squares = squared_distances(self._rows, block)
            indices = np.arange(self._count, self._count + len(block))
            indices = np.broadcast_to(indices, squares.shape)
            self._squares, self.places = self._nearest(
                np.concatenate([self._squares, squares], axis=1),
                np.concatenate([self.places, indices], axis=1),
            )
            self._count += len(block)

    def _nearest(self, squares, indices):
        k = min(self._k, squares.shape[1])
        few = np.argpartition(squares, k - 1, axis=1)[:, :k]
        order = np.argsort(np.take_along_axis(squares, few, axis=1), axis=1)
        best = np.take_along_axis(few, order, axis=1)
        return (np.take_along_axis(rows, best, axis=1) for rows in (squares, indices))


def nearest(
    rows: ArrayLike, among: ArrayLike, k: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Distances and indices of the k nearest rows of another set, nearest first.

    Args:
        rows: Rows whose neighbours are searched, (batch, numbers): features, or
            flattened images.
        among: Rows among which they are searched, (count, numbers).
        k: Number of neighbours, at most count.

    Returns:
        float64 (batch, k) and int (batch, k).

    Raises:
        ValueError: For another k, or rows that cannot be compared.
    """
    among, rows = check_pair(among, rows, at_least=1)
    if not 1 <= k <= len(among):
        raise ValueError(f"Expected k from 1 to {len(among)}, got {k}.")
    found = Neighbours(rows, k)
    found.update(among)
    return found.distances, found.places


def memorisation_figures(ours: ArrayLike, theirs: ArrayLike) -> dict:
    """How near samples are to training images, compared with held-out real images.

    Args:
        ours: Distance of each sample to its nearest training image, (batch,).
        theirs: Distance of each held-out image to its nearest training image, (batch,).

    Returns:
        A dict of `nearest_distance_ratio`, the samples' median distance divided by that
        of held-out images, which is about 1 for a model that generalises and near 0 for
        a model that copies; and `copies`, the share of samples that are nearer to a
        training image than the nearest 1 % of held-out images: about 0.01 by chance.

    Raises:
        ValueError: If held-out images are training images.
    """
    median = np.median(theirs)
    if median == 0:
        raise ValueError("Expected held-out images that are not training images.")
    return {
        "nearest_distance_ratio": float(np.median(ours) / median),
        "copies": float(np.mean(ours < np.quantile(theirs, 0.01))),
    }


def nearest_images(
    samples: ArrayLike,
    source: str,
    split: str = "train",
    k: int = 7,
    split_seed: int = 0,
) -> np.ndarray:
    """The images of a data set whose pixels are nearest to those of samples.

    Args:
        samples: Images, float32 (batch, height, width, channels), in [-1, 1].
        source: Data set, as for `keras_gen.data.load`.
        split: Part of the data.
        k: Number of images for each sample.
        split_seed: Seed with which a folder is split; it should be that of the
            training.

    Returns:
        float32 (batch, k, height, width, channels), in [-1, 1], nearest first.
    """
    samples, best = np.asarray(samples), None
    options = {"image_shape": samples.shape[1:], "shuffle": False, "batch_size": 1000}
    options |= {"seed": split_seed, "broken": "skip"}
    flat = samples.reshape(len(samples), -1)
    for batch in data.load(source, split, features=("image",), **options):
        images = batch["image"].numpy()
        count = min(k, len(images))
        distances, places = nearest(flat, images.reshape(len(images), -1), count)
        found = distances, images[places]
        if best is not None:
            found = tuple(
                np.concatenate(pair, axis=1) for pair in zip(best, found, strict=True)
            )
            order = np.argsort(found[0], axis=1, kind="stable")[:, :k]
            rows = np.arange(len(samples))[:, None]
            found = tuple(array[rows, order] for array in found)
        best = found
    return best[1]


def neighbours_grid(samples: ArrayLike, neighbours: np.ndarray) -> np.ndarray:
    """A picture with one row for each sample: the sample, then its neighbours.

    Args:
        samples: Images, float32 (batch, height, width, channels), in [-1, 1].
        neighbours: Their nearest training images, float32 (batch, k, height, width,
            channels), nearest first.

    Returns:
        uint8 (grid height, grid width, 1 or 3).
    """
    rows = np.concatenate([np.asarray(samples)[:, None], neighbours], axis=1)
    flat = rows.reshape(-1, *rows.shape[2:])
    return image_files.grid(flat, columns=rows.shape[1])
