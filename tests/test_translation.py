"""The specific features of CycleGAN and StarGAN, translators between sets of images."""

import pathlib
import zipfile

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import make_batch, steps, train

import keras_gen
from keras_gen.core.schedules import LinearDecay
from keras_gen.layers import ReflectionPadding2D, Zoom
from keras_gen.models import CycleGAN, StarGAN
from keras_gen.models.translation import stargan
from keras_gen.models.translation.pool import draw_entries, exchange
from keras_gen.networks.residual import resnet_generator

DATA = pathlib.Path(__file__).parent / "data"
RANDOM = np.random.default_rng(0)


def tensors(model, size=4):
    return {key: tf.constant(value) for key, value in make_batch(model, size).items()}


def built(cls, **options):
    """A small model; the graph of a step would cost more time than a few steps."""
    model = cls(**{**cls.tiny, **options})
    model.compile(seed=0, run_eagerly=True)
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
    # Half as large: the antialiased half in the middle, repeated edges around it.
    half = tf.image.resize(images[1], (4, 4), "bilinear", antialias=True).numpy()
    np.testing.assert_allclose(zoomed[1, 3:5, 3:5], half[1:3, 1:3], atol=1e-5)
    corner = images[1, 0, 0] * 4 + images[1, 0, 1] * 2 + images[1, 1, 0] * 2
    np.testing.assert_allclose(
        zoomed[1, 0, 0], (corner + images[1, 1, 1]) / 9, atol=1e-5
    )
    # Twice as large: the middle 4x4 pixels, interpolated.
    double = tf.image.resize(images[2], (16, 16), "bilinear").numpy()
    np.testing.assert_allclose(zoomed[2], double[4:12, 4:12], atol=1e-5)
    flat = Zoom()(np.full((4, 8, 8, 3), 0.3, "float32"), factors)
    np.testing.assert_allclose(flat, 0.3, atol=1e-6)


def test_a_factor_is_learned_by_gradients_through_zoom():
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


def test_linear_decay_is_constant_and_then_falls_to_zero():
    rates = [float(LinearDecay(2.0, 10, 4)(step)) for step in (0, 10, 11, 13, 14, 99)]
    assert rates == pytest.approx([2.0, 2.0, 1.5, 0.5, 0.0, 0.0])
    assert float(LinearDecay(2.0, 10)(1000)) == 2.0
    again = LinearDecay.from_config(LinearDecay(2.0, 10, 4).get_config())
    assert float(again(12)) == 1.0
    with pytest.raises(ValueError, match="constant_steps"):
        LinearDecay(2.0, -1)


def test_learning_rates_decay_by_steps_of_the_model_not_of_a_player():
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
    shared = model.forward(batch, training=False)
    loss, figures = model.generator_loss(batch, shared, training=False)

    def to(side, x):
        return model.translators[side](x).numpy()

    cycle, identity, adversarial = 0, 0, 0
    for side, other in ("ab", "ba"):
        translated = to(other, images[side])
        cycle += np.abs(to(side, translated) - images[side]).mean()
        identity += np.abs(to(side, images[side]) - images[side]).mean()
        adversarial += np.mean((model.judges[other](translated).numpy() - 1) ** 2)
    expected = adversarial + 3 * (cycle + identity / 4)
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert float(figures["cycle"]) == pytest.approx(cycle / 2, rel=1e-5)
    assert float(figures["identity"]) == pytest.approx(identity / 2, rel=1e-5)


def test_discriminators_loss_is_halved_least_squares():
    model = built(CycleGAN, pool_size=0)
    batch = tensors(model)
    shared = model.forward(batch, training=False)
    loss, figures = model.discriminator_loss(batch, shared, training=False)
    expected, means = 0, []
    for side, key, other in (("a", "image", "image_b"), ("b", "image_b", "image")):
        real = model.judges[side](batch[key]).numpy()
        fake = model.judges[side](model.translators[side](batch[other])).numpy()
        expected += (np.mean((real - 1) ** 2) + np.mean(fake**2)) / 2
        means.append((real.mean(), fake.mean()))
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    found = [float(figures[name]) for name in ("d_real", "d_fake")]
    assert found == pytest.approx(np.mean(means, axis=0), rel=1e-4, abs=1e-7)


