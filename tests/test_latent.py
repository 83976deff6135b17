"""Walks through latent space, pictures of codes, and densities fitted to codes."""

import subprocess
import sys

import keras
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from conftest import make_batch, train
from typer.testing import CliRunner

import keras_gen
from keras_gen import latent, pictures
from keras_gen.cli import app
from keras_gen.core.abilities import default_conditions
from keras_gen.core.noise import row_seeds
from keras_gen.core.registry import preset
from keras_gen.metrics.figures import attribute_vectors
from keras_gen.models import GAN, VAE, LinearAE, SemiSupervisedAAE, StackedAE


@pytest.fixture(scope="module")
def model():
    """A linear autoencoder whose codes are four of the pixels."""
    keras.utils.set_random_seed(0)
    model = LinearAE((2, 2, 1), 4)
    model.encoder.get_layer("codes").kernel.assign(np.eye(4))
    model.decoder.get_layer("pixels").kernel.assign(np.eye(4))
    model.compile(seed=0)
    return model


def test_lines_and_arcs_are_those_computed_by_hand():
    a, b = np.array([[2.0, 0.0]]), np.array([[0.0, 4.0]])
    np.testing.assert_allclose(latent.lerp(a, b, 0.25), [[1.5, 1.0]])
    half = 3 / np.sqrt(2)  # The norm is halfway from 2 to 4, the angle 45 degrees.
    np.testing.assert_allclose(latent.slerp(a, b, 0.5), [[half, half]])
    np.testing.assert_allclose(latent.slerp(a, 2 * a, 0.5), [[3.0, 0.0]])
    both = latent.slerp(np.repeat(a, 2, 0), np.repeat(b, 2, 0), np.array([0.0, 1.0]))
    np.testing.assert_allclose(both, [a[0], b[0]], atol=1e-12)


def test_interpolation_goes_from_one_image_to_the_other(model):
    images = make_batch(model, 6)["image"]
    walk = latent.interpolate(model, images[:3], images[3:], steps=5)
    assert walk.shape == (3, 5, 2, 2, 1)
    np.testing.assert_allclose(walk[:, 0], images[:3], atol=1e-6)
    np.testing.assert_allclose(walk[:, 4], images[3:], atol=1e-6)
    np.testing.assert_allclose(walk[:, 2], (images[:3] + images[3:]) / 2, atol=1e-6)
    arc = latent.interpolate(model, images[:3], images[3:], 3, spherical=True)
    norms = np.linalg.norm(arc.reshape(3, 3, 4), axis=-1)
    np.testing.assert_allclose(norms[:, 1], (norms[:, 0] + norms[:, 2]) / 2, rtol=1e-5)


def test_arithmetic_adds_a_property(model):
    plain = make_batch(model, 5)["image"] / 4
    bright = plain + np.float32([[[0.5], [0]], [[0], [0]]])
    other = make_batch(model, 3, seed=1)["image"] / 4
    added = latent.arithmetic(model, bright, plain, other)
    np.testing.assert_allclose(added[:, 0, 0], other[:, 0, 0] + 0.5, atol=1e-6)
    np.testing.assert_allclose(added[:, 1], other[:, 1], atol=1e-6)
    taken = latent.arithmetic(model, bright, plain, added, strength=-1)
    np.testing.assert_allclose(taken, other, atol=1e-6)


def test_a_traversal_changes_one_coordinate(model):
    images = make_batch(model, 2)["image"]
    walk = latent.traverse(model, images, 2, [-0.5, 0.0, 0.5])
    np.testing.assert_allclose(walk[:, :, 1, 0, 0], [[-0.5, 0.0, 0.5]] * 2, atol=1e-6)
    np.testing.assert_allclose(walk[:, 1, 0], images[:, 0], atol=1e-6)
    with pytest.raises(ValueError, match=r"coordinate in \[0, 4\)"):
        latent.traverse(model, images, 4, [0.0])


def test_generators_interpolate_between_latents():
    gan = keras_gen.zoo.load("gan", **GAN.tiny)
    ends = latent.draw(gan, 4, seed=0)
    np.testing.assert_array_equal(ends[:2], latent.draw(gan, 2, seed=0))
    walk = latent.interpolate(gan, ends[:2], ends[2:], 3, spherical=True)
    np.testing.assert_allclose(walk[:, 0], gan.decode(ends[:2]), atol=1e-6)
    with pytest.raises(ValueError, match="cannot encode images"):
        latent.interpolate(gan, np.zeros((1, 8, 8, 1)), ends[:1])
    classifier = keras_gen.zoo.load("classifier", **keras_gen.models.Classifier.tiny)
    with pytest.raises(ValueError, match="Expected latents"):
        latent.interpolate(classifier, ends, ends)


