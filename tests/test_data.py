"""The sources of data, and the preparation of images."""

import functools
import importlib.resources
import json
import shutil

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

import keras_gen
from keras_gen.data import catalog, draws, folder, listing, pipeline, summary, text


def first(dataset):
    return {key: value.numpy() for key, value in next(iter(dataset)).items()}


def everything(dataset, key="image"):
    return np.concatenate([batch[key].numpy() for batch in dataset])


# MNIST.


def test_mnist_is_complete_and_in_range():
    train = everything(keras_gen.data.load("mnist", shuffle=False), "label")
    assert np.bincount(train).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip
    test = keras_gen.data.load("mnist", "test", shuffle=False, batch_size=10_000)
    batch = first(test)
    assert batch["image"].shape == (10_000, 28, 28, 1)
    assert batch["image"].dtype == np.float32 and batch["label"].dtype == np.int64
    assert batch["image"].min() == -1 and batch["image"].max() == 1
    # The known mean and standard deviation of the test images, in [0, 1].
    unit = (batch["image"] + 1) / 2
    assert unit.mean() == pytest.approx(0.1325, abs=1e-4)
    assert unit.std() == pytest.approx(0.3105, abs=1e-4)
    assert batch["label"][:5].tolist() == [7, 2, 1, 0, 4]


def test_parts_of_splits():
    def count(split):
        return len(everything(keras_gen.data.load("mnist", split, shuffle=False)))

    assert count("test[:100]") == 100
    assert count("test[90%:]") == 1000
    assert count("test[-7:]") == 7
    for wrong in ("validation", "test[1:2:3]", "test[a:]"):
        with pytest.raises(ValueError, match="Expected a split"):
            count(wrong)


def test_order_follows_the_seed_and_changes_with_epochs():
    def labels(seed, epochs=1):
        data = keras_gen.data.load("mnist", "test[:256]", seed=seed)
        return [everything(data, "label").tolist() for _ in range(epochs)]

    one, two = labels(1, epochs=2)
    assert [one, two] == labels(1, epochs=2)
    assert one != two and sorted(one) == sorted(two)
    assert one != labels(2)[0]


def test_a_last_smaller_batch_is_dropped_only_when_shuffling():
    sizes = [
        [len(b["image"]) for b in keras_gen.data.load("mnist", "test[:100]", shuffle=s)]
        for s in (False, True)
    ]
    assert sizes == [[64, 36], [64]]


# Preparation of images.


def test_colour_becomes_grey_and_grey_becomes_colour():
    red = tf.constant([[[[1.0, -1.0, -1.0]]]])
    grey = pipeline.prepare(red, (1, 1, 1))
    assert float(grey[0, 0, 0, 0]) == pytest.approx(2 * 0.2989 - 1, abs=1e-3)
    back = pipeline.prepare(grey, (1, 1, 3)).numpy()
    assert back.shape == (1, 1, 1, 3) and np.ptp(back) == 0


def test_transparent_pixels_become_white():
    clear = tf.constant([[[[10, 20, 30, 0]]]], tf.uint8)
    np.testing.assert_allclose(pipeline.prepare(clear, None), 1.0)
    solid = tf.constant([[[[0, 255, 0, 255]]]], tf.uint8)
    np.testing.assert_allclose(pipeline.prepare(solid, None)[0, 0, 0], [-1, 1, -1])


def test_resizing_is_antialiased():
    stripes = np.tile([0, 255], (1, 64, 32, 1)).reshape(1, 64, 64, 1).astype(np.uint8)
    small = pipeline.prepare(tf.constant(stripes), (8, 8, 1)).numpy()
    assert np.abs(small).max() < 0.1  # Without antialiasing: black or white.


def test_images_are_cropped_around_the_centre():
    wide = np.zeros((1, 10, 30, 1), np.uint8)
    wide[:, :, 10:20] = 255
    assert pipeline.prepare(tf.constant(wide), (10, 10, 1)).numpy().min() == 1


# Arrays and datasets.


