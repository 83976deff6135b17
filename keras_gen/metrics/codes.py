"""The usefulness of codes and features, and the distance of codes from a prior.

1. Alain and Bengio, "Understanding intermediate layers using linear classifier probes",
   2017.
2. Xie, Girshick and Farhadi, "Unsupervised Deep Embedding for Clustering Analysis",
   2016 (cluster accuracy).
3. Gretton et al., "A Kernel Two-Sample Test", 2012.
4. Lopez-Paz and Oquab, "Revisiting Classifier Two-Sample Tests", 2017.
"""

from __future__ import annotations  # `help` shows ArrayLike by its name.

import numpy as np
import scipy.optimize
import sklearn.linear_model
import sklearn.neighbors
import sklearn.neural_network
import sklearn.pipeline
import sklearn.preprocessing
from numpy.typing import ArrayLike

from keras_gen.metrics.checks import check_features, check_pair
from keras_gen.metrics.kernel import squared_mmd
from keras_gen.metrics.neighbours import squared_distances


def linear_probe(
    train: ArrayLike, train_labels: ArrayLike, test: ArrayLike, test_labels: ArrayLike
) -> float:
    """Test accuracy of a logistic regression on features ([1]), in [0, 1].

    Args:
        train: Features that the regression is fitted to, (batch, num_features).
        train_labels: Their labels, int (batch,).
        test: Features that it is scored on, (batch, num_features).
        test_labels: Their labels, int (batch,).
    """
    probe = sklearn.pipeline.make_pipeline(
        sklearn.preprocessing.StandardScaler(),
        sklearn.linear_model.LogisticRegression(max_iter=1000),
    )
    probe.fit(check_features(train), train_labels)
    return float(probe.score(check_features(test), test_labels))


def neighbour_accuracy(
    train: ArrayLike,
    train_labels: ArrayLike,
    test: ArrayLike,
    test_labels: ArrayLike,
    k: int = 5,
) -> float:
    """Test accuracy of the vote of the k nearest training features, in [0, 1].

    Args:
        train: Features that vote, (batch, num_features).
        train_labels: Their labels, int (batch,).
        test: Features that are classified, (batch, num_features).
        test_labels: Their labels, int (batch,).
        k: Number of votes.
    """
    vote = sklearn.neighbors.KNeighborsClassifier(k)
    vote.fit(check_features(train), train_labels)
    return float(vote.score(check_features(test), test_labels))


def cluster_accuracy(clusters: ArrayLike, labels: ArrayLike) -> float:
    """Accuracy of the best one-to-one match of clusters and labels ([2], equation 10).

    >>> cluster_accuracy([7, 7, 3, 3], [0, 0, 1, 1])
    1.0

    Args:
        clusters: Number of each row's cluster, int (batch,).
        labels: Label of each row, int (batch,).

    Raises:
        ValueError: For numbers of clusters and labels that differ, or none.
    """
    clusters, labels = np.asarray(clusters), np.asarray(labels)
    if clusters.shape != labels.shape or clusters.ndim != 1 or not len(clusters):
        raise ValueError(
            f"Expected as many clusters as labels, got {clusters.shape} and "
            f"{labels.shape}."
        )
    _, rows = np.unique(clusters, return_inverse=True)
    _, columns = np.unique(labels, return_inverse=True)
    counts = np.zeros((rows.max() + 1, columns.max() + 1), int)
    np.add.at(counts, (rows, columns), 1)
    matched = scipy.optimize.linear_sum_assignment(-counts)
    return float(counts[matched].sum() / len(labels))


def prior_mmd(codes: ArrayLike, draws: ArrayLike) -> float:
    """Squared MMD between codes and draws of a prior, unbiased ([3]).

    The kernel is Gaussian; its squared bandwidth is the median squared distance between
    draws.

    Args:
        codes: Codes of images, (batch, latent_dim).
        draws: Draws of the prior, (batch, latent_dim).

    Raises:
        ValueError: For rows that cannot be compared; see `checks.check_pair`.
    """
    draws, codes = check_pair(draws, codes, at_least=2)
    between = squared_distances(draws, draws)
    median = np.median(between[np.triu_indices(len(draws), 1)])

    def gaussian_kernel(a, b):
        return np.exp(-squared_distances(a, b) / (2 * median))

    return squared_mmd(codes, draws, gaussian_kernel)


def two_sample_accuracy(codes: ArrayLike, draws: ArrayLike, seed: int = 0) -> float:
    """Accuracy of a classifier trained to tell codes from draws of a prior ([4]).

    A network with one hidden layer of 64 units is trained on half of each set and
    tested on the other half: 1/2 means that codes and draws cannot be distinguished.

    Args:
        codes: Codes of images, (batch, latent_dim), at least 20.
        draws: Draws of the prior, (batch, latent_dim), at least 20.
        seed: Seed of the split and of the network.

    Raises:
        ValueError: For rows that cannot be compared; see `checks.check_pair`.
    """
    draws, codes = check_pair(draws, codes, at_least=20)
    size = min(len(draws), len(codes))
    random = np.random.default_rng(seed)
    points = np.concatenate(
        [rows[random.permutation(len(rows))[:size]] for rows in (draws, codes)]
    )
    labels = np.repeat([0, 1], size)
    order = random.permutation(2 * size)
    train, test = order[:size], order[size:]
    classifier = sklearn.pipeline.make_pipeline(
        sklearn.preprocessing.StandardScaler(),
        sklearn.neural_network.MLPClassifier(
            (64,), early_stopping=True, max_iter=500, random_state=seed
        ),
    )
    classifier.fit(points[train], labels[train])
    return float(classifier.score(points[test], labels[test]))