@pytest.mark.parametrize("name", keras_gen.zoo.names())
def test_latents_that_are_drawn_decode(name):
    model = keras_gen.zoo.load(name, **preset(name).model.tiny)
    if "decode" not in model.abilities():
        pytest.skip("decodes nothing")
    if hasattr(model, "set_density"):
        with pytest.raises(ValueError, match="no distribution"):
            latent.draw(model, 3)
        model.set_density(2)
    latents = latent.draw(model, 3, seed=1)
    assert latents.dtype == np.float32 and np.isfinite(latents).all()
    np.testing.assert_array_equal(latents[:2], latent.draw(model, 2, seed=1))
    declared = model.abilities()["decode"].declared(model)
    conditions = default_conditions(declared, row_seeds(3, 1))
    images = model.decode(latents, **conditions)
    assert len(images) == 3 and images.ndim == 4 and np.isfinite(images).all()


def test_walks_between_categories_and_styles_begin_and_end_at_draws(tmp_path):
    model = keras_gen.zoo.load("semi_aae", **SemiSupervisedAAE.tiny)
    ends = latent.draw(model, 4, seed=0)
    walk = latent.interpolate(model, ends[:2], ends[2:], 3)
    np.testing.assert_allclose(walk[:, 0], model.decode(ends[:2]), atol=1e-6)
    np.testing.assert_allclose(walk[:, -1], model.decode(ends[2:]), atol=1e-6)
    model.save(tmp_path / "model.keras")
    common = ["semi_aae", "--weights", str(tmp_path / "model.keras"), "--steps", "3"]
    for command, more in (("interpolate", ["-n", "2"]), ("traverse", [])):
        output = ["--output", str(tmp_path / command)]
        done = CliRunner().invoke(app, [command, *common, *more, *output])
        assert done.exit_code == 0, done.output
        assert (tmp_path / f"{command}.png").exists()


def test_latents_of_categories_and_styles_are_drawn_evenly():
    model = keras_gen.zoo.load("semi_aae", **SemiSupervisedAAE.tiny)
    latents = latent.draw(model, 3000)
    categories, styles = latents[:, :3], latents[:, 3:]
    assert set(np.unique(categories)) == {0, 1}
    np.testing.assert_array_equal(categories.sum(axis=1), 1)
    np.testing.assert_allclose(categories.mean(axis=0), 1 / 3, atol=0.03)
    np.testing.assert_allclose(np.cov(styles.T), np.eye(2), atol=0.1)
    # The style of an image does not tell its category.
    np.testing.assert_allclose(categories.T @ styles / 1000, np.zeros((3, 2)), atol=0.1)


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_codes_are_drawn_in_two_dimensions(model, method, tmp_path):
    images = make_batch(model, 40)["image"]
    path = tmp_path / "codes.png"
    points = latent.embed(model, images, np.arange(40) % 3, path, method)
    assert points.shape == (40, 2) and np.isfinite(points).all()
    with PIL.Image.open(path) as picture:
        assert len(picture.convert("RGB").getcolors(100_000)) > 10
    plane = StackedAE((8, 8, 1), (), 2)
    images = make_batch(plane, 5)["image"]
    np.testing.assert_array_equal(latent.embed(plane, images), plane.encode(images))
    with pytest.raises(ValueError, match="method"):
        latent.embed(plane, images, method="umap")
    with pytest.raises(ValueError, match="5 labels, got 3"):
        latent.embed(plane, images, [1, 2, 3])


def test_codes_are_drawn_beside_the_components_of_the_prior(tmp_path):
    model = keras_gen.zoo.load("aae", **keras_gen.models.AAE.tiny)
    images, labels = make_batch(model, 60)["image"], np.arange(60) % 3
    path = tmp_path / "plane.png"
    codes, draws = latent.beside_prior(model, images, path, labels)
    assert codes.shape == draws.shape == (60, 2)
    with PIL.Image.open(path) as picture:
        assert picture.width > picture.height
    # Draws of a class are likelier under its own component than under another's.
    own, other = (model.prior.given(tf.constant(k)) for k in (labels, (labels + 1) % 3))
    assert np.mean(own.log_prob(draws) > other.log_prob(draws)) > 0.9
    with pytest.raises(ValueError, match="60 labels, got 2"):
        latent.beside_prior(model, images, path, [0, 1])
    with pytest.raises(ValueError, match="latent_dim=2"):
        latent.beside_prior(StackedAE((8, 8, 1), (), 2), images, path)


