"""ONNX and LiteRT files give the results of the methods; what does not convert is said.

Each model exports from its `tiny` configuration, so that a new one is covered.
"""

import functools
import json
import sys
import warnings

import numpy as np
import onnxruntime
import pytest
from ai_edge_litert.interpreter import Interpreter
from conftest import make_batch, train
from typer.testing import CliRunner

import keras_gen
from keras_gen.cli import app
from keras_gen.core.inputs import SEED
from keras_gen.core.noise import row_seeds
from keras_gen.core.registry import PRESETS
from keras_gen.models import GAN, VAE
from keras_gen.models.autoregressive import AutoregressiveModel
from keras_gen.models.diffusion.base import DiffusionModel

# The graphs of recurrent networks, and of loops over pixels or over steps of a sampler,
# take long to convert, or do not.
NAMES = [
    name
    for name in keras_gen.zoo.names()
    if not issubclass(PRESETS[name].model, (AutoregressiveModel, DiffusionModel))
    and name != "recurrent_ae"
]
# The first model of each family, by the name of the folder of its module.
FAMILIES = {
    PRESETS[name].model.__module__.split(".")[2]: name for name in reversed(NAMES)
}
FIRST = ("decode", "encode", "translate", "classify", "features", "cut", "sample")
DISTRIBUTIONS = {"vae": "normal", "dcgan": "signed_uniform"}
FORMATS = {"onnx": keras_gen.export.onnx, "litert": keras_gen.export.litert}


@functools.cache
def tiny(name):
    return keras_gen.zoo.load(name, **PRESETS[name].model.tiny)


def run_file(folder, entry, inputs):
    """The output of an ability's file, by the file's own runtime."""
    path = str(folder / entry["file"])
    (output,) = entry["outputs"]
    if path.endswith(".onnx"):
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        assert {i.name for i in session.get_inputs()} == set(inputs)
        assert not isinstance(session.get_inputs()[0].shape[0], int)  # Rows are free.
        return session.run([output], inputs)[0]
    return Interpreter(path).get_signature_runner()(**inputs)[output]


def check(model, folder, count=5):
    """Compares every file with its method, for seeds and rows that no export used."""
    card = json.loads((folder / "card.json").read_text())
    random, seeds = np.random.default_rng(7), row_seeds(count, 9)
    assert card["abilities"]
    for name, entry in card["abilities"].items():
        ability = model.abilities()[name]
        declared = ability.declared(model)
        arrays = {n: e.example(count, random) for n, e in declared.items()}
        arrays |= {n: seeds for n, e in declared.items() if e.role == SEED}
        inputs = keras_gen.export.row_noise(card, name, seeds)
        inputs |= {n: arrays[n] for n in entry["inputs"] if n in arrays}
        assert set(inputs) == set(entry["inputs"])
        for n in inputs:
            inputs[n] = np.asarray(inputs[n], entry["inputs"][n]["dtype"])
        expected = ability.run(model, arrays)
        found = run_file(folder, entry, inputs)
        assert found.shape == expected.shape
        assert expected.std() > 0 or not expected.size
        # Sums of products in another order: rounding errors of float32 that grow with
        # the depth, relative to the largest result.
        size = max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * size)
    return card