def numbered(first, count=4):
    """Images in which all pixels have the image's number as their value."""
    numbers = np.arange(first, first + count, dtype="float32")
    return tf.constant(np.tile(numbers[:, None, None, None], (1, 8, 8, 3)))


def numbers_of(images):
    return np.asarray(images)[:, 0, 0, 0]


def empty_pool(size):
    """Images of an empty pool, and the number of images that have arrived."""
    return tf.zeros((size, 8, 8, 3)), tf.constant(0, tf.int64)


def test_the_pool_fills_and_then_gives_half_of_the_earlier_images():
    images, arrived = empty_pool(8)
    for first in (1, 5):
        entries = draw_entries(4, 8, (first, 0))
        given, images, arrived = exchange(numbered(first), entries, images, arrived)
        np.testing.assert_array_equal(given, numbered(first))
    assert list(numbers_of(images)) == list(range(1, 9))
    old, swapped = set(range(1, 9)), 0
    for first in range(100, 500, 4):
        entries = draw_entries(4, 8, (first, 0))
        given, images, arrived = exchange(numbered(first), entries, images, arrived)
        given, held = numbers_of(given), set(numbers_of(images))
        assert len(held) == 8
        new = set(range(first, first + 4))
        # Images that were given left the pool; new ones that were not given entered.
        assert held == (old | new) - set(given)
        swapped += len(set(given) - new)
        old = held
    assert 150 < swapped < 250  # 400 exchanges, each with probability 1/2.
    assert int(arrived) == 8 + 400


def test_images_enter_a_full_pool_with_one_half_at_distinct_indices():
    drawn = np.stack([draw_entries(4, 6, (seed, 0)) for seed in range(2000)])
    assert np.mean(drawn >= 0) == pytest.approx(0.5, abs=0.02)
    for index in range(6):
        assert np.mean(drawn == index) == pytest.approx(1 / 12, abs=0.01)
    for row in drawn:
        entering = row[row >= 0]
        assert len(set(entering)) == len(entering)


def test_images_beyond_the_size_of_the_pool_are_returned_as_they_are():
    for arrived in (0, 3):
        entries = draw_entries(5, 3, (0, 0))
        assert list(entries[3:].numpy()) == [-1, -1]
        pool, count = numbered(10, 3), tf.constant(arrived, tf.int64)
        given, pool, count = exchange(numbered(1, 5), entries, pool, count)
        assert list(numbers_of(given)[3:]) == [4, 5]
        assert int(count) == arrived + 3
        if not arrived:
            np.testing.assert_array_equal(given, numbered(1, 5))
            assert list(numbers_of(pool)) == [1, 2, 3]


def test_a_pool_that_fills_within_a_batch_exchanges_nothing_in_it():
    entries = tf.constant([0, 1, 2, 0])
    pool, arrived = numbered(10, 3), tf.constant(2, tf.int64)
    given, pool, arrived = exchange(numbered(1), entries, pool, arrived)
    np.testing.assert_array_equal(given, numbered(1))
    assert list(numbers_of(pool)) == [10, 11, 1]
    assert int(arrived) == 5


def test_the_last_of_two_images_at_one_index_stays():
    """Accumulated mini-batches draw their indices independently of each other."""
    entries = tf.constant([-1, 2, 0, 2])
    pool, arrived = numbered(10, 3), tf.constant(3, tf.int64)
    given, pool, _ = exchange(numbered(1), entries, pool, arrived)
    assert list(numbers_of(given)) == [1, 12, 10, 12]
    assert list(numbers_of(pool)) == [3, 11, 4]


def state_of(model):
    """The pools' images and counts by side, as arrays."""
    return {side: [np.array(v.numpy()) for v in model.pools[side]] for side in "ab"}


