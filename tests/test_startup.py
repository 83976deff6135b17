"""What is imported when: TensorFlow only if needed, and Keras finds our classes.

The tests import in processes of their own. None measures time.
"""

import ast
import importlib
import inspect
import os
import pathlib
import pickle
import pkgutil
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_gen
from keras_gen import index
from keras_gen.cli import COMMANDS
from keras_gen.core.registry import PRESETS

ROOT = pathlib.Path(__file__).parents[1]


def python(code, *arguments, **environment):
    """Runs code in a new process, in which the given variables are also set."""
    unset = ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL")
    kept = {key: value for key, value in os.environ.items() if key not in unset}
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**kept, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
    )


def printed(code, *arguments, **environment):
    """The words that code prints, which must succeed."""
    done = python(code, *arguments, **environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.split()


LIGHT = """
import os, sys
import keras_gen, keras_gen.cli

def check(what):
    heavy = {"tensorflow", "keras", "scipy", "sklearn", "matplotlib"}
    found = heavy.intersection(sys.modules)
    assert not found, f"{what} imports {found}"

assert "TF_CPP_MIN_LOG_LEVEL" not in os.environ
assert {"models", "zoo", "GenerativeModel", "priors"} <= set(dir(keras_gen))
check("import keras_gen")
commands = [[], ["--help"], ["list"], ["nonsense"], ["train"], ["train", "dcgan"]]
commands += [[name, "--help"] for name in keras_gen.cli.COMMANDS]
for arguments in commands:
    try:
        keras_gen.cli.app(arguments)
    except SystemExit:
        check(f"keras-gen {' '.join(arguments)}")
    else:
        raise AssertionError(f"{arguments} did not end")
"""


def test_help_lists_and_usage_errors_do_not_import_tensorflow():
    assert "dcgan" in printed(LIGHT)


def test_the_index_is_what_is_registered_once_all_is_imported():
    for module in pkgutil.walk_packages(keras_gen.__path__, "keras_gen."):
        importlib.import_module(module.name)
    assert index.models() == {n: PRESETS[n].summary for n in sorted(PRESETS)}
    registered = {
        name: cls
        for name, cls in keras.saving.get_custom_objects().items()
        if cls.__module__.startswith("keras_gen.")
    }
    assert registered.keys() == {entry.registered_name for entry in index.entries()}
    for entry in index.entries():
        cls = registered[entry.registered_name]
        assert cls is getattr(sys.modules[entry.module], entry.name)
        assert entry.preset is None or PRESETS[entry.preset].model is cls


IMPORTS = [
    "import keras, keras_gen",
    "import keras_gen; import tensorflow_probability; import keras",
    "import keras_gen.layers, keras",
]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A model, one of its networks, and an object of no model, in files."""
    folder = tmp_path_factory.mktemp("files")
    model = keras_gen.zoo.load("gan", image_shape=(4, 4, 1), latent_dim=2, widths=[3])
    model.save(folder / "model.keras")
    keras.Sequential([keras.Input((4, 4, 1)), keras_gen.layers.Blur()]).save(
        folder / "network.keras"
    )
    (folder / "model.pickle").write_bytes(pickle.dumps(model))
    np.save(folder / "samples.npy", model.sample(2, seed=0))
    return folder


LOAD = """
import pathlib, pickle, sys
import numpy as np
folder = pathlib.Path(sys.argv[1])
network = keras.saving.load_model(folder / "network.keras")
assert type(network.layers[0]) is sys.modules["keras_gen.layers"].Blur
model = keras.saving.load_model(folder / "model.keras")
assert type(model) is sys.modules["keras_gen"].models.GAN
np.testing.assert_array_equal(model.sample(2, seed=0), np.load(folder / "samples.npy"))
assert keras.saving.get_registered_object("keras_gen>GAN") is type(model)
"""


@pytest.mark.parametrize("imports", IMPORTS)
def test_keras_loads_our_files_after_any_order_of_imports(imports, files):
    printed(f"{imports}\n{LOAD}", files)


def test_models_can_be_pickled_between_processes(files):
    code = "import sys, pickle; print(pickle.load(open(sys.argv[1], 'rb')).latent_dim)"
    assert printed(code, files / "model.pickle") == ["2"]


NAMES = """
import pydoc, sys
import keras_gen
from keras_gen import models
from keras_gen.models import VAE
from keras_gen import *

assert models.VAE is VAE is keras_gen.models.VAE
assert GenerativeModel is sys.modules["keras_gen.core.model"].GenerativeModel
assert priors is sys.modules["keras_gen.distributions.priors"] is keras_gen.priors
assert keras_gen.layers.Blur and keras_gen.networks and keras_gen.core
for name in keras_gen.__all__:
    assert name in dir(keras_gen) and getattr(keras_gen, name) is not None
text = pydoc.plain(pydoc.render_doc(keras_gen))
assert "zoo of generative models" in text and "class GenerativeModel" in text
try:
    keras_gen.modles
except AttributeError as error:
    assert str(error) == "module 'keras_gen' has no attribute 'modles'"
else:
    raise AssertionError("an unknown name was found")
"""


def test_names_can_be_imported_in_any_form():
    printed(NAMES)


def test_type_checkers_see_every_name():
    tree = ast.parse((ROOT / "keras_gen" / "__init__.py").read_text())
    (block,) = (
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    seen = [alias.name for node in block.body for alias in node.names]
    assert sorted(seen) == keras_gen.__all__


MESSAGE = "keras_gen trains with TensorFlow: expected KERAS_BACKEND=tensorflow, got "


@pytest.mark.parametrize(
    "code",
    [
        "import keras_gen",
        # Keras reads keras.json, which may name another backend.
        "import keras; keras.backend.backend = lambda: 'torch'; import keras_gen",
    ],
)
def test_another_backend_is_refused(code):
    backend = {} if "lambda" in code else {"KERAS_BACKEND": "torch"}
    done = python(code, **backend)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"ImportError: {MESSAGE}'torch'."


def test_options_have_the_defaults_of_what_they_stand_for():
    root = inspect.signature(COMMANDS["export"]).parameters["root"]
    assert root.default == keras_gen.export.deploy.ROOT


GREETINGS = """\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1.5  1 port.cc:153] oneDNN custom operations are on.
To enable the following instructions: AVX2, rebuild TensorFlow.
E0000 00:00:1.5  1 cuda_platform.cc:52] failed call to cuInit: UNKNOWN ERROR (303)
"""
ERRORS = """\
F0000 00:00:1.5  1 cpu_feature_guard.cc:1] compiled to use AVX
E0000 00:00:1.5  1 cuda_platform.cc:52] failed call to cuInit: driver mismatch (803)
"""
WRITE = """
import os, sys
from keras_gen import quiet
quiet.start()
os.write(2, sys.argv[1].encode())
print("of Python", file=sys.stderr)
os.abort()
"""


@pytest.mark.parametrize("level", [None, "0"])
def test_greetings_are_hidden_and_errors_are_not(level):
    """Not even the last lines before a crash, and nothing if the user sets a level."""
    environment = {} if level is None else {"TF_CPP_MIN_LOG_LEVEL": level}
    done = python(WRITE, GREETINGS + ERRORS, **environment)
    expected = f"{'' if level is None else GREETINGS}{ERRORS}of Python\n"
    assert sorted(done.stderr.splitlines()) == sorted(expected.splitlines())
    assert done.returncode == -signal.SIGABRT


def test_commands_print_no_line_of_tensorflow(tmp_path):
    code = "import sys, keras_gen.cli; keras_gen.cli.app(sys.argv[1:])"
    picture = tmp_path / "samples.png"
    done = python(code, "sample", "gan", "--weights", "mnist", "-o", picture)
    assert done.returncode == 0 and picture.is_file()
    assert done.stderr == ""
