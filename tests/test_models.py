"""What makes each model that model."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from conftest import make_batch, train

import keras_gen
from keras_gen.models import DCGAN, GAN, VAE
from keras_gen.models.dcgan import num_doublings
from keras_gen.models.vae import Likelihood

tfd = tfp.distributions


def test_gan_learns_where_a_gaussian_lies():
    """A generator of one layer moves its points from 0 onto the data's 0.5."""
    model = GAN(image_shape=(1, 2, 1), latent_dim=2, widths=(16,))
    rates = {"discriminator": 2e-3, "generator": 2e-3}
    model.compile(
        {k: keras.optimizers.Adam(rate, beta_1=0.5) for k, rate in rates.items()},
        seed=0,
    )
    random = np.random.default_rng(0)
    points = random.normal(0.5, 0.1, (2048, 1, 2, 1)).clip(-1, 1).astype("float32")
    model.fit(points, batch_size=128, epochs=25, verbose=0)
    samples = model.sample(1000, seed=0)
    assert samples.mean() == pytest.approx(0.5, abs=0.1)
    assert 0.02 < samples.std() < 0.25


@pytest.mark.parametrize(
    "shape, doublings",
    [
        ((16, 16, 1), 2),
        ((28, 28, 1), 2),
        ((32, 32, 3), 3),
        ((64, 64, 3), 4),
        ((20, 36, 3), 2),
        ((48, 64, 1), 3),
    ],
)
def test_dcgan_takes_any_size_from_16_that_is_a_multiple_of_4(shape, doublings):
    assert num_doublings(shape) == doublings
    model = DCGAN(image_shape=shape, width=2, latent_dim=4)
    assert model.sample(2, seed=0).shape == (2, *shape)
    assert model.discriminate(np.zeros((2, *shape), np.float32)).shape == (2, 1)


@pytest.mark.parametrize("shape", [(12, 12, 1), (30, 30, 1), (32, 18, 3)])
def test_dcgan_refuses_other_sizes(shape):
    with pytest.raises(ValueError, match="multiples of 4"):
        DCGAN(image_shape=shape)


@pytest.mark.parametrize(
    "options",
    [
        {"loss": "minimax", "label_smoothing": 0.1},
        {"loss": "least_squares", "discriminator_moves": 2},
        {"loss": "hinge", "r1": 1.0},
        {"loss": "wasserstein", "gradient_penalty": 10.0, "prior": "normal"},
        {"instance_noise": 0.1, "instance_noise_steps": 10, "average": 0.9},
    ],
)
@pytest.mark.parametrize("cls", [GAN, DCGAN])
def test_options_train(cls, options):
    model = cls(**{**cls.tiny, **options})
    model.compile(seed=0)
    history = train(model, make_batch(model, 4), count=3).history
    assert np.isfinite([values[0] for values in history.values()]).all()
    assert int(model.optimizers["discriminator"].iterations.numpy()) == 3 * options.get(
        "discriminator_moves", 1
    )


@pytest.mark.parametrize(
    "options, message",
    [
        ({"loss": "hinged"}, "'hinge'"),
        ({"prior": "cauchy"}, "'normal'"),
        ({"label_smoothing": 1.5}, r"\[0, 1\)"),
        ({"loss": "wasserstein", "label_smoothing": 0.1}, "label_smoothing=0"),
        ({"r1": -1.0}, "r1 >= 0"),
        ({"discriminator_moves": 0}, "discriminator_moves >= 1"),
        ({"average": 1.0}, r"\[0, 1\)"),
    ],
)
def test_adversarial_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        GAN(**{**GAN.tiny, **options})


def test_penalty_and_noise_enter_the_loss():
    def loss(**options):
        keras.utils.set_random_seed(0)
        model = GAN(**{**GAN.tiny, **options})
        model.compile(seed=0)
        batch = {k: tf.constant(v) for k, v in make_batch(model, 8).items()}
        return float(model.discriminator_loss(batch, training=True))

    plain = loss()
    assert loss(r1=10.0) > plain
    assert loss(gradient_penalty=10.0) > plain
    assert loss(instance_noise=0.5) != plain


def test_instance_noise_fades_to_none():
    model = GAN(**GAN.tiny, instance_noise=0.5, instance_noise_steps=10)
    model.compile(seed=0)
    images = tf.zeros((64, 8, 8, 1))
    spread = []
    for step in (0, 5, 10, 20):
        model.step.assign(step)
        spread.append(float(tf.math.reduce_std(model.noisy(images))))
    assert spread == pytest.approx([0.5, 0.25, 0.0, 0.0], abs=0.02)


