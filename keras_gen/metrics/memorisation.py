"""Whether samples are copies of training images.

The nearest training images of samples, in pixels and in features, as a figure, and as a
number against what held-out images, which cannot have been learnt by heart, have.
"""

import numpy as np

from keras_gen import images as image_files
from keras_gen.metrics.checks import check_features, check_pair
from keras_gen.metrics.neighbours import BLOCK, squared_distances


class Neighbours:
    """The k nearest rows, among all that come in batches, of some rows.

    Memory does not grow with the number of rows that come.

    Attributes:
        distances: float64 (batch, k), nearest first.
        places: int (batch, k), counted in the order in which rows came.
    """

    def __init__(self, rows, k=1):
        """Starts with no neighbours.

        Args:
            rows: (batch, numbers): features, or images flattened.
            k: Neighbours to hold.
        """
        self._rows = check_features(rows).astype(np.float64)
        self._k, self._count = k, 0
        self._squares = np.empty((len(rows), 0))
        self.places = np.empty((len(rows), 0), int)

    @property
    def distances(self):
        """Square roots of what is held."""
        return np.sqrt(self._squares)

    def update(self, among):
        """Takes in rows, (count, numbers)."""
        among = check_features(among).astype(np.float64)
        for start in range(0, len(among), BLOCK):
            block = among[start : start + BLOCK]
            new = squared_distances(self._rows, block)
            places = np.arange(self._count, self._count + len(block))
            places = np.broadcast_to(places, new.shape)
            self._squares, self.places = self._best(
                np.concatenate([self._squares, new], axis=1),
                np.concatenate([self.places, places], axis=1),
            )
            self._count += len(block)

    def _best(self, squares, places):
        k = min(self._k, squares.shape[1])
        few = np.argpartition(squares, k - 1, axis=1)[:, :k]
        order = np.argsort(np.take_along_axis(squares, few, axis=1), axis=1)
        best = np.take_along_axis(few, order, axis=1)
        return (np.take_along_axis(rows, best, axis=1) for rows in (squares, places))


def nearest(rows, among, k=1):
    """Distances to, and places of, the k nearest rows of another set, nearest first.

    Args:
        rows: (batch, numbers): features, or images flattened.
        among: (count, numbers).
        k: At most count.

    Returns:
        float64 (batch, k) and int (batch, k).
    """
    among, rows = check_pair(among, rows, at_least=1)
    if not 1 <= k <= len(among):
        raise ValueError(f"Expected k from 1 to {len(among)}, got {k}.")
    found = Neighbours(rows, k)
    found.update(among)
    return found.distances, found.places


def memorisation_figures(ours, theirs) -> dict:
    """How near samples are to training images, against held-out real images.

    Args:
        ours: Distances of samples to the nearest training image each, (batch,).
        theirs: Those of real images that were not trained on, (batch,).

    Returns:
        A dict of `nearest_distance_ratio` (the samples' median distance by the held-out
        images': about 1 for a model that generalises, towards 0 for one that copies)
        and `copies` (the share of samples nearer than the nearest 1 % of held-out
        images: about 0.01 by chance).

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


def neighbours_grid(samples, neighbours):
    """A picture: a row a sample, left, and its nearest training images.

    Args:
        samples: float32 (batch, height, width, channels), in [-1, 1].
        neighbours: float32 (batch, k, height, width, channels), nearest first.

    Returns:
        uint8 (grid height, grid width, 1 or 3).
    """
    rows = np.concatenate([np.asarray(samples)[:, None], neighbours], axis=1)
    flat = rows.reshape(-1, *rows.shape[2:])
    return image_files.grid(flat, columns=rows.shape[1])
