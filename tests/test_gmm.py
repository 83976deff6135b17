"""Mixtures of Gaussians, compared with scikit-learn and with closed forms."""

import tracemalloc

import keras
import numpy as np
import pytest
import scipy.stats
from sklearn.mixture import GaussianMixture

import keras_gen
from keras_gen.models import GMM
from keras_gen.models.mixtures import gmm
from keras_gen.models.mixtures.gmm import principal_axes


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


def test_the_start_takes_fewer_images_of_many_pixels(monkeypatch):
    counts = []

    def draw(batches, count, seed):
        counts.append(count)
        return blobs(count, 0, shape=(16, 16, 1))

    monkeypatch.setattr(gmm, "draw_images", draw)
    for values in (gmm.START_VALUES, 100 * 256, 1):
        monkeypatch.setattr(gmm, "START_VALUES", values)
        model = GMM((16, 16, 1), num_components=3)
        model.compile(seed=0)
        model.initialize(iter([]))
    assert counts == [10_000, 100, 3]


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


# Expectation-maximisation.

every_exact = pytest.mark.parametrize(
    "covariance, sklearns", [("diagonal", "diag"), ("full", "full")]
)


@every_exact
def test_em_gives_the_mixture_of_scikit_learn_from_the_same_start(covariance, sklearns):
    images, held_out = blobs(1000, 0), blobs(500, 1)
    rows = images.reshape(1000, -1).astype(float)
    model = GMM((2, 2, 1), 4, covariance)
    model.compile(seed=0)
    model.initialize(iter([{"image": images}]))
    weights, means, start = model.gaussians.moments()
    precisions = 1 / start if sklearns == "diag" else np.linalg.inv(start)
    theirs = GaussianMixture(
        4,
        covariance_type=sklearns,
        reg_covar=1e-4,  # The square of `min_deviation`.
        tol=1e-5,
        max_iter=200,
        weights_init=weights,
        means_init=means,
        precisions_init=precisions,
    ).fit(rows)
    assert theirs.n_iter_ > 3
    score = model.fit_em(images, tolerance=1e-5, max_iterations=200)
    assert score == pytest.approx(theirs.score(rows), abs=1e-6)
    found = model.gaussians.moments()
    np.testing.assert_allclose(found[0], theirs.weights_, rtol=1e-5)
    np.testing.assert_allclose(found[1], theirs.means_, atol=1e-6)
    np.testing.assert_allclose(found[2], theirs.covariances_, rtol=1e-4, atol=1e-7)
    points = held_out.reshape(500, -1)
    np.testing.assert_allclose(
        model.log_prob(held_out), theirs.score_samples(points), atol=2e-3
    )
    np.testing.assert_allclose(
        model.responsibilities(held_out), theirs.predict_proba(points), atol=1e-3
    )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@every_exact
def test_an_iteration_of_em_gives_the_values_computed_by_hand(covariance, sklearns):
    model = GMM((1, 2, 1), 2, covariance)
    layer = model.gaussians
    start = np.array([[-0.2, 0.1], [0.3, 0.0]])
    deviations = np.array([[0.2, 0.3], [0.4, 0.2]])
    factors = None if layer.factors is None else np.zeros((2, 2, 2))
    layer.assign([0.25, 0.75], start, deviations, factors, least_excess=1e-6)
    random = np.random.default_rng(0)
    rows = random.uniform(-1, 1, (50, 2)).astype("float32").astype(float)
    normals = scipy.stats.norm(start, deviations)
    joint = [0.25, 0.75] * normals.pdf(rows[:, None]).prod(axis=-1)
    shares = joint / joint.sum(axis=1, keepdims=True)
    counts = shares.sum(axis=0)
    means = shares.T @ rows / counts[:, None]
    offsets = rows[:, None] - means
    expected = np.einsum("nk,nki,nkj->kij", shares, offsets, offsets)
    expected = expected / counts[:, None, None] + 1e-4 * np.eye(2)
    if covariance == "diagonal":
        expected = np.diagonal(expected, axis1=1, axis2=2)
    model.fit_em(rows.reshape(50, 1, 2, 1), max_iterations=1)
    found = layer.moments()
    np.testing.assert_allclose(found[0], counts / 50, rtol=1e-5)
    np.testing.assert_allclose(found[1], means, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[2], expected, rtol=1e-4, atol=1e-6)