def test_a_histogram_counts_all_activations(model, tmp_path):
    images = make_batch(model, 10)["image"]
    counts, _ = latent.histogram(model, images, tmp_path / "histogram.png")
    assert counts.sum() == 40 and (tmp_path / "histogram.png").exists()


# Densities.


def clusters(count=600):
    """Images in two clusters, for a model whose codes are the pixels."""
    random = np.random.default_rng(0)
    centres = np.where(random.uniform(size=(count, 1)) < 0.25, -0.6, 0.6)
    rows = centres + 0.05 * random.normal(size=(count, 4))
    return rows.reshape(-1, 2, 2, 1).astype(np.float32)


def test_samples_of_a_fitted_density_resemble_the_data(tmp_path):
    model = LinearAE((2, 2, 1), 4)
    for network, layer in ((model.encoder, "codes"), (model.decoder, "pixels")):
        network.get_layer(layer).kernel.assign(np.eye(4))
    model.compile(seed=0)
    assert "sample" not in model.abilities()
    with pytest.raises(ValueError, match="density_components"):
        model.sample(1)
    images = clusters()
    train(model, {"image": images[:32]})
    latent.fit_density(model, images, components=2)
    assert "sample" in model.abilities()
    drawn = model.sample(1000, seed=0)
    low = (drawn.mean(axis=(1, 2, 3)) < 0).mean()
    assert low == pytest.approx((images.mean(axis=(1, 2, 3)) < 0).mean(), abs=0.04)
    assert np.abs(np.abs(drawn) - 0.6).mean() == pytest.approx(0.04, abs=0.01)
    # A density of another size replaces it: graphs of the first are not used.
    latent.fit_density(model, images[images.mean((1, 2, 3)) > 0], components=1)
    assert (model.sample(100, seed=0).mean(axis=(1, 2, 3)) > 0).all()
    latent.fit_density(model, images, components=2)
    check_files(model, tmp_path)


SERVE = """
import sys
import numpy as np
import tensorflow as tf
with tf.compat.v1.Session(graph=tf.Graph()) as session:
    loaded = tf.compat.v1.saved_model.load(session, ["serve"], sys.argv[1])
    signature = loaded.signature_def["sample"]
    feed = {signature.inputs["seed"].name: np.arange(5)}
    images = session.run(signature.outputs["images"].name, feed)
np.save(sys.argv[2], images)
"""


def check_files(model, folder):
    """Checks that every file of the saved model contains the density."""
    expected = model.sample(5, seed=0)
    model.save(folder / "model.keras")
    keras_gen.zoo.write_card(model, folder / "card", name="linear_ae", dtype="float32")
    for loaded in (
        keras.saving.load_model(folder / "model.keras"),
        keras_gen.zoo.load("linear_ae", weights=folder / "model.keras"),
        keras_gen.zoo.load("linear_ae", weights=folder / "card"),
    ):
        np.testing.assert_allclose(loaded.sample(5, seed=0), expected, atol=1e-6)
    train(loaded, {"image": clusters(32)}, count=2)
    exported = keras_gen.export.save(model, folder / "serving")
    output = folder / "answer.npy"
    subprocess.run([sys.executable, "-c", SERVE, exported, output], check=True)
    np.testing.assert_allclose(np.load(output), expected, atol=1e-5)


def test_a_density_is_fitted_to_autoencoders_with_enough_rows(model):
    vae = VAE(**VAE.tiny)
    with pytest.raises(ValueError, match="autoencoder without a prior, got VAE"):
        latent.fit_density(vae, make_batch(vae, 4)["image"])
    with pytest.raises(ValueError, match="from 1 to 4"):
        latent.fit_density(model, make_batch(model, 4)["image"], components=5)


# The command line.


