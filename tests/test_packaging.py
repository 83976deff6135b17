"""A wheel built from the repository works, and holds its data."""

import os
import pathlib
import subprocess
import sys
import tomllib
import zipfile

import keras_gen

ROOT = pathlib.Path(__file__).parents[1]

CODE = """
import pathlib, keras_gen, keras_gen.cli
assert pathlib.Path(keras_gen.__file__).is_relative_to(pathlib.Path.cwd() / "wheel")
batch = next(iter(keras_gen.data.load("mnist", "test[:8]", batch_size=8)))
assert batch["image"].shape == (8, 28, 28, 1)
batch = next(iter(keras_gen.data.load("emoji/noto", "test[:8]", batch_size=8)))
assert batch["image"].shape == (8, 64, 64, 3)
batch = next(iter(keras_gen.data.load("faces/micah", "test[:8]", batch_size=8)))
assert batch["image"].shape == (8, 64, 64, 3)
model = keras_gen.zoo.load("dcgan", weights="mnist")
assert model.sample(2, seed=0).shape == (2, 32, 32, 1)
options = {"abilities": ["sample"], "batch_sizes": (1,)}
keras_gen.export.deploy.add(model, "serving", "dcgan", **options)
assert pathlib.Path("serving/compose.yaml").is_file()
print("works")
"""


def test_pyproject_lists_every_package():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = settings["tool"]["setuptools"]["packages"]
    mapped = settings["tool"]["setuptools"]["package-dir"]
    folders = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "keras_gen").rglob("__init__.py")
    }
    assert set(listed) == folders | set(mapped)
    without = {
        str(path.parent)
        for path in (ROOT / "keras_gen").rglob("*.py")
        if not (path.parent / "__init__.py").exists()
    }
    assert not without


def test_a_wheel_holds_code_data_and_weights(tmp_path):
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    # Built from tracked files only, without leftovers of an earlier build.
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    source = tmp_path / "source"
    for name in tracked.decode().split("\0"):
        if name and (ROOT / name).exists():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    done = subprocess.run(
        [*build, "--wheel-dir", str(tmp_path), str(source)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.stat().st_size < 100e6  # The limit of PyPI.
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "wheel")
        names = archive.namelist()
    assert "keras_gen/cards/dcgan/mnist/card.json" in names
    for template in keras_gen.export.deploy.TEMPLATES:
        assert f"keras_gen/kit/{template}" in names
    for file in (ROOT / "keras_gen").rglob("*.py"):
        assert str(file.relative_to(ROOT)) in names
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "wheel")},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "works", done.stderr[-2000:]