def test_arrays_of_bytes_and_of_floats():
    images = np.random.default_rng(0).integers(0, 256, (6, 5, 5), np.uint8)
    options = {"shuffle": False, "batch_size": 4}
    from_bytes = everything(keras_gen.data.load(images, **options))
    np.testing.assert_allclose(from_bytes[..., 0], images / 127.5 - 1, atol=1e-6)
    unit = (images / 255.0)[..., None]
    from_unit = keras_gen.data.load(unit, value_range=(0, 1), **options)
    np.testing.assert_allclose(everything(from_unit), from_bytes, atol=1e-6)
    pair = first(keras_gen.data.load((images, np.arange(6)), **options))
    assert pair["label"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "source, message",
    [
        (np.full((4, 5, 5, 1), 200.0), "from 200 to 200"),
        (np.full((4, 5, 5, 1), np.nan), "from nan"),
        (np.zeros((4, 5)), "Expected images of shape"),
        (np.zeros((4, 5, 5, 1), np.int64), "uint8 or float"),
        ((np.zeros((4, 5, 5, 1)), np.zeros(3)), "one length"),
        (np.zeros((0, 5, 5, 1)), "at least 1"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(source, message):
    with pytest.raises(ValueError, match=message):
        keras_gen.data.load(source, batch_size=2)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("kind", ["array", "dataset"])
def test_floats_that_seem_to_have_another_range_are_refused(dtype, kind):
    """In `load` and in `fit`: 0 to 255 would become white, and 0 to 1 grey to white."""
    images = np.arange(8 * 16, dtype=np.uint8).reshape(8, 4, 4, 1) * 2
    model = keras_gen.zoo.load("vae", image_shape=(4, 4, 1), latent_dim=2)

    def source(values):
        values = values.astype(dtype)
        if kind == "array":
            return values
        return tf.data.Dataset.from_tensor_slices(values)

    def load(values, **options):
        options = {"batch_size": 8, "shuffle": False, **options}
        return first(keras_gen.data.load(source(values), **options))["image"]

    def fit(values):
        data = source(values)
        if kind == "array":
            return model.fit(data, batch_size=8, verbose=0)
        return model.fit(data.batch(8), verbose=0)

    for function in (load, fit):
        with pytest.raises(
            ValueError, match=r"from 0 to 254; .*value_range=\(0, 255\)"
        ):
            function(images)
    with pytest.raises(ValueError, match=r"from 0 to 0\.99.*value_range=\(0, 1\)"):
        load(images / 255)
    if kind == "array":
        with pytest.raises(ValueError, match=r"value_range=\(0, 1\)"):
            fit(images / 255)
    else:
        with pytest.warns(UserWarning, match=r"value_range=\(0, 1\)"):
            fit(images / 255)
    expected = images / 127.5 - 1
    np.testing.assert_allclose(load(images, value_range=(0, 255)), expected, atol=2e-3)
    got = load(images / 255, value_range=(0, 1))
    np.testing.assert_allclose(got, expected, atol=2e-3)
    as_they_are = load(images / 255, value_range=(-1, 1))
    np.testing.assert_allclose(as_they_are, images / 255, atol=1e-3)
    for constant in (-1, 0, 1):
        assert np.all(load(np.full((8, 4, 4, 1), constant)) == constant)


def test_a_later_batch_out_of_range_stops_a_dataset():
    images = np.zeros((16, 4, 4, 1), np.float32)
    images[12] = 200
    source = tf.data.Dataset.from_tensor_slices(images)
    data = keras_gen.data.load(source, batch_size=8, shuffle=False)
    with pytest.raises(tf.errors.InvalidArgumentError, match="values in"):
        everything(data)


def test_ints_and_bools_of_other_ranges():
    bits = np.arange(2 * 16).reshape(2, 4, 4, 1) % 2
    options = {"batch_size": 2, "shuffle": False}
    got = first(keras_gen.data.load(bits.astype(bool), **options))["image"]
    np.testing.assert_array_equal(got, 2.0 * bits - 1)
    with pytest.raises(ValueError, match=r"value_range=\(0, 1\)"):
        keras_gen.data.load(bits.astype(np.uint8), **options)
    deep = tf.data.Dataset.from_tensor_slices((bits * 65535).astype(np.uint16))
    with pytest.raises(ValueError, match=r"value_range=\(0, 65535\)"):
        keras_gen.data.load(deep, **options)
    got = first(keras_gen.data.load(deep, value_range=(0, 65535), **options))["image"]
    np.testing.assert_allclose(got, 2.0 * bits - 1, atol=1e-6)


@pytest.mark.parametrize("value_range", [(1, 0), (0, 0), (0, np.nan), (0,), "ab", 3])
def test_a_range_that_is_none_is_refused(value_range):
    with pytest.raises(ValueError, match="Expected value_range="):
        keras_gen.data.load(np.zeros((4, 5, 5, 1)), value_range=value_range)


def test_four_channels_are_kept_if_they_are_asked_for():
    images = np.random.default_rng(0).integers(0, 256, (4, 6, 6, 4), np.uint8)
    options = {"image_shape": (6, 6, 4), "batch_size": 4, "shuffle": False}
    expected = images / 127.5 - 1
    for source in (images, tf.data.Dataset.from_tensor_slices(images)):
        got = first(keras_gen.data.load(source, **options))["image"]
        np.testing.assert_allclose(got, expected, atol=1e-6)
    opaque = first(keras_gen.data.load(images[..., :3], **options))["image"]
    np.testing.assert_allclose(opaque[..., :3], expected[..., :3], atol=1e-6)
    assert np.all(opaque[..., 3] == 1)
    shapes = {"image": (6, 6, 4)}
    for x in (images, expected.astype("float32")):
        arrays = pipeline.batches(x, None, shapes, 4, shuffle=False)
        dataset = tf.data.Dataset.from_tensor_slices(x).batch(4)
        for data in (arrays, pipeline.batches(dataset, None, shapes)):
            np.testing.assert_allclose(first(data)["image"], expected, atol=1e-6)
    with pytest.raises(ValueError, match="6, 6, 4"):
        pipeline.batches(images[..., :3], None, shapes)


# Labels.

CLASSES = np.array([2, 0, 1, 2])


@pytest.mark.parametrize(
    "labels",
    [
        CLASSES,
        CLASSES[:, None],
        CLASSES.astype(np.uint8),
        CLASSES.astype(np.float32),
        np.eye(3)[CLASSES],
        np.eye(3, dtype=bool)[CLASSES],
        CLASSES.astype(object),
    ],
)
def test_labels_of_every_form(labels):
    images = np.zeros((4, 5, 5, 1), np.uint8)
    options = {"batch_size": 4, "shuffle": False}
    got = first(keras_gen.data.load((images, labels), **options))["label"]
    assert got.dtype == np.int64 and got.tolist() == CLASSES.tolist()
    shapes = {"image": (5, 5, 1), "label": ()}
    arrays = pipeline.batches(images, labels, shapes, 4, False)
    assert first(arrays)["label"].tolist() == CLASSES.tolist()
    if labels.dtype.kind not in "Ob":
        dataset = tf.data.Dataset.from_tensor_slices((images, labels))
        loaded = keras_gen.data.load(dataset, **options)
        for data in (loaded, pipeline.batches(dataset.batch(4), None, shapes)):
            got = first(data)["label"]
            assert got.dtype == np.int64 and got.tolist() == CLASSES.tolist()


def test_names_of_classes_become_labels():
    images = np.zeros((4, 5, 5, 1), np.uint8)
    for names in (
        np.array(["dog", "cat", "dog", "owl"]),
        np.array(["dog", "cat", "dog", "owl"], object)[:, None],
        np.array([b"dog", b"cat", b"dog", b"owl"]),
    ):
        data = keras_gen.data.load((images, names), batch_size=4, shuffle=False)
        assert data.class_names == ["cat", "dog", "owl"]
        assert first(data)["label"].tolist() == [1, 0, 1, 2]
        facts = keras_gen.data.describe((images, names))
        assert facts.class_names == ("cat", "dog", "owl")
        with pytest.raises(ValueError, match="label.*data.load turns"):
            pipeline.batches(images, names, {"image": (5, 5, 1), "label": ()})


@pytest.mark.parametrize(
    "labels",
    [
        [0, 1, 2, np.nan],
        [0, 1, 2, 0.7],
        [0, 1, 2, -2],
        [0, 1, 2, np.inf],
        [0, 1, 2, 1e300],
        [0, 1, 2, None],
        [[0.5, 0.5]] * 4,
        [[1, 1]] * 4,
        [[[0]]] * 4,
        [0j] * 4,
    ],
)
def test_labels_that_are_no_whole_numbers_are_refused(labels):
    images, labels = np.zeros((4, 5, 5, 1), np.uint8), np.array(labels)
    shapes = {"image": (5, 5, 1), "label": ()}
    with pytest.raises(ValueError, match="label"):
        keras_gen.data.load((images, labels), batch_size=4)
    with pytest.raises(ValueError, match="label"):
        pipeline.batches(images, labels, shapes)
    if labels.dtype.kind != "O":
        dataset = tf.data.Dataset.from_tensor_slices((images, labels))
        with pytest.raises(ValueError, match="label"):
            keras_gen.data.load(dataset, batch_size=4)
        with pytest.raises(ValueError, match="label"):
            pipeline.batches(dataset.batch(4), None, shapes)


@pytest.mark.parametrize("shift", [-1, 1])
def test_labels_beyond_a_models_classes_are_refused_before_the_first_step(shift):
    images = np.zeros((12, 8, 8, 1), np.float32)
    labels = np.arange(12) % 3 + shift
    model = keras_gen.zoo.load(
        "classifier", image_shape=(8, 8, 1), num_classes=3, width=2
    )
    before = [w.numpy() for w in model.weights]
    dataset = tf.data.Dataset.from_tensor_slices((images, labels)).batch(4)
    for function in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match="Expected labels from 0 to 2, got"):
            function(images, labels, batch_size=4, verbose=0)
        with pytest.raises(ValueError, match="Expected labels from 0 to 2, got"):
            function(dataset, verbose=0)
    for weight, old in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, old)
    late = tf.data.Dataset.from_tensor_slices((images, np.arange(12) // 3)).batch(4)
    with pytest.raises(tf.errors.InvalidArgumentError, match="labels that are whole"):
        model.fit(late, verbose=0)


def test_unknown_labels_are_for_semi_supervised_models(pets):
    ranges = {
        name: keras_gen.zoo.load(name, **options).label_ranges()
        for name, options in (
            ("semi_aae", keras_gen.models.SemiSupervisedAAE.tiny),
            ("classifier", keras_gen.models.Classifier.tiny),
        )
    }
    expected = {"semi_aae": {"label": (-1, 2)}, "classifier": {"label": (0, 2)}}
    assert ranges == expected
    data = keras_gen.data.load(pets, image_shape=(8, 8, 1), batch_size=4)
    shapes = {"image": (8, 8, 1), "label": ()}
    with pytest.raises(ValueError, match="3 classes.*got 2: cats, dogs"):
        pipeline.batches(data, None, shapes, ranges={"label": (0, 2)})
    pipeline.batches(data, None, shapes, ranges={"label": (0, 1)})


def test_settings_that_do_not_fit_are_refused():
    images = np.zeros((4, 5, 5, 1))
    for settings in (
        {"batch_size": 0},
        {"image_shape": (5, 5)},
        {"image_shape": (5, 5, 2)},
        {"broken": "ignore"},
        {"batch_size": 5},
    ):
        with pytest.raises(ValueError, match="Expected"):
            keras_gen.data.load(images, **settings)


def test_half_of_the_images_are_mirrored_and_every_epoch_chooses_anew():
    images = np.random.default_rng(0).integers(0, 256, (64, 4, 4, 3), "uint8")
    load = functools.partial(
        keras_gen.data.load, images, mirror=True, batch_size=16, shuffle=False, seed=3
    )

    def mirrored(dataset):
        got = np.concatenate([batch["image"] for batch in dataset])
        same = np.all(got == plain, axis=(1, 2, 3))
        np.testing.assert_array_equal(got[~same], plain[~same][:, :, ::-1])
        return ~same

    plain = np.concatenate([batch["image"] for batch in load(mirror=False)])
    dataset = load()
    first, second = mirrored(dataset), mirrored(dataset)
    assert 16 < first.sum() < 48 and np.any(first != second)
    np.testing.assert_array_equal(mirrored(load()), first)
    assert int(dataset.cardinality()) == 4


def test_two_drawings_of_an_emoji_are_mirrored_together():
    options = {"features": ("image", "image_b"), "paired": True, "shuffle": False}
    plain = next(iter(keras_gen.data.load("emoji", **options)))
    dataset = keras_gen.data.load("emoji", mirror=True, **options)
    got = next(iter(dataset))
    pairs, plain = (
        np.stack([batch["image"], batch["image_b"]], axis=1) for batch in (got, plain)
    )
    mirrored = np.any(pairs != plain, axis=(1, 2, 3, 4))
    assert 8 < mirrored.sum() < 56
    np.testing.assert_array_equal(pairs[mirrored], plain[mirrored][:, :, :, ::-1])
    assert dataset.domain_names == ["noto", "twemoji"]
    with pytest.raises(ValueError, match="Expected images with mirror=True"):
        keras_gen.data.load("gaussian_ring", mirror=True)


def test_datasets_have_no_autotuning_unless_the_user_asks(tmp_path):
    """Deleting an iterator can wait up to a minute for the autotuning thread."""
    images = np.zeros((8, 8, 8, 1), np.uint8)
    for i, image in enumerate(images):
        keras_gen.images.save_grid(image[None] / 127.5 - 1, tmp_path / f"{i}.png")
    ours = tf.data.Dataset.from_tensor_slices(images)
    options = {"image_shape": (8, 8, 3), "batch_size": 2}
    for source in ("mnist", "faces", images, ours, tmp_path):
        found = keras_gen.data.load(source, **options)
        assert found.options().autotune.enabled is False, source
        drawn = draws.draw(found, 4, 0, batch_size=2)
        assert drawn.options().autotune.enabled is False, source
    shapes = {"image": (8, 8, 1)}
    for enabled in (True, False):
        choice = tf.data.Options()
        choice.autotune.enabled = enabled
        mine = ours.batch(2).with_options(choice)
        found = keras_gen.data.batches(mine, None, shapes)
        assert found.options().autotune.enabled is enabled
    found = keras_gen.data.batches(ours.batch(2), None, shapes)
    assert found.options().autotune.enabled is False


def test_datasets_of_single_images():
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), np.uint8)
    source = tf.data.Dataset.from_tensor_slices((images, np.arange(6)))
    data = keras_gen.data.load(
        source, image_shape=(4, 4, 1), batch_size=3, shuffle=False
    )
    batch = first(data)
    assert batch["image"].shape == (3, 4, 4, 1)
    assert batch["label"].tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="single images"):
        keras_gen.data.load(source.batch(2))