def test_critics_of_large_images_have_at_most_512_maps():
    def largest(model):
        return max(w.shape[-1] for w in model.critic.weights)

    options = {"width": 2, "num_blocks": 1, "critic_width": 64}
    model = StarGAN((128, 128, 3), 2, **options)
    config = model.get_config()
    assert largest(model) == 512
    del config["max_maps"]  # As in files from before.
    assert largest(StarGAN.from_config(config)) == 2048


@pytest.mark.parametrize("accumulate_steps", [1, 2])
def test_after_a_step_the_pools_hold_what_the_exchange_says(accumulate_steps):
    """Translations are those of the translators before the step."""
    model = built(CycleGAN, pool_size=6)
    model.compile(seed=0, accumulate_steps=accumulate_steps, run_eagerly=True)
    batch = make_batch(model, 4 * accumulate_steps)
    for _ in range(4):
        expected = {}
        before = state_of(model)
        for side, key in (("a", "image_b"), ("b", "image")):
            fakes, entries = [], []
            for index in range(accumulate_steps):
                part = batch[key][4 * index : 4 * index + 4]
                fakes.append(model.translators[side](part))
                with model.noise_scope(f"forward/{index}"):
                    seed = model.noise_seed(f"pool_{side}")
                entries.append(draw_entries(4, 6, seed))
            _, *expected[side] = exchange(
                tf.concat(fakes, 0), tf.concat(entries, 0), *before[side]
            )
        parts = {k: np.split(v, accumulate_steps) for k, v in batch.items()}
        small = [{k: v[i] for k, v in parts.items()} for i in range(accumulate_steps)]
        model.fit(datasets(small), steps_per_epoch=1, epochs=1, verbose=0)
        for side, (images, arrived) in state_of(model).items():
            np.testing.assert_allclose(images, expected[side][0], atol=1e-5)
            assert arrived == expected[side][1]
            assert not np.array_equal(images, before[side][0])


def datasets(batches):
    """Batches one after the other."""
    dataset = steps(batches[0], 1)
    for batch in batches[1:]:
        dataset = dataset.concatenate(steps(batch, 1))
    return dataset.repeat()


def test_discriminators_get_what_the_pool_gives():
    model = built(CycleGAN, pool_size=6)
    batch = make_batch(model, 4)
    train(model, batch, count=3)
    batch = {key: tf.constant(value) for key, value in batch.items()}
    pools = state_of(model)
    with model.noise_scope("forward/0"):
        shared = model.forward(batch, training=True)
    exchanged = 0
    for side, (images, arrived) in pools.items():
        given, *_ = exchange(
            shared[f"fake_{side}"], shared[f"entries_{side}"], images, arrived
        )
        np.testing.assert_array_equal(shared[f"pooled_{side}"], given)
        exchanged += np.sum(shared[f"entries_{side}"].numpy() >= 0)
    assert exchanged
    loss, _ = model.discriminator_loss(batch, shared, training=True)
    expected = 0
    for side, key in (("a", "image"), ("b", "image_b")):
        real = model.judges[side](batch[key]).numpy()
        fake = model.judges[side](shared[f"pooled_{side}"]).numpy()
        expected += (np.mean((real - 1) ** 2) + np.mean(fake**2)) / 2
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_tests_leave_the_pools_alone():
    model = built(CycleGAN, pool_size=6)
    batch = make_batch(model, 4)
    train(model, batch, count=2)
    before = state_of(model)
    model.evaluate(batch, verbose=0)
    for side, values in state_of(model).items():
        for old, new in zip(before[side], values, strict=True):
            np.testing.assert_array_equal(old, new)
    batch = {key: tf.constant(value) for key, value in batch.items()}
    shared = model.forward(batch, training=False)
    for side in "ab":
        np.testing.assert_array_equal(shared[f"pooled_{side}"], shared[f"fake_{side}"])