def test_the_command_line_draws_walks_within_a_class(tmp_path):
    """Models that encode given a class walk between samples of the prior too."""
    tiny = {**preset("flow_matching").model.tiny, "num_classes": 3}
    keras_gen.zoo.load("flow_matching", **tiny).save(tmp_path / "flow.keras")
    options = ["--weights", str(tmp_path / "flow.keras"), "-o", str(tmp_path / "walk")]
    command = ["interpolate", "flow_matching", *options, "--scale", "1", "--steps", "5"]
    done = CliRunner().invoke(app, [*command, "-n", "4"])
    assert done.exit_code == 0, done.output
    with PIL.Image.open(tmp_path / "walk.png") as picture:
        assert picture.size == (5 * 10 - 2, 4 * 10 - 2)


def test_the_command_line_draws_walks(tmp_path):
    model = keras_gen.zoo.load("stacked_ae", image_shape=(8, 8, 1), latent_dim=3)
    model.save(tmp_path / "ae.keras")
    gan = keras_gen.zoo.load("gan", **GAN.tiny)
    gan.save(tmp_path / "gan.keras")
    for name, file in (("stacked_ae", "ae.keras"), ("gan", "gan.keras")):
        options = [name, "--weights", str(tmp_path / file), "--scale", "1"]
        options += ["--steps", "5", "-o", str(tmp_path / "walk"), "--force"]
        done = CliRunner().invoke(app, ["interpolate", *options, "-n", "4"])
        assert done.exit_code == 0, done.output
        with PIL.Image.open(tmp_path / "walk.png") as picture:
            assert picture.size == (5 * 10 - 2, 4 * 10 - 2)
        with PIL.Image.open(tmp_path / "walk.gif") as animation:
            assert animation.n_frames == 8 and animation.size == (18, 18)
        done = CliRunner().invoke(app, ["traverse", *options, "--coordinates", "0,2"])
        assert done.exit_code == 0, done.output
        with PIL.Image.open(tmp_path / "walk.png") as picture:
            assert picture.size == (5 * 10 - 2, 2 * 10 - 2)
        done = CliRunner().invoke(app, ["traverse", *options, "--coordinates", "3"])
        assert done.exit_code == 2 and "[0, 3)" in done.output


def test_cards_of_autoencoders_of_faces_show_vectors_of_attributes(tmp_path):
    options = {"latent_dim": 3, "widths": (8,)}
    model = VAE((8, 8, 3), **options)
    pictures.draw(model, "faces/personas", tmp_path / "samples.png")
    with PIL.Image.open(tmp_path / "attributes.png") as picture:
        # Eight faces in tiles with gaps of 2: images, reconstructions, six attributes.
        assert picture.size == (8 * 10 - 2, 8 * 10 - 2)
        tiles = np.asarray(picture).astype(int)
    test = keras_gen.data.load(
        "faces/personas", "test", image_shape=(8, 8, 3), batch_size=1000, seed=0
    )
    batch = next(iter(test))
    real, attributes = batch["image"].numpy(), batch["attributes"].numpy()
    pixels = np.rint((real[0] + 1) * 127.5)
    np.testing.assert_allclose(tiles[:8, :8], pixels, atol=1)
    # The third row: glasses that are not there are added, and others taken away.
    names = test.attribute_names
    wanted = attributes[:1].copy()
    glasses = names.index("glasses")
    wanted[0, glasses] = 1 - wanted[0, glasses]
    if wanted[0, glasses]:  # Those of another kind are excluded.
        wanted[0, names.index("sunglasses")] = 0
    codes = model.encode(real)
    vectors = attribute_vectors.vectors_of(codes, attributes)
    edited = model.decode(codes[:1] + (wanted - attributes[:1]) @ vectors)
    pixels = np.rint((edited[0] + 1) * 127.5)
    np.testing.assert_allclose(tiles[20:28, :8], pixels, atol=1)
    digits = VAE((8, 8, 1), **options)
    (tmp_path / "digits").mkdir()
    pictures.draw(digits, "mnist", tmp_path / "digits" / "samples.png")
    assert not (tmp_path / "digits" / "attributes.png").exists()


def test_vectors_of_attributes_are_coefficients_of_a_regression():
    random = np.random.default_rng(0)
    attributes = random.integers(0, 2, (50, 3)).astype(np.float32)
    vectors = random.normal(size=(3, 4))
    codes = attributes @ vectors + np.array([1.0, 2.0, 3.0, 4.0])
    found = attribute_vectors.vectors_of(codes, attributes)
    np.testing.assert_allclose(found, vectors, atol=1e-6)
