"""SavedModels for TF Serving; test_conformance.py tests their answers."""

import json
import os
import pathlib
import subprocess
import sys
from typing import Literal

import numpy as np
import pytest
import tensorflow as tf
from conftest import make_batch, train
from session_loader import COMPILER, Refused, SessionLoader, read_signatures
from tensorflow.core.protobuf import saved_model_pb2

import keras_gen
from keras_gen.core.abilities import draws, transforms
from keras_gen.core.noise import row_seeds
from keras_gen.export.signatures import inputs_of, signatures_of
from keras_gen.models import GAN


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


def test_each_ability_has_a_signature_and_sample_is_the_default(gan, tmp_path):
    loaded = tf.saved_model.load(str(keras_gen.export.save(gan, tmp_path)))
    names = {"sample", "decode", "discriminate", "features", "interpolate"}
    names |= {"discriminate_bytes", "features_bytes", "describe", "serving_default"}
    assert set(loaded.signatures) == names
    seeds = tf.constant(row_seeds(3, seed=4))
    answer = loaded.signatures["serving_default"](seed=seeds)
    np.testing.assert_allclose(answer["images"], gan.sample(3, seed=4), atol=1e-5)


def test_one_output_is_computed_without_the_others(gan, tmp_path):
    path = keras_gen.export.save(gan, tmp_path, abilities=["sample"])
    saved = saved_model_pb2.SavedModel.FromString(
        (path / "saved_model.pb").read_bytes()
    )
    (meta,) = saved.meta_graphs
    nodes = {node.name: node for node in meta.graph_def.node}
    outputs = meta.signature_def["sample"].outputs
    assert set(outputs) == {"images", "image_bytes"}
    fetched = [nodes[tensor.name.removesuffix(":0")] for tensor in outputs.values()]
    assert len({node.name for node in fetched}) == 2
    assert len({tuple(node.input) for node in fetched}) == 2


def stored_bytes(path):
    """Bytes of the weights in a version's folder, without alignment."""
    reader = tf.train.load_checkpoint(str(path / "variables" / "variables"))
    shapes = reader.get_variable_to_shape_map()
    kinds = reader.get_variable_to_dtype_map()
    weights = [name for name in shapes if name.startswith("weights")]
    return sum(int(np.prod(shapes[w])) * kinds[w].size for w in weights)


def test_only_weights_that_signatures_read_are_exported(gan, tmp_path):
    path = keras_gen.export.save(gan, tmp_path)
    generator, critic = gan.averaged(gan.generator), gan.discriminator
    parameters = generator.count_params() + critic.count_params()
    assert stored_bytes(path) == 4 * parameters
    path = keras_gen.export.save(gan, tmp_path, abilities=["sample"])
    assert stored_bytes(path) == 4 * generator.count_params()
    names = {"sample", "describe", "serving_default"}
    assert set(read_signatures(path)) == names


def test_float16_halves_the_weights_and_the_card_gives_the_differences(gan, tmp_path):
    path = keras_gen.export.save(gan, tmp_path, abilities=["sample"], float16=True)
    assert stored_bytes(path) == 2 * gan.averaged(gan.generator).count_params()
    card = keras_gen.export.read_card(path)
    assert card["stored_as"] == "float16"
    loaded = tf.saved_model.load(str(path))
    seeds = tf.constant(row_seeds(4, seed=0))
    images = loaded.signatures["sample"](seed=seeds)["images"].numpy()
    difference = np.abs(images - gan.sample(4, seed=0)).max()
    assert 0 < difference < 0.01
    assert card["differences"] == {"sample": pytest.approx(difference, rel=0.01)}
    weight = gan.averaged(gan.generator).weights[0]
    value = weight.numpy()
    weight.assign(value * 1e9)
    with pytest.raises(ValueError, match="65504"):
        keras_gen.export.save(gan, tmp_path, float16=True)
    weight.assign(value)


def test_abilities_and_batch_sizes_that_do_not_fit_are_refused(gan, tmp_path):
    for wrong in (["encode"], ["sample", "sampel"], []):
        with pytest.raises(ValueError, match="Expected abilities"):
            keras_gen.export.save(gan, tmp_path / "gan", abilities=wrong)
    for wrong in ([], [2, 1], [0, 1]):
        with pytest.raises(ValueError, match="Expected batch_sizes"):
            keras_gen.export.save(gan, tmp_path / "gan", batch_sizes=wrong)
    assert not (tmp_path / "gan").exists()


