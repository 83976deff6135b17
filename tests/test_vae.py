"""The VAE: its bound, its options, and its estimate of log p(x)."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from conftest import make_batch, train

from keras_gen.likelihoods import Bernoulli, Gaussian
from keras_gen.models import VAE

tfd = tfp.distributions


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
    layer = Gaussian()
    layer.log_deviation.assign(np.log(0.5))
    parameters = tf.constant(np.arctanh([[0.1, -0.3]]).reshape(1, 1, 2, 1), tf.float32)
    images = tf.constant([[[[0.0], [0.2]]]])
    expected = tfd.Normal([0.1, -0.3], 0.5).log_prob([0.0, 0.2])
    log_prob = layer.log_prob(parameters, images)
    np.testing.assert_allclose(log_prob, [np.sum(expected)], rtol=1e-5)


def test_bernoulli_pixels_are_drawn_with_the_grey_value_as_probability():
    layer = Bernoulli()
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