# Folders.


@pytest.fixture
def pets(tmp_path):
    """Two classes in all formats, of different sizes and modes."""
    formats = ["png", "jpg", "jpeg", "webp", "bmp", "gif"]
    modes = {"png": "RGBA", "gif": "P", "bmp": "L"}
    for label, level in (("cats", 40), ("dogs", 210)):
        for i in range(10):
            kind = formats[i % 6]
            picture = PIL.Image.new("RGB", (20 + i, 24), (level, level, level))
            path = tmp_path / label / f"{i}.{kind.upper() if i > 6 else kind}"
            path.parent.mkdir(exist_ok=True)
            picture.convert(modes.get(kind, "RGB")).save(path)
    return tmp_path


def test_a_folder_of_classes(pets):
    options = {"image_shape": (16, 16, 3), "batch_size": 4, "shuffle": False}
    train = keras_gen.data.load(pets, test_fraction=0.25, **options)
    assert train.class_names == ["cats", "dogs"]
    images, labels = everything(train), everything(train, "label")
    assert images.shape == (15, 16, 16, 3)
    expected = np.where(labels == 0, 40, 210) / 127.5 - 1
    np.testing.assert_allclose(images.mean(axis=(1, 2, 3)), expected, atol=0.03)
    test = keras_gen.data.load(pets, "test", test_fraction=0.25, **options)
    assert len(everything(test)) == 5


