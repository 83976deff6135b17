"""SavedModels as TF Serving takes them; what they answer is in test_conformance."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from conftest import make_batch, train

import keras_gen
from keras_gen.models import GAN, VAE


@pytest.fixture(scope="module")
def gan():
    model = keras_gen.zoo.load("gan", average=0.9, **GAN.tiny)
    train(model, make_batch(model, 4))
    return model


def test_versions_count_up_and_are_never_overwritten(gan, tmp_path):
    assert keras_gen.export.save(gan, tmp_path) == tmp_path / "1"
    assert keras_gen.export.save(gan, tmp_path) == tmp_path / "2"
    assert keras_gen.export.save(gan, tmp_path, version=7) == tmp_path / "7"
    assert keras_gen.export.save(gan, tmp_path) == tmp_path / "8"
    for wrong in (2, 0, "3", True):
        with pytest.raises(ValueError, match="version"):
            keras_gen.export.save(gan, tmp_path, version=wrong)
    assert sorted(os.listdir(tmp_path)) == ["1", "2", "7", "8"]


def test_an_interrupted_export_leaves_nothing(gan, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        keras_gen.export.save(gan, tmp_path)
    assert os.listdir(tmp_path) == []


def test_signatures_by_ability_with_the_main_one_as_default(gan, tmp_path):
    loaded = tf.saved_model.load(str(keras_gen.export.save(gan, tmp_path)))
    names = {"sample", "decode", "discriminate", "features", "serving_default"}
    assert set(loaded.signatures) == names
    seeds = tf.constant(keras_gen.abilities.row_seeds(3, seed=4))
    answer = loaded.signatures["serving_default"](seed=seeds)
    np.testing.assert_allclose(answer["images"], gan.sample(3, seed=4), atol=1e-5)
    vae = keras_gen.zoo.load("vae", **VAE.tiny)
    loaded = tf.saved_model.load(str(keras_gen.export.save(vae, tmp_path / "vae")))
    assert {"encode", "reconstruct"} <= set(loaded.signatures)


def test_only_weights_that_answer_are_exported(gan, tmp_path):
    path = keras_gen.export.save(gan, tmp_path)
    reader = tf.train.load_checkpoint(str(path / "variables" / "variables"))
    stored = sum(
        np.prod(shape)
        for name, shape in reader.get_variable_to_shape_map().items()
        if name.startswith("weights")
    )
    generator, critic = gan.averaged(gan.generator), gan.discriminator
    assert stored == generator.count_params() + critic.count_params()


def test_saved_model_cli_runs_it(gan, tmp_path):
    path = keras_gen.export.save(gan, tmp_path / "gan")
    command = pathlib.Path(sys.executable).parent / "saved_model_cli"
    done = subprocess.run(
        [
            *(command, "run", "--dir", path, "--tag_set", "serve"),
            *("--signature_def", "sample", "--input_exprs", "seed=[0, 1]"),
            *("--outdir", tmp_path / "out"),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    images = np.load(tmp_path / "out" / "images.npy")
    np.testing.assert_allclose(images, gan.sample(2, seed=0), atol=1e-5)
    assert (tmp_path / "out" / "image_bytes.npy").exists()
