"""Loading models by name and by path, and errors for invalid arguments and files."""

import inspect
import io
import json
import re
import shutil
import subprocess
import sys
import zipfile

import h5py
import keras
import numpy as np
import pytest
import safetensors.numpy
from conftest import make_batch, train, values

import keras_gen
from keras_gen import files, zoo
from keras_gen.core import weight_files
from keras_gen.models import DCGAN, GAN, ProGAN


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A tiny GAN with a moving average, its folder in the form that ships, its card."""
    keras.utils.set_random_seed(0)
    model = zoo.load("gan", average=0.9, **GAN.tiny)
    train(model, make_batch(model, 4), count=2)
    folder = tmp_path_factory.mktemp("source") / "weights"
    card = zoo.write_card(
        model,
        folder,
        name="gan",
        dtype="float32",
        samples=lambda path: keras_gen.images.save_grid(model.sample(4, 0), path),
        data="noise",
    )
    return model, folder, json.loads(json.dumps(card))


@pytest.fixture
def shipped(source, tmp_path):
    """The same with a copy of the folder, for tests that change it."""
    model, folder, card = source
    return model, shutil.copytree(folder, tmp_path / "weights"), card


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
    wanted = {"commands", "data", "data_licence", "figures", "sha256", "configuration"}
    assert wanted <= set(card)
    if "sample" not in model.abilities():
        return
    # Of a sampler's steps, the first already give what is tested here.
    steps = {"steps": 4} if hasattr(model, "process") else {}
    drawn = model.sample(16 if steps else 64, seed=0, **steps)
    # Digits are mostly black, emoji and faces mostly white; and samples differ.
    shares = {"mnist": (0.05, 0.3), "emoji": (0.5, 0.9), "faces": (0.5, 0.9)}
    low, high = shares[re.match(r"\w+", card["data"])[0]]
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
    with pytest.raises(ValueError, match=r"weights for 'dcgan' \(mnist\)"):
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


# Files that are damaged, foreign or hostile.


@pytest.fixture(scope="module")
def saved(source, tmp_path_factory):
    """A tiny GAN, and the path of its `.keras` file."""
    path = tmp_path_factory.mktemp("saved") / "model.keras"
    source[0].save(path)
    return source[0], path


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archived(path, parts, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def refusal(path, name="gan", **options):
    """The message of the ValueError with which a file is refused."""
    with pytest.raises(ValueError) as caught:
        zoo.load(name, weights=path, **options)
    assert str(path.name) in str(caught.value) and len(str(caught.value)) < 800
    return str(caught.value)


def test_a_flipped_bit_in_a_keras_file_is_found(saved, tmp_path):
    _, source = saved
    path, content = tmp_path / "flipped.keras", source.read_bytes()
    start, end = content.index(b"\x89HDF"), content.index(b"PK\1\2")
    places = (*range(start, end, (end - start) // 9), content.index(b"class_name"))
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        refusal(path)
    for length in (0, 3, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        assert "Expected a .keras file" in refusal(path)
    path.write_bytes(b"P" * 3000)
    assert "not a zip file" in refusal(path)


def test_weights_that_are_not_in_the_archive_are_missed(saved, tmp_path):
    parts = members(saved[1])
    for name in ("config.json", "model.weights.h5"):
        rest = {n: content for n, content in parts.items() if n != name}
        assert name in refusal(archived(tmp_path / "part.keras", rest))
    rest = {**parts, "model.weights.h5": b"no HDF5"}
    assert "whole file" in refusal(archived(tmp_path / "part.keras", rest))


def changed_arrays(source, path, change):
    """A copy of a `.keras` file whose HDF5 file a function has changed."""
    parts, file = members(source), io.BytesIO()
    file.write(parts["model.weights.h5"])
    with h5py.File(file, "r+") as weights:
        change(weights)
    return archived(path, {**parts, "model.weights.h5": file.getvalue()})


KERNEL = "generator/layers/dense/vars/0"


def replaced(**options):
    """A function that replaces an array of an HDF5 file."""

    def change(weights):
        del weights[KERNEL]
        weights.create_dataset(KERNEL, **options)

    return change


def test_arrays_that_are_not_weights_are_refused(saved, tmp_path):
    model, source = saved
    before = values(model.variables)

    def soft(weights):
        del weights[KERNEL]
        weights[KERNEL] = h5py.ExternalLink("/etc/passwd", "/x")

    def elsewhere(weights):
        del weights[KERNEL]
        options = {"external": [("/etc/passwd", 0, 96)]}
        weights.create_dataset(KERNEL, (3, 8), "f4", **options)

    def bad(number):
        def change(weights):
            array = weights[KERNEL][()]
            array[0, 0] = number
            weights[KERNEL][...] = array

        return change

    shape = model.generator.layers[1].kernel.shape
    for change, message in (
        (bad(np.nan), f"finite weights.*{KERNEL}"),
        (bad(np.inf), f"finite weights.*{KERNEL}"),
        (replaced(data=np.zeros((4, 8), "f4")), "of shape .4, 8. instead of shape"),
        (replaced(data=np.full(shape, b"a")), "Expected numbers"),
        (replaced(data=np.full(shape, 1j)), "Expected numbers"),
        (replaced(shape=(2**40, 4), chunks=(1, 4), dtype="f4"), "declare 17,592"),
        (soft, "missing instead of shape"),
        (elsewhere, "elsewhere"),
        (lambda weights: weights.clear(), "missing"),
    ):
        path = changed_arrays(source, tmp_path / "changed.keras", change)
        assert re.search(message, refusal(path)), message
        with pytest.raises(ValueError, match="changed.keras"):
            model.load_weights(path)
        for old, new in zip(before, values(model.variables), strict=True):
            np.testing.assert_array_equal(old, new)  # The model is as it was.


def test_archives_that_declare_absurd_sizes_are_not_unpacked(
    saved, tmp_path, monkeypatch
):
    parts, deflated = members(saved[1]), zipfile.ZIP_DEFLATED
    monkeypatch.setattr(weight_files, "SPARE", 2**20)
    bomb = {**parts, "model.weights.h5": bytes(2**23)}
    path = archived(tmp_path / "bomb.keras", bomb, deflated)
    assert path.stat().st_size < 2**20
    assert "declares 8,388,608" in refusal(path)
    bomb = {**parts, "config.json": bytes(files.MAX_TEXT + 1)}
    path = archived(tmp_path / "bomb.keras", bomb, deflated)
    assert "declares 16,777,217" in refusal(path)
    # Compression of honest archives is allowed.
    zoo.load("gan", weights=archived(tmp_path / "small.keras", parts, deflated))


def test_configurations_for_more_weights_than_the_file_has_build_nothing(
    saved, shipped, tmp_path
):
    parts = members(saved[1])
    config = json.loads(parts["config.json"])
    config["config"]["widths"] = [10**7, 10**7]
    parts["config.json"] = json.dumps(config)
    path = archived(tmp_path / "wide.keras", parts)
    assert "for the weights in" in refusal(path)
    folder = shipped[1]
    change_card(folder, lambda card: card["configuration"].update(latent_dim=10**10))
    assert "for the weights in" in refusal(folder)


def change_card(folder, change):
    card = json.loads((folder / "card.json").read_text())
    change(card)
    (folder / "card.json").write_text(json.dumps(card))


CARDS = {
    "truncated": (lambda text: text[:-20], "Expected JSON"),
    "foreign": (lambda text: "<html>", "Expected JSON"),
    "empty": (lambda text: "", "Expected JSON"),
    "deep": (lambda text: "[" * 100_000, "Expected JSON"),
    "list": (lambda text: f"[{text}]", "Expected a JSON object"),
    "huge": (lambda text: text + " " * files.MAX_TEXT, "at most 16,777,216 bytes"),
    "Latin": (lambda text: text.replace("noise", "\xe9").encode("latin-1"), "UTF-8"),
    "no model": (lambda text: text.replace('"model"', '"module"'), "entry 'model'"),
    "no sum": (lambda text: text.replace('"sha256"', '"md5"'), "entry 'sha256'"),
    "number": (lambda text: text.replace('"GAN"', "3"), "'model' that is a str"),
    "list of arguments": (
        lambda text: re.sub(
            r'"configuration": \{.*?\}', '"configuration": []', text, flags=re.S
        ),
        "'configuration' that is a dict",
    ),
    "unknown": (
        lambda text: text.replace('"latent_dim"', '"latent_dims"'),
        "got 'latent_dims'",
    ),
    "type": (
        lambda text: re.sub(r'"latent_dim": \d+', '"latent_dim": "big"', text),
        "latent_dim|does not build",
    ),
    "object": (
        lambda text: re.sub(
            r'"latent_dim": \d+', '"latent_dim": {"class_name": "Lambda"}', text
        ),
        "plain values",
    ),
}


@pytest.mark.parametrize("case", CARDS)
def test_cards_that_are_damaged_or_foreign_are_refused(case, shipped):
    change, message = CARDS[case]
    _, folder, _ = shipped
    text = change((folder / "card.json").read_text())
    (folder / "card.json").write_bytes(
        text if isinstance(text, bytes) else text.encode()
    )
    assert re.search(message, refusal(folder))


def test_a_card_without_weights_is_refused(shipped):
    (shipped[1] / "weights.safetensors").unlink()
    assert "weights.safetensors beside the card" in refusal(shipped[1])


def test_arrays_that_do_not_fit_are_refused_and_change_nothing(shipped, tmp_path):
    model, folder, _ = shipped
    arrays = safetensors.numpy.load_file(folder / "weights.safetensors")
    name, path = "generator/000/kernel", tmp_path / "other.safetensors"
    before = values(model.variables)
    nan, huge = arrays[name].copy(), arrays[name].astype(np.float64)
    nan[0, 0], huge[0, 0] = np.nan, 1e300
    for array, message in (
        (nan, "finite"),
        (huge, "finite"),
        (arrays[name].astype(np.int32), "got int32"),
        (arrays[name].T.copy(), "shape"),
    ):
        safetensors.numpy.save_file({**arrays, name: array}, path)
        with pytest.raises(ValueError, match=f"{message}.*other.safetensors"):
            zoo.load_weights(model, path)
    content = (folder / "weights.safetensors").read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header[name]["shape"] = [2**40, 2**20]
    lie = json.dumps(header).encode()
    lie += b" " * (length - len(lie))
    for damaged in (
        len(lie).to_bytes(8, "little") + lie + content[8 + length :],
        (2**62).to_bytes(8, "little") + content[8:],
        content[:-1],
        content[:7],
        b"",
    ):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="file of arrays.*other.safetensors"):
            zoo.load_weights(model, path)
    for old, new in zip(before, values(model.variables), strict=True):
        np.testing.assert_array_equal(old, new)


def test_configurations_in_keras_files_name_no_other_classes(saved, tmp_path):
    parts = members(saved[1])
    source = json.loads(parts["config.json"])
    evil = {"module": "os", "class_name": "system", "config": {"command": "false"}}

    def without(key):
        return lambda config: config.pop(key)

    for change, message in (
        (without("config"), "entry 'config'"),
        (without("class_name"), "entry 'class_name'"),
        (lambda c: c.update(class_name=3), "'class_name' that is a str"),
        (lambda c: c["config"].update(latent_dims=3), "got 'latent_dims'"),
        (lambda c: c["config"].update(latent_dim=evil), "plain values"),
        (lambda c: c["config"].update(dtype="float128"), "does not build a GAN"),
        (lambda c: c.update(compile_config=[3]), "compile_config"),
        (lambda c: c.update(compile_config={"optimizers": 3}), "'optimizers'"),
        (lambda c: optimizer(c).update(evil), "optimizer of Keras, got 'system'"),
        (lambda c: optimizer(c)["config"].update(learning_rate=evil), "got 'system'"),
        (lambda c: optimizer(c)["config"].update(learning_rate="x"), "rebuilt"),
        (lambda c: optimizer(c)["config"].update(beta_3=1), "rebuilt"),
    ):
        config = json.loads(json.dumps(source))
        change(config)
        content = json.dumps(config)
        path = archived(tmp_path / "c.keras", {**parts, "config.json": content})
        assert message in refusal(path)


def optimizer(config):
    return config["compile_config"]["optimizers"]["generator"]


def test_a_checkpoint_that_is_damaged_stops_fit_before_it_trains(saved, tmp_path):
    model, source = saved
    path = tmp_path / "checkpoint.keras"
    content = bytearray(source.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    before = values(model.variables)
    with pytest.raises(ValueError, match="checkpoint.keras"):
        model.fit(
            make_batch(model, 4),
            verbose=0,
            callbacks=[keras_gen.callbacks.Checkpoint(path)],
        )
    for old, new in zip(before, values(model.variables), strict=True):
        np.testing.assert_array_equal(old, new)
    assert path.read_bytes() == content


# Cards and weights are replaced together.

KILLED = """
import os, sys
from keras_gen import files, zoo