def test_of_two_replicas_the_first_ones_pool_is_everybodys(two_replicas):
    alone = built(CycleGAN, pool_size=6)
    with two_replicas.scope():
        model = built(CycleGAN, pool_size=6)
    for source, target in zip(alone.variables, model.variables, strict=True):
        target.assign(source.numpy())
    batch = make_batch(alone, 4)
    first_half = {key: value[:2] for key, value in batch.items()}
    train(alone, first_half)
    train(model, batch)
    for side, (images, arrived) in state_of(model).items():
        expected, count = state_of(alone)[side]
        np.testing.assert_allclose(images, expected, atol=1e-6)
        assert arrived == count == 2
        for copy in model.pools[side][0].value.values:
            np.testing.assert_array_equal(copy.numpy(), images)


def test_the_pool_is_saved_and_a_resumed_run_continues_with_it(tmp_path):
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
    )  # Weights that ship have no pool.


def test_a_file_of_version_0_1_brings_its_pools_and_they_go_on(tmp_path):
    with zipfile.ZipFile(DATA / "keras_files_0_1.zip") as archive:
        path = archive.extract("cyclegan.keras", tmp_path)
    with zipfile.ZipFile(path) as archive:
        archive.extract("model.weights.h5", tmp_path)
    with h5py.File(tmp_path / "model.weights.h5") as file:
        # Four counters of the base come first.
        stored = [file[f"vars/{i}"][()] for i in range(4, 8)]
    model = keras.saving.load_model(path)
    loaded = state_of(model)
    for value, expected in zip([*loaded["a"], *loaded["b"]], stored, strict=True):
        np.testing.assert_array_equal(value, expected)
    batch = make_batch(model, 4)
    train(model, batch)
    for side, (images, arrived) in state_of(model).items():
        assert arrived == loaded[side][1] + 4
        kept = (images == loaded[side][0]).all(axis=(1, 2, 3))
        assert 2 <= kept.sum() < 6  # Each of 4 enters with probability 1/2.


def test_both_directions_are_served_and_other_sets_refused():
    model = built(CycleGAN, average=None)
    images = make_batch(model, 3)["image"]
    served = keras_gen.export.signatures.signatures_of(model)
    assert {"translate_to_a", "translate_to_b"} <= set(served)
    back = served["translate_to_a"].function(images=images)
    np.testing.assert_allclose(back, model.translate(images, to="a"), atol=1e-5)
    np.testing.assert_allclose(
        model.translate(images), model.translators["b"](images), rtol=1e-5, atol=1e-6
    )
    with pytest.raises(ValueError, match="to='a' or 'b', got 'c'"):
        model.translate(images, to="c")
    with pytest.raises(ValueError, match="of='a' or 'b', got 'c'"):
        model.discriminate(images, of="c")


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
    model.compile(seed=0)  # With a graph, since there are many steps.
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


def entropy(logits, labels):
    odds = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return -np.log(odds[np.arange(len(labels)), labels]).mean()


def domains_of(shared):
    """The target domains, whose codes are one-hot rows."""
    return shared["target"].numpy().argmax(axis=1)


def test_targets_are_the_batchs_domains_shuffled_with_real_images_of_them():
    model = built(StarGAN)
    batch = tensors(model, 16)
    shared = model.forward(batch, training=True)
    target, own = domains_of(shared), batch["domain"].numpy()
    np.testing.assert_array_equal(np.sort(target), np.sort(own))
    assert (target != own).any()
    images = {image.tobytes(): i for i, image in enumerate(batch["image"].numpy())}
    rows = [images[image.tobytes()] for image in shared["reference"].numpy()]
    assert sorted(rows) == list(range(16))
    np.testing.assert_array_equal(own[rows], target)


