"""Priors and flows: they are densities, and draw each row from its own seed."""

import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

import keras_gen
from keras_gen.distributions import priors
from keras_gen.layers.affine_network import AffineNetwork
from keras_gen.layers.flow import Flow
from keras_gen.layers.masked_dense import MaskedDense

tfd = tfp.distributions


def randomize(layer, scale=0.4):
    """Gives a layer random weights, large enough for a visible transformation."""
    random = np.random.default_rng(1)
    for weight in layer.trainable_weights:
        weight.assign(scale * random.normal(size=weight.shape))
    return layer


def posterior(images):
    """Gaussians in the plane, posteriors of images of two pixels."""
    means = tf.reshape(images, (-1, 2))
    return priors.gaussian(means, 0.5 + tf.abs(means))


PRIORS = {
    "normal": lambda: priors.Normal(2),
    "mixture": lambda: randomize(priors.Mixture(2, 5)),
    "vamp": lambda: randomize(priors.Vamp(posterior, (1, 2, 1), 5)),
    "realnvp": lambda: randomize(priors.Flow(2, "realnvp", 3, (8, 8))),
    "maf": lambda: randomize(priors.Flow(2, "maf", 2, (8, 8))),
}
every_prior = pytest.mark.parametrize("kind", PRIORS)


@every_prior
def test_a_prior_integrates_to_one(kind):
    prior = PRIORS[kind]().distribution()
    assert isinstance(prior, tfd.Distribution)
    assert prior.event_shape == (2,) and prior.batch_shape == ()
    axis = np.linspace(-12, 12, 601).astype("float32")
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    mass = np.exp(prior.log_prob(points)).sum() * (axis[1] - axis[0]) ** 2
    assert mass == pytest.approx(1.0, abs=2e-3)


@every_prior
def test_rows_of_a_prior_follow_its_density(kind):
    layer = PRIORS[kind]()

    @tf.function(autograph=False, reduce_retracing=True)
    def draw(seeds):
        return priors.sample_rows(layer.distribution(), seeds)

    prior = layer.distribution()
    seeds = np.arange(4000)
    rows = draw(tf.constant(seeds)).numpy()
    few = draw(tf.constant(seeds[7:9]))
    np.testing.assert_allclose(few, rows[7:9], atol=1e-5)
    # Draws of a wide Gaussian with importance weights give the same moments.
    wide = tfd.MultivariateNormalDiag(tf.zeros(2), 3.0 * tf.ones(2))
    points = wide.sample(200_000, seed=(1, 2))
    weights = np.exp(prior.log_prob(points) - wide.log_prob(points))[:, None]
    mean = np.mean(weights * points, axis=0)
    spread = np.sqrt(np.mean(weights * (points - mean) ** 2, axis=0))
    np.testing.assert_allclose(rows.mean(axis=0), mean, atol=0.1)
    np.testing.assert_allclose(rows.std(axis=0), spread, rtol=0.1)


def test_the_density_of_a_mixture_equals_that_of_tfp():
    mixture = randomize(priors.Mixture(4, 7)).distribution()
    plain = tfd.MixtureSameFamily(
        mixture.mixture_distribution, mixture.components_distribution
    )
    points = tf.random.stateless_normal((3, 5, 4), (1, 2))
    np.testing.assert_allclose(
        mixture.log_prob(points), plain.log_prob(points), rtol=1e-4, atol=1e-4
    )


