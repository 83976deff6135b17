"""Figures and initial weights do not depend on the order of the data."""

import itertools

import keras
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from typer.testing import CliRunner

import keras_gen
from keras_gen import metrics
from keras_gen.cli import app
from keras_gen.data import draws
from keras_gen.metrics.real import RealData

CLASSES = 10


def labelled(count, seed):
    """Images whose brightness shows their class, in the order of the classes."""
    random = np.random.default_rng(seed)
    labels = np.sort(np.arange(count) % CLASSES)
    images = random.integers(0, 30, (count, 8, 8, 1)) + 25 * labels[:, None, None, None]
    return images.astype(np.uint8), labels


def save_npz(path, order_of):
    arrays = {}
    for seed, split in enumerate(("train", "test")):
        images, labels = labelled(400, seed)
        order = order_of(400)
        arrays |= {f"x_{split}": images[order], f"y_{split}": labels[order]}
    np.savez(path, **arrays)
    return path


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """Files of one set, in the order of the classes and shuffled."""
    folder = tmp_path_factory.mktemp("copies")
    shuffle = np.random.default_rng(7).permutation
    return save_npz(folder / "a.npz", np.arange), save_npz(folder / "b.npz", shuffle)


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Dense(6, "tanh")(keras.layers.Flatten()(inputs))
    outputs = keras.layers.Dense(CLASSES, "softmax")(x)
    return keras.Model(inputs, outputs, name="probe")


# The draw.


@pytest.mark.parametrize("count", [1, 50, 99, 100, 200, None])
@pytest.mark.parametrize("memory", [2**30, 900, 1])
def test_a_draw_is_the_same_for_every_order(count, memory, monkeypatch):
    monkeypatch.setattr(draws, "MEMORY_LIMIT", memory)
    random = np.random.default_rng(0)
    images = random.normal(size=(100, 2, 2, 1)).astype(np.float32)
    images[40:60] = images[0]  # Equal rows are drawn as often as they occur.
    texts = np.array([b"a\0", b"bb"] * 50, object)

    def drawn(order, batch):
        rows = {"image": images[order], "caption": tf.constant(texts[order])}
        data = tf.data.Dataset.from_tensor_slices(rows).batch(batch)
        batches = draws.draw(data, count, 3, batch_size=32).as_numpy_iterator()
        return [(r["image"][i].tobytes(), c) for r in batches for i, c in _texts(r)]

    first, second = drawn(np.arange(100), 7), drawn(random.permutation(100), 30)
    assert first == second and len(first) == min(count or 100, 100)
    assert set(first) <= {(i.tobytes(), t) for i, t in zip(images, texts, strict=True)}


def _texts(batch):
    return enumerate(batch["caption"])


