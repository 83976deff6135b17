"""The VAE: its bound, its options, and its estimate of log p(x)."""

import functools

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp
from conftest import make_batch, train

import keras_gen
from keras_gen.distributions.likelihoods import Bernoulli, DiscretizedLogistic, Gaussian
from keras_gen.distributions.posteriors import from_noise, kl_divergence
from keras_gen.models import AAE, VAE, ConvAE, DenoisingAE

tfd = tfp.distributions


@pytest.mark.parametrize(
    "options",
    [{}, {"prior": "flow", "posterior": "iaf"}, {"prior": "vamp", "num_components": 3}],
)
def test_log_prob_is_that_of_float32(options):
    tiny = {**VAE.tiny, **options}
    wide = keras_gen.zoo.load("vae", **tiny)
    narrow = keras_gen.zoo.load("vae", **tiny, dtype="mixed_bfloat16")
    narrow.set_weights(wide.get_weights())
    images = np.random.default_rng(0).uniform(-1, 1, (2, *wide.image_shape))
    found, wanted = (model.log_prob(np.float32(images)) for model in (narrow, wide))
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_vae_bound_is_the_value_computed_by_hand():
    """With weights at zero, q is the prior and every pixel is a fair coin."""
    model = VAE(**VAE.tiny)
    model.compile(seed=0)
    for weight in model.trainable_weights:
        weight.assign(tf.zeros_like(weight))
    result = model.evaluate(**{"x": make_batch(model, 4)}, verbose=0, return_dict=True)
    assert result["kl"] == pytest.approx(0.0, abs=1e-6)
    assert result["vae_loss"] == pytest.approx(64 * np.log(2), rel=1e-5)
    # A mean of 2 costs 2^2 / 2 nats, a log-variance of 1 (e - 1 - 1) / 2 nats.
    model.encoder.get_layer("mean").bias.assign([2.0, 0.0, 0.0])
    model.encoder.get_layer("log_variance").bias.assign([0.0, 1.0, 0.0])
    result = model.evaluate(**{"x": make_batch(model, 4)}, verbose=0, return_dict=True)
    assert result["kl"] == pytest.approx(2.0 + (np.e - 2.0) / 2.0, rel=1e-5)


def test_vae_bound_lies_below_the_likelihood():
    """For a constant image log p(x) is at most 0, and so is its lower bound."""
    model = VAE(**VAE.tiny)
    model.compile({"vae": keras.optimizers.Adam(0.01)}, seed=0)
    black = {"image": -np.ones((16, 8, 8, 1), np.float32)}
    train(model, black, count=200)
    result = model.evaluate(black, verbose=0, return_dict=True)
    assert 0 < result["vae_loss"] < 5  # Untrained, it is 44 nats.
    assert result["kl"] >= 0


def test_gaussian_likelihood_is_a_density_over_pixels():
    layer = Gaussian()
    layer.log_deviation.assign(np.log(0.5))
    parameters = tf.constant(np.arctanh([[0.1, -0.3]]).reshape(1, 1, 2, 1), tf.float32)
    images = tf.constant([[[[0.0], [0.2]]]])
    expected = tfd.Normal([0.1, -0.3], 0.5).log_prob([0.0, 0.2])
    log_prob = layer.log_prob(parameters, images)
    np.testing.assert_allclose(log_prob, [np.sum(expected)], rtol=1e-5)


def test_bernoulli_pixels_are_drawn_with_the_grey_value_as_probability():
    layer = Bernoulli()
    grey = tf.fill((1, 100, 100, 1), 0.5)  # White with probability 3/4.
    drawn = layer.draw(grey, tf.constant([1, 2])).numpy()
    assert set(np.unique(drawn)) == {-1.0, 1.0}
    assert (drawn > 0).mean() == pytest.approx(0.75, abs=0.02)


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_convolutional_vae_learns_to_reconstruct(likelihood):
    model = VAE((8, 8, 1), 4, "conv", (8, 16), likelihood)
    model.compile({"vae": keras.optimizers.Adam(5e-3)}, seed=0)
    images = np.ones((32, 8, 8, 1), np.float32)
    images[:16, :, :4] = -1
    images[16:, :, 4:] = -1
    train(model, {"image": images}, count=150)
    assert np.abs(model.reconstruct(images) - images).mean() < 0.2


