"""The specific features of GAN, DCGAN and other adversarial models."""

import io
import json
import pathlib
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import make_batch, train

import keras_gen
from keras_gen.core.game import loss_of
from keras_gen.core.registry import PRESETS
from keras_gen.models import (
    DCGAN,
    GAN,
    VAE,
    WGANGP,
    Classifier,
    ConditionalGAN,
    CycleGAN,
    Matcher,
    TextToImage,
)
from keras_gen.networks.dcgan import num_exact_halvings, num_halvings, scales


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
    points[0] = -0.1  # Images in [0, 1] alone would be refused.
    model.fit(points, batch_size=128, epochs=25, verbose=0)
    samples = model.sample(1000, seed=0)
    assert samples.mean() == pytest.approx(0.5, abs=0.1)
    assert 0.02 < samples.std() < 0.25


@pytest.mark.parametrize(
    "shape, smallest",
    [
        ((16, 16, 1), (4, 4)),
        ((28, 28, 1), (7, 7)),
        ((32, 32, 3), (4, 4)),
        ((64, 64, 3), (4, 4)),
        ((20, 36, 3), (5, 9)),
        ((48, 64, 1), (6, 8)),
        ((100, 100, 3), (7, 7)),
        ((17, 31, 1), (5, 8)),
    ],
)
def test_dcgan_takes_any_size_from_16(shape, smallest):
    *_, (height, width, _) = scales(shape, 2, None, None)
    assert (height, width) == smallest and 4 <= min(smallest) <= 7
    model = DCGAN(image_shape=shape, width=2, latent_dim=4)
    assert model.sample(2, seed=0).shape == (2, *shape)
    assert model.discriminate(np.zeros((2, *shape), np.float32)).shape == (2, 1)


@pytest.mark.parametrize("shape", [(12, 12, 1), (32, 15, 3)])
def test_dcgan_refuses_smaller_sizes(shape):
    with pytest.raises(ValueError, match="at least 16"):
        DCGAN(image_shape=shape)


WITH_A_CAP = ["dcgan", "cgan", "infogan", "wgan_gp", "text_to_image", "puzzle_gan"]


@pytest.mark.parametrize("name", WITH_A_CAP)
def test_maps_double_up_to_a_cap(name):
    tiny = PRESETS[name].model.tiny
    shape = (64, 64, 3)

    def kernels(**options):
        model = keras_gen.zoo.load(
            name, **{**tiny, "image_shape": shape, "width": 4, **options}
        )
        networks = (
            [model.trunk, model.generator]
            if name == "text_to_image"
            else [model.discriminator, getattr(model, "generator", None)]
        )
        layers = [
            layer
            for network in networks
            if network is not None
            for layer in network.layers
            if isinstance(layer, (keras.layers.Conv2D, keras.layers.Conv2DTranspose))
        ]
        return max(max(layer.kernel.shape[-2:]) for layer in layers)

    assert kernels() == kernels(max_maps=None) == 4 << 3
    assert kernels(max_maps=8) == 8
    with pytest.raises(ValueError, match="max_maps, a whole number of at least 1"):
        kernels(max_maps=0)


def test_a_dcgan_of_256_pixels_has_at_most_512_maps():
    assert [maps for *_, maps in scales((256, 256, 3), 64, 512, None)] == [
        *(64, 128, 256, 512, 512, 512)
    ]
    assert max(maps for *_, maps in scales((256, 256, 3), 64, None, None)) == 2048


@pytest.mark.parametrize("side", [16, 20, 24, 28, 32, 48, 64])
def test_sizes_up_to_64_have_the_networks_that_they_had(side):
    shape = (side, side, 3)
    assert num_halvings(shape) == num_exact_halvings(shape)
    saved = config_of_version_0_1("dcgan")
    assert not {"max_maps", "halvings", "normalization"} & set(saved)
    old = DCGAN.from_config({**saved, "image_shape": shape})
    new = DCGAN(image_shape=shape, latent_dim=3, width=4)
    for a, b in (
        (new.generator, old.generator),
        (new.discriminator, old.discriminator),
    ):
        assert a is not b
        assert [type(x) for x in a.layers] == [type(x) for x in b.layers]
        assert [w.shape for w in a.weights] == [w.shape for w in b.weights]


def test_discriminators_of_other_sizes_or_penalties_are_no_longer_what_they_were():
    """The comparison above would see what changed since version 0.1."""
    saved = config_of_version_0_1("dcgan")
    for change in ({"image_shape": (100, 100, 3)}, {"r1": 1.0}):
        old = DCGAN.from_config({**saved, **change})
        sizes = {"image_shape": (16, 16, 1), "latent_dim": 3, "width": 4}
        new = DCGAN(**{**sizes, **change})
        shapes = [[w.shape for w in m.discriminator.weights] for m in (old, new)]
        assert shapes[0] != shapes[1]


