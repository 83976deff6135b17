"""Mixtures of Gaussians, compared with scikit-learn and with closed forms."""

import keras
import numpy as np
import pytest
import scipy.stats
from sklearn.mixture import GaussianMixture

import keras_gen
from keras_gen.models import GMM


def blobs(count, seed, shape=(2, 2, 1)):
    """Images around four centres, each centre with its own covariance."""
    dimensions = int(np.prod(shape))
    centres = np.random.default_rng(9).uniform(-0.6, 0.6, (4, dimensions))
    factors = 0.08 * np.random.default_rng(8).normal(size=(4, dimensions, dimensions))
    random = np.random.default_rng(seed)
    kinds = random.integers(0, 4, count)
    noise = random.normal(size=(count, 1, dimensions))
    rows = centres[kinds] + (noise @ factors[kinds])[:, 0]
    return np.clip(rows, -1, 1).reshape(count, *shape).astype("float32")


def fit_gmm(images, epochs=40, **config):
    keras.utils.set_random_seed(0)
    steps = epochs * (len(images) // 128)
    config = {"learning_rate": 0.02, "decay_steps": steps, **config}
    model = GMM(images.shape[1:], **config)
    model.compile(seed=0)
    model.fit(images, batch_size=128, epochs=epochs, verbose=0)
    return model


@pytest.mark.parametrize("covariance, sklearns", [("diagonal", "diag"), ("full",) * 2])
def test_the_likelihood_of_new_images_equals_that_of_scikit_learn(covariance, sklearns):
    images, held_out = blobs(4096, 0), blobs(2000, 1)
    model = fit_gmm(images, num_components=4, covariance=covariance)
    theirs = GaussianMixture(4, covariance_type=sklearns, random_state=0)
    theirs.fit(images.reshape(4096, -1))
    score = theirs.score(held_out.reshape(2000, -1))
    assert model.log_prob(held_out).mean() == pytest.approx(score, rel=0.01)
    # The order of the components is arbitrary.
    found = model.responsibilities(held_out).max(axis=1)
    expected = theirs.predict_proba(held_out.reshape(2000, -1)).max(axis=1)
    assert found.mean() == pytest.approx(expected.mean(), abs=0.01)


def test_low_rank_with_a_high_rank_fits_as_well_as_full():
    images, held_out = blobs(4096, 0), blobs(2000, 1)
    full = fit_gmm(images, num_components=4, covariance="full")
    low = fit_gmm(images, num_components=4, covariance="low_rank", rank=3)
    scores = [model.log_prob(held_out).mean() for model in (full, low)]
    assert scores[0] == pytest.approx(scores[1], rel=0.01)


def test_one_component_is_the_multivariate_normal_distribution():
    images = blobs(1000, 0)
    rows = images.reshape(1000, -1)
    model = GMM((2, 2, 1), 1, "full", min_deviation=1e-4)
    model.compile({"gmm": keras.optimizers.SGD(0.0)}, seed=0)
    model.fit(images, batch_size=100, epochs=1, verbose=0, shuffle=False)
    covariance = np.cov(rows.T, bias=True)
    normal = scipy.stats.multivariate_normal(rows.mean(axis=0), covariance)
    np.testing.assert_allclose(model.log_prob(images), normal.logpdf(rows), atol=2e-3)
    np.testing.assert_allclose(model.responsibilities(images), 1.0)
    drawn = model.sample(4000, seed=0).reshape(4000, -1)
    np.testing.assert_allclose(drawn.mean(axis=0), rows.mean(axis=0), atol=0.03)
    # Clipping to [-1, 1] changes the covariance a little.
    np.testing.assert_allclose(np.cov(drawn.T), covariance, atol=0.03)


@pytest.mark.parametrize("covariance", ["diagonal", "full", "low_rank"])
def test_density_and_responsibilities_are_the_values_computed_by_hand(covariance):
    model = GMM((1, 2, 1), 3, covariance, rank=1)
    random = np.random.default_rng(0)
    layer = model.gaussians
    layer.logits.assign([0.0, 1.0, -1.0])
    if layer.factors is not None:
        layer.factors.assign(random.normal(size=layer.factors.shape))
    deviations = np.full((3, 2), 0.01 + np.log(2))  # Softplus of 0.
    covariances = [np.diag(d**2) for d in deviations]
    if covariance == "low_rank":
        factors = layer.factors.numpy()
        covariances = [c + f @ f.T for c, f in zip(covariances, factors, strict=True)]
    elif covariance == "full":
        lower = np.tril(layer.factors.numpy(), -1)
        factors = [f + np.diag(d) for f, d in zip(lower, deviations, strict=True)]
        covariances = [f @ f.T for f in factors]
    images = random.uniform(-1, 1, (5, 1, 2, 1)).astype("float32")
    weights = np.exp([0.0, 1.0, -1.0]) / np.exp([0.0, 1.0, -1.0]).sum()
    joint = np.stack(
        [
            w * scipy.stats.multivariate_normal(m, c).pdf(images.reshape(5, 2))
            for w, m, c in zip(weights, layer.means.numpy(), covariances, strict=True)
        ],
        axis=1,
    )
    total = joint.sum(axis=1)
    np.testing.assert_allclose(model.log_prob(images), np.log(total), rtol=1e-4)
    np.testing.assert_allclose(
        model.responsibilities(images), joint / total[:, None], rtol=1e-3, atol=1e-6
    )


def test_training_continues_from_loaded_weights_without_k_means(tmp_path):
    images = blobs(512, 0)
    model = fit_gmm(images, epochs=5, num_components=4)
    keras_gen.zoo.write_card(model, tmp_path / "card", name="gmm", dtype="float32")
    loaded = keras_gen.zoo.load("gmm", weights=tmp_path / "card")
    loaded.compile({"gmm": keras.optimizers.SGD(0.0)})
    before = loaded.log_prob(images)
    np.testing.assert_allclose(before, model.log_prob(images), rtol=1e-5)
    loaded.fit(images[:100], epochs=1, verbose=0)
    np.testing.assert_array_equal(before, loaded.log_prob(images))


def test_constant_pixels_keep_the_likelihood_finite():
    images = np.concatenate(
        [blobs(256, 0), -np.ones((256, 2, 2, 1), np.float32)], axis=2
    )
    for covariance in ("diagonal", "full", "low_rank"):
        model = fit_gmm(
            images, epochs=2, num_components=2, covariance=covariance, rank=2
        )
        assert np.isfinite(model.log_prob(images)).all()
        assert np.abs(model.sample(8, seed=0)[:, :, 2:] + 1).max() < 0.2


def test_impossible_mixtures_are_refused():
    for config, message in (
        ({"covariance": "tied"}, "'low_rank'"),
        ({"num_components": 0}, "num_components >= 1"),
        ({"covariance": "low_rank", "rank": 4}, "rank < 4"),
        ({"min_deviation": 0.0}, "min_deviation > 0"),
    ):
        with pytest.raises(ValueError, match=message):
            GMM((2, 2, 1), **config)
    model = GMM((2, 2, 1), num_components=9)
    model.compile(seed=0)
    with pytest.raises(ValueError, match="at least 9 images"):
        model.fit(blobs(8, 0), verbose=0)