@pytest.mark.parametrize(
    "shape, widths",
    [
        ((28, 28, 1), (32, 64)),
        ((32, 32, 3), (32, 64)),
        ((64, 64, 3), (32, 64, 128)),
        ((48, 64, 3), (32, 64, 128)),
        ((8, 8, 1), (32,)),
        ((27, 50, 1), (32, 64)),
        ((50, 50, 1), (32, 64, 128)),
    ],
)
def test_convolutional_networks_have_widths_that_suit_the_size(shape, widths):
    model = VAE(shape, 2, "conv", prior="flow", flow_width=4, flow_steps=1)
    maps = [layer for layer in model.encoder.layers if "conv" in layer.name]
    assert [layer.filters for layer in maps[::2]] == list(widths)
    assert model.decode(np.zeros((1, 2))).shape == (1, *shape)


def test_the_default_convolutional_vae_of_64_pixels_has_few_weights():
    def count(**options):
        return sum(int(np.prod(w.shape)) for w in VAE(**options).weights)

    assert count(image_shape=(64, 64, 3), network="conv") < 3e6
    assert count() == count(widths=(300, 300))
    # Sides are rounded up when they are halved.
    assert count(image_shape=(250, 250, 3)) <= count(image_shape=(256, 256, 3)) < 11e6


@pytest.mark.parametrize("cls", [ConvAE, DenoisingAE])
def test_codes_of_photos_come_from_small_maps(cls):
    assert cls().get_config()["widths"] == [32, 64]
    assert sum(int(np.prod(w.shape)) for w in cls((256, 256, 3)).weights) < 14e6
    config = cls((64, 64, 3)).get_config()
    assert config["widths"] == [32, 64, 128]
    if cls is DenoisingAE:  # Files of before name no widths.
        config = cls.from_config({**config, "widths": None}).get_config()
        assert config["widths"] == [32, 64]


@pytest.mark.parametrize("cls", [VAE, AAE])
def test_photos_get_convolutions_and_files_keep_their_networks(cls):
    for shape, kind in (
        ((28, 28, 1), "mlp"),
        ((32, 32, 3), "conv"),
        ((40, 24, 1), "conv"),
    ):
        config = cls(shape, 2).get_config()
        assert config["network"] == kind
        assert cls.from_config(config).get_config()["network"] == kind
        # Widths alone are those of dense layers, as in older settings.
        assert cls(shape, 2, widths=(4, 4)).get_config()["network"] == "mlp"
    old = {**cls((16, 16, 3), 2, network="mlp").get_config()}
    if cls is AAE:  # Files of version 0.1 do not name it.
        del old["network"]
    assert cls.from_config(old).get_config()["network"] == "mlp"
    # Sides that are not multiples of 2 ** len(widths) were not halved then.
    old = {**cls((36, 36, 1), 2, network="conv").get_config(), "widths": None}
    assert cls.from_config(old).get_config()["widths"] == [32, 64]
    assert cls((36, 36, 1), 2).get_config()["widths"] == [32, 64, 128]


def test_the_default_likelihood_suits_the_channels(tmp_path):
    for channels, kind in ((1, Bernoulli), (3, DiscretizedLogistic)):
        model = VAE((4, 4, channels), 2, widths=(4,))
        assert isinstance(model.likelihood, kind)
        again = VAE.from_config(model.get_config())
        assert isinstance(again.likelihood, kind)
    assert isinstance(VAE((4, 4, 3), 2, likelihood="bernoulli").likelihood, Bernoulli)
    # Grey photos are not binary; files of before have the distribution they had.
    model = VAE((40, 40, 1), 2, widths=(4,))
    assert isinstance(model.likelihood, DiscretizedLogistic)
    old = VAE.from_config({**model.get_config(), "likelihood": None})
    assert isinstance(old.likelihood, Bernoulli)


def build(collapsed=False, seed=0, **options):
    """A tiny VAE.

    Args:
        collapsed: Whether all weights are zero, so that q is the prior.
        seed: Seed of the weights.
        **options: Arguments of the model.
    """
    keras.utils.set_random_seed(seed)
    model = VAE(**{**VAE.tiny, **options})
    model.compile(seed=0)
    for weight in model.trainable_weights if collapsed else ():
        weight.assign(tf.zeros_like(weight))
    return model


def randomize(model, scale=1.0):
    """Gives the model larger weights, so that latents matter."""
    random = np.random.default_rng(3)
    for weight in model.trainable_weights:
        weight.assign(scale * random.normal(size=weight.shape))
    return model