def test_rows_are_drawn_evenly_and_by_the_seed():
    data = tf.data.Dataset.range(1000).map(lambda i: {"row": i}).batch(100)
    drawn = [
        np.concatenate([b["row"] for b in draws.draw(data, 100, seed, batch_size=64)])
        for seed in range(20)
    ]
    assert len({tuple(rows) for rows in drawn}) == 20
    # 2,000 draws from 10 parts; the deviation of a part's share is 13.
    counts = np.bincount(np.concatenate(drawn) // 100, minlength=10)
    assert abs(counts - 200).max() < 60


def test_a_draw_by_names_takes_the_same_things_of_every_domain():
    options = {"count": 20, "by": ("id",)}
    real = RealData("emoji", (16, 16, 3), seed=1)
    ids = [
        np.concatenate([b["id"] for b in real.draw("test", data=part, **options)])
        for part in ("emoji/noto", "emoji/twemoji")
    ]
    assert len(ids[0]) == 20 and (ids[0] == ids[1]).all()


# Figures.


@pytest.mark.parametrize("name", ["gan", "vae"])
@pytest.mark.parametrize("num_images", [100, 400])
def test_figures_of_sorted_and_shuffled_data_are_equal(
    name, num_images, copies, network
):
    model = keras_gen.zoo.load(name, image_shape=(8, 8, 1), latent_dim=3, widths=[8])
    model.compile(seed=0)
    options = {"num_images": num_images, "num_samples": 2, "features": network}
    first, second = (metrics.evaluate(model, path, **options) for path in copies)
    assert first == second
    expected = {"frechet_distance_floor", "classifier_score_floor", "copies_in_pixels"}
    assert expected <= set(first) and first["num_searched"] == num_images
    assert ("nll_nats" if name == "vae" else "parzen_nats") in first


def test_a_part_of_a_sorted_set_has_all_classes(copies, network):
    context = metrics.Context(
        keras_gen.zoo.load("gan", image_shape=(8, 8, 1), widths=[8]),
        copies[0],
        features=network,
        num_images=100,
    )
    labels = [batch["label"].numpy() for batch in context.test]
    assert sum(map(len, labels)) == 100
    assert len(np.unique(np.concatenate(labels))) == CLASSES
    assert len(np.unique(labels[0])) == CLASSES  # As in pictures.
    for split in ("train", "test"):  # The reference and the floor.
        brightness = context.scale.real(split).images.mean(axis=(1, 2, 3))
        found = np.unique(np.round(((brightness + 1) * 127.5 - 15) / 25))
        np.testing.assert_array_equal(found, np.arange(CLASSES))


def test_the_number_of_images_bounds_all_figures(copies, network):
    seen = {}

    class Spy(keras_gen.models.VAE):
        def log_prob(self, images, **options):
            seen["log_prob"] = len(images)
            return super().log_prob(images, **options)

        def reconstruct(self, images):
            seen["reconstruct"] = seen.get("reconstruct", 0) + len(images)
            return super().reconstruct(images)

    Spy.log_prob.ability = keras_gen.models.VAE.log_prob.ability
    Spy.reconstruct.ability = keras_gen.models.VAE.reconstruct.ability
    model = Spy(image_shape=(8, 8, 1), latent_dim=3, widths=[8])
    model.compile(seed=0)
    figures = metrics.evaluate(
        model, copies[0], num_images=60, num_samples=2, features=network
    )
    assert seen == {"log_prob": 60, "reconstruct": 60}
    counts = ("num_generated", "num_real", "num_held_out", "num_searched")
    assert [figures[name] for name in counts] == [60] * 4


@pytest.mark.parametrize("num_images, message", [(5, "num_images >= 20"), (50, "test")])
def test_too_few_images_are_refused_before_a_network_runs(
    num_images, message, tmp_path, network, monkeypatch
):
    images, _ = labelled(80, 0)
    np.savez(tmp_path / "few.npz", x_train=images, x_test=images[:15])
    model = keras_gen.zoo.load("gan", image_shape=(8, 8, 1), widths=[8])

    def sample(*args, **options):
        raise AssertionError("The model was called.")

    sample.ability = type(model).sample.ability
    monkeypatch.setattr(type(model), "sample", sample)
    with pytest.raises(ValueError, match=message):
        metrics.Evaluation(
            model, tmp_path / "few.npz", num_images=num_images, features=network
        )


def test_the_images_of_a_folder_are_drawn(tmp_path, copies, network):
    images, labels = labelled(100, 3)
    for name, order in (("a", np.arange(100)), ("b", np.arange(100)[::-1])):
        (tmp_path / name).mkdir()
        for place, row in enumerate(order):
            image = PIL.Image.fromarray(images[row, ..., 0])
            image.save(tmp_path / name / f"{place:03d}.png")
    first, second = (
        metrics.evaluate_folder(
            tmp_path / name, copies[0], num_images=40, features=network
        )
        for name in "ab"
    )
    assert first == second and first["modes"] > 1


# The split of a run.


def save_photos(folder, count=60):
    random = np.random.default_rng(0)
    folder.mkdir()
    for i in range(count):
        image = random.integers(0, 256, (8, 8), np.uint8)
        PIL.Image.fromarray(image).save(folder / f"{i:02d}.png")


def rows_of(batches):
    return {row.tobytes() for batch in batches for row in batch["image"].numpy()}


def test_a_run_is_tested_on_its_own_split(tmp_path, network, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_photos(tmp_path / "photos")
    run = keras_gen.runs.Run.create(
        "stacked_ae",
        "photos",
        folder="run",
        seed=3,
        epochs=1,
        batch_size=16,
        overrides={"image_shape": [8, 8, 1], "widths": [8], "latent_dim": 2},
    )
    run.train(verbose=0)
    made = []

    class Kept(metrics.Evaluation):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            made.append(self)

    monkeypatch.setattr(metrics, "Evaluation", Kept)
    folder = str(tmp_path / "photos")
    for command in (
        ["run"],
        ["stacked_ae", "--weights", "run/model.keras", "--data", folder],
    ):
        done = CliRunner().invoke(app, ["evaluate", *command, "--json"])
        assert done.exit_code == 0, done.output
    trained = rows_of(keras_gen.data.load("photos", seed=3, batch_size=1))
    assert len(trained) == 54
    assert [evaluation.context.data for evaluation in made] == ["photos", folder]
    for evaluation in made:
        tested = rows_of(evaluation.context.test)
        assert len(tested) == 6 and not tested & trained
    # The split of another seed shares images with the training.
    assert rows_of(RealData("photos", (8, 8, 1)).draw("test")) & trained


def test_the_seed_of_an_evaluation_does_not_move_the_split(tmp_path):
    save_photos(tmp_path / "photos")
    first, second = (
        rows_of(RealData(tmp_path / "photos", (8, 8, 1), seed=seed).draw("test"))
        for seed in (0, 5)
    )
    assert first == second


# Initial weights.


def test_initial_weights_do_not_depend_on_the_order():
    images, _ = labelled(400, 0)
    images = images / np.float32(127.5) - 1
    shuffled = np.random.default_rng(1).permutation(images)
    found = []
    for data in (images, shuffled):
        mixture = keras_gen.models.GMM((8, 8, 1), 3)
        mixture.compile(seed=0)
        vae = keras_gen.zoo.load(
            "vae", image_shape=(8, 8, 1), widths=[8], prior="vamp", num_components=20
        )
        vae.compile(seed=0)
        parts = [{"image": part} for part in np.split(data, 8)]
        for model in (mixture, vae):
            model.initialize(iter(parts))
        means = mixture.gaussians.moments()[1]
        found.append((means, vae.prior.pseudo_inputs().numpy()))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1], found[1][1])
    brightness = found[0][1].mean(axis=(1, 2, 3)) / 0.9
    assert brightness.min() < -0.5 and brightness.max() > 0.5  # Not of one class.