def test_a_folder_is_split_by_its_seed_without_overlap(pets):
    def paths(split, seed):
        return set(listing.read(pets).select(split, 0.25, seed))

    assert len(paths("train", 1) | paths("test", 1)) == 20
    assert not paths("train", 1) & paths("test", 1)
    assert paths("test", 1) == paths("test", 1) != paths("test", 2)


def test_a_folder_with_subfolders_train_and_test_is_not_split(pets, tmp_path_factory):
    root = tmp_path_factory.mktemp("given")
    shutil.copytree(pets / "cats", root / "train")
    shutil.copytree(pets / "dogs", root / "test")
    test = keras_gen.data.load(root, "test", image_shape=(8, 8, 1), shuffle=False)
    assert everything(test).mean() == pytest.approx(210 / 127.5 - 1, abs=0.02)
    assert "label" not in test.element_spec


def test_a_broken_file_raises_an_error_or_is_skipped_and_is_named(pets):
    content = (pets / "cats" / "0.png").read_bytes()
    broken = pets / "cats" / "broken.png"
    broken.write_bytes(content[: len(content) // 2])
    options = {"image_shape": (8, 8, 1), "test_fraction": 0.0, "shuffle": False}
    with pytest.raises(ValueError, match="broken.png cannot be read"):
        keras_gen.data.load(pets, **options)
    with pytest.warns(UserWarning, match="Skipped: The image .*broken.png"):
        data = keras_gen.data.load(pets, broken="skip", **options)
    assert len(everything(data)) == 20


def test_a_folder_too_large_for_memory_gives_the_same_images(pets, monkeypatch):
    options = {"image_shape": (8, 8, 3), "shuffle": False, "batch_size": 5}
    kept = keras_gen.data.load(pets, **options)
    monkeypatch.setattr(folder, "MEMORY_LIMIT", 100)
    lazy = keras_gen.data.load(pets, **options)
    np.testing.assert_array_equal(everything(kept), everything(lazy))
    np.testing.assert_array_equal(everything(kept, "label"), everything(lazy, "label"))
    assert int(lazy.cardinality()) == int(kept.cardinality())


def test_errors_explain_why_a_folder_cannot_be_used(pets, tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(ValueError, match="Expected images"):
        keras_gen.data.load(empty)
    shutil.copy(pets / "cats" / "0.png", pets / "stray.png")
    with pytest.raises(ValueError, match="stray.png"):
        keras_gen.data.load(pets, image_shape=(8, 8, 1), test_fraction=0.0)


# Descriptions.


def test_a_folder_is_described_as_it_is_loaded(pets):
    (pets / "notes.heic").write_text("")
    (pets / "cats" / ".DS_Store").write_text("")
    options = {"image_shape": (22, 22, 3), "seed": 2, "test_fraction": 0.25}
    facts = keras_gen.data.describe(pets, "train[:10]", **options)
    assert facts.counts == {"train": 15, "test": 5} and facts.held_out == {"test": 5}
    data = keras_gen.data.load(pets, "train[:10]", shuffle=False, **options)
    assert facts.num_selected == len(everything(data)) == 10
    assert sorted(facts.sizes) == sorted([(20 + i, 24) for i in range(10)] * 2)
    assert facts.kinds == ("colour", "grey", "transparent")
    assert [path for path, _ in facts.left_out] == [
        str(pets / "cats" / ".DS_Store"), str(pets / "notes.heic")
    ]  # fmt: skip
    assert str(facts).splitlines() == [
        f"Data: {pets}, 20 images of 20x24 to 29x24 pixels (width x height; median "
        "25x24), 2 classes (cats, dogs)",
        "Left out: 2 files, each because its name does not end in .avif, .bmp, .gif, "
        ".jfif, .jpe, .jpeg, .jpg, .pbm, .pgm, .png, .ppm, .tif, .tiff or .webp: "
        "cats/.DS_Store and notes.heic",
        "Images: cropped around the centre to a square (cuts off up to 17% of the "
        "area), then resized to 22x22 pixels, which enlarges 4 of them; grey becomes "
        "three equal channels; transparent parts become white",
        "Training: 10 of 15 images (split 'train[:10]'); held out: 5 in the split "
        "'test' (25%, chosen by seed 2)",
    ]
    unused = keras_gen.data.describe(pets, features=("image",), mirror=True, **options)
    assert "2 classes that the model does not use" in str(unused)
    assert "half are mirrored" in str(unused)
    test = str(keras_gen.data.describe(pets, "test", **options))
    assert test.endswith("Split 'test': 5 images (25%, chosen by seed 2)")


def test_given_splits_and_files_outside_of_them_are_described(pets, tmp_path_factory):
    root = tmp_path_factory.mktemp("given")
    shutil.copytree(pets / "cats", root / "train")
    shutil.copytree(pets / "dogs", root / "test")
    shutil.copytree(pets / "dogs", root / "more")
    facts = keras_gen.data.describe(root, image_shape=(8, 8, 1))
    assert facts.counts == {"train": 10, "test": 10}
    lines = str(facts).splitlines()
    assert "10 files, each because it is in neither of the subfolders" in lines[1]
    assert lines[1].endswith(" and 5 more")
    assert lines[-1] == (
        "Training: 10 images; held out: 10 in the split 'test' (the folder's own)"
    )


def test_large_folders_are_described_from_a_sample_of_headers(pets, monkeypatch):
    opened = []
    header = summary.header
    monkeypatch.setattr(folder, "MAX_HEADERS", 6)
    monkeypatch.setattr(summary, "header", lambda p: opened.append(p) or header(p))
    facts = keras_gen.data.describe(pets, image_shape=(8, 8, 3))
    assert len(facts.sizes) == len(set(opened)) == 6
    assert "20 images" in str(facts) and "sizes of a random sample of 6)" in str(facts)


def test_headers_are_read_without_decoding_and_with_their_orientation(tmp_path):
    path = tmp_path / "a.jpg"
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.new("RGB", (400, 300)).save(path, exif=exif)
    assert summary.header(path) == ((300, 400), {"colour"})
    assert folder.decode(path).shape == (400, 300, 3)
    path.write_bytes(path.read_bytes()[:700])  # Enough for the header.
    assert summary.header(path) == ((300, 400), {"colour"})
    with pytest.raises(ValueError, match="cannot be read"):
        folder.decode(path)
    path.write_text("no image")
    assert summary.header(path) is None


@pytest.mark.parametrize("target", [(16, 16), (24, 8), (7, 31)])
def test_the_described_crop_is_that_of_the_pipeline(target, monkeypatch):
    resized = []
    resize = tf.image.resize

    def spy(images, size, **options):
        resized.append((images.shape[-2], images.shape[-3]))
        return resize(images, size, **options)

    monkeypatch.setattr(tf.image, "resize", spy)
    sizes = [(40, 30), (30, 40), (9, 5), (5, 50), (33, 33), (1, 1)]
    for width, height in sizes:
        pipeline.to_size(tf.zeros((height, width, 1)), target[1], target[0])
    assert resized == [summary.cropped(size, target) for size in sizes]


@pytest.mark.parametrize(
    "shape, text",
    [
        (
            (10, 20, 1),
            "used at their size, 20x10; colours become grey "
            "(image_shape=[10,20,3] keeps them)",
        ),
        ((5, 10, 3), "resized to 10x5 pixels"),
        ((20, 40, 3), "resized to 40x20 pixels, which enlarges them"),
        (
            (4, 4, 3),
            "cropped around the centre to a square (cuts off 50% of the area), then "
            "resized to 4x4 pixels",
        ),
        (
            (6, 4, 3),
            "cropped around the centre to the proportions 2:3 (cuts off 70% of the "
            "area), then resized to 4x6 pixels",
        ),
        (None, "used at their size"),
    ],
)
def test_what_happens_to_images_is_described(shape, text):
    images = np.zeros((3, 10, 20, 3), np.uint8)
    facts = keras_gen.data.describe(images, image_shape=shape)
    assert facts.source_lines() == [
        "Data: arrays, 3 images of 20x10 pixels", f"Images: {text}"
    ]  # fmt: skip


def test_files_that_cannot_be_read_are_listed_by_the_data(pets):
    (pets / "dogs" / "no.png").write_text("no image")
    options = {"image_shape": (8, 8, 3), "batch_size": 4, "test_fraction": 0.0}
    facts = keras_gen.data.describe(pets, **options_of_describe(options))
    assert facts.num_selected == 21
    for features in (None, ("image",), ("image", "image_b")):
        with pytest.warns(UserWarning, match="no.png"):
            data = keras_gen.data.load(
                pets, features=features, broken="skip", **options
            )
        assert data.left_out == [
            (
                str(pets / "dogs" / "no.png"),
                "it cannot be read: its content is not an image",
            )
        ]
    assert facts.without(data.left_out).num_selected == 20
    pair = keras_gen.data.describe(
        pets, features=("image", "image_b"), **options_of_describe(options)
    )
    assert pair.without(data.left_out).split_lines() == [
        "Training (A): 10 images", "Training (B): 10 images"
    ]  # fmt: skip


def options_of_describe(options):
    return {name: value for name, value in options.items() if name != "batch_size"}


def test_sources_that_are_not_folders_are_described(tmp_path):
    describe = keras_gen.data.describe
    emoji = describe("emoji", features=("image", "domain"), image_shape=(64, 64, 3))
    assert emoji.counts == {"train": 5184, "test": 534}
    assert "9 classes, 3 domains (noto, twemoji, openmoji)" in str(emoji)
    pair = describe("emoji", features=("image", "image_b"), image_shape=(64, 64, 3))
    assert [side.source for side in pair.domains] == ["emoji/noto", "emoji/twemoji"]
    assert str(pair).splitlines()[-1].startswith("Training (B): 1,728 images; held out")
    ring = describe("gaussian_ring", "train[:10]")
    assert str(ring).splitlines() == [
        "Data: gaussian_ring, 60,000 points, 8 classes",
        "Training: 10 of 50,000 points (split 'train[:10]'); held out: 10,000 in the "
        "split 'test' (the data set's own)",
    ]
    path = tmp_path / "lines.txt"
    path.write_text("\n".join(["anna", "bo", "", "zoe"] * 10))
    assert str(describe(path, seed=1)).splitlines() == [
        f"Data: {path}, 30 lines, up to 4 characters long, 6 different characters",
        "Training: 27 lines; held out: 3 in the split 'test' (10%, chosen by seed 1)",
    ]
    images = np.zeros((6, 8, 8, 1), np.uint8)
    dataset = tf.data.Dataset.from_tensor_slices((images, np.arange(6)))
    assert describe(dataset).split_lines() == ["Training: 6 images"]
    endless = describe(dataset.repeat())
    assert str(endless).splitlines() == [
        "Data: dataset, images of 8x8 pixels",
        "Images: used at their size",
        "Training: an unknown number of images",
    ]
    for source, split in (("minst", "train"), (path, "valid"), ("mnist", "valid")):
        with pytest.raises(ValueError, match="Expected"):
            describe(source, split)


# Emoji.


def test_each_emoji_is_drawn_in_three_styles():
    data = keras_gen.data.load("emoji", "test", shuffle=False, batch_size=3 * 178)
    batch = first(data)
    assert batch["image"].shape == (3 * 178, 64, 64, 3)
    assert batch["image"].min() == -1 and batch["image"].max() == 1
    assert (batch["image"][:, 0, 0] == 1).mean() > 0.8  # White corners.
    assert batch["domain"].tolist() == [0, 1, 2] * 178
    assert data.domain_names == ["noto", "twemoji", "openmoji"]
    for key in ("id", "label", "caption"):
        assert (batch[key].reshape(178, 3) == batch[key][::3, None]).all()
    assert len(set(batch["id"])) == 178
    training = keras_gen.data.load("emoji", shuffle=False)
    train = everything(training, "id")
    assert len(train) + len(batch["id"]) == 3 * 1906
    assert not set(train) & set(batch["id"])
    assert set(everything(training, "label")) == set(range(len(data.class_names)))
    captions = everything(training, "caption")
    (nerd,) = set(captions[train == b"1f913"])
    assert nerd.startswith(b"nerd face: brainy, clever")
    assert not any(b"skin" in code for code in captions)
    # Drawings of the same emoji differ, but less than drawings of different ones.
    images = batch["image"].reshape(178, 3, -1)
    same = np.abs(images[:, 0] - images[:, 1]).mean()
    others = np.abs(images[:, 0] - np.roll(images[:, 1], 1, axis=0)).mean()
    assert 0.05 < same < 0.75 * others


def test_styles_of_emoji_by_name():
    options = {"shuffle": False, "image_shape": (32, 32, 3)}
    three = first(keras_gen.data.load("emoji", "test[:6]", **options))
    two = keras_gen.data.load("emoji/openmoji,noto", "test[:4]", **options)
    assert two.domain_names == ["openmoji", "noto"]
    two = first(two)
    assert two["domain"].tolist() == [0, 1, 0, 1, 0, 1, 0, 1][: len(two["domain"])]
    np.testing.assert_array_equal(two["image"][0], three["image"][2])
    np.testing.assert_array_equal(two["image"][1], three["image"][0])
    one = first(keras_gen.data.load("emoji/twemoji", "test[:4]", **options))
    np.testing.assert_array_equal(one["image"][:2], three["image"][[1, 4]])
    for wrong in ("emoji/fluent", "emoji/noto,noto"):
        with pytest.raises(ValueError, match="'twemoji'"):
            keras_gen.data.load(wrong)


def test_two_styles_are_unpaired_or_paired():
    options = {"image_shape": (16, 16, 3), "batch_size": 178}
    pair = ("image", "image_b")
    noto, twemoji = (
        first(keras_gen.data.load(f"emoji/{s}", "test", shuffle=False, **options))
        for s in ("noto", "twemoji")
    )
    paired = keras_gen.data.load("emoji", "test", paired=True, shuffle=False, **options)
    batch = first(paired)
    np.testing.assert_array_equal(batch["image"], noto["image"])
    np.testing.assert_array_equal(batch["image_b"], twemoji["image"])
    np.testing.assert_array_equal(batch["id"], noto["id"])
    unpaired = keras_gen.data.load("emoji", "test", features=pair, seed=3, **options)
    assert set(unpaired.element_spec) == set(pair)
    batch, again = first(unpaired), first(unpaired)
    order = [
        order_of(batch["image"], noto["image"]),
        order_of(batch["image_b"], twemoji["image"]),
    ]
    assert sorted(order[0]) == sorted(order[1]) == list(range(178))
    assert order[0] != order[1]
    assert order[0] != order_of(again["image"], noto["image"])
    with pytest.raises(ValueError, match="two domains"):
        keras_gen.data.load("emoji/noto", features=pair)
    with pytest.raises(ValueError, match="paired"):
        keras_gen.data.load("mnist", paired=True)


def order_of(images, among):
    indices = {image.tobytes(): i for i, image in enumerate(among)}
    return [indices[image.tobytes()] for image in images]


def test_an_error_names_features_that_a_source_does_not_have():
    with pytest.raises(ValueError, match=r"with \['caption'\], got"):
        keras_gen.data.load("mnist", features=("caption",))


# Domains and captions of folders.


def test_two_folders_are_an_unpaired_set(pets):
    (pets / "cats" / "0.png").unlink()
    options = {"image_shape": (8, 8, 3), "batch_size": 4, "shuffle": False}
    pair = ("image", "image_b")
    two = f"{pets / 'cats'},{pets / 'dogs'}"
    for source in (pets, two, (pets / "cats", pets / "dogs")):
        data = keras_gen.data.load(source, features=pair, test_fraction=0.0, **options)
        batches = [{k: v.numpy() for k, v in batch.items()} for batch in data]
        assert [len(b["image"]) for b in batches] == [
            len(b["image_b"]) for b in batches
        ]
        for batch in batches:
            np.testing.assert_allclose(batch["image"].mean(), 40 / 127.5 - 1, atol=0.03)
            np.testing.assert_allclose(
                batch["image_b"].mean(), 210 / 127.5 - 1, atol=0.03
            )


def test_folders_of_domains_with_given_splits(pets, tmp_path_factory):
    pair = ("image", "image_b")
    options = {"image_shape": (8, 8, 1), "batch_size": 2, "shuffle": False}
    lettered, given = tmp_path_factory.mktemp("ab"), tmp_path_factory.mktemp("given")
    for split in ("train", "test"):
        shutil.copytree(pets, given / split)
        shutil.copytree(pets / "cats", lettered / f"{split}A")
        shutil.copytree(pets / "dogs", lettered / f"{split}B")
    for root in (lettered, given):
        for split, count in (("train", 10), ("test[:3]", 3)):
            data = keras_gen.data.load(root, split, features=pair, **options)
            assert len(everything(data)) == len(everything(data, "image_b")) == count
            assert everything(data).max() < 0 < everything(data, "image_b").min()
    domains = keras_gen.data.load(pets, features=("image", "domain"), **options)
    assert domains.class_names == ["cats", "dogs"]
    batch = {k: everything(domains, k) for k in ("image", "domain")}
    bright = batch["image"].mean(axis=(1, 2, 3)) > 0
    assert bright.tolist() == batch["domain"].tolist()


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_folder_with_captions(pets, kind):
    cats = pets / "cats"
    files = sorted(p.name for p in cats.iterdir())
    rows = [(name, f"cat, {name}") for name in files] + [(files[0], "the first")]
    if kind == "csv":
        lines = ["file,caption", *(f'{name},"{text}"' for name, text in rows)]
    else:
        lines = [json.dumps({"file": name, "caption": text}) for name, text in rows]
    (cats / f"captions.{kind}").write_text("\n".join(lines) + "\n")
    options = {"image_shape": (8, 8, 1), "shuffle": False, "test_fraction": 0.0}
    data = keras_gen.data.load(cats, batch_size=20, **options)
    batch = first(data)
    assert len(batch["image"]) == 11
    assert batch["caption"][:3].tolist() == [
        f"cat, {files[0]}".encode(), b"the first", f"cat, {files[1]}".encode()
    ]  # fmt: skip
    np.testing.assert_array_equal(batch["image"][0], batch["image"][1])
    facts = keras_gen.data.describe(cats, image_shape=(8, 8, 1), test_fraction=0.0)
    assert facts.split_lines() == ["Training: 10 images with 11 captions"]
    assert not facts.left_out
    (cats / f"captions.{kind}").write_text("\n".join(lines[:4]) + "\n")
    with pytest.raises(ValueError, match="caption of .*cats"):
        keras_gen.data.load(cats, **options)
    (cats / f"captions.{kind}").write_text("\n".join(lines).replace("file", "path"))
    with pytest.raises(ValueError, match="'file' and 'caption'"):
        keras_gen.data.load(cats, **options)


# Stacked MNIST and mixtures in the plane.


def test_stacked_mnist_has_three_digits_in_an_image_and_all_1000_modes():
    data = keras_gen.data.load("stacked_mnist", "test", shuffle=False)
    labels = everything(data, "label")
    assert len(labels) == 10_000 and len(np.unique(labels)) == 1000
    digits = keras_gen.data.load("mnist", "test", shuffle=False)
    single = everything(digits)[..., 0]
    by_label = dict(zip(map(bytes, single), everything(digits, "label"), strict=True))
    batch = first(data)
    for image, label in zip(batch["image"], batch["label"], strict=True):
        red, green, blue = (
            by_label[np.ascontiguousarray(image[..., i]).tobytes()] for i in range(3)
        )
        assert label == 100 * red + 10 * green + blue
    small = keras_gen.data.load("stacked_mnist", "train[:64]", image_shape=(32, 32, 3))
    assert first(small)["image"].shape == (64, 32, 32, 3)


def test_points_of_mixtures_in_the_plane_lie_around_their_modes():
    ring = first(keras_gen.data.load("gaussian_ring", batch_size=5000, seed=0))
    assert ring["point"].shape == (5000, 2) and ring["point"].dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(ring["point"], axis=1), 1, atol=0.06)
    assert set(ring["label"]) == set(range(8))
    grid = first(keras_gen.data.load("gaussian_grid", "test", batch_size=9000))
    centre = grid["point"][grid["label"] == 12]
    np.testing.assert_allclose(centre.mean(axis=0), 0, atol=0.02)
    np.testing.assert_allclose(centre.std(axis=0), 0.05, rtol=0.15)


# tensorflow-datasets.


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_data_sets_of_tensorflow_datasets_are_loaded_by_name(tmp_path, monkeypatch):
    import tensorflow_datasets as tfds

    with tfds.testing.mock_data(num_examples=12):
        data = keras_gen.data.load(
            "cifar10", image_shape=(16, 16, 1), batch_size=5, data_dir=tmp_path
        )
        batch = first(data)
        assert batch["image"].shape == (5, 16, 16, 1)
        assert batch["label"].shape == (5,)
        monkeypatch.setattr(catalog, "MEMORY_LIMIT", 100)  # Large sets are streamed.
        streamed = keras_gen.data.load(
            "cifar10", "test[:50%]", batch_size=2, data_dir=tmp_path, shuffle=False
        )
        assert first(streamed)["image"].shape == (2, 32, 32, 3)
        facts = keras_gen.data.describe(  # Mock data do not count their examples.
            "cifar10", image_shape=(16, 16, 1), data_dir=tmp_path
        )
        assert str(facts).splitlines() == [
            "Data: cifar10, images of 32x32 pixels, 10 classes",
            "Images: resized to 16x16 pixels; colours become grey "
            "(image_shape=[16,16,3] keeps them)",
            "Training: an unknown number of images",
        ]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_domains_attributes_and_captions_of_the_papers_data_sets(tmp_path):
    import tensorflow_datasets as tfds

    options = {"image_shape": (16, 16, 3), "batch_size": 4, "data_dir": tmp_path}
    with tfds.testing.mock_data(num_examples=40):
        horses = keras_gen.data.load(
            "cycle_gan/horse2zebra", features=("image", "image_b"), **options
        )
        batch = first(horses)
        assert batch["image"].shape == batch["image_b"].shape == (4, 16, 16, 3)
        faces = keras_gen.data.load(
            "celeb_a/Black_Hair,Blond_Hair", features=("image", "domain"), **options
        )
        assert set(everything(faces, "domain")) == {0, 1}
        facts = keras_gen.data.describe(
            "celeb_a/Black_Hair,Blond_Hair", features=("image", "domain"),
            image_shape=(16, 16, 3), data_dir=tmp_path,
        )  # fmt: skip
        assert facts.num_selected is None
        assert "exactly one of Black_Hair, Blond_Hair" in str(facts)
        pair = keras_gen.data.load(
            "celeb_a/Male,Young", features=("image", "image_b"), **options
        )
        assert first(pair)["image_b"].shape == (4, 16, 16, 3)
        for name in ("caltech_birds2011", "oxford_flowers102"):
            data = keras_gen.data.load(name, features=("image", "caption"), **options)
            captions = first(data)["caption"]
            assert all(
                isinstance(c, bytes) and c == c.strip().lower() for c in captions
            )
            assert len(set(captions)) > 1
        assert catalog.words("001.Black_footed_Albatross") == b"black footed albatross"
        with pytest.raises(ValueError, match="attributes of"):
            keras_gen.data.load("celeb_a/Purple_Hair", **options)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_files_downloaded_by_hand_are_read_without_a_network(tmp_path):
    files = importlib.resources.files("keras_gen.data") / "files"
    for file in files.iterdir():
        if file.name.endswith(".gz"):
            shutil.copy(str(file), tmp_path / file.name)
    loaded = catalog.load(
        "mnist",
        "test",
        data_dir=tmp_path / "data",
        manual_dir=tmp_path,
        batch_size=10_000,
        shuffle=False,
    )
    ours = first(keras_gen.data.load("mnist", "test", shuffle=False, batch_size=10_000))
    theirs = first(loaded)
    # tensorflow-datasets stores the images in another order.
    np.testing.assert_allclose(
        np.sort(theirs["image"].sum(axis=(1, 2, 3))),
        np.sort(ours["image"].sum(axis=(1, 2, 3))),
        rtol=1e-6,
    )
    assert np.bincount(theirs["label"]).tolist() == np.bincount(ours["label"]).tolist()
    facts = catalog.describe("mnist", "train[:10%]", data_dir=tmp_path / "data")
    assert str(facts).splitlines() == [
        "Data: mnist, 70,000 images of 28x28 pixels, 10 classes",
        "Images: used at their size",
        "Training: 6,000 of 60,000 images (split 'train[:10%]'); held out: 10,000 in "
        "the split 'test'",
    ]
    both = catalog.describe("mnist", "train+test[:50%]", data_dir=tmp_path / "data")
    assert both.num_selected == 65_000 and not both.held_out
    with pytest.raises(ValueError, match=r"split of \['train', 'test'\]"):
        catalog.describe("mnist", "dev", data_dir=tmp_path / "data")
    with pytest.raises(ValueError, match=r"split of \['train', 'test'\]"):
        catalog.load(
            "mnist", "dev", tmp_path / "data", tmp_path, batch_size=9, shuffle=False
        )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_error_explains_what_to_do_when_a_download_fails(tmp_path, monkeypatch):
    import tensorflow_datasets as tfds

    def no_network(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", no_network)
    with pytest.raises(ConnectionError, match="manual_dir.*data_dir") as caught:
        keras_gen.data.load("fashion_mnist", data_dir=tmp_path)
    assert "train-images-idx3-ubyte.gz" in str(caught.value)
    with pytest.raises(ValueError, match="'fashion_mnist'"):
        keras_gen.data.load("fashion_mnis", data_dir=tmp_path)


def test_the_files_that_ship_have_their_checksums():
    files = importlib.resources.files("keras_gen.data") / "files"
    text = (files / "README.md").read_text()
    for file in files.iterdir():
        if file.name != "README.md":
            assert keras_gen.files.sha256(str(file)) in text


# Text.


def test_lines_become_one_hot_sequences_and_lines_again(tmp_path):
    path = tmp_path / "lines.txt"
    lines = [f"zürich {i}" for i in range(30)]
    path.write_text("\n".join([*lines, "", ""]), encoding="utf-8")
    data = keras_gen.data.load(path, "train", batch_size=50, shuffle=False)
    assert data.characters == " 0123456789chirzü"
    (batch,) = data
    sequences = batch["sequence"].numpy()
    assert sequences.shape == (27, 9, 17) and sequences.dtype == np.float32
    inside = sequences != text.PADDING
    np.testing.assert_array_equal(sequences.sum(axis=-1, where=inside)[:, :8], 1)
    found = text.to_lines(sequences, data.characters)
    (rest,) = keras_gen.data.load(str(path), "test", batch_size=50, shuffle=False)
    rest = text.to_lines(rest["sequence"], data.characters)
    assert sorted(found + rest) == sorted(lines) and len(rest) == 3
    again = text.to_sequences(found, data.characters)
    np.testing.assert_array_equal(again, sequences)
    chosen = keras_gen.data.load(path, features=("sequence",), batch_size=5)
    assert chosen.characters == data.characters


def test_texts_that_do_not_fit_are_refused(tmp_path):
    path = tmp_path / "lines.txt"
    for content, message in (
        (b"", "got none"),
        (b"ab\n" + b"c" * 1001, "got 1001 in line 2"),
        (b"\xff\xfe\xff", "UTF-8"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=message):
            keras_gen.data.load(path, drop_remainder=False)
    path.write_text("ab\nc")
    for options, message in (
        ({"image_shape": (8, 8, 1)}, "no image_shape"),
        ({"mirror": True}, "Expected images"),
        ({"split": "test"}, "got none"),
        ({"split": "valid"}, "Expected a split"),
    ):
        with pytest.raises(ValueError, match=message):
            keras_gen.data.load(path, drop_remainder=False, **options)
    with pytest.raises(ValueError, match="missing.txt"):
        keras_gen.data.load(tmp_path / "missing.txt")
    with pytest.raises(ValueError, match="got 'c' in 'abc'"):
        text.to_sequences(["abc"], "ab")
    with pytest.raises(ValueError, match="none"):
        text.to_sequences([], "ab")
    with pytest.raises(ValueError, match="time, 3"):
        text.to_lines(np.zeros((1, 2, 2)), "abc")
