"""Extractors, and all figures of a set of images at once."""

import warnings

import keras
import numpy as np
import pytest
import scipy.ndimage
import skimage.data
import tensorflow as tf

import keras_gen
from keras_gen import metrics
from keras_gen.metrics.figures.path_length import PathLength

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.uniform(-1, 1, (300, 8, 8, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Flatten()(inputs)
    x = keras.layers.Dense(5, activation="tanh")(x)
    return keras.Model(inputs, x, name="probe")


def test_a_keras_model_gives_features(network):
    found = metrics.extractor(network)
    assert found.name == "probe" and not found.has_classes
    expected = network(IMAGES).numpy()
    np.testing.assert_allclose(found.features(IMAGES), expected, atol=1e-6)
    # Colour images and other sizes are converted to the shape that the network takes.
    large = RANDOM.uniform(-1, 1, (3, 16, 16, 3))
    assert found.features(large).shape == (3, 5)


def test_a_saved_model_gives_the_same_features(network, tmp_path):
    network.export(str(tmp_path / "probe"), verbose=False)
    found = metrics.extractor(tmp_path / "probe")
    expected = metrics.extractor(network).features(IMAGES)
    np.testing.assert_allclose(found.features(IMAGES), expected, atol=1e-6)


def classifier():
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Flatten()(inputs)
    x = keras.layers.Dense(5, "tanh")(x)
    return keras.Model(inputs, keras.layers.Dense(3, "softmax")(x), name="mine")


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_users_network_in_a_file_gives_features(suffix, network, tmp_path):
    path = tmp_path / f"mine{suffix}"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*legacy")
        network.save(path)
    found = metrics.extractor(path)
    assert found.name.startswith(path.name) and not found.has_classes
    expected = network(IMAGES).numpy()
    np.testing.assert_allclose(found.features(IMAGES), expected, atol=1e-6)
    assert found.num_features == 5


@pytest.mark.parametrize("is_alone", [False, True])
def test_the_features_of_a_classifier_are_the_inputs_of_its_last_layer(
    is_alone, tmp_path
):
    network = classifier()
    if is_alone:  # A layer of its own for the softmax.
        logits = keras.layers.Dense(3)(network.layers[-2].output)
        network = keras.Model(network.input, keras.layers.Softmax()(logits))
    network.save(tmp_path / "mine.keras")
    for source in (network, tmp_path / "mine.keras"):
        found = metrics.extractor(source)
        np.testing.assert_allclose(
            found.probabilities(IMAGES), network(IMAGES), atol=1e-6
        )
        inner = keras.Model(network.input, network.layers[2].output)
        np.testing.assert_allclose(found.features(IMAGES), inner(IMAGES), atol=1e-6)


def test_a_network_of_any_size_takes_that_of_the_images(tmp_path):
    inputs = keras.Input((None, None, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(inputs))
    keras.Model(inputs, x).save(tmp_path / "mine.keras")
    assert metrics.extractor(tmp_path / "mine.keras", (16, 16, 3)).num_features == 4
    with pytest.raises(ValueError, match="image_shape"):
        metrics.extractor(tmp_path / "mine.keras")


def save_maps(path):
    inputs = keras.Input((8, 8, 1))
    keras.Model(inputs, keras.layers.Conv2D(2, 3)(inputs)).save(path)


def save_pair(path):
    inputs = [keras.Input((8, 8, 1)), keras.Input((8, 8, 1))]
    x = keras.layers.Flatten()(keras.layers.Add()(inputs))
    keras.Model(inputs, x).save(path)


def save_gan(path):
    keras_gen.zoo.load("gan", image_shape=(8, 8, 1), widths=[8]).save(path)


@pytest.mark.parametrize(
    "save, suffix, message",
    [
        (lambda path: classifier().save_weights(path), ".weights.h5", "InceptionV3"),
        (save_maps, ".keras", "features .batch, numbers."),
        (save_pair, ".keras", "one input"),
        (save_gan, ".keras", "generative model GAN"),
        (lambda path: path.write_text("no network"), ".keras", "neither"),
        (lambda path: path.write_bytes(b"PK none"), ".keras", "can be loaded"),
    ],
)
def test_files_that_give_no_features_are_refused_in_a_sentence(
    save, suffix, message, tmp_path
):
    path = tmp_path / f"mine{suffix}"
    save(path)
    with pytest.raises(ValueError, match=message) as caught:
        metrics.extractor(path)
    assert len(str(caught.value)) < 500 and "\n" not in str(caught.value)


def test_inception_takes_what_keras_has_downloaded(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(ValueError, match=r"https://\S+_kernels.h5.* --features"):
        metrics.extractor("inception")
    path = tmp_path / "models" / metrics.features.INCEPTION_FILE
    path.parent.mkdir()
    path.write_text("the weights")
    monkeypatch.setattr(metrics.features, "_inception", lambda path: path)
    assert metrics.extractor("inception") == path


@pytest.mark.slow
def test_inception_takes_the_users_weights(tmp_path):
    keras.applications.InceptionV3(weights=None).save_weights(
        tmp_path / "inception.weights.h5"
    )
    found = metrics.extractor(tmp_path / "inception.weights.h5")
    assert found.name.startswith("inception_v3 ")
    assert found.features(IMAGES[:2]).shape == (2, 2048)
    np.testing.assert_allclose(found.probabilities(IMAGES[:2]).sum(axis=1), 1, 1e-3)


def test_extractors_that_are_not_there_are_explained(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(ValueError, match="keras.applications.InceptionV3"):
        metrics.extractor("inception")
    with pytest.raises(ValueError, match="'stacked_mnist', 'inception'"):
        metrics.extractor(tmp_path)


@pytest.mark.parametrize(
    "images, message",
    [
        (IMAGES * 127.5 + 127.5, "from 0"),
        (IMAGES * np.nan, "NaN"),
        (IMAGES[0], "shape"),
        (np.repeat(IMAGES, 2, axis=-1), "1, 3 or 4"),
    ],
)
def test_images_that_cannot_be_measured_are_refused(network, images, message):
    with pytest.raises(ValueError, match=message):
        metrics.image_figures(images, IMAGES, features=network)


def test_a_stream_gives_the_figures_of_the_whole(network):
    stream = tf.data.Dataset.from_tensor_slices({"image": IMAGES}).batch(7)
    whole = metrics.summarize(IMAGES, network)
    parts = metrics.summarize(stream, network)
    assert parts.count == whole.count == 300
    # The network's products are float32, whose order depends on the size of a batch.
    for name in ("mean", "covariance"):
        pair = (getattr(each.statistics, name) for each in (parts, whole))
        np.testing.assert_allclose(*pair, rtol=1e-6, atol=1e-9)


def test_rows_that_are_kept_are_few_and_drawn_evenly(network):
    times_kept = np.zeros(300)
    rows = metrics.extractor(network).features(IMAGES)
    for seed in range(60):
        kept = metrics.summarize(IMAGES, network, seed=seed, kept=50).features
        assert kept.shape == (50, 5)
        nearest = np.abs(rows[:, None] - kept[None]).sum(-1).min(1)
        times_kept += nearest < 1e-5
    assert times_kept.sum() == pytest.approx(60 * 50)
    # Early and late images are kept as often as others: 10 of 60 times on average.
    for part in np.split(times_kept, 3):
        assert part.mean() == pytest.approx(10, abs=1)


def test_figures_come_with_floors_and_with_what_they_were_computed_with(network):
    held_out = RANDOM.uniform(-1, 1, (300, 8, 8, 1))
    far = np.clip(IMAGES + 0.7, -1, 1)
    figures = metrics.image_figures(far, IMAGES, held_out, features=network, seed=3)
    assert figures["features"] == "probe" and figures["seed"] == 3
    assert figures["num_generated"] == figures["num_real"] == 300
    for name in ("frechet_distance", "kernel_distance"):
        assert figures[name] > 5 * abs(figures[f"{name}_floor"])
    for name in ("precision", "recall", "density", "coverage"):
        assert 0 <= figures[name] < figures[f"{name}_floor"]
    again = metrics.image_figures(far, IMAGES, held_out, features=network, seed=3)
    assert again == figures


def test_the_classifier_that_ships_reads_digits():
    test = keras_gen.data.load("mnist", "test[:2000]", shuffle=False, batch_size=2000)
    batch = next(iter(test))
    found = metrics.extractor("mnist").probabilities(batch["image"].numpy())
    assert (found.argmax(1) == batch["label"].numpy()).mean() > 0.99


def test_the_modes_of_stacked_mnist_are_read_off_three_channels():
    data = keras_gen.data.load("stacked_mnist", "test[:300]", shuffle=False)
    found = metrics.extractor("stacked_mnist")
    batch = next(iter(data))
    probabilities = found.probabilities(batch["image"].numpy())
    assert probabilities.shape == (64, 1000)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-4)
    assert (probabilities.argmax(1) == batch["label"].numpy()).mean() > 0.95
    # Modes are counted over all images, not over the rows that are kept.
    summary = metrics.summarize(data, found, kept=20)
    assert summary.class_counts.sum() == 300 and len(summary.probabilities) == 20


def test_evaluate_shows_figures_and_does_not_change_the_run(network):
    def run(callbacks):
        keras.utils.set_random_seed(0)
        model = keras_gen.zoo.load("gan", average=0.9, **keras_gen.models.GAN.tiny)
        model.compile(seed=0)
        history = model.fit(
            IMAGES, batch_size=50, epochs=2, verbose=0, callbacks=callbacks
        )
        return model, history.history

    evaluate = keras_gen.callbacks.Evaluate(
        "mnist", features=network, num_images=64, figures=("frechet_distance", "recall")
    )
    plain, without = run([])
    watched, shown = run([evaluate])
    assert set(shown) - set(without) == {"frechet_distance", "recall"}
    assert len(shown["frechet_distance"]) == 2 and shown["frechet_distance"][0] > 0
    for a, b in zip(plain.variables, watched.variables, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-6)


def test_evaluate_refuses_too_few_images_before_the_first_epoch(network, tmp_path):
    def train(data, **options):
        model = keras_gen.zoo.load("gan", **keras_gen.models.GAN.tiny)
        evaluate = keras_gen.callbacks.Evaluate(data, features=network, **options)
        model.fit(IMAGES, batch_size=50, epochs=1, verbose=0, callbacks=[evaluate])
        return int(model.step.numpy())

    with pytest.raises(ValueError, match="more images than the 5 features .*images=5"):
        train("mnist", num_images=5)
    for i in range(6):
        keras_gen.images.save_grid(IMAGES[i : i + 1], tmp_path / f"{i}.png")
    with pytest.raises(ValueError, match="got fewer in the split 'train'"):
        train(tmp_path, test_fraction=0.5)


def test_extractors_and_path_lengths_are_those_of_float32(network):
    images = keras_gen.data.load("mnist", "test[:8]", batch_size=8)
    images = next(iter(images))["image"].numpy()
    options = {"num_images": 200, "num_train": 200, "features": network}
    wanted, lengths = metrics.extractor("mnist").features(images), []
    for policy in ("float32", "mixed_bfloat16"):
        keras.config.set_dtype_policy(policy)
        found = metrics.extractor("mnist").features(images)
        np.testing.assert_array_equal(found, wanted)
        keras.utils.set_random_seed(0)
        model = keras_gen.zoo.load("gan", **keras_gen.models.GAN.tiny)
        model.compile(seed=0)
        evaluation = metrics.Evaluation(model, "mnist", **options)
        lengths.append(PathLength().measure(evaluation.context)["path_length"])
    assert lengths[0] == pytest.approx(lengths[1], rel=1e-3)


def test_evaluate_splits_a_folder_as_the_training_does(network, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 28, 28, 1), np.uint8)
    for i, image in enumerate(keras_gen.images.from_uint8(pixels)):
        keras_gen.images.save_grid(image[None], tmp_path / f"{i:03d}.png")
    split = {"test_fraction": 0.25, "split_seed": 3}
    evaluate = keras_gen.callbacks.Evaluate(tmp_path, features=network, **split)
    evaluate.set_model(keras_gen.zoo.load("gan", image_shape=(28, 28, 1), widths=[8]))
    evaluate.on_train_begin()
    held_out = np.concatenate(list(evaluate.scale().all_real("test")))
    options = {"batch_size": 10, "seed": 3, "test_fraction": 0.25}
    shape = {"image_shape": (28, 28, 1)}
    train = keras_gen.data.load(tmp_path, "train", **shape, **options)
    rows = [batch["image"].numpy().reshape(10, -1) for batch in train]
    trained = {row.tobytes() for row in np.concatenate(rows)}
    assert len(trained) == 30 and len(held_out) == 10
    assert not trained & {image.ravel().tobytes() for image in held_out}


def test_a_folder_gets_the_figures_of_the_model_that_drew_it(network, tmp_path):
    model = keras_gen.zoo.load("gan", image_shape=(28, 28, 1), widths=[8])
    drawn = model.sample(40, seed=0)
    for i, image in enumerate(drawn):
        keras_gen.images.save_grid(image[None], tmp_path / f"{i:03d}.png")
    options = {"num_images": 40, "num_train": 40, "num_samples": 2}
    options["features"] = network
    of_model = metrics.evaluate(model, "mnist", **options)
    of_folder = metrics.evaluate_folder(tmp_path, "mnist", **options)
    assert set(of_folder) <= set(of_model)
    assert {"test_generator_loss", "frechet_distance_floor"} <= set(of_model)
    # PNG rounds to 256 levels.
    assert of_folder["frechet_distance"] == pytest.approx(
        of_model["frechet_distance"], rel=0.02
    )
    assert of_folder["frechet_distance_floor"] == of_model["frechet_distance_floor"]
    vae = keras_gen.zoo.load("vae", **keras_gen.models.VAE.tiny)
    assert "test_reconstruction_mse" in metrics.evaluate(vae, "mnist", **options)


def test_everything_that_abilities_allow_is_measured():
    options = {"num_images": 300, "num_train": 300, "num_samples": 2, "seed": 1}
    vae = keras_gen.zoo.load("vae", latent_dim=3, widths=[8])
    vae.compile(seed=0)
    found = metrics.evaluate(vae, "mnist", **options)
    for name in ("ms_ssim", "sliced_wasserstein_28"):
        assert found[name] > found[f"{name}_floor"] > 0
    assert {"copies_in_pixels", "nearest_distance_ratio_in_features"} <= set(found)
    # 784 pixels, each white or black with a probability of nearly 1/2.
    assert 150 < found["nll_nats"] < 784 * np.log(2) + 50
    assert found["bits_per_dim"] == pytest.approx(found["nll_nats"] / 784 / np.log(2))
    assert 0 < found["path_length"] and found["path_length_error"] > 0
    assert 0.1 < found["probe_accuracy"] < 1 and 0.1 < found["neighbour_accuracy"] < 1


def test_stages_are_left_out_by_their_titles():
    ae = keras_gen.zoo.load("linear_ae", **keras_gen.models.LinearAE.tiny)
    ae.compile(seed=0)
    titles = [title for title, _ in metrics.Evaluation(ae, "mnist").stages()]
    fewer = metrics.Evaluation(ae, "mnist", without=["codes"])
    assert [title for title, _ in fewer.stages()] == [t for t in titles if t != "codes"]
    with pytest.raises(ValueError, match="Expected without=... among .*got .'code'."):
        metrics.Evaluation(ae, "mnist", without=["code"])


def test_pictures_show_what_was_measured(tmp_path):
    vae = keras_gen.zoo.load("vae", latent_dim=3, widths=[8])
    evaluation = metrics.Evaluation(
        vae, "mnist", num_images=300, num_train=300, num_samples=2
    )
    titles = []

    def progress(stages):
        for stage in stages:
            titles.append(stage[0])
            yield stage

    evaluation.run(progress)
    assert titles[0] == "losses on the test split" and titles[-1] == "path length"
    pictures = evaluation.pictures()
    assert len(pictures) == 5
    grid = pictures["Samples, not picked"]
    np.testing.assert_array_equal(grid, keras_gen.images.grid(vae.sample(64, seed=0)))
    log = tmp_path / "log.csv"
    log.write_text("epoch,vae_loss,val_vae_loss\n0,200.5,190.5\n1,150,\n")
    metrics.write_report(
        tmp_path / "page.html",
        "vae <mine>",
        evaluation.figures,
        {"data": "mnist"},
        pictures,
        log,
    )
    page = (tmp_path / "page.html").read_text()
    assert (
        "vae &lt;mine&gt;" in page
        and page.count("data:image/png;base64,") == 5
        and "<svg" in page
    )
    assert f"<td>{evaluation.figures['recall_floor']:.5g}</td>" in page
    assert "http" not in page  # The page loads nothing.


def test_categories_are_matched_with_labels():
    model = keras_gen.zoo.load(
        "infogan", image_shape=(28, 28, 1), width=2, noise_dim=2, average=0.9
    )
    evaluation = metrics.Evaluation(model, "mnist", num_images=100, num_train=100)
    titles = [title for title, _ in evaluation.stages()]
    dict(evaluation.stages())["categories"]()
    assert "categories" in titles
    assert 0.1 <= evaluation.figures["category_accuracy"] < 0.6


def test_a_model_brings_figures_of_its_own():
    class Brightness(metrics.Figure):
        title = "brightness"

        def applies(self, context):
            return "sample" in context.abilities

        def measure(self, context):
            images = context.model.sample(4, seed=context.seed)
            context.keep(self, "Bright images", images[:, None])
            return {"brightness": float(images.mean())}

    class BrightVAE(keras_gen.models.VAE):
        def own_figures(self):
            return [Brightness()]

    model = BrightVAE(**keras_gen.models.VAE.tiny)
    model.compile(seed=0)
    options = {"num_images": 100, "num_train": 100, "seed": 3}
    evaluation = metrics.Evaluation(model, "mnist", **options)
    title, stage = evaluation.stages()[-1]
    stage()
    assert title == "brightness"
    brightness = float(model.sample(4, seed=3).mean())
    assert evaluation.figures == {"brightness": pytest.approx(brightness)}
    title, picture = list(evaluation.pictures().items())[-1]
    images = model.sample(4, seed=3)
    assert title == "Bright images"
    np.testing.assert_array_equal(picture, keras_gen.images.grid(images, columns=1))


@pytest.mark.parametrize(
    "data, channels, name",
    [
        ("mnist", 1, "mnist"),
        ("fashion_mnist", 1, "mnist"),
        ("stacked_mnist", 3, "stacked_mnist"),
        ("emoji", 3, "emoji"),
        ("emoji/noto,twemoji", 3, "emoji"),
        ("emoji", 1, "emoji"),
        ("faces/micah?glasses", 3, "faces"),
        ("cifar10", 3, "faces"),
        ("mnist", 3, "faces"),
        ("folder/of/photos", 3, "faces"),
    ],
)
def test_a_source_is_measured_by_the_extractor_of_its_name(data, channels, name):
    assert metrics.features.default_features(data, (28, 28, channels)) == name


@pytest.mark.parametrize(
    ("data", "features", "is_foreign"),
    [
        ("photos", "faces", True),
        ("fashion_mnist", "mnist", True),
        ("faces/micah", "faces", False),
        ("mnist", "mnist", False),
        ("photos", "emoji", False),  # The user's own choice.
    ],
)
def test_features_of_other_images_come_with_a_note(data, features, is_foreign):
    note = metrics.features.features_note(data, metrics.extractor(features))
    assert (note is not None) == is_foreign
    if is_foreign:
        assert "Inception" in note and "not with published ones" in note


@pytest.mark.parametrize("change", ["blur", "noise"])
def test_features_of_faces_order_changes_of_photos(change):
    """They were learnt from drawings; larger changes are farther all the same."""
    photos = [skimage.data.astronaut(), skimage.data.coffee(), skimage.data.cat()]
    random = np.random.default_rng(0)
    crops = []
    for photo in photos:
        for _ in range(100):
            y, x = (random.integers(0, side - 64) for side in photo.shape[:2])
            crops.append(photo[y : y + 64, x : x + 64] / 127.5 - 1)
    crops = np.array(crops, np.float32)
    distances = []
    for size in (0.5, 1.0, 2.0):
        if change == "blur":
            changed = scipy.ndimage.gaussian_filter(crops, (0, size, size, 0))
        else:
            changed = crops + 0.1 * size * random.normal(size=crops.shape)
        figures = metrics.image_figures(changed.clip(-1, 1), crops, features="faces")
        distances.append(figures["frechet_distance"])
    assert 0 < distances[0] < distances[1] < distances[2]


# Transparency.


def test_images_with_alpha_are_measured_on_white(network, tmp_path):
    random = np.random.default_rng(3)
    colours, opacity = np.split(random.uniform(-1, 1, (100, 8, 8, 4)), [3], axis=-1)
    share = (opacity + 1) / 2
    on_white = share * colours + 1 - share
    with_alpha = np.concatenate([colours, opacity], axis=-1)
    real = np.repeat(IMAGES, 3, axis=-1)
    first, second = (
        metrics.image_figures(images, real, features=network)
        for images in (with_alpha, on_white)
    )
    assert first.pop("features") == second.pop("features") == "probe"
    assert first == pytest.approx(second, rel=1e-4, abs=1e-6)
    pixels = random.integers(0, 256, (160, 8, 8, 4), np.uint8)
    np.savez(tmp_path / "a.npz", x_train=pixels[:80], x_test=pixels[80:])
    gan = keras_gen.zoo.load("gan", image_shape=(8, 8, 4), widths=[8])
    gan.compile(seed=0)
    evaluation = metrics.Evaluation(
        gan, tmp_path / "a.npz", num_images=60, features=network
    )
    figures = evaluation.run()
    assert figures["frechet_distance"] > figures["frechet_distance_floor"]
    assert evaluation.pictures()
    assert evaluation.context.generated.images.shape[-1] == 3
    assert metrics.Scale("mnist", (8, 8, 4)).extractor.name.startswith(
        "classifier/faces"
    )


# Reports.


def test_reports_show_all_figures_in_words_and_in_80_columns():
    found = {"frechet_distance": 1.5, "frechet_distance_floor": 0.25}
    found |= {"my_own_figure": 3, "test_vae_loss": 2.0, "features": "mnist"}
    found |= {"l1_gain_twemoji_to_openmoji": 0.1, "copies_in_features": 0.01}
    text = metrics.report.lines(found)
    assert max(map(len, text)) <= 80 and "…" not in "".join(text)
    assert text[:2] == [
        "Samples against real images                     value       floor  better",
        "  Fréchet distance                                1.5        0.25  lower",
    ]
    names = {row.name for rows in metrics.report.groups(found).values() for row in rows}
    assert names == {name for name in found if not name.endswith("_floor")}
    assert metrics.words.words("my_own_figure").name == "my own figure"


def test_every_figure_of_the_cards_has_words():
    for name in keras_gen.zoo.names():
        for weights in keras_gen.zoo.weights_of(name):
            figures = keras_gen.zoo.card(name, weights)["figures"]
            groups = metrics.report.groups(figures)
            assert metrics.words.OTHERS not in groups, groups[metrics.words.OTHERS]
            assert max(map(len, metrics.report.lines(figures))) <= 80


def test_equal_subsets_have_no_error(network):
    few = metrics.image_figures(IMAGES, IMAGES[::-1].copy(), features=network)
    assert "kernel_distance_error" not in few  # It was 4e-17.
    some = metrics.image_figures(IMAGES[:200], IMAGES, features=network)
    assert some["kernel_distance_error"] > 1e-6