def export(kind, model, folder, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return FORMATS[kind](model, folder, **options)


@pytest.mark.parametrize("name", FAMILIES.values(), ids=FAMILIES)
def test_all_abilities_of_a_family_are_onnx_files_or_left_out_with_a_reason(
    name, tmp_path
):
    model = tiny(name)
    abilities = list(model.abilities())
    try:
        folder = export("onnx", model, tmp_path / "onnx")
    except ValueError as error:
        assert all(f"{ability}: " in str(error) for ability in abilities)
        assert "decode" not in abilities
        return
    card = check(model, folder)
    assert set(card["abilities"]) | set(card["left_out"]) == set(abilities)
    assert all(reason.endswith(".") for reason in card["left_out"].values())
    assert "decode" not in card["left_out"]


@pytest.mark.parametrize(
    "kind, name",
    [
        *(("onnx", name) for name in NAMES if name not in FAMILIES.values()),
        *(("litert", name) for name in FAMILIES.values()),
    ],
)
def test_files_give_the_results_of_the_first_ability(kind, name, tmp_path):
    model = tiny(name)
    known = list(model.abilities())
    abilities = [*(a for a in FIRST if a in known), *known][:1]
    try:
        folder = export(kind, model, tmp_path / "files", abilities=abilities)
    except ValueError as error:
        assert abilities[0] != "decode" and f"{abilities[0]}: " in str(error)
    else:
        check(model, folder)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("name, weights", [("vae", "mnist"), ("dcgan", "mnist")])
def test_weights_that_ship_give_the_same_digits(kind, name, weights, tmp_path):
    model = keras_gen.zoo.load(name, weights)
    abilities = ["sample", "decode"]
    card = check(model, export(kind, model, tmp_path / "files", abilities=abilities))
    entry = card["abilities"]["sample"]["inputs"]["noise"]
    assert entry["shape"] == [None, model.latent_dim]
    assert entry["distribution"] == DISTRIBUTIONS[name]


def test_averaged_weights_are_those_that_are_written(tmp_path):
    model = keras_gen.zoo.load("gan", average=0.9, **GAN.tiny)
    train(model, make_batch(model, 4), count=2)
    check(model, export("onnx", model, tmp_path / "gan", abilities=["sample"]))


def test_files_name_what_they_take(tmp_path):
    model = tiny("linear_ae")
    card = {"preset": "linear_ae"}
    folder = export(
        "onnx", model, tmp_path / "ae", abilities=["reconstruct"], card=card
    )
    assert sorted(p.name for p in folder.iterdir()) == ["card.json", "reconstruct.onnx"]
    card = json.loads((folder / "card.json").read_text())
    assert card["preset"] == "linear_ae" and card["format"] == "ONNX"
    entry = card["abilities"]["reconstruct"]
    # ONNX has one list of names, so that the output is not called images too.
    assert entry["inputs"]["images"]["shape"] == [None, 8, 8, 1]
    assert entry["outputs"] == {
        "output_images": {"dtype": "float32", "shape": [None, 8, 8, 1]}
    }
    assert entry["difference"] < 1e-5


@pytest.mark.parametrize(
    "name, ability, kind, reason",
    [
        ("vae", "log_prob", "onnx", "ONNX has no operation StatelessRandom"),
        ("vae", "log_prob", "litert", "LiteRT has no operation StatelessRandom"),
        ("denoising_ae", "corrupt", "onnx", "noise that depends on the rows"),
        ("matcher", "match", "onnx", r"takes text \(captions\)"),
        ("vae_mixture", "sample", "litert", "neither standard normal nor uniform"),
    ],
)
def test_what_does_not_convert_is_refused_with_the_reason(
    name, ability, kind, reason, tmp_path
):
    if name == "vae_mixture":
        model = keras_gen.zoo.load("vae", prior="mixture", num_components=2, **VAE.tiny)
    else:
        model = tiny(name)
    with pytest.raises(ValueError, match=f"{ability}: .*{reason}"):
        FORMATS[kind](model, tmp_path / "files", abilities=[ability])
    assert list(tmp_path.iterdir()) == []


def test_abilities_that_are_left_out_are_told(tmp_path):
    with pytest.warns(UserWarning, match="Left out: corrupt: it draws noise"):
        folder = keras_gen.export.onnx(tiny("denoising_ae"), tmp_path / "files")
    card = json.loads((folder / "card.json").read_text())
    assert set(card["left_out"]) == {"corrupt"} and "denoise" in card["abilities"]


def test_results_that_differ_are_refused(tmp_path, monkeypatch):
    from keras_gen.export import formats

    wrong = formats.Format(
        **{**vars(formats._ONNX), "run": lambda *args: _shifted(formats, args)}
    )
    monkeypatch.setattr(formats, "_ONNX", wrong)
    with pytest.raises(ValueError, match="results of its file differ by up to 0.5"):
        formats.onnx(tiny("gan"), tmp_path / "files", abilities=["decode"])
    assert list(tmp_path.iterdir()) == []


def _shifted(formats, args):
    return formats._run_onnx(*args) + np.float32(0.5)


def test_bad_arguments_are_refused_before_any_work(tmp_path):
    model = tiny("gan")
    for wrong in (["paint"], []):
        with pytest.raises(ValueError, match="Expected abilities of 'gan"):
            keras_gen.export.onnx(model, tmp_path / "new", abilities=wrong)
    with pytest.raises(ValueError, match="Expected a new folder"):
        keras_gen.export.litert(model, tmp_path)


@pytest.mark.parametrize(
    "kind, module", [("onnx", "tf2onnx"), ("litert", "ai_edge_litert")]
)
def test_without_the_extra_the_message_says_what_to_install(
    kind, module, tmp_path, monkeypatch
):
    from keras_gen.export import formats

    find = formats.importlib.util.find_spec
    monkeypatch.setattr(
        formats.importlib.util, "find_spec", lambda m: None if m == module else find(m)
    )
    message = rf"Expected {module} for .*: pip install 'keras-gen\[{kind}\]'"
    with pytest.raises(ImportError, match=message):
        FORMATS[kind](tiny("gan"), tmp_path / "new")
    done = CliRunner().invoke(
        app, ["export", "gan:mnist", "--format", kind, "--to", str(tmp_path / "new")]
    )
    assert done.exit_code == 1 and "pip install" in done.stderr


def test_converters_are_imported_when_they_are_used():
    import subprocess

    code = "import sys, keras_gen; print({'onnx', 'tf2onnx'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


def test_the_command_line_writes_a_folder_for_each_model(tmp_path):
    words = ["export", "gan:mnist", "plane=linear_ae:mnist-2", "--ability", "decode"]
    words += ["--format", "onnx", "--to", str(tmp_path)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    names = [line.removeprefix(f"{tmp_path}/") for line in done.stdout.splitlines()]
    files = [f"{d}/{f}" for d in ("gan", "plane") for f in ("card.json", "decode.onnx")]
    assert names == files
    card = json.loads((tmp_path / "gan" / "card.json").read_text())
    assert card["trained"]["data"] == "mnist"
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2 and "which exists" in done.stderr
    for more in (["--float16"], ["--version", "2"], ["--label", "stable"]):
        done = CliRunner().invoke(app, [*words, *more])
        assert done.exit_code == 2 and "saved_model alone" in done.stderr
    done = CliRunner().invoke(app, ["export", "gan:mnist", "--format", "h5"])
    assert done.exit_code == 2 and "Expected a format" in done.stderr
