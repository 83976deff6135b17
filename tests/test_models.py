"""The specific features of GAN, DCGAN and other adversarial models."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import make_batch, train

from keras_gen.core.game import loss_of
from keras_gen.models import DCGAN, GAN, VAE
from keras_gen.networks.dcgan import num_doublings


def test_gan_learns_where_a_gaussian_lies():
    """Samples start around 0 and end around the data's mean of 0.5."""
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
def test_models_train_with_each_option(cls, options):
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


def test_penalties_and_noise_change_the_discriminators_loss():
    def loss(**options):
        keras.utils.set_random_seed(0)
        model = GAN(**{**GAN.tiny, **options})
        model.compile(seed=0)
        batch = {k: tf.constant(v) for k, v in make_batch(model, 8).items()}
        player = model.players()["discriminator"]
        shared = model.forward(batch, training=True)
        return float(loss_of(model, "discriminator", player, batch, shared, True))

    plain = loss()
    assert loss(r1=10.0) > plain
    assert loss(gradient_penalty=10.0) > plain
    assert loss(instance_noise=0.5) != plain


def test_instance_noise_fades_to_zero():
    model = GAN(**GAN.tiny, instance_noise=0.5, instance_noise_steps=10)
    model.compile(seed=0)
    images = tf.zeros((64, 8, 8, 1))
    spread = []
    for step in (0, 5, 10, 20):
        model.step.assign(step)
        spread.append(float(tf.math.reduce_std(model.noisy(images, "noise"))))
    assert spread == pytest.approx([0.5, 0.25, 0.0, 0.0], abs=0.02)


def test_each_row_of_samples_has_its_own_seed():
    model = GAN(**GAN.tiny)
    drawn = model.sample(3, seed=[5, 2**32 + 1, 5])
    np.testing.assert_allclose(drawn[0], drawn[2], atol=1e-6)
    np.testing.assert_allclose(drawn[1], model.sample(2, seed=1)[1], atol=1e-6)
    assert not np.allclose(model.sample(1), model.sample(1))
    for n, seed in ((0, 1), (2, -1), (2, 0.5), (2, [1, 2, 3]), (2, 2**31)):
        with pytest.raises(ValueError, match="Expected"):
            model.sample(n, seed=seed)


def test_abilities_refuse_images_of_another_shape_range_or_type():
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


def test_many_rows_run_in_batches():
    model = VAE(**VAE.tiny)
    latents = np.random.default_rng(0).normal(size=(600, 3)).astype("float32")
    whole = model.decode(latents)
    assert whole.shape == (600, 8, 8, 1)
    np.testing.assert_allclose(
        whole[555:560], model.decode(latents[555:560]), atol=1e-6
    )