def config_of_version_0_1(name):
    """The configuration in a file that version 0.1 wrote."""
    files = pathlib.Path(__file__).parent / "data" / "keras_files_0_1.zip"
    with zipfile.ZipFile(files) as archive, archive.open(f"{name}.keras") as file:
        with zipfile.ZipFile(io.BytesIO(file.read())) as model:
            return json.loads(model.read("config.json"))["config"]


ADDED = ("max_maps", "halvings")


@pytest.mark.parametrize("name", WITH_A_CAP)
def test_files_from_before_the_cap_load_with_the_networks_that_they_had(name, tmp_path):
    side = 144 if name == "puzzle_gan" else 100
    tiny = {**PRESETS[name].model.tiny, "image_shape": (side, side, 3), "width": 2}
    before = {"max_maps": None, "halvings": 4 if name == "puzzle_gan" else 2}
    model = keras_gen.zoo.load(name, **tiny, **before)
    path = tmp_path / "new.keras"
    model.save(path)
    old = tmp_path / "old.keras"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(old, "w") as target:
        for entry in source.namelist():
            content = source.read(entry)
            if entry == "config.json":
                saved = json.loads(content)
                for key in ADDED:
                    del saved["config"][key]
                content = json.dumps(saved)
            target.writestr(entry, content)
    for loaded in (keras.saving.load_model(old), keras_gen.zoo.load(name, old)):
        assert {key: loaded.get_config()[key] for key in ADDED} == before
        for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
    current = keras_gen.zoo.configuration(name, path)
    assert keras_gen.zoo.configuration(name, old) == current
    assert {key: current[key] for key in ADDED} == before
    # A preset is new, whatever it leaves out.
    assert keras_gen.zoo.load(name, **tiny).get_config()["max_maps"] == 512


@pytest.mark.parametrize(
    ("cls", "argument", "small", "large"),
    [
        (Classifier, "num_blocks", ((28, 28, 1), 3), ((128, 96, 3), 5)),
        (CycleGAN, "discriminator_blocks", ((64, 64, 3), 2), ((128, 128, 3), 3)),
    ],
)
def test_depths_follow_from_the_size_and_stay_with_the_file(
    cls, argument, small, large
):
    size = {"width": 2, "num_blocks": 1} if cls is CycleGAN else {"width": 2}
    for shape, depth in (small, large):
        config = cls(image_shape=shape, **size).get_config()
        assert config[argument] == depth
        assert cls.from_config(config).get_config() == config


def test_encoders_of_pictures_have_a_limit_that_older_files_had_not():
    shape = (128, 128, 3)
    saved = Matcher(shape, width=64, units=2, buckets=8).get_config()
    del saved["max_maps"]

    def most(model):
        return max(w.shape[-1] for w in model.image_encoder.weights)

    assert most(Matcher(shape, width=64, units=2, buckets=8)) == 512
    assert most(Matcher.from_config(saved)) == 1024
    options = {"width": 2, "max_maps": 3, "text_units": 2, "encoder_width": 2}
    assert most(TextToImage(shape, **options, buckets=8)) == 3


def test_upgrades_leave_multilayer_perceptrons_alone():
    config = {"image_shape": (8, 8, 1), "network": "mlp"}
    for cls in (ConditionalGAN, WGANGP):
        assert cls.upgrade_config(config)["halvings"] is None
        assert cls.from_config(config).image_shape == (8, 8, 1)


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
        ({"r1": -1.0}, "r1, a number of at least 0"),
        ({"instance_noise_on": "fake"}, "instance_noise_on, 'both' or 'real'"),
        ({"discriminator_moves": 0}, "discriminator_moves, a whole number"),
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


@pytest.mark.parametrize("on, noisy_fakes", [("both", True), ("real", False)])
def test_instance_noise_is_on_both_or_on_real_images_alone(on, noisy_fakes):
    model = GAN(**GAN.tiny, instance_noise=0.5, instance_noise_on=on)
    seen = []

    def logits(images, *others):
        seen.append(images)
        return images[:, :1, 0], []

    model.logits = logits
    batch = {"image": tf.zeros((4, 8, 8, 1))}
    shared = {"fake": tf.ones((4, 8, 8, 1))}
    model.discriminator_loss(batch, shared, training=True)
    model.generator_loss(batch, shared, training=True)
    model.r1_loss(batch, shared, training=True)
    real, fake, fake_again, real_again = seen
    assert np.std(real) > 0.3 and np.std(real_again) > 0.3
    for images in (fake, fake_again):
        assert (np.std(images) > 0.3) == noisy_fakes


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