def test_vae_bound_is_worked_out_by_hand():
    """With weights at zero q is the prior and every pixel a fair coin."""
    model = VAE(**VAE.tiny)
    model.compile(seed=0)
    for weight in model.trainable_weights:
        weight.assign(tf.zeros_like(weight))
    result = model.evaluate(**{"x": make_batch(model, 4)}, verbose=0, return_dict=True)
    assert result["kl"] == pytest.approx(0.0, abs=1e-6)
    assert result["vae_loss"] == pytest.approx(64 * np.log(2), rel=1e-5)
    # A mean of 2 costs 2^2 / 2 nats a latent, a log-variance of 1 (e - 1 - 1) / 2.
    model.encoder.get_layer("mean").bias.assign([2.0, 0.0, 0.0])
    model.encoder.get_layer("log_variance").bias.assign([0.0, 1.0, 0.0])
    result = model.evaluate(**{"x": make_batch(model, 4)}, verbose=0, return_dict=True)
    assert result["kl"] == pytest.approx(2.0 + (np.e - 2.0) / 2.0, rel=1e-5)


def test_vae_bound_lies_below_the_likelihood():
    """Of data that are always the same log p(x) can reach 0, and no bound is above."""
    model = VAE(**VAE.tiny)
    model.compile({"vae": keras.optimizers.Adam(0.01)}, seed=0)
    black = {"image": -np.ones((16, 8, 8, 1), np.float32)}
    train(model, black, count=200)
    result = model.evaluate(black, verbose=0, return_dict=True)
    assert 0 < result["vae_loss"] < 5  # From 44 nats.
    assert result["kl"] >= 0


def test_gaussian_likelihood_is_a_density_over_pixels():
    layer = Likelihood("gaussian")
    layer.log_deviation.assign(np.log(0.5))
    parameters = tf.constant(np.arctanh([[0.1, -0.3]]).reshape(1, 1, 2, 1), tf.float32)
    images = tf.constant([[[[0.0], [0.2]]]])
    expected = tfd.Normal([0.1, -0.3], 0.5).log_prob([0.0, 0.2])
    log_prob = layer(parameters).log_prob(layer.target(images))
    np.testing.assert_allclose(log_prob, [np.sum(expected)], rtol=1e-5)


def test_bernoulli_pixels_are_drawn_with_the_grey_value_as_probability():
    layer = Likelihood("bernoulli")
    grey = tf.fill((1, 100, 100, 1), 0.5)  # Three quarters.
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
    with pytest.raises(ValueError, match="multiples of 4"):
        VAE((10, 10, 1), 4, "conv", (8, 16))


def test_the_prior_is_a_distribution_of_tfp():
    prior = VAE(**VAE.tiny).prior.distribution()
    assert isinstance(prior, tfd.Distribution)
    assert prior.event_shape == (3,)
    rows = keras_gen.priors.sample_rows(prior, tf.range(4000, dtype=tf.int64))
    assert np.abs(np.mean(rows, 0)).max() < 0.06
    assert np.abs(np.cov(np.transpose(rows)) - np.eye(3)).max() < 0.08


def test_a_row_of_samples_has_a_seed_of_its_own():
    model = GAN(**GAN.tiny)
    drawn = model.sample(3, seed=[5, 2**32 + 1, 5])
    np.testing.assert_allclose(drawn[0], drawn[2], atol=1e-6)
    np.testing.assert_allclose(drawn[1], model.sample(2, seed=1)[1], atol=1e-6)
    assert not np.allclose(model.sample(1), model.sample(1))
    for n, seed in ((0, 1), (2, -1), (2, 0.5), (2, [1, 2, 3]), (2, 2**31)):
        with pytest.raises(ValueError, match="Expected"):
            model.sample(n, seed=seed)


def test_abilities_refuse_what_does_not_fit():
    model = VAE(**VAE.tiny)
    images = np.zeros((2, 8, 8, 1))
    for wrong, message in (
        (images[0], r"Expected images of shape \(batch, 8, 8, 1\), got \(8, 8, 1\)"),
        (images + 200, "from 200 to 200"),
        (images * np.nan, "finite"),
        (np.full((2, 8, 8, 1), "a"), "float32"),
    ):
        with pytest.raises(ValueError, match=message):
            model.encode(wrong)


def test_many_rows_go_through_in_batches():
    model = VAE(**VAE.tiny)
    latents = np.random.default_rng(0).normal(size=(600, 3)).astype("float32")
    whole = model.decode(latents)
    assert whole.shape == (600, 8, 8, 1)
    np.testing.assert_allclose(
        whole[555:560], model.decode(latents[555:560]), atol=1e-6
    )