def test_the_density_of_a_narrow_mixture_is_exact_to_float32():
    """Deviations of 1e-3 around means of 10: squares of 1e8 beside distances of 1."""
    random = np.random.default_rng(0)
    means = random.choice([-10.0, 10.0], (3, 40)) + random.normal(size=(3, 40))
    means = means.astype("float32")
    deviations = random.uniform(0.5e-3, 2e-3, (3, 40)).astype("float32")
    noise = random.normal(size=(64, 40))
    kinds = random.integers(0, 3, 64)
    points = (means[kinds] + deviations[kinds] * noise).astype("float32")
    logits = np.array([0.0, 1.0, -1.0], "float32")
    mixture = priors.GaussianMixture(
        tfd.Categorical(logits=logits), priors.gaussian(means, deviations)
    )
    normals = scipy.stats.norm(means.astype(float), deviations.astype(float))
    each = normals.logpdf(points[:, None].astype(float)).sum(axis=-1)
    weights = scipy.special.log_softmax(logits.astype(float))
    expected = scipy.special.logsumexp(each + weights, axis=-1)
    found = mixture.log_prob(points)
    assert found.dtype == tf.float32 and found.shape == (64,)
    np.testing.assert_allclose(found, expected, rtol=2e-7)


def test_the_gradient_of_a_narrow_mixture_is_that_of_its_nearest_gaussian():
    means = tf.constant([[10.0, -10.0], [12.0, -9.0]])
    deviations = tf.constant([[1e-3, 2e-3], [1e-3, 1e-3]])
    points = tf.constant([[10.002, -10.001]])
    with tf.GradientTape() as tape:
        tape.watch(points)
        mixture = priors.GaussianMixture(
            tfd.Categorical(logits=[0.0, 0.0]), priors.gaussian(means, deviations)
        )
        total = tf.reduce_sum(mixture.log_prob(points))
    gradient = tape.gradient(total, points)
    offset = points.numpy().astype(float) - means.numpy()[:1]
    expected = -offset / deviations.numpy()[:1].astype(float) ** 2
    np.testing.assert_allclose(gradient, expected, rtol=1e-6)


@pytest.mark.parametrize("kind", ["realnvp", "maf", "iaf"])
@pytest.mark.parametrize("context_dim", [0, 2])
def test_the_volume_of_a_flow_is_the_determinant_of_its_jacobian(kind, context_dim):
    flow = randomize(Flow(3, kind, 3, (8, 8), context_dim))
    context = tf.constant([[0.3, -0.7]]) if context_dim else None
    bijector = flow.bijector(context)
    noise = tf.random.stateless_normal((4, 3), (1, 2))
    with tf.GradientTape() as tape:
        tape.watch(noise)
        transformed = bijector.forward(noise)
    jacobian = tape.batch_jacobian(transformed, noise).numpy()
    volume = np.linalg.slogdet(jacobian)[1]
    np.testing.assert_allclose(
        bijector.forward_log_det_jacobian(noise, 1), volume, rtol=1e-4, atol=1e-4
    )
    assert np.abs(volume).max() > 0.1
    again = flow.bijector(context).inverse(tf.identity(transformed))
    np.testing.assert_allclose(again, noise, atol=1e-4)
    prior = tfd.TransformedDistribution(
        tfd.MultivariateNormalDiag(tf.zeros(3)), flow.bijector(context)
    )
    base = tfd.MultivariateNormalDiag(tf.zeros(3)).log_prob(noise)
    np.testing.assert_allclose(
        prior.log_prob(tf.identity(transformed)), base - volume, rtol=1e-4, atol=1e-4
    )


def test_a_flow_takes_a_single_event():
    flow = Flow(3)
    assert flow.bijector().forward(tf.zeros(3)).shape == (3,)


@pytest.mark.parametrize("context_dim", [0, 2])
def test_outputs_depend_on_inputs_of_lower_degree_only(context_dim):
    network = randomize(
        AffineNetwork([1, 2, 3, 4], [1, 2, 3, 4], (16, 16), context_dim)
    )
    context = tf.ones((1, 2)) if context_dim else None
    x = tf.ones((1, 4))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        outputs = network(x, context)
    for output in outputs:
        depends = tape.batch_jacobian(output, x)[0].numpy() != 0
        np.testing.assert_array_equal(depends, np.tri(4, k=-1, dtype=bool))