def loss_of(model, batch, training=False, draw=0):
    """The loss of one batch and its figures; each `draw` has other noise."""
    batch = {key: tf.constant(value) for key, value in batch.items()}
    with model.noise_scope(f"draw/{draw}"):
        loss, figures = model.vae_loss(batch, {}, training=training)
    return float(loss), {name: float(value) for name, value in figures.items()}


def test_kl_by_samples_agrees_with_the_closed_form():
    model = randomize(build(), 0.3)
    images = tf.constant(make_batch(model, 4)["image"])
    posterior = model.posterior(images)
    prior = model.prior.distribution()
    noise = tf.random.stateless_normal((50_000, 4, 3), (1, 2))
    draws = from_noise(posterior, noise)
    closed = np.sum(kl_divergence(posterior, prior, *draws), axis=-1)
    expected = tfd.kl_divergence(posterior, prior)
    np.testing.assert_allclose(closed, expected, rtol=1e-5)
    sampled = kl_divergence(posterior, prior, *draws, closed_form=False)
    assert sampled.shape == (50_000, 4, 1)
    np.testing.assert_allclose(np.mean(sampled, axis=(0, 2)), closed, rtol=0.02)
    assert closed.min() > 0.5


def test_noise_becomes_draws_of_the_posterior():
    model = randomize(build(posterior="iaf", flow_steps=2, flow_width=4), 0.3)
    posterior = model.posterior(tf.constant(make_batch(model, 4)["image"]))
    latents, log_q = from_noise(
        posterior, tf.random.stateless_normal((6, 4, 3), (1, 2))
    )
    np.testing.assert_allclose(
        posterior.log_prob(tf.identity(latents)), log_q, rtol=1e-3, atol=1e-3
    )


def test_the_importance_weighted_bound_is_tighter_with_more_samples():
    batch = make_batch(build(), 64)
    batch["image"] = keras_gen.images.binarize(batch["image"], 0)
    losses = {
        count: np.mean(
            [
                loss_of(
                    randomize(build(num_importance_samples=count)), batch, draw=draw
                )[0]
                for draw in range(3)
            ]
        )
        for count in (1, 5, 50)
    }
    exact = -randomize(build()).log_prob(batch["image"], num_samples=5000).mean()
    assert losses[1] > losses[5] + 0.5
    assert losses[5] > losses[50] + 0.1
    assert losses[50] > exact


@pytest.mark.parametrize("count", [1, 4])
def test_the_importance_weighted_bound_is_the_value_computed_by_hand(count):
    """With one sample it is the evidence lower bound, log p(x, z) - log q(z | x)."""
    model = randomize(build(num_importance_samples=count, prior="mixture"), 0.3)
    model.noise_seed = lambda name: tf.constant([1, 2])
    batch = make_batch(model, 16)
    batch["image"] = keras_gen.images.binarize(batch["image"], 0)
    mean, log_variance = model.encoder(batch["image"])
    log_variance = tf.clip_by_value(log_variance, -6.0, 2.0)
    noise = tf.random.stateless_normal((count, 16, 3), (1, 2))
    latents = mean + tf.exp(log_variance / 2) * noise
    log_q = tf.reduce_sum(
        tfd.Normal(mean, tf.exp(log_variance / 2)).log_prob(latents), axis=-1
    )
    logits = tf.reshape(model.decoder(tf.reshape(latents, (-1, 3))), (count, 16, -1))
    pixels = tfd.Bernoulli(logits=logits).log_prob(batch["image"].reshape(16, -1) > 0)
    log_p = tf.reduce_sum(pixels, axis=-1) + model.prior.distribution().log_prob(
        latents
    )
    bound = tf.reduce_logsumexp(log_p - log_q, axis=0) - np.log(count)
    assert loss_of(model, batch)[0] == pytest.approx(-np.mean(bound), rel=1e-5)


class LinearGaussian(Gaussian):
    """Means without tanh, and a standard deviation of 1/2."""

    def log_prob(self, parameters, images):
        return tf.reduce_sum(
            tfd.Normal(parameters, 0.5).log_prob(images), axis=(-3, -2, -1)
        )


