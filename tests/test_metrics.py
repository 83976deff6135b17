"""Figures against independent implementations and closed forms."""

import numpy as np
import prdc
import pytest
import scipy.linalg
import sklearn.metrics.pairwise
import sklearn.neighbors

from keras_gen.metrics import checks, classes, gaussian, kernel, neighbours

RANDOM = np.random.default_rng(0)
REAL = RANDOM.normal(size=(300, 6)) @ RANDOM.normal(size=(6, 6))
FAKE = REAL[:250] * 0.7 + RANDOM.normal(0.3, 0.5, size=(250, 6))


def statistics(rows, batch=37):
    found = gaussian.Statistics(rows.shape[1])
    for start in range(0, len(rows), batch):
        found.update(rows[start : start + batch])
    return found


def test_streamed_statistics_are_those_of_the_whole():
    rows = REAL + 1e3  # Far from 0, where one-pass sums would lose digits.
    found = statistics(rows)
    np.testing.assert_allclose(found.mean, rows.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.covariance, np.cov(rows.T), rtol=1e-9)


def test_frechet_distance_is_scipys():
    root = scipy.linalg.sqrtm(np.cov(REAL.T) @ np.cov(FAKE.T)).real
    expected = np.sum((REAL.mean(0) - FAKE.mean(0)) ** 2) + np.trace(
        np.cov(REAL.T) + np.cov(FAKE.T) - 2 * root
    )
    found = gaussian.frechet_distance(statistics(REAL), statistics(FAKE))
    assert found == pytest.approx(expected, rel=1e-8)


def test_frechet_distance_of_gaussians_is_the_closed_form():
    a, b = gaussian.Statistics(2), gaussian.Statistics(2)
    corners = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]]) * np.sqrt(3) / 2
    a.update(corners)  # Unbiased covariance: the identity.
    b.update(corners * [2.0, 3.0] + [4.0, 0.0])
    # 4^2 + (2 - 1)^2 + (3 - 1)^2.
    assert gaussian.frechet_distance(a, b) == pytest.approx(21.0)
    assert gaussian.frechet_distance(a, a) == pytest.approx(0.0, abs=1e-9)


def test_frechet_distance_with_a_dead_feature_is_finite():
    dead = np.concatenate([REAL, np.zeros((300, 1))], axis=1)
    found = gaussian.frechet_distance(statistics(dead), statistics(dead[:200]))
    assert np.isfinite(found)


def test_kernel_is_scikit_learns_and_the_estimate_is_unbiased():
    ours = kernel.cubic_kernel(REAL, FAKE)
    theirs = sklearn.metrics.pairwise.polynomial_kernel(REAL, FAKE, degree=3, coef0=1)
    np.testing.assert_allclose(ours, theirs)
    whole, error = kernel.kernel_distance(REAL, FAKE, subsets=1, subset_size=250)
    assert error == 0 and whole > 0
    # Of one distribution: 0 on average, below as often as above.
    same = [
        kernel.squared_mmd(*RANDOM.normal(size=(2, 40, 3)).astype(float))
        for _ in range(400)
    ]
    assert abs(np.mean(same)) < 3 * np.std(same) / 20
    assert 0.2 < np.mean(np.array(same) < 0) < 0.9


def test_kernel_distance_by_loops():
    a, b = REAL[:8], FAKE[:7]

    def k(x, y):
        return (x @ y / 6 + 1) ** 3

    expected = (
        np.mean([k(a[i], a[j]) for i in range(8) for j in range(8) if i != j])
        + np.mean([k(b[i], b[j]) for i in range(7) for j in range(7) if i != j])
        - 2 * np.mean([k(x, y) for x in a for y in b])
    )
    assert kernel.squared_mmd(a, b) == pytest.approx(expected)


@pytest.mark.parametrize("k", [3, 5])
@pytest.mark.parametrize("block", [64, 1024])
def test_neighbours_are_those_of_prdc(k, block, monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK", block)
    expected = prdc.compute_prdc(REAL, FAKE, nearest_k=k)
    found = neighbours.precision_recall(REAL, FAKE, k=k)
    found |= neighbours.density_coverage(REAL, FAKE, k=k)
    assert found == pytest.approx(expected)


def test_radii_are_scikit_learns():
    nearest = sklearn.neighbors.NearestNeighbors(n_neighbors=5).fit(REAL)
    distances, _ = nearest.kneighbors(REAL)  # The first is the row itself.
    np.testing.assert_allclose(neighbours.radii(REAL, 4), distances[:, 4] ** 2)


def test_equal_and_collapsed_sets():
    # Half of the points, and one point of the data.
    equal = neighbours.precision_recall(REAL, REAL.copy())
    assert equal == {"precision": 1.0, "recall": 1.0}
    one = np.repeat(REAL[:1], 100, axis=0)
    collapsed = neighbours.density_coverage(REAL, one)
    assert collapsed["coverage"] < 0.1


def test_classifier_score_has_its_bounds():
    sure = np.eye(4)[np.arange(40) % 4]
    assert classes.classifier_score(sure, splits=2) == pytest.approx((4.0, 0.0))
    alike = np.full((40, 4), 0.25)
    assert classes.classifier_score(alike, splits=2) == pytest.approx((1.0, 0.0))
    # By hand: rows (1, 0), (1/2, 1/2); p(y) = (3/4, 1/4).
    rows = np.array([[1.0, 0.0], [0.5, 0.5]])
    first = np.log(1 / 0.75)
    second = 0.5 * np.log(0.5 / 0.75) + 0.5 * np.log(0.5 / 0.25)
    expected = np.exp((first + second) / 2)
    assert classes.classifier_score(rows, splits=1)[0] == pytest.approx(expected)


def test_modes_are_counted():
    found = classes.modes([0, 0, 2, 2], [0, 1, 2, 3], 5)
    assert found["modes"] == 2 and found["modes_of_data"] == 4
    assert found["modes_kl"] == pytest.approx(np.log(2))
    assert classes.modes([4], [0, 1], 5)["modes_kl"] == np.inf


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: statistics(REAL[:6]).covariance, "more images than the 6 features"),
        (lambda: statistics(np.ones((9, 2))).covariance, "constant"),
        (lambda: statistics(REAL * np.nan), "NaN"),
        (lambda: kernel.kernel_distance(REAL, FAKE[:, :3]), "one extractor"),
        (lambda: neighbours.precision_recall(REAL[:3], FAKE), "at least 4 real"),
        (lambda: neighbours.density_coverage(0 * REAL, FAKE), "constant"),
        (lambda: classes.classifier_score(REAL), "probabilities"),
        (lambda: checks.check_features(REAL[0]), "shape"),
    ],
)
def test_what_gives_no_figure_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
