"""Divergences, likelihoods and codes against known values."""

import math

import numpy as np
import pytest
import scipy.spatial.distance
import scipy.stats
import sklearn.datasets
import sklearn.neighbors
import tensorflow_probability as tfp

from keras_gen.metrics import codes, densities

tfd = tfp.distributions
P, Q = [0.5, 0.25, 0.25, 0.0], [0.25, 0.25, 0.25, 0.25]


def test_divergences_of_histograms_are_scipys():
    assert densities.entropy([2, 1, 1]) == pytest.approx(1.5 * math.log(2))
    assert densities.kl_divergence(P, Q) == pytest.approx(scipy.stats.entropy(P, Q))
    assert densities.kl_divergence(Q, P) == math.inf
    root = scipy.spatial.distance.jensenshannon(P, Q)
    assert densities.js_divergence(P, Q) == pytest.approx(root**2)
    assert densities.js_divergence([1, 0], [0, 1]) == pytest.approx(math.log(2))
    for wrong in ([], [-1, 2], [0, 0], [math.nan]):
        with pytest.raises(ValueError, match="histogram"):
            densities.entropy(wrong)


def test_monte_carlo_divergences_meet_closed_forms_within_their_error():
    p = tfd.MultivariateNormalDiag([0.0, 0.0], [1.0, 1.0])
    q = tfd.MultivariateNormalDiag([1.0, 0.0], [1.0, 2.0])
    estimate, error = densities.monte_carlo_kl(p, q)
    assert 0 < error < 0.02
    assert abs(estimate - float(tfd.kl_divergence(p, q))) < 4 * error
    # Histograms that are fine enough to approximate the densities.
    grid = np.linspace(-12, 12, 20_001)
    a, b = scipy.stats.norm(0, 1).pdf(grid), scipy.stats.norm(1, 2).pdf(grid)
    one, two = tfd.Normal(0.0, 1.0), tfd.Normal(1.0, 2.0)
    estimate, error = densities.monte_carlo_js(one, two)
    assert abs(estimate - densities.js_divergence(a, b)) < 4 * error < 0.02


def test_the_optimal_discriminator_finds_the_divergence():
    p, q = tfd.Normal(0.0, 1.0), tfd.Normal(1.0, 2.0)
    points = np.array([-1.0, 0.0, 3.0], np.float32)
    expected = p.prob(points) / (p.prob(points) + q.prob(points))
    found = densities.optimal_discriminator(p, q, points)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    real, fake = p.sample(20_000, seed=[1, 2]), q.sample(20_000, seed=[3, 4])
    logits = [p.log_prob(x) - q.log_prob(x) for x in (real, fake)]
    estimate, error = densities.discriminator_js(*logits)
    exact, exact_error = densities.monte_carlo_js(p, q, 100_000)
    assert abs(estimate - exact) < 4 * math.hypot(error, exact_error)
    # An undecided discriminator finds 0; a worse one finds less than the optimal one.
    assert densities.discriminator_js(np.zeros(9), np.zeros(9))[0] == pytest.approx(0)
    assert densities.discriminator_js(0.3 * logits[0], 0.3 * logits[1])[0] < estimate


def test_the_parzen_estimate_is_scikit_learns_kernel_density():
    random = np.random.default_rng(0)
    samples, points = random.normal(size=(200, 3)), random.normal(size=(70, 3))
    theirs = sklearn.neighbors.KernelDensity(bandwidth=0.4).fit(samples)
    ours = densities.parzen_log_likelihood(samples, points, 0.4, block=32)
    np.testing.assert_allclose(ours, theirs.score_samples(points))
    mean, error, best = densities.parzen(samples, points[:35], points[35:])
    choices = np.logspace(-1, 0, 10)
    scores = [
        densities.parzen_log_likelihood(samples, points[35:], b).mean() for b in choices
    ]
    assert best == choices[np.argmax(scores)] and error > 0
    expected = densities.parzen_log_likelihood(samples, points[:35], best).mean()
    assert mean == pytest.approx(expected)


def test_bits_per_dimension():
    # A fair coin for each pixel is 1 bit; 256 equally likely levels are 8 bits.
    assert densities.bits_per_dim(10 * math.log(2), 10) == pytest.approx(1.0)
    assert densities.bits_per_dim(10 * math.log(256), 10) == pytest.approx(8.0)
    # The same levels as a density: each is 2 / 255 wide, with -1 and 1 in the middle
    # of the first and the last.
    nats = 10 * math.log(256 * 2 / 255)
    assert densities.bits_per_dim(nats, 10, levels=256) == pytest.approx(8.0)


def test_probes_read_labels_from_features_that_hold_them():
    x, y = sklearn.datasets.make_blobs(400, centers=4, n_features=6, random_state=0)
    parts = (x[:200], y[:200], x[200:], y[200:])
    assert codes.linear_probe(*parts) > 0.98
    assert codes.neighbour_accuracy(*parts) > 0.98
    noise = np.random.default_rng(0).normal(size=x.shape)
    assert codes.linear_probe(noise[:200], y[:200], noise[200:], y[200:]) < 0.4


def test_cluster_accuracy_does_not_depend_on_the_numbers_of_clusters():
    labels = np.array([0, 0, 1, 1, 2, 2])
    assert codes.cluster_accuracy([7, 7, 3, 3, 5, 5], labels) == 1.0
    assert codes.cluster_accuracy([7, 7, 3, 3, 3, 5], labels) == pytest.approx(5 / 6)
    assert codes.cluster_accuracy([0] * 6, labels) == pytest.approx(2 / 6)
    with pytest.raises(ValueError, match="as many"):
        codes.cluster_accuracy([1, 2], labels)


def test_codes_that_follow_the_prior_cannot_be_told_from_it():
    random = np.random.default_rng(0)
    draws, same = random.normal(size=(2, 600, 2))
    other = random.normal(size=(600, 2)) * [1.0, 0.2]
    assert abs(codes.prior_mmd(same, draws)) < 0.005 < codes.prior_mmd(other, draws)
    assert codes.two_sample_accuracy(same, draws) < 0.57
    assert codes.two_sample_accuracy(other, draws) > 0.65
