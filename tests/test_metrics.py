"""Figures against independent implementations and closed forms."""

import keras
import numpy as np
import prdc
import pytest
import scipy.linalg
import sklearn.metrics.pairwise
import sklearn.neighbors

from keras_gen.data import gaussians
from keras_gen.metrics import (
    checks,
    classes,
    gaussian,
    kernel,
    neighbours,
    path_length,
)

RANDOM = np.random.default_rng(0)
REAL = RANDOM.normal(size=(300, 6)) @ RANDOM.normal(size=(6, 6))
FAKE = REAL[:250] * 0.7 + RANDOM.normal(0.3, 0.5, size=(250, 6))


def statistics(rows, batch=37):
    found = gaussian.Statistics(rows.shape[1])
    for start in range(0, len(rows), batch):
        found.update(rows[start : start + batch])
    return found


def test_streamed_statistics_are_those_of_the_whole():
    rows = REAL + 1e3  # Far from 0, where sums of squares would lose digits.
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
    # Two samples of one distribution: 0 on average, negative about half of the time.
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
    equal = neighbours.precision_recall(REAL, REAL.copy())
    assert equal == {"precision": 1.0, "recall": 1.0}
    one = np.repeat(REAL[:1], 100, axis=0)
    collapsed = neighbours.density_coverage(REAL, one)
    assert collapsed["coverage"] < 0.1


def test_classifier_score_reaches_its_bounds():
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
    found = classes.modes([2, 0, 2, 0, 0], [1, 1, 1, 1, 0])
    assert found["modes"] == 2 and found["modes_of_data"] == 4
    assert found["modes_kl"] == pytest.approx(np.log(2))
    assert classes.modes([0, 0, 1], [1, 1, 0])["modes_kl"] == np.inf


def test_modes_of_a_mixture_in_the_plane():
    centres, deviation = gaussians.MIXTURES["gaussian_grid"]
    real = gaussians.load("gaussian_grid", "test")["point"]
    found = classes.mixture_modes(real, centres, deviation)
    assert found["modes"] == found["modes_of_data"] == 25
    # A radius of 3 deviations holds 1 - exp(-9 / 2) of a Gaussian in the plane.
    assert found["high_quality"] == pytest.approx(1 - np.exp(-4.5), abs=0.005)
    assert found["modes_kl"] < 0.01
    # Half of the samples on two modes, the others between modes.
    few = np.concatenate([np.repeat(centres[:2], 50, 0), np.full((100, 2), 1.0)])
    found = classes.mixture_modes(few, centres, deviation)
    assert found["modes"] == 2 and found["high_quality"] == 0.5
    assert found["modes_kl"] == pytest.approx(np.log(25 / 2))
    assert classes.mixture_modes([[1.0, 1.0]], centres, deviation)["modes"] == 0


# Perceptual path length.


@pytest.fixture(scope="module")
def flat():
    """Features that are the pixels themselves."""
    inputs = keras.Input((2, 2, 1))
    return keras.Model(inputs, keras.layers.Flatten()(inputs), name="pixels")


def test_path_length_of_a_linear_generator_is_that_of_its_image(flat):
    matrix = RANDOM.normal(size=(3, 4)) / 20
    first, second = RANDOM.normal(size=(2, 300, 3))

    def decode(latents):
        return (latents @ matrix).reshape(-1, 2, 2, 1)

    options = {"epsilon": 0.05, "features": flat}
    for ends in (False, True):
        found, error = path_length.perceptual_path_length(
            decode, first, second, interpolation="linear", ends=ends, **options
        )
        # The speed is constant on each path; the extremes are left out.
        exact = np.sort(np.sum(((second - first) @ matrix) ** 2, axis=1))[3:-3]
        assert found == pytest.approx(exact.mean(), rel=1e-3)
        assert error == pytest.approx(exact.std(ddof=1) / np.sqrt(294), rel=1e-3)


def test_path_length_on_a_circle_is_the_squared_angle(flat):
    angles = RANDOM.uniform(0, np.pi, 200)
    first = np.tile([1.0, 0.0], (200, 1))
    second = np.stack([np.cos(angles), np.sin(angles)], axis=1)

    def decode(latents):
        return np.pad(latents, ((0, 0), (0, 2))).reshape(-1, 2, 2, 1)

    found, _ = path_length.perceptual_path_length(
        decode, first, second, epsilon=0.01, features=flat
    )
    assert found == pytest.approx(np.sort(angles**2)[2:-2].mean(), rel=1e-2)
    with pytest.raises(ValueError, match="100 paths"):
        path_length.perceptual_path_length(decode, first[:9], second[:9])
    with pytest.raises(ValueError, match="spherical"):
        path_length.perceptual_path_length(decode, first, second, interpolation="none")


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
def test_rows_that_cannot_be_measured_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