def test_endless_data_initialize_too():
    batches = itertools.repeat(np.zeros((50, 8, 8, 1), np.float32))
    found = draws.draw_images(batches, 10, 0, among=120)
    assert found.shape == (10, 8, 8, 1)


# Training data in the order of their classes.


@pytest.mark.parametrize("is_known", [True, False])
def test_sorted_data_beyond_the_buffer_are_named(is_known):
    labels = np.repeat([0, 1], 6000)

    def dataset(labels):
        data = tf.data.Dataset.from_tensor_slices(labels)
        data = data.map(lambda label: {"image": tf.zeros((1, 1, 1)), "label": label})
        return data if is_known else data.filter(lambda _: True)

    with pytest.warns(UserWarning, match="in the order of their labels"):
        keras_gen.data.load(dataset(labels))
    # Nothing is said of data that are shuffled, that fit in the buffer, or that are
    # read in their order.
    keras_gen.data.load(dataset(np.random.default_rng(0).permutation(labels)))
    keras_gen.data.load(dataset(labels[:9000]))
    keras_gen.data.load(dataset(labels), shuffle=False)


def test_a_folder_beyond_memory_is_shuffled_as_a_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(keras_gen.data.folder, "MEMORY_LIMIT", 0)
    for label in "ab":
        save_photos(tmp_path / label)
    train = keras_gen.data.load(tmp_path, batch_size=20, seed=0, test_fraction=0.0)
    for batch in train:
        assert set(batch["label"].numpy()) == {0, 1}
