"""Whether samples are copies of training images.

The nearest training images of samples, in pixels and in features, as a figure, and as a
number against what held-out images, which cannot have been learnt by heart, have.
"""

import numpy as np

from keras_gen import images as image_files
from keras_gen.metrics.checks import check_pair
from keras_gen.metrics.neighbours import BLOCK, squared_distances


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
    distances, places = [], []
    for start in range(0, len(rows), BLOCK):
        squares = squared_distances(rows[start : start + BLOCK], among)
        order = np.argsort(squares, axis=1)[:, :k]
        places.append(order)
        distances.append(np.sqrt(np.take_along_axis(squares, order, axis=1)))
    return np.concatenate(distances), np.concatenate(places)


def memorisation_figures(samples, train, held_out) -> dict:
    """How near samples are to training images, against held-out real images.

    Args:
        samples: (batch, numbers): features, or images flattened.
        train: (count, numbers), of the training images.
        held_out: (batch, numbers), of real images that were not trained on.

    Returns:
        A dict of `nearest_distance_ratio` (the samples' median distance to the nearest
        training image by the held-out images': about 1 for a model that generalises,
        towards 0 for one that copies) and `copies` (the share of samples nearer than
        the nearest 1 % of held-out images: about 0.01 by chance).
    """
    ours = nearest(samples, train)[0][:, 0]
    theirs = nearest(held_out, train)[0][:, 0]
    median = np.median(theirs)
    if median == 0:
        raise ValueError("Expected held-out images that are not training images.")
    return {
        "nearest_distance_ratio": float(np.median(ours) / median),
        "copies": float(np.mean(ours < np.quantile(theirs, 0.01))),
    }


def save_neighbours(samples, train, path, extract=None, k=7, scale=1):
    """A picture: a row a sample, left, and its k nearest training images.

    Args:
        samples: float32 (batch, height, width, channels), in [-1, 1].
        train: float32 (count, height, width, channels), of the same shape.
        path: Of the PNG.
        extract: An `Extractor` whose features are compared; None compares pixels.
        k: Neighbours.
        scale: Screen pixels a pixel.
    """
    ours, theirs = (
        extract.features(images) if extract else images.reshape(len(images), -1)
        for images in (np.asarray(samples), np.asarray(train))
    )
    places = nearest(ours, theirs, k)[1]
    rows = np.concatenate([np.asarray(samples)[:, None], train[places]], axis=1)
    image_files.save_grid(rows.reshape(-1, *rows.shape[2:]), path, 1 + k, scale)
