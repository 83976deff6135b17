"""Packages of others that bring models by entry points, also broken ones."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]

MODEL = '''
"""A model of another package."""

from keras_gen.core import registry
from keras_gen.models import GAN


@registry.register("tiny_gan", image_shape=(4, 4, 1), latent_dim=2, widths=[3])
class TinyGAN(GAN):
    """Tiny adversarial network of another package."""

    tiny = {"image_shape": (4, 4, 1), "latent_dim": 2, "widths": [3]}
'''


def install(folder, package, module, sources):
    """Writes a package and its metadata as pip leaves them, with an entry point."""
    for name, source in sources.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    metadata = folder / f"{package.replace('-', '_')}-1.2.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n"
    )
    (metadata / "entry_points.txt").write_text(
        f"[keras_gen.presets]\nmodels = {module}\n"
    )


def python(folder, *arguments, cwd=None):
    """Runs Python in a new process in which the packages of a folder are installed."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd or folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(folder)))},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    sources = {"tiny_gen/__init__.py": "", "tiny_gen/models.py": MODEL}
    install(folder, "tiny-gen", "tiny_gen.models", sources)
    return folder


LIST = """
import sys, keras_gen.cli
try:
    keras_gen.cli.app(["list"])
except SystemExit as end:
    assert not end.code
assert "tensorflow" not in sys.modules and "tiny_gen" not in sys.modules
"""


def test_models_of_other_packages_are_listed_without_tensorflow(installed):
    done = python(installed, "-c", LIST)
    assert done.returncode == 0, done.stderr[-2000:]
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("tiny_gan"))
    assert "Tiny adversarial" in line  # The width of the terminal may cut the rest.


USE = """
import pathlib, sys
import numpy as np
import keras_gen
from keras_gen.cli import app

def run(*arguments):
    try:
        app(arguments)
    except SystemExit as end:
        assert not end.code, arguments

assert "tiny_gan" in keras_gen.zoo.names() and "gan" in keras_gen.zoo.names()
model = keras_gen.zoo.load("tiny_gan")
model.fit(np.zeros((8, 4, 4, 1), np.uint8), batch_size=4, verbose=0)
model.save("tiny.keras")
np.save("samples.npy", model.sample(2, seed=0))
keras_gen.export.save(model, "served", abilities=["sample"])
assert next(pathlib.Path("served").rglob("saved_model.pb"))
card = keras_gen.zoo.write_card(model, "card", name="tiny_gan")
assert card["preset"] == "tiny_gan"
run("list", "--task", "generation")
run("show", "tiny_gan")
run("sample", "tiny_gan", "--weights", "tiny.keras", "-n", "4", "-o", "samples.png")
assert pathlib.Path("samples.png").is_file()
"""
LOAD = """
import sys
import numpy as np
import keras, keras_gen
assert "tiny_gen" not in sys.modules
model = keras.saving.load_model("tiny.keras")
assert type(model) is sys.modules["tiny_gen.models"].TinyGAN
np.testing.assert_array_equal(model.sample(2, seed=0), np.load("samples.npy"))
"""


def test_they_are_used_like_those_of_this_package(installed, tmp_path):
    for code in (USE, LOAD):
        done = python(installed, "-c", code, cwd=tmp_path)
        assert done.returncode == 0, done.stderr[-2000:]
        if code is USE:
            assert "tiny_gan: Tiny adversarial network" in done.stdout


def test_they_are_held_to_the_contract(installed):
    """The conformance tests find the model by its name, as they find all others."""
    chosen = "tiny_gan and (gradients or finite_rows or round_trip)"
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen]
    done = python(installed, *command, ROOT / "tests/test_conformance.py", cwd=ROOT)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "passed" in done.stdout and "skipped" not in done.stdout


BROKEN = """
import warnings
import keras_gen

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    names = keras_gen.zoo.names()
    assert keras_gen.zoo.names() == names and "tiny_gan" in names
messages = [str(w.message) for w in caught if w.category is UserWarning]
print("\\n".join(messages))
model = keras_gen.zoo.load("vae", image_shape=(8, 8, 1))
assert type(model).__module__.startswith("keras_gen.")
assert keras_gen.zoo.load("tiny_gan").latent_dim == 2
try:
    keras_gen.zoo.load("birds")
except ValueError as error:
    assert str(error).startswith("Expected a model's name, got 'birds'")
    assert all(message in str(error) for message in messages)
"""
FAULTS = {
    "exits": ("raise SystemExit(3)", "SystemExit: 3"),
    "fails": ("import nowhere_to_be_found", "No module named 'nowhere_to_be_found'"),
    "misses": (None, "No module named 'misses'"),
    "takes_class": (
        MODEL.replace("TinyGAN", "VAE").replace("tiny_gan", "birds_vae"),
        "'VAE', which keras_gen.models.variational.vae has",
    ),
    "takes_name": (MODEL.replace("tiny_gan", "vae"), "'vae', which is taken"),
}


def test_broken_packages_are_named_and_break_no_other(tmp_path):
    for name, (source, _) in FAULTS.items():
        sources = {} if source is None else {f"{name}.py": source}
        install(tmp_path, name.replace("_", "-"), name, sources)
    install(tmp_path, "tiny-gen", "tiny_gen", {"tiny_gen.py": MODEL})
    done = python(tmp_path, "-c", BROKEN)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = dict(zip(FAULTS, done.stdout.splitlines(), strict=True))
    for name, (_, reason) in FAULTS.items():
        package = f"{name.replace('_', '-')} 1.2"
        start = f"The models of the package {package} cannot be used: "
        assert lines[name].startswith(start) and reason in lines[name]


def test_the_list_names_a_package_whose_models_it_cannot_show(tmp_path):
    install(tmp_path, "misses", "misses", {})
    done = python(tmp_path, "-m", "keras_gen.cli", "list")
    assert done.returncode == 0 and "dcgan" in done.stdout
    (line,) = (x for x in done.stderr.splitlines() if x.startswith("Warning: "))
    assert "the package misses 1.2 cannot be used" in line