@pytest.mark.parametrize("kind", ["maf", "iaf"])
@pytest.mark.parametrize("widths", [(1,), (3, 40), (5, 5), (11, 11), (64, 128)])
@pytest.mark.parametrize("dim", [2, 12, 60])
def test_every_earlier_dimension_reaches_every_later_one(dim, widths, kind):
    """Also where a hidden layer has fewer units than there are degrees."""
    network = Flow(dim, kind, 1, widths).networks[0]
    for weight in network.trainable_weights:  # All above 0, so that no unit is off.
        weight.assign(tf.ones(weight.shape) / weight.shape[0])
    x = tf.ones((1, dim))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        outputs = network(x)
    for output in outputs:
        depends = tape.batch_jacobian(output, x)[0].numpy() != 0
        np.testing.assert_array_equal(depends, np.tri(dim, k=-1, dtype=bool))


@pytest.mark.parametrize("context_dim", [0, 2])
@pytest.mark.parametrize("widths", [(128,), (128, 128), (300, 128), (400, 400), (3,)])
def test_a_network_of_200_dimensions_has_all_paths_and_no_others(widths, context_dim):
    """By the product of the masks, which counts paths."""
    degrees = np.random.default_rng(0).permutation(200) + 1
    network = AffineNetwork(degrees, degrees, widths, context_dim)
    masks = [layer.mask for layer in (*network.hidden, network.output_layer)]
    paths = np.linalg.multi_dot(masks)
    if network.direct is not None:
        paths = paths + network.direct.mask
    expected = degrees[:, None] < degrees
    np.testing.assert_array_equal(paths > 0, np.concatenate([expected] * 2, axis=1))
    if context_dim:  # The context reaches every unit, and so every output with one.
        assert (network.from_context.mask == 1).all()


@pytest.mark.parametrize("width, dim", [(128, 200), (7, 200), (1, 5), (40, 12)])
def test_hidden_degrees_are_spread_over_all_that_outputs_use(width, dim):
    degrees = np.arange(dim) + 1
    network = AffineNetwork(degrees, degrees, (width,))
    # A unit of degree m depends on the inputs 1 to m.
    found = network.hidden[0].mask.sum(axis=0)
    assert found.min() == 1 and found.max() == (dim - 1 if width > 1 else 1)
    if width >= dim - 1:  # Every degree, equally often.
        counts = np.bincount(found.astype(int))[1:]
        assert len(counts) == dim - 1 and np.ptp(counts) <= 1
        assert network.direct is None
    else:
        gaps = np.diff(found)
        assert width == 1 or gaps.max() - gaps.min() <= 1


def test_networks_of_couplings_have_no_direct_connections():
    """Their weights are those of files that were saved before there were any."""
    for network in Flow(7, "realnvp", 2, (3, 4)).networks:
        assert [w.shape for w in network.weights] == [(3, 3), 3, (3, 4), 4, (4, 8), 8]
        assert all((layer.mask == 1).all() for layer in network.hidden)
        assert (network.output_layer.mask == 1).all()


def test_a_masked_dense_layer_has_no_masked_connections():
    layer = MaskedDense([[1, 0], [1, 1]])
    layer.kernel.assign([[2.0, 3.0], [5.0, 7.0]])
    np.testing.assert_allclose(layer(tf.constant([1.0, 1.0])), [7.0, 7.0])
    np.testing.assert_allclose(layer(tf.constant([[1.0, 0.0]])), [[2.0, 0.0]])
    assert len(MaskedDense([[1, 0]], use_bias=False).weights) == 1


def test_pseudo_inputs_become_training_images_once():
    prior = priors.Vamp(posterior, (1, 2, 1), 3)
    images = np.linspace(-1, 1, 8).reshape(4, 1, 2, 1).astype("float32")
    prior.initialize([images[:2], images[2:]])
    found = prior.pseudo_inputs().numpy()
    rows = [
        np.flatnonzero(np.isclose(images, row / 0.9).all((1, 2, 3))) for row in found
    ]
    assert len(np.unique(np.concatenate(rows))) == 3  # Three different images.
    prior.initialize([-images])
    np.testing.assert_array_equal(prior.pseudo_inputs(), found)
    assert len(prior.weights) == 2  # Without those of the encoder.


