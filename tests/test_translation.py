"""Translators between sets of images: what makes them CycleGAN and StarGAN."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import make_batch, train

import keras_gen
from keras_gen.core.schedules import LinearDecay
from keras_gen.layers import ReflectionPadding2D, Zoom
from keras_gen.models import CycleGAN, StarGAN
from keras_gen.networks.residual import resnet_generator

RANDOM = np.random.default_rng(0)


def tensors(model, size=4):
    return {key: tf.constant(value) for key, value in make_batch(model, size).items()}


def built(cls, **options):
    model = cls(**{**cls.tiny, **options})
    model.compile(seed=0)
    return model


def test_reflection_padding_is_numpys():
    maps = RANDOM.normal(size=(2, 4, 5, 3)).astype("float32")
    expected = np.pad(maps, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    np.testing.assert_array_equal(ReflectionPadding2D(2)(maps), expected)


def test_zoom_resizes_each_image_by_its_own_factor():
    images = RANDOM.uniform(-1, 1, (4, 8, 8, 3)).astype("float32")
    factors = np.float32([1.0, 0.5, 2.0, 0.7])
    zoomed = Zoom()(images, factors).numpy()
    np.testing.assert_allclose(zoomed[0], images[0], atol=1e-6)
    # Half as large: the middle is the antialiased half, the rest edges.
    half = tf.image.resize(images[1], (4, 4), "bilinear", antialias=True).numpy()
    np.testing.assert_allclose(zoomed[1, 3:5, 3:5], half[1:3, 1:3], atol=1e-5)
    corner = images[1, 0, 0] * 4 + images[1, 0, 1] * 2 + images[1, 1, 0] * 2
    np.testing.assert_allclose(
        zoomed[1, 0, 0], (corner + images[1, 1, 1]) / 9, atol=1e-5
    )
    # Twice as large: the middle 4x4, between whose pixels others lie.
    double = tf.image.resize(images[2], (16, 16), "bilinear").numpy()
    np.testing.assert_allclose(zoomed[2], double[4:12, 4:12], atol=1e-5)
    flat = Zoom()(np.full((4, 8, 8, 3), 0.3, "float32"), factors)
    np.testing.assert_allclose(flat, 0.3, atol=1e-6)


def test_zoom_finds_the_size_of_things():
    image = np.full((1, 16, 16, 1), -1, "float32")
    image[:, 4:12, 4:12] = 1
    smaller = np.full_like(image, -1)
    smaller[:, 5:11, 5:11] = 1
    factor = tf.Variable([0.99])
    for _ in range(100):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(Zoom()(image, factor) - smaller))
        factor.assign_sub(0.01 * tape.gradient(loss, factor))
    assert float(factor[0]) == pytest.approx(0.75, abs=0.05)


def test_linear_decay_stays_and_falls_to_nothing():
    rates = [float(LinearDecay(2.0, 10, 4)(step)) for step in (0, 10, 11, 13, 14, 99)]
    assert rates == pytest.approx([2.0, 2.0, 1.5, 0.5, 0.0, 0.0])
    assert float(LinearDecay(2.0, 10)(1000)) == 2.0
    again = LinearDecay.from_config(LinearDecay(2.0, 10, 4).get_config())
    assert float(again(12)) == 1.0
    with pytest.raises(ValueError, match="constant_steps"):
        LinearDecay(2.0, -1)


def test_rates_fall_by_steps_of_the_model():
    cycle = built(CycleGAN, constant_steps=10, decay_steps=10)
    star = built(StarGAN, constant_steps=10, decay_steps=10, critic_moves=3)
    for model, player, moves in ((cycle, "generators", 1), (star, "critic", 3)):
        optimizer = model.optimizers[player]
        full = float(optimizer.learning_rate)
        optimizer.iterations.assign(15 * moves)
        assert float(optimizer.learning_rate) == pytest.approx(full / 2)


# CycleGAN.


def test_cycle_and_identity_are_means_of_absolute_differences():
    model = built(CycleGAN, cycle_weight=3.0, identity_weight=0.25, pool_size=0)
    batch = tensors(model)
    images = {"a": batch["image"], "b": batch["image_b"]}
    model.discriminator_loss(batch, training=False)
    loss = float(model.generator_loss(batch, training=False))

    def to(side, x):
        return model.translators[side](x).numpy()

    cycle, identity, adversarial = 0, 0, 0
    for side, other in ("ab", "ba"):
        over = to(other, images[side])
        cycle += np.abs(to(side, over) - images[side]).mean()
        identity += np.abs(to(side, images[side]) - images[side]).mean()
        adversarial += np.mean((model.judges[other](over).numpy() - 1) ** 2)
    assert loss == pytest.approx(adversarial + 3 * (cycle + identity / 4), rel=1e-5)


def test_discriminators_loss_is_halved_least_squares():
    model = built(CycleGAN, pool_size=0)
    batch = tensors(model)
    loss = float(model.discriminator_loss(batch, training=False))
    expected = 0
    for side, key, other in (("a", "image", "image_b"), ("b", "image_b", "image")):
        real = model.judges[side](batch[key]).numpy()
        fake = model.judges[side](model.translators[side](batch[other])).numpy()
        expected += (np.mean((real - 1) ** 2) + np.mean(fake**2)) / 2
    assert loss == pytest.approx(expected, rel=1e-5)


def numbered(first, count=4):
    """Images of a number each."""
    numbers = np.arange(first, first + count, dtype="float32")
    return tf.constant(np.tile(numbers[:, None, None, None], (1, 8, 8, 3)))


def test_the_pool_fills_and_then_gives_out_half_of_what_came_before():
    model = built(CycleGAN, pool_size=8)
    pool, count = model.pools["a"]
    for first in (1, 5):
        given = model.exchange(numbered(first), pool, count)
        np.testing.assert_array_equal(given, numbered(first))
    assert sorted(pool.numpy()[:, 0, 0, 0]) == list(range(1, 9))
    old, swapped = set(range(1, 9)), 0
    for first in range(100, 500, 4):
        model.step.assign_add(1)
        given = model.exchange(numbered(first), pool, count).numpy()[:, 0, 0, 0]
        held = set(pool.numpy()[:, 0, 0, 0])
        assert len(held) == 8
        news = set(range(first, first + 4))
        # What is given out is gone; what was not given out went in.
        assert held == (old | news) - set(given)
        swapped += len(set(given) - news)
        old = held
    assert 150 < swapped < 250  # Of 400, each with probability 1/2.
    assert int(count.numpy()) == 8 + 400


def test_batches_larger_than_the_pool_pass_by_it():
    model = built(CycleGAN, pool_size=3)
    pool, count = model.pools["b"]
    given = model.exchange(numbered(1, 5), pool, count)
    np.testing.assert_array_equal(given, numbered(1, 5))
    assert sorted(pool.numpy()[:, 0, 0, 0]) == [1, 2, 3]


def test_the_pool_is_saved_and_a_resumed_run_goes_on_with_it(tmp_path):
    model = built(CycleGAN)
    train(model, make_batch(model, 4), count=3)
    pools = {side: [v.numpy() for v in model.pools[side]] for side in "ab"}
    assert all(int(count) == 12 and np.abs(p).max() > 0 for p, count in pools.values())
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for side in "ab":
        for before, after in zip(pools[side], loaded.pools[side], strict=True):
            np.testing.assert_array_equal(before, after.numpy())
    keras_gen.zoo.save_weights(model, tmp_path / "weights.safetensors")
    assert (tmp_path / "weights.safetensors").stat().st_size < 4 * sum(
        n.count_params() for n in model.networks().values()
    )  # What ships has none.


def test_both_ways_are_served_and_others_refused():
    model = built(CycleGAN, average=None)
    images = make_batch(model, 3)["image"]
    served = keras_gen.export.signatures.signatures_of(model)
    assert {"translate_to_a", "translate_to_b"} <= set(served)
    back = served["translate_to_a"].function(images=images)
    np.testing.assert_allclose(back, model.translate(images, to="a"), atol=1e-5)
    np.testing.assert_allclose(
        model.translate(images), model.translators["b"](images), rtol=1e-5, atol=1e-6
    )
    with pytest.raises(ValueError, match="to='a' or 'b'"):
        model.translate(images, to="c")


def test_a_translator_that_zooms_starts_near_a_factor_of_1_and_learns_it():
    model = built(CycleGAN)
    images = make_batch(model, 4)["image"]
    network = model.translators["b"]
    factor = network.get_layer("factor")

    def factors():
        return np.exp(keras.Model(network.input, factor.output)(images))

    before = factors()
    assert np.all(before != 1.0)
    np.testing.assert_allclose(before, 1.0, atol=0.1)
    train(model, make_batch(model, 4), count=1)
    assert np.any(factors() != before)


def test_resnet_translators_train():
    model = built(CycleGAN, network="resnet", num_blocks=1)
    batch = make_batch(model, 4)
    first = train(model, batch).history["cycle"][0]
    last = train(model, batch, count=20).history["cycle"][0]
    assert last < first
    for wrong in ({"image_shape": (10, 10, 3)}, {"network": "mlp"}, {"pool_size": -1}):
        with pytest.raises(ValueError, match="Expected"):
            CycleGAN(**{**CycleGAN.tiny, **wrong})


# StarGAN.


def test_zero_padding_lets_constant_maps_through_instance_norm():
    images = RANDOM.uniform(-1, 1, (2, 8, 8, 3)).astype("float32")
    maps = np.zeros((2, 2, 8, 8, 2), "float32")
    maps[0, ..., 0] = maps[1, ..., 1] = 1

    def change(reflect):
        network = resnet_generator((8, 8, 3), 4, 1, "g", maps=2, reflect=reflect)
        first, second = (network([images, m]).numpy() for m in maps)
        return np.abs(first - second).max()

    assert change(reflect=True) < 1e-5 < 1e-3 < change(reflect=False)


def test_stargan_losses_by_hand():
    weights = {"class_weight": 2.0, "reconstruction_weight": 5.0}
    model = built(StarGAN, **weights, identity_weight=7.0)
    batch = tensors(model, 16)
    critic_loss = float(model.critic_loss(batch, training=False))
    loss = float(model.generator_loss(batch, training=False))
    shuffled = np.sort(batch["target"].numpy())
    np.testing.assert_array_equal(shuffled, np.sort(batch["domain"].numpy()))

    def entropy(logits, labels):
        odds = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        return -np.log(odds[np.arange(len(labels)), labels]).mean()

    real, domains = (x.numpy() for x in model.critic(batch["image"]))
    fake, guessed = (x.numpy() for x in model.critic(batch["fake"]))
    back = model.paint(model.generator, batch["fake"], batch["domain"]).numpy()
    target, own = batch["target"].numpy(), batch["domain"].numpy()
    expected = -fake.mean() + 2 * entropy(guessed, target)
    expected += 5 * np.abs(back - batch["image"]).mean()
    change = np.abs(batch["fake"] - batch["image"]).mean(axis=(1, 2, 3))
    assert 0 < (target == own).sum() < 16
    expected += 7 * change[target == own].sum() / 16
    assert loss == pytest.approx(expected, rel=1e-4)
    model.gradient_penalty = 0.0
    expected = fake.mean() - real.mean() + 2 * entropy(domains, own)
    penalty = critic_loss - expected
    assert penalty > 0
    again = tensors(model, 16)
    model._moment = (0, model.step, iter(range(9)))
    model.critic_loss(again, training=False)
    fake = model.critic(again["fake"])[0].numpy()
    model._moment = (0, model.step, iter(range(9)))
    plain = float(model.critic_loss(dict(again), training=False))
    assert plain == pytest.approx(
        fake.mean() - real.mean() + 2 * entropy(domains, own), rel=1e-4
    )


def test_a_critic_of_sets_apart_looks_at_the_set_that_was_asked_for():
    model = built(StarGAN, apart=True, class_weight=0.0, gradient_penalty=0.0)
    model.reconstruction_weight = 0.0
    batch = tensors(model, 16)
    critic_loss = float(model.critic_loss(batch, training=False))
    loss = float(model.generator_loss(batch, training=False))
    assert model.discriminate(batch["image"]).shape[-1] == 3

    def mean(images, domain):
        patches = model.critic(images)[0].numpy()
        return patches[np.arange(16), :, :, domain].mean()

    fake = mean(batch["fake"], batch["target"].numpy())
    real = mean(batch["image"], batch["domain"].numpy())
    assert loss == pytest.approx(-fake, rel=1e-4)
    assert critic_loss == pytest.approx(fake - real, rel=1e-4)


def test_the_critic_sees_images_through_changes():
    model = built(StarGAN, augmentation=["cutout"], gradient_penalty=0.0)
    images = tf.ones((64, 8, 8, 3))
    assert np.all(np.any(model.seen(images).numpy() == 0, axis=(1, 2, 3)))
    seen = []
    judge = model.judge
    model.judge = lambda x, *rest: (seen.append(np.asarray(x)), judge(x, *rest))[1]
    batch = tensors(model)
    model.critic_loss(batch, training=False)
    model.generator_loss(batch, training=False)
    real, fake, _, again = seen  # Third, what lies between, for the penalty.
    for x in (real, fake, again):
        assert np.all(np.any(x == 0, axis=(1, 2, 3)))
    with pytest.raises(ValueError, match="augmentation"):
        StarGAN(**{**StarGAN.tiny, "augmentation": ["blur"]})


def test_one_domain_for_all_rows_or_one_a_row():
    model = built(StarGAN)
    images = make_batch(model, 3)["image"]
    each = model.translate(images, domain=[2, 2, 2])
    np.testing.assert_array_equal(each, model.translate(images, domain=2))
    assert not np.allclose(each, model.translate(images, domain=[0, 1, 0]))
    for wrong in (3, [0, 1], [0, 1, -1], 0.5):
        with pytest.raises(ValueError, match="Expected"):
            model.translate(images, domain=wrong)


@pytest.mark.parametrize("cls, columns", [(CycleGAN, 6), (StarGAN, 5)])
def test_pictures_show_the_way_over_and_back(cls, columns, tmp_path):
    model = built(cls)
    batch = make_batch(model, 3)
    rows = model.pictures(batch)
    assert rows.shape == (3, columns, *model.image_shape)
    np.testing.assert_array_equal(rows[:, 0], batch["image"])
    grid = keras_gen.callbacks.SampleGrid(tmp_path, images=batch)
    grid.set_model(model)
    grid.on_train_begin()
    grid.on_epoch_end(0)
    assert (tmp_path / "epoch_0001.png").exists()


@pytest.mark.parametrize(
    "name", ["cyclegan", "stargan", "text_to_image", "puzzle_gan", "classifier"]
)
def test_models_of_colour_train_from_the_command_line(name, tmp_path):
    from typer.testing import CliRunner

    from keras_gen.cli import app

    overrides = PRESET_OVERRIDES[name]
    arguments = [f"--set={key}={value}" for key, value in overrides.items()]
    done = CliRunner().invoke(
        app,
        ["train", name, "--data", "emoji", "--epochs=1", "--steps-per-epoch=2"]
        + ["--batch-size=2", f"--runs={tmp_path}", *arguments],
    )
    assert done.exit_code == 0, done.output
    (run,) = (tmp_path / name).iterdir()
    assert (run / "model.keras").exists()
    shows = name != "classifier"
    assert (run / "samples" / "epoch_0001.png").exists() == shows


PRESET_OVERRIDES = {
    "cyclegan": {
        "image_shape": "[8,8,3]",
        "network": "unet",
        "num_blocks": 1,
        "width": 2,
        "discriminator_width": 2,
    },
    "stargan": {"image_shape": "[16,16,3]", "width": 2, "critic_width": 2},
    "text_to_image": {"image_shape": "[16,16,3]", "width": 2, "encoder_width": 2},
    "puzzle_gan": {"image_shape": "[16,16,3]", "width": 2},
    "classifier": {"image_shape": "[16,16,3]", "width": 2, "target": "domain"},
}