class Odd(GAN):
    """A GAN with abilities that no server can run, and one with an option."""

    @draws("images")
    def stateful(self, seed):
        return tf.random.normal((tf.size(seed), *self.image_shape))

    @draws("numbers")
    def python(self, seed):
        return tf.ensure_shape(tf.numpy_function(np.abs, [seed], tf.int64), (None,))

    @draws("numbers")
    def compiled(self, seed):
        return tf.function(lambda x: x + 1, jit_compile=True)(seed)

    @draws("numbers")
    def counted(self, seed):
        self.step.value.assign_add(1)
        return seed

    @transforms("numbers")
    def move(self, latents, *, to: Literal["up", "down"] = "up"):
        return latents + (1.0 if to == "up" else -1.0)


@pytest.mark.parametrize(
    "name, message",
    [
        ("stateful", "another answer"),
        ("counted", "another answer"),
        ("python", "calls Python"),
        ("compiled", "XLA"),
    ],
)
def test_abilities_that_no_server_can_run_are_refused(name, message, tmp_path):
    with pytest.raises(ValueError, match=f"{name}.*{message}"):
        keras_gen.export.save(Odd(**GAN.tiny), tmp_path / "odd", abilities=[name])
    assert not (tmp_path / "odd").exists()


def test_each_choice_of_an_option_is_a_signature(tmp_path):
    model = Odd(**GAN.tiny)
    path = keras_gen.export.save(model, tmp_path, abilities=["move"])
    loaded = tf.saved_model.load(str(path)).signatures
    latents = tf.zeros((2, model.latent_dim))
    for name, wanted in (("move", 1), ("move_to_up", 1), ("move_to_down", -1)):
        assert np.all(loaded[name](latents=latents)["numbers"] == wanted)


def test_the_card_describes_inputs_and_outputs_of_signatures(gan, tmp_path):
    path = keras_gen.export.save(gan, tmp_path, card={"preset": "gan"})
    card = keras_gen.export.read_card(path)
    assert card["model"] == "GAN" and card["preset"] == "gan"
    for name, signature in read_signatures(path).items():
        if name in ("describe", "serving_default"):
            continue
        entry = card["signatures"][name]
        assert set(entry["inputs"]) == set(signature.inputs)
        assert set(entry["outputs"]) == set(signature.outputs)
        for side in ("inputs", "outputs"):
            for key, tensor in getattr(signature, side).items():
                sides = [
                    None if d.size < 0 else d.size for d in tensor.tensor_shape.dim
                ]
                assert entry[side][key]["shape"] == sides
                assert (
                    entry[side][key]["dtype"] == tf.dtypes.as_dtype(tensor.dtype).name
                )
    entries = card["signatures"]
    assert {name for name, entry in entries.items() if entry["draws"]} == {"sample"}
    images = entries["discriminate"]["inputs"]["images"]
    assert images["range"] == [-1, 1] and images["role"] == "image"
    for name, signature in signatures_of(gan).items():
        assert inputs_of(card, name) == dict(signature.inputs)
    described = tf.saved_model.load(str(path)).signatures["describe"]
    (text,) = described(row=tf.zeros(1, tf.int64))["card"].numpy()
    assert json.loads(text) == card


@pytest.mark.skipif(COMPILER is None, reason="no C compiler: cc is not on the PATH")
def test_answers_do_not_depend_on_the_process_or_the_batch(gan, tmp_path):
    path = keras_gen.export.save(gan, tmp_path, abilities=["sample"])
    seeds = row_seeds(9, seed=3)
    answers = []
    for _ in range(2):
        with SessionLoader(path) as served:
            whole = served("sample", {"seed": seeds})
            alone = served("sample", {"seed": seeds[4:5]})
            others = np.concatenate([seeds[4:5], seeds[:4] + 100])
            mixed = served("sample", {"seed": others})
            for answer in (alone, mixed):
                np.testing.assert_allclose(
                    answer["images"][0], whole["images"][4], atol=1e-6
                )
            with pytest.raises(Refused, match="seed.*-1"):
                served("sample", {"seed": [0, -1]})
            np.testing.assert_array_equal(
                served("sample", {"seed": seeds})["images"], whole["images"]
            )
        answers.append(whole)
    for key in answers[0]:
        np.testing.assert_array_equal(answers[0][key], answers[1][key])


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
