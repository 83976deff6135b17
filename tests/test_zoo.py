"""Loading models by name and by path, and errors for invalid arguments and files."""

import inspect
import json
import shutil
import zipfile

import keras
import numpy as np
import pytest
import safetensors.numpy
from conftest import make_batch, train

import keras_gen
from keras_gen import zoo
from keras_gen.models import DCGAN, GAN, ProGAN


@pytest.fixture
def shipped(tmp_path):
    """A tiny GAN with a moving average, its folder in the form that ships, its card."""
    model = zoo.load("gan", average=0.9, **GAN.tiny)
    train(model, make_batch(model, 4), count=2)
    card = zoo.write_card(
        model,
        tmp_path / "weights",
        name="gan",
        dtype="float32",
        samples=lambda path: keras_gen.images.save_grid(model.sample(4, 0), path),
        data="noise",
    )
    return model, tmp_path / "weights", card


def test_names_and_cards():
    assert {"gan", "dcgan", "vae"} <= set(zoo.names())
    for name in zoo.names():
        card = zoo.card(name)
        assert card["summary"] and card["abilities"] and card["arguments"]
        json.dumps(card)


@pytest.mark.parametrize(
    "name, weights", [(n, w) for n in zoo.names() for w in zoo.weights_of(n)]
)
def test_weights_that_ship_load_and_draw_images(name, weights):
    model = zoo.load(name, weights=weights)
    card = zoo.card(name, weights)
    wanted = {"command", "data", "data_licence", "figures", "sha256", "configuration"}
    assert wanted <= set(card)
    if "sample" not in model.abilities():
        return
    drawn = model.sample(64, seed=0)
    # Digits are mostly black, emoji mostly white; and samples differ.
    low, high = {"mnist": (0.05, 0.3), "emoji": (0.5, 0.9)}[card["data"].split("/")[0]]
    assert low < (drawn > 0).mean() < high
    assert np.abs(drawn - drawn.mean(axis=0)).mean() > 0.1


def test_dcgan_and_vae_ship_for_mnist():
    assert "mnist" in zoo.weights_of("dcgan")
    assert "mnist" in zoo.weights_of("vae")


def test_errors_for_unknown_names_give_the_nearest_known_ones():
    with pytest.raises(ValueError, match="'dcgann'. Nearest: dcgan"):
        zoo.load("dcgann")
    with pytest.raises(ValueError, match=r"Nearest: .*latent_dim"):
        zoo.load("gan", latent_dims=3)
    with pytest.raises(ValueError, match=r"ship for 'dcgan' \(mnist\)"):
        zoo.load("dcgan", weights="mnistt")


def test_the_moving_average_is_what_ships(shipped):
    model, folder, card = shipped
    loaded = zoo.load("gan", weights=folder)
    np.testing.assert_allclose(loaded.sample(3, 1), model.sample(3, 1), atol=1e-6)
    assert loaded.compiled and card["configuration"]["average"] == 0.9
    stored = safetensors.numpy.load_file(folder / "weights.safetensors")
    assert not [name for name in stored if "averaged" in name or "adam" in name]
    assert (folder / "samples.png").exists()


def test_half_size_weights_are_close(shipped, tmp_path):
    model, folder, card = shipped
    half = zoo.write_card(model, tmp_path / "half", name="gan", dtype="float16")
    loaded = zoo.load("gan", weights=tmp_path / "half")
    np.testing.assert_allclose(loaded.sample(3, 1), model.sample(3, 1), atol=5e-3)
    assert half["sha256"] != card["sha256"]


def test_half_size_weights_keep_their_counters(tmp_path):
    options = {**ProGAN.tiny, "image_shape": (8, 8, 1)}
    model = zoo.load("progan", **options)
    model.growth.level.assign(1)
    model.growth.images.assign(2**40 + 1)
    zoo.save_weights(model, tmp_path / "weights.safetensors", "float16")
    loaded = zoo.load("progan", **options)
    zoo.load_weights(loaded, tmp_path / "weights.safetensors")
    assert int(loaded.growth.images.numpy()) == 2**40 + 1
    assert loaded.sample(2).shape == (2, 8, 8, 1)


def test_weights_that_do_not_fit_are_refused(shipped):
    model, folder, card = shipped
    path = folder / "weights.safetensors"
    with pytest.raises(ValueError, match="Expected weights of DCGAN"):
        zoo.load("dcgan", weights=folder)
    with pytest.raises(ValueError, match="shape"):
        zoo.load("gan", weights=folder, latent_dim=4)
    with pytest.raises(ValueError, match="other names"):
        zoo.load("gan", weights=folder, widths=[8, 8])
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="sha256"):
        zoo.load("gan", weights=folder)
    path.write_bytes(b"not arrays")
    with pytest.raises(ValueError, match="file of arrays"):
        zoo.load_weights(model, path)


def test_loading_runs_no_code_from_a_file(tmp_path):
    """A `.keras` file is read as data: classes and functions it names are not used."""
    model = zoo.load("gan", **GAN.tiny)
    model.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])

    def write(config):
        path = tmp_path / "evil.keras"
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in parts.items():
                if name == "config.json":
                    content = json.dumps(config)
                archive.writestr(name, content)
        return path

    evil = json.loads(json.dumps(config))
    evil["compile_config"]["optimizers"]["generator"].update(
        module="os", class_name="system", config={"command": "false"}
    )
    with pytest.raises(ValueError, match="optimizer of Keras, got 'system'"):
        zoo.load("gan", weights=write(evil))
    evil = json.loads(json.dumps(config))
    evil["config"]["widths"] = {"class_name": "Lambda", "module": "keras.layers"}
    with pytest.raises(ValueError, match="plain"):
        zoo.load("gan", weights=write(evil))
    with pytest.raises(ValueError, match="saved DCGAN"):
        zoo.load("dcgan", weights=tmp_path / "model.keras")
    (tmp_path / "broken.keras").write_bytes(b"PK")
    with pytest.raises(ValueError, match="Expected a .keras file"):
        zoo.load("gan", weights=tmp_path / "broken.keras")


def test_a_dtype_is_set_for_the_model_alone():
    model = zoo.load("gan", dtype="mixed_bfloat16", **GAN.tiny)
    assert model.dtype_policy.name == "mixed_bfloat16"
    assert keras.config.dtype_policy().name == "float32"
    with pytest.raises(ValueError, match="zoo.load"):
        GAN(**GAN.tiny, dtype="mixed_bfloat16")


def test_loading_under_replicas(shipped, two_replicas):
    model, folder, _ = shipped
    with two_replicas.scope():
        loaded = zoo.load("gan", weights=folder)
    np.testing.assert_allclose(loaded.sample(3, 1), model.sample(3, 1), atol=1e-6)
    train(loaded, make_batch(loaded, 4), count=2)
    exported = keras_gen.export.save(loaded, folder / "serving")
    assert exported.name == "1"
    shutil.rmtree(exported)


def test_arguments_are_those_of_the_signature_with_defaults():
    for cls in (GAN, DCGAN):
        known = zoo.arguments(cls)
        assert {"loss", "r1", "average", "latent_dim"} <= set(known)
        parameters = inspect.signature(cls).parameters
        for name, default in known.items():
            assert parameters[name].default is default, name
