"""What codes and features are good for, and how near they are to a prior.

1. Alain and Bengio, "Understanding intermediate layers using linear classifier probes",
   2017.
2. Xie, Girshick and Farhadi, "Unsupervised Deep Embedding for Clustering Analysis",
   2016 (cluster accuracy).
3. Gretton et al., "A Kernel Two-Sample Test", 2012.
4. Lopez-Paz and Oquab, "Revisiting Classifier Two-Sample Tests", 2017.
"""

import numpy as np
import scipy.optimize
import sklearn.linear_model
import sklearn.neighbors
import sklearn.neural_network
import sklearn.pipeline
import sklearn.preprocessing

from keras_gen.metrics.checks import check_features, check_pair
from keras_gen.metrics.kernel import squared_mmd
from keras_gen.metrics.neighbours import squared_distances


def linear_probe(train, train_labels, test, test_labels) -> float:
    """Test accuracy of a logistic regression on features ([1])."""
    probe = sklearn.pipeline.make_pipeline(
        sklearn.preprocessing.StandardScaler(),
        sklearn.linear_model.LogisticRegression(max_iter=1000),
    )
    probe.fit(check_features(train), train_labels)
    return float(probe.score(check_features(test), test_labels))


def neighbour_accuracy(train, train_labels, test, test_labels, k=5) -> float:
    """Test accuracy of the vote of the k nearest training features."""
    vote = sklearn.neighbors.KNeighborsClassifier(k)
    vote.fit(check_features(train), train_labels)
    return float(vote.score(check_features(test), test_labels))


def cluster_accuracy(clusters, labels) -> float:
    """Accuracy by the best one-to-one match of clusters and labels ([2], equation 10).

    Args:
        clusters: int (batch,).
        labels: int (batch,).
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


def prior_mmd(codes, draws) -> float:
    """Squared MMD between codes and draws of a prior, unbiased ([3]).

    The kernel is Gaussian; its squared bandwidth is the median squared distance between
    draws.
    """
    draws, codes = check_pair(draws, codes, at_least=2)
    between = squared_distances(draws, draws)
    median = np.median(between[np.triu_indices(len(draws), 1)])

    def gaussian_kernel(a, b):
        return np.exp(-squared_distances(a, b) / (2 * median))

    return squared_mmd(codes, draws, gaussian_kernel)


def two_sample_accuracy(codes, draws, seed=0) -> float:
    """Accuracy of a classifier that tells codes from draws of a prior ([4]).

    A network with a hidden layer of 64 is trained on half of either set and scored on
    the other half: 1/2 where they cannot be told apart.
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
    judge = sklearn.pipeline.make_pipeline(
        sklearn.preprocessing.StandardScaler(),
        sklearn.neural_network.MLPClassifier(
            (64,), early_stopping=True, max_iter=500, random_state=seed
        ),
    )
    judge.fit(points[train], labels[train])
    return float(judge.score(points[test], labels[test]))