def test_log_prob_is_the_marginal_of_a_linear_gaussian_model():
    model = build(image_shape=(1, 2, 1), latent_dim=2, likelihood="gaussian")
    inputs = keras.Input((2,))
    pixels = keras.layers.Dense(2, name="linear")(inputs)
    decoder = keras.Model(inputs, keras.layers.Reshape((1, 2, 1))(pixels))
    kernel, bias = np.array([[0.4, -0.2], [0.1, 0.3]]), np.array([0.1, -0.1])
    decoder.get_layer("linear").set_weights([kernel, bias])
    model.decoder, model.likelihood = decoder, LinearGaussian()
    images = np.random.default_rng(0).uniform(-1, 1, (8, 1, 2, 1)).astype("float32")
    marginal = scipy.stats.multivariate_normal(
        bias, kernel.T @ kernel + 0.25 * np.eye(2)
    )
    np.testing.assert_allclose(
        model.log_prob(images, num_samples=20_000),
        marginal.logpdf(images.reshape(8, 2)),
        atol=0.02,
    )


def test_log_prob_takes_any_number_of_samples_in_the_same_memory():
    model = build()
    images = np.zeros((2, 8, 8, 1))
    assert len(model.log_prob(images, num_samples=1)) == 2
    with pytest.raises(ValueError, match="num_samples >= 1"):
        model.log_prob(images, num_samples=0)
    spec = tf.TensorSpec((None, 8, 8, 1))

    def shapes(count):
        function = tf.function(
            functools.partial(VAE.log_prob.ability.function, model, num_samples=count)
        )
        graph = function.get_concrete_function(spec).graph.as_graph_def(add_shapes=True)
        nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
        return sorted(str(node.attr["_output_shapes"]) for node in nodes)

    few = shapes(1000)
    assert few == shapes(1_000_000)
    assert any("size: 20" in shape for shape in few)  # The size of a chunk.


def test_log_prob_ignores_the_surplus_samples_of_the_last_chunk():
    """Two chunks of 20 draw 40 samples, of which exactly 25 are used."""
    model = randomize(build(), 0.3)
    images = keras_gen.images.binarize(make_batch(model, 4)["image"], 0)
    noise = [tf.random.stateless_normal((20, 1, 3), (start, 0)) for start in (0, 20)]
    posterior = model.posterior(tf.constant(images))
    latents, log_q = from_noise(posterior, tf.concat(noise, axis=0)[:25])
    log_p = model.log_likelihood(images, latents)
    log_p += model.prior.distribution().log_prob(latents)
    expected = tf.reduce_logsumexp(log_p - log_q, axis=0) - np.log(25)
    np.testing.assert_allclose(
        model.log_prob(images, num_samples=25), expected, rtol=1e-5
    )


def test_log_prob_of_grey_images_is_that_of_the_nearest_binary_ones():
    model = build()
    grey = make_batch(model, 4)["image"]
    binary = np.where(grey > 0, 1, -1)
    np.testing.assert_array_equal(model.log_prob(grey), model.log_prob(binary))


def test_binarize_draws_by_the_grey_value_with_a_fixed_seed():
    grey = np.full((2, 100, 100, 1), 0.5, np.float32)
    drawn = keras_gen.images.binarize(grey, 0)
    assert drawn.dtype == np.float32 and set(np.unique(drawn)) == {-1.0, 1.0}
    assert (drawn > 0).mean() == pytest.approx(0.75, abs=0.02)
    np.testing.assert_array_equal(drawn, keras_gen.images.binarize(grey, 0))
    assert (drawn != keras_gen.images.binarize(grey, 1)).any()
    for certain in (-1, 1):
        drawn = keras_gen.images.binarize([[certain]], 0)
        np.testing.assert_array_equal(drawn, [[certain]])
    with pytest.raises(ValueError, match=r"\[-1, 1\]"):
        keras_gen.images.binarize(grey * 255, 0)


@pytest.mark.parametrize("prior", ["normal", "mixture"])
def test_free_bits_are_the_least_that_the_kl_term_costs(prior):
    """The posterior is collapsed, so that its KL is 0 for each latent and in total."""
    options = {"collapsed": True, "prior": prior, "num_components": 2}
    batch = make_batch(build(), 4)
    loss, figures = loss_of(build(**options), batch)
    free, figures = loss_of(build(free_bits=0.5, **options), batch)
    assert figures["kl"] == pytest.approx(0.0, abs=1e-5)
    assert free - loss == pytest.approx(3 * 0.5, abs=1e-4)


def test_free_bits_apply_to_each_latent_separately():
    model = build(collapsed=True, free_bits=0.5)
    model.encoder.get_layer("mean").bias.assign([2.0, 0.0, 0.0])  # 2 nats.
    loss, figures = loss_of(model, make_batch(model, 4))
    assert figures["kl"] == pytest.approx(2.0, rel=1e-5)
    assert loss == pytest.approx(figures["reconstruction"] + 2.0 + 2 * 0.5, rel=1e-5)