def test_stargan_losses_by_hand():
    weights = {"class_weight": 2.0, "reconstruction_weight": 5.0}
    model = built(StarGAN, **weights, identity_weight=7.0)
    batch = tensors(model, 16)
    shared = model.forward(batch, training=False)
    critic_loss, critic_figures = model.critic_loss(batch, shared, training=False)
    loss, figures = model.generator_loss(batch, shared, training=False)
    real, domains = (x.numpy() for x in model.critic(batch["image"]))
    fake, guessed = (x.numpy() for x in model.critic(shared["fake"]))
    restored = model.generate(model.generator, shared["fake"], shared["own"]).numpy()
    target, own = domains_of(shared), batch["domain"].numpy()
    expected = -fake.mean() + 2 * entropy(guessed, target)
    reconstruction = np.abs(restored - batch["image"]).mean()
    change = np.abs(shared["fake"] - batch["image"]).mean(axis=(1, 2, 3))
    assert 0 < (target == own).sum() < 16
    expected += 5 * reconstruction + 7 * change[target == own].sum() / 16
    assert float(loss) == pytest.approx(expected, rel=1e-4)
    assert float(figures["reconstruction"]) == pytest.approx(reconstruction, rel=1e-5)
    agreement = np.mean(guessed.argmax(axis=1) == target)
    assert float(figures["agreement"]) == pytest.approx(agreement)
    expected = fake.mean() - real.mean() + 2 * entropy(domains, own)
    assert float(critic_loss) == pytest.approx(expected, rel=1e-4)
    distance = real.mean() - fake.mean()
    assert float(critic_figures["wasserstein"]) == pytest.approx(distance, rel=1e-4)
    accuracy = np.mean(domains.argmax(axis=1) == own)
    assert float(critic_figures["accuracy"]) == pytest.approx(accuracy)


def test_the_gradient_penalty_is_taken_between_images_of_one_domain():
    model = built(StarGAN, gradient_penalty=3.0, apart=True)
    batch = tensors(model, 16)
    shared = model.forward(batch, training=False)
    penalty = float(model.gradient_penalty_loss(batch, shared, training=False))
    assert model.players()["critic"].regularizers
    assert not built(StarGAN, gradient_penalty=0.0).players()["critic"].regularizers
    mix = model.noise("penalty_mix", [16], "uniform").numpy()[:, None, None, None]
    real, fake = shared["reference"].numpy(), shared["fake"].numpy()

    between = tf.constant(mix * real + (1 - mix) * fake)
    with tf.GradientTape() as tape:
        tape.watch(between)
        patches = tf.transpose(model.critic(between)[0], (0, 3, 1, 2))
        index = np.stack([np.arange(16), domains_of(shared)], axis=1)
        total = tf.reduce_sum(tf.gather_nd(patches, index))
    gradients = tape.gradient(total, between).numpy()
    norms = np.sqrt((gradients**2).sum(axis=(1, 2, 3)))
    assert penalty == pytest.approx(3 * np.mean((norms - 1) ** 2), rel=1e-4)


def test_a_critic_of_domains_apart_compares_images_of_the_target_domain():
    model = built(StarGAN, apart=True, class_weight=0.0, gradient_penalty=0.0)
    model.reconstruction_weight = 0.0
    batch = tensors(model, 16)
    shared = model.forward(batch, training=False)
    critic_loss, _ = model.critic_loss(batch, shared, training=False)
    loss, _ = model.generator_loss(batch, shared, training=False)
    assert model.discriminate(batch["image"]).shape[-1] == 3

    def mean(images, domain):
        patches = model.critic(images)[0].numpy()
        return patches[np.arange(16), :, :, domain].mean()

    fake = mean(shared["fake"], domains_of(shared))
    real = mean(batch["image"], batch["domain"].numpy())
    assert float(loss) == pytest.approx(-fake, rel=1e-4)
    assert float(critic_loss) == pytest.approx(fake - real, rel=1e-4)