def test_em_keeps_the_likelihood_of_constant_pixels_finite(tmp_path):
    images = np.concatenate(
        [blobs(256, 0), -np.ones((256, 2, 2, 1), np.float32)], axis=2
    )
    for covariance in ("diagonal", "full"):
        model = GMM((2, 4, 1), 2, covariance)
        model.compile(seed=0)
        score = model.fit_em(images)
        assert model.log_prob(images).mean() == pytest.approx(score, abs=0.01)
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        np.testing.assert_allclose(
            loaded.log_prob(images), model.log_prob(images), rtol=1e-5
        )


def test_em_takes_datasets_and_refuses_what_it_cannot_fit():
    images = blobs(300, 0)
    models = [GMM((2, 2, 1), 3, "full") for _ in range(2)]
    dataset = keras_gen.data.load(images, batch_size=128, shuffle=False)
    scores = [models[0].fit_em(images), models[1].fit_em(dataset)]
    assert scores[0] == scores[1]
    with pytest.raises(ValueError, match="fit\\(\\) trains by gradient descent"):
        GMM((2, 2, 1), 2, "low_rank", rank=1).fit_em(images)
    for options, message in (
        ({"max_iterations": 0}, "max_iterations"),
        ({"min_variance": 1e-5}, "min_variance >= 0.0001"),
        ({"tolerance": -1.0}, "tolerance, a number of at least 0"),
        ({"tolerance": "low"}, "tolerance"),
    ):
        with pytest.raises(ValueError, match=message):
            models[0].fit_em(images, **options)
    with pytest.raises(ValueError, match="at least 9 images"):
        GMM((2, 2, 1), 9).fit_em(images[:8])


# The start.


@pytest.mark.parametrize("count", [12, 40, 300])
def test_principal_axes_are_those_of_the_covariance(count):
    random = np.random.default_rng(0)
    rows = random.normal(size=(count, 40)) * np.geomspace(1, 0.01, 40)
    values, vectors = principal_axes(rows, 5)
    expected, basis = np.linalg.eigh(rows.T @ rows / count)
    np.testing.assert_allclose(values, expected[-5:], rtol=1e-8)
    signs = np.sign(np.sum(vectors * basis[:, -5:], axis=0))
    np.testing.assert_allclose(vectors * signs, basis[:, -5:], atol=1e-6)


def test_rows_have_no_more_principal_axes_than_there_are_rows():
    rows = np.array([[3.0, 0, 0, 0], [0, 0, 2.0, 0]])
    for rank in (3, 4):
        values, vectors = principal_axes(rows, rank)
        np.testing.assert_allclose(values, [0] * (rank - 2) + [2.0, 4.5])
        expected = [[0, 0, 0, 0]] * (rank - 2) + [[0, 0, 1, 0], [1, 0, 0, 0]]
        np.testing.assert_allclose(np.abs(vectors.T), expected, atol=1e-12)
    same = np.zeros((3, 5))
    assert not principal_axes(same, 2)[0].any()


@pytest.mark.parametrize("covariance", ["diagonal", "low_rank"])
def test_the_start_needs_no_matrix_of_pixels_by_pixels(covariance):
    """Such a matrix would be 600 MB in float32 here."""
    images = np.random.default_rng(0).uniform(-1, 1, (40, 64, 64, 3)).astype("float32")
    model = GMM((64, 64, 3), 2, covariance, rank=3)
    tracemalloc.start()
    model.initialize(iter([{"image": images}]))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * images.nbytes
    variances = np.square(model.gaussians.distribution().stddev().numpy())
    ratio = (variances / images.reshape(40, -1).var(axis=0)).mean()
    assert 0.5 < ratio < 1.5


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
        ({"num_components": 0}, "num_components, a whole number of at least 1"),
        ({"covariance": "low_rank", "rank": 4}, "rank < 4"),
        ({"min_deviation": 0.0}, "min_deviation, a number above 0"),
    ):
        with pytest.raises(ValueError, match=message):
            GMM((2, 2, 1), **config)
    model = GMM((2, 2, 1), num_components=9)
    model.compile(seed=0)
    with pytest.raises(ValueError, match="at least 9 images"):
        model.fit(blobs(8, 0), verbose=0)