def test_warm_up_continues_after_loading(tmp_path):
    model = randomize(build(beta=2.0, kl_warmup=10), 0.3)
    batch = make_batch(model, 4)
    assert float(model.kl_weight()) == 0.0
    train(model, batch, count=3)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert float(loaded.kl_weight()) == pytest.approx(0.6)
    loss, figures = loss_of(loaded, batch, training=True)
    assert loss == pytest.approx(
        figures["reconstruction"] + 0.6 * figures["kl"], rel=1e-5
    )
    # Outside of training, the KL term has its full weight.
    loss, figures = loss_of(loaded, batch, training=False)
    assert loss == pytest.approx(
        figures["reconstruction"] + 2.0 * figures["kl"], rel=1e-5
    )
    train(loaded, batch, count=10)
    assert float(loaded.kl_weight()) == 2.0


def test_a_resumed_run_with_pseudo_inputs_equals_an_uninterrupted_run(tmp_path):
    images = np.random.default_rng(0).uniform(-1, 1, (16, 8, 8, 1)).astype("float32")

    def run(epochs, path):
        keras.utils.set_random_seed(1)
        model = build(prior="vamp", num_components=3)
        data = keras_gen.data.load(images, batch_size=4, seed=0)
        checkpoint = keras_gen.callbacks.Checkpoint(path)
        model.fit(data, epochs=epochs, callbacks=[checkpoint], verbose=0)
        return model

    run(1, tmp_path / "killed.keras")
    resumed = run(2, tmp_path / "killed.keras")
    whole = run(2, tmp_path / "whole.keras")
    for a, b in zip(resumed.variables, whole.variables, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-6)


def test_active_units_count_the_latents_that_follow_the_image():
    model = build(collapsed=True)
    batch = make_batch(model, 32)
    assert loss_of(model, batch)[1]["active_units"] == 0
    randomize(model, 0.5)
    kernel = np.array([[1.0, 0.0, 1.0]] * 8)  # Two latents follow the image.
    model.encoder.get_layer("mean").set_weights([kernel, np.zeros(3)])
    assert loss_of(model, batch)[1]["active_units"] == 2


def test_levels_of_the_logistic_sum_to_one():
    layer = DiscretizedLogistic()
    levels = np.arange(256, dtype=np.float32).reshape(256, 1, 1, 1) / 127.5 - 1
    for centre in (-4.0, 0.1, 4.0):
        parameters = tf.fill((1, 1, 1, 1), centre)
        shares = np.exp(layer.log_prob(parameters, tf.constant(levels)))
        assert shares.sum() == pytest.approx(1.0, abs=1e-4)
        likeliest = levels[np.argmax(shares)].item()
        assert likeliest == pytest.approx(np.tanh(centre), abs=0.01)
    between = tf.fill((1, 1, 1, 1), 0.0014)
    assert layer.nearest(between).numpy().item() == pytest.approx(
        128 / 127.5 - 1, abs=1e-6
    )


@pytest.mark.parametrize(
    "options, message",
    [
        ({"prior": "cauchy"}, "'vamp'"),
        ({"posterior": "flow"}, "'iaf'"),
        ({"likelihood": "poisson"}, "'bernoulli'"),
        ({"flow": "nvp", "prior": "flow"}, "'realnvp'"),
        ({"prior": "vamp", "posterior": "iaf"}, "no fast density"),
        ({"free_bits": 0.1, "num_importance_samples": 2}, "num_importance_samples=1"),
        ({"num_importance_samples": 0}, "num_importance_samples, a whole number"),
        ({"beta": -1.0}, "beta, a number of at least 0"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"likelihood": "discretized_logistic", "beta": 0.5},
        {"num_importance_samples": 3, "prior": "flow", "flow_width": 4},
        {"posterior": "iaf", "prior": "flow", "flow_width": 4, "flow_steps": 2},
        {"free_bits": 0.1, "kl_warmup": 5, "decay_steps": 10},
    ],
)
def test_options_train_together(options):
    model = build(**options)
    before = model.evaluate(make_batch(model, 8), verbose=0, return_dict=True)
    train(model, make_batch(model, 8), count=40)
    after = model.evaluate(make_batch(model, 8), verbose=0, return_dict=True)
    assert after["vae_loss"] < before["vae_loss"]