def test_the_critic_gets_augmented_images_in_every_loss():
    model = built(StarGAN, augmentation=["cutout"])
    images = tf.ones((64, 8, 8, 3))
    changed = model.augmented(images, "real").numpy()
    assert np.all(np.any(changed == 0, axis=(1, 2, 3)))
    inputs = []
    criticize = model.criticize

    def recording(images, *rest):
        inputs.append(np.asarray(images))
        return criticize(images, *rest)

    model.criticize = recording
    batch = tensors(model)
    shared = model.forward(batch, training=False)
    model.critic_loss(batch, shared, training=False)
    model.generator_loss(batch, shared, training=False)
    assert len(inputs) == 3  # Real and translated images; and translated ones again.
    for x in inputs:
        assert np.all(np.any(x == 0, axis=(1, 2, 3)))
    ends = []
    model.augmented = lambda x, name: (ends.append(name), x)[1]
    model.gradient_penalty_loss(batch, shared, training=False)
    assert len(set(ends)) == 2
    with pytest.raises(ValueError, match="augmentation"):
        StarGAN(**{**StarGAN.tiny, "augmentation": ["blur"]})


def test_a_domain_is_given_for_all_rows_or_for_each_row():
    model = built(StarGAN)
    images = make_batch(model, 3)["image"]
    each = model.translate(images, domain=[2, 2, 2])
    np.testing.assert_array_equal(each, model.translate(images, domain=2))
    assert not np.allclose(each, model.translate(images, domain=[0, 1, 0]))
    for wrong in (3, [0, 1], [0, 1, -1], 0.5):
        with pytest.raises(ValueError, match="Expected"):
            model.translate(images, domain=wrong)


# StarGAN with attributes.


def of_attributes(**options):
    return built(StarGAN, target="attributes", zoom=False, **options)


def attributes_and_images(count, width=3):
    random = np.random.default_rng(5)
    images = random.uniform(-1, 1, (count, 8, 8, 3)).astype(np.float32)
    return images, random.integers(0, 2, (count, width)).astype(np.float32)


def binary_entropy(logits, labels):
    return np.log1p(np.exp(-np.where(labels == 1, logits, -logits)))


def test_attributes_are_asked_for_and_recognised_each_for_itself():
    model = of_attributes(class_weight=2.0, reconstruction_weight=0.0)
    images, own = attributes_and_images(16)
    batch = {"image": tf.constant(images), "attributes": tf.constant(own)}
    shared = model.forward(batch, training=False)
    target = shared["target"].numpy()
    assert (target != own).any()
    np.testing.assert_array_equal(np.sort(target, axis=0), np.sort(own, axis=0))
    real, logits = (x.numpy() for x in model.critic(images))
    fake, guessed = (x.numpy() for x in model.critic(shared["fake"]))
    expected = fake.mean() - real.mean()
    expected += 2 * binary_entropy(logits, own).sum(axis=1).mean()
    loss, figures = model.critic_loss(batch, shared, training=False)
    assert float(loss) == pytest.approx(expected, rel=1e-4)
    accuracy = np.mean((logits > 0) == (own == 1))
    assert float(figures["accuracy"]) == pytest.approx(accuracy)
    expected = -fake.mean() + 2 * binary_entropy(guessed, target).sum(axis=1).mean()
    loss, _ = model.generator_loss(batch, shared, training=False)
    assert float(loss) == pytest.approx(expected, rel=1e-4)


