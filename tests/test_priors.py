"""Priors and flows: they are densities, and draw each row from its own seed."""

import keras
import numpy as np
import pytest
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


def test_a_masked_dense_layer_has_no_masked_connections():
    layer = MaskedDense([[1, 0], [1, 1]])
    layer.kernel.assign([[2.0, 3.0], [5.0, 7.0]])
    np.testing.assert_allclose(layer(tf.constant([1.0, 1.0])), [7.0, 7.0])
    np.testing.assert_allclose(layer(tf.constant([[1.0, 0.0]])), [[2.0, 0.0]])


def test_pseudo_inputs_become_training_images_once():
    prior = priors.Vamp(posterior, (1, 2, 1), 3)
    images = np.linspace(-1, 1, 8).reshape(4, 1, 2, 1).astype("float32")
    prior.initialize([images[:2], images[2:]])
    np.testing.assert_allclose(prior.pseudo_inputs(), 0.9 * images[:3], rtol=1e-6)
    prior.initialize([-images])
    np.testing.assert_allclose(prior.pseudo_inputs(), 0.9 * images[:3], rtol=1e-6)
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
        (lambda: priors.Mixture(2, 0), "num_components >= 1"),
        (lambda: priors.Flow(2, "nvp"), "'realnvp'"),
        (lambda: Flow(1), "at least 2 dimensions"),
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