@pytest.mark.parametrize("layer", [priors.gaussian_petals, priors.swiss_roll])
def test_a_class_mixture_draws_each_label_from_its_own_components(layer):
    mixture = layer(4)
    labels = np.arange(400) % 4
    points = mixture.given(tf.constant(labels)).sample(seed=(1, 2)).numpy()
    distances = np.linalg.norm(points[:, None] - mixture.means, axis=-1)
    nearest = distances.argmin(axis=1) * 4 // len(mixture.means)
    assert (nearest == labels).mean() > 0.95
    unknown = mixture.given(tf.fill([400], -1))
    np.testing.assert_allclose(
        unknown.log_prob(points), mixture.distribution().log_prob(points), rtol=1e-5
    )


@pytest.mark.parametrize(
    "kind, arguments, expected",
    [
        ("Laplace", {"loc": 0.0, "scale": 1.0}, -2 * np.log(2)),
        ("Laplace", {"loc": [0.0, 0.0], "scale": [1.0, 2.0]}, -3 * np.log(2)),
        ("MultivariateNormalDiag", {"loc": [0.0, 0.0]}, -np.log(2 * np.pi)),
    ],
)
def test_a_named_prior_has_the_density_at_0_computed_by_hand(kind, arguments, expected):
    prior = priors.Named(2, kind, arguments).distribution()
    assert float(prior.log_prob(tf.zeros(2))) == pytest.approx(expected, rel=1e-5)


def test_impossible_priors_are_refused():
    for build, message in (
        (lambda: priors.Mixture(2, 0), "num_components, a whole number of at least 1"),
        (lambda: priors.Flow(2, "nvp"), "'realnvp'"),
        (lambda: Flow(1), "dim, a whole number of at least 2"),
        (lambda: priors.Named(2, "Cauchyish", {}), "class of tfp.distributions"),
        (
            lambda: priors.Named(3, "MultivariateNormalDiag", {"loc": [0.0, 0.0]}),
            "over \\(3,\\)",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            build()


@pytest.mark.parametrize(
    "options",
    [
        {"prior": "mixture", "num_components": 3},
        {"prior": "vamp", "num_components": 3},
        {"prior": "flow", "flow_steps": 2, "flow_width": 4},
        {"prior": "flow", "flow": "maf", "flow_steps": 2, "flow_width": 4},
        {"posterior": "iaf", "flow_steps": 2, "flow_width": 4},
    ],
)
def test_a_vae_with_this_prior_answers_the_same_from_every_file(options, tmp_path):
    model = keras_gen.zoo.load("vae", **{**keras_gen.models.VAE.tiny, **options})
    images = np.random.default_rng(0).uniform(-1, 1, (8, 8, 8, 1)).astype("float32")
    model.compile(seed=0)
    before = [np.array(weight) for weight in model.trainable_weights]
    model.fit(images, batch_size=4, epochs=2, verbose=0)
    for old, weight in zip(before, model.trainable_weights, strict=True):
        assert not np.array_equal(old, weight), weight.path
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    keras_gen.zoo.write_card(model, tmp_path / "card", name="vae", dtype="float32")
    shipped = keras_gen.zoo.load("vae", weights=tmp_path / "card")
    served = tf.saved_model.load(keras_gen.export.save(model, tmp_path / "serving"))
    seeds = tf.range(3, dtype=tf.int64)
    drawn = served.signatures["sample"](seed=seeds)["images"]
    likely = served.signatures["log_prob"](images=images)["log_prob"]
    for other in (model, loaded, shipped):
        np.testing.assert_allclose(other.sample(3, seed=seeds), drawn, atol=1e-5)
        np.testing.assert_allclose(other.log_prob(images), likely, rtol=1e-5)