def test_only_the_attributes_of_a_rows_data_set_count():
    """Two data sets know two attributes and one; the mask says which ([1], 3.2)."""
    model = of_attributes(sets=(2, 1))
    own = np.float32([[1, 0, 1], [1, 1, 1], [0, 1, 0]])
    code = model.code_of(np.array([0, 1, 0]), own).numpy()
    expected = [[1, 0, 0, 1, 0], [0, 0, 1, 0, 1], [0, 1, 0, 1, 0]]
    np.testing.assert_array_equal(code, expected)
    logits = np.random.default_rng(0).normal(size=(3, 3)).astype(np.float32)
    known = np.array([[1, 1, 0], [0, 0, 1], [1, 1, 0]])
    entropy, accuracy = model.recognition(logits, code)
    expected = (known * binary_entropy(logits, own)).sum() / 3
    assert float(entropy) == pytest.approx(expected, rel=1e-5)
    right = (logits > 0) == (own == 1)
    assert float(accuracy) == pytest.approx(right[known == 1].mean())
    images, own = attributes_and_images(24)
    domain = np.arange(24) % 2
    batch = {"image": images, "attributes": own, "domain": domain}
    order = model.target_order({n: tf.constant(v) for n, v in batch.items()}).numpy()
    np.testing.assert_array_equal(domain[order], domain)
    assert (order != np.arange(24)).any()
    model.fit(batch, batch_size=12, verbose=0)
    translated = model.translate(images, attributes=own, domain=domain)
    others = own.copy()
    others[:, 2] = 1 - others[:, 2]  # Known in the second data set alone.
    again = model.translate(images, attributes=others, domain=domain)
    np.testing.assert_array_equal(again[::2], translated[::2])
    assert not np.allclose(again[1::2], translated[1::2])
    assert model.pictures({n: v[:3] for n, v in batch.items()}).shape[:2] == (3, 5)


def test_models_of_attributes_train_translate_and_classify(tmp_path):
    model = of_attributes()
    images, own = attributes_and_images(8)
    model.fit(images, own, batch_size=4, verbose=0)
    translated = model.translate(images, attributes=1 - own)
    assert translated.shape == images.shape
    assert not np.allclose(translated, model.translate(images, attributes=own))
    sums = model.classify(images).sum(axis=1)
    assert not np.allclose(sums, 1.0)
    model.save(tmp_path / "model.keras")
    again = keras_gen.zoo.load("stargan", tmp_path / "model.keras")
    np.testing.assert_allclose(
        again.translate(images, attributes=1 - own), translated, atol=1e-6
    )
    with pytest.raises(ValueError, match="attributes"):
        model.translate(images, domain=0)
    with pytest.raises(ValueError, match="attributes"):
        model.translate(images, attributes=own + 0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"apart": True}, "apart=False"),
        ({"sets": (2, 2)}, "add up to num_domains"),
        ({"sets": (3,)}, "at least two"),
        ({"target": "domain", "sets": (2, 1)}, "target='attributes'"),
    ],
)
def test_settings_that_do_not_fit_attributes_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        StarGAN(**{**StarGAN.tiny, "target": "attributes", **options})


def test_a_changed_attribute_removes_those_that_exclude_it():
    examples = np.array(
        [[1, 0, 0], [0, 1, 1], [1, 0, 1]]
    )  # 0 and 1 exclude each other.
    own = np.array([[1, 0, 1], [0, 1, 1], [0, 0, 0]])
    expected = [[0, 1, 1], [0, 0, 1], [0, 1, 0]]
    np.testing.assert_array_equal(stargan.changed(own, 1, examples), expected)
    assert own.tolist() == [[1, 0, 1], [0, 1, 1], [0, 0, 0]]


@pytest.mark.parametrize("cls, columns", [(CycleGAN, 6), (StarGAN, 5)])
def test_pictures_show_translations_and_images_translated_back(cls, columns, tmp_path):
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
def test_models_of_coloured_images_train_from_the_command_line(name, tmp_path):
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
    has_pictures = name != "classifier"
    assert (run / "samples" / "epoch_0001.png").exists() == has_pictures


PRESET_OVERRIDES = {
    "cyclegan": {
        "image_shape": "[8,8,3]",
        "network": "unet",
        "num_blocks": 1,
        "width": 2,
        "discriminator_width": 2,
    },
    "stargan": {
        "image_shape": "[16,16,3]",
        "num_blocks": 2,
        "width": 2,
        "critic_width": 2,
    },
    "text_to_image": {"image_shape": "[16,16,3]", "width": 2, "encoder_width": 2},
    "puzzle_gan": {"image_shape": "[16,16,3]", "width": 2},
    "classifier": {
        "image_shape": "[16,16,3]",
        "width": 2,
        "target": "domain",
        "num_classes": 3,
    },
}