folder, calls = sys.argv[1], int(sys.argv[2])
model = zoo.load("gan", weights=folder)
for variable in model.averaged(model.generator).weights:
    variable.assign(0 * variable)
replace = os.replace

def die(*args):
    global calls
    calls -= 1
    if calls < 0:
        os._exit(9)
    replace(*args)

os.replace = die
zoo.write_card(model, folder, name="gan", dtype="float32")
"""


@pytest.mark.parametrize("calls", [0, 1, 2])
def test_a_card_fits_its_weights_after_a_kill_at_any_moment(calls, shipped):
    model, folder, card = shipped
    command = [sys.executable, "-c", KILLED, str(folder), str(calls)]
    assert subprocess.run(command, capture_output=True).returncode == 9
    loaded = zoo.load("gan", weights=folder)
    is_new = zoo.card("gan", folder)["sha256"] != card["sha256"]
    assert is_new == (calls == 2)
    kernel = loaded.generator.weights[0].numpy()
    assert (kernel == 0).all() == is_new
    zoo.write_card(model, folder, name="gan", dtype="float32", data="noise")
    names = {"card.json", "weights.safetensors", "samples.png"}
    assert {path.name for path in folder.iterdir()} == names
    assert zoo.card("gan", folder) == card
    zoo.load("gan", weights=folder)


def test_mistakes_are_found_before_a_card_is_replaced(shipped):
    model, folder, card = shipped

    def fail(path):
        raise OSError("disk full")

    large = zoo.load("gan", weights=folder)
    kernel = large.averaged(large.generator).weights[0]
    kernel.assign(1e6 + kernel)
    for given, options, error, message in (
        (model, {"name": "dcgan"}, ValueError, "the name of a GAN, got 'dcgan'"),
        (model, {"notes": object()}, ValueError, "plain values"),
        (model, {"dtype": "int4"}, ValueError, "dtype"),
        (large, {"dtype": "float16"}, ValueError, "finite as float16"),
        (model, {"samples": fail}, OSError, "disk full"),
    ):
        with pytest.raises(error, match=message):
            zoo.write_card(given, folder, **{"name": "gan", **options})
        assert zoo.card("gan", folder) == card
        zoo.load("gan", weights=folder)
