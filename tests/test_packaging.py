"""Two distributions are built from the repository, and work; documents of a release."""

import importlib.resources
import json
import os
import pathlib
import re
import runpy
import subprocess
import sys
import tomllib
import zipfile

import jsonschema
import pytest
import yaml

import keras_gen

ROOT = pathlib.Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
ZOO = tomllib.loads((ROOT / "zoo" / "pyproject.toml").read_text())
HOME = SETTINGS["project"]["urls"]["Homepage"]

CODE = """
import pathlib, keras_gen, keras_gen.cli
assert pathlib.Path(keras_gen.__file__).is_relative_to(pathlib.Path.cwd() / "wheel")
assert keras_gen.catalogue.zoo_folder() == pathlib.Path.cwd() / "wheel/keras_gen_zoo"
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


def tracked(folder="."):
    """Paths of the files in the repository, without leftovers of earlier builds."""
    done = subprocess.run(
        ["git", "ls-files", "-z", folder], cwd=ROOT, capture_output=True, check=True
    )
    names = [name for name in done.stdout.decode().split("\0") if name]
    return [name for name in names if (ROOT / name).exists()]


def test_pyproject_lists_every_package():
    listed = SETTINGS["tool"]["setuptools"]["packages"]
    mapped = SETTINGS["tool"]["setuptools"]["package-dir"]
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


def test_versions_agree():
    """One version in both packages, in bounds of the extra, and released as such."""
    version = keras_gen.__version__
    namespace = runpy.run_path(str(ROOT / "zoo" / "__init__.py"))
    assert namespace["__version__"] == version
    (bounds,) = SETTINGS["project"]["optional-dependencies"]["zoo"]
    major, minor = map(int, version.split(".")[:2])
    assert bounds == f"keras-gen-zoo>={version},<{major}.{minor + 1}"
    log = (ROOT / "CHANGELOG.md").read_text()
    titles = re.findall(r"^## (.*)$", log, re.MULTILINE)
    is_released = "dev" not in version
    assert titles[0].startswith(version) if is_released else titles[0] == "Unreleased"
    released, date = titles[0 if is_released else 1].split(", ")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (str(citation["version"]), str(citation["date-released"])) == (
        released,
        date,
    )
    assert citation["repository-code"] == HOME == ZOO["project"]["urls"]["Homepage"]
    assert (ROOT / "zoo" / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


def test_distributions_are_small():
    """By what goes in, before compression: PyPI takes 100 MB."""
    names = [name for name in tracked() if not name.startswith("zoo/")]
    code = [n for n in names if n.startswith(("keras_gen/", "export/"))]
    cards = [n for n in tracked("zoo") if re.fullmatch(r"zoo/\w+/[\w-]+/card.json", n)]
    weights = [str(pathlib.Path(n).with_name("weights.safetensors")) for n in cards]
    assert len(cards) >= 30
    assert sum((ROOT / n).stat().st_size for n in code) < 40e6
    assert sum((ROOT / n).stat().st_size for n in cards + weights) < 95e6


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """A folder with both wheels. That of the zoo has the weights of one model only."""
    folder = tmp_path_factory.mktemp("wheels")
    for name in tracked():
        kept = "zoo/dcgan/", "zoo/pyproject", "zoo/README", "zoo/LICENSE", "zoo/__init"
        if not name.startswith("zoo/") or name.startswith(kept):
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "source" / name).write_bytes((ROOT / name).read_bytes())
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    sources = [str(folder / "source"), str(folder / "source" / "zoo")]
    done = subprocess.run(
        [*build, "--wheel-dir", str(folder), *sources], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


def names_in(folder, pattern):
    """The wheel in a folder, and the names of the files in it."""
    (wheel,) = folder.glob(pattern)
    with zipfile.ZipFile(wheel) as archive:
        return wheel, archive.namelist()


def test_wheels_hold_code_data_and_weights(wheels):
    wheel, names = names_in(wheels, "keras_gen-*.whl")
    assert wheel.stat().st_size < 40e6
    for template in keras_gen.export.deploy.TEMPLATES:
        assert f"keras_gen/kit/{template}" in names
    assert "keras_gen/style.css" in names
    assert not set(tracked("keras_gen")) - set(names)  # Code, data and styles.
    assert not [name for name in names if name.endswith(".safetensors")]
    _, names = names_in(wheels, "keras_gen_zoo-*.whl")
    kept = [name for name in names if ".dist-info/" not in name]
    files = [
        f"keras_gen_zoo/dcgan/{weights}/{file}"
        for weights in keras_gen.zoo.weights_of("dcgan")
        for file in ("card.json", "weights.safetensors")
    ]
    assert sorted(kept) == sorted(["keras_gen_zoo/__init__.py", *files])


def test_both_wheels_work_without_the_repository(wheels, tmp_path):
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(tmp_path / "wheel")
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "wheel")},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "works", done.stderr[-2000:]


def metadata(wheels, pattern):
    wheel, names = names_in(wheels, pattern)
    (name,) = [name for name in names if name.endswith(".dist-info/METADATA")]
    with zipfile.ZipFile(wheel) as archive:
        head, _, text = archive.read(name).decode().partition("\n\n")
    return head, text


@pytest.mark.parametrize("pattern", ["keras_gen-*.whl", "keras_gen_zoo-*.whl"])
def test_what_pypi_shows_has_no_relative_links(wheels, pattern):
    head, text = metadata(wheels, pattern)
    for line in (
        "Project-URL: Homepage, https://",
        "Classifier: ",
        "License-Expression:",
    ):
        assert line in head
    assert "Description-Content-Type: text/markdown" in head
    targets = re.findall(r"\]\(([^)]*)\)", text)
    assert targets and all(re.match("https://", target) for target in targets)
    assert "src=" not in text and "href=" not in text


def test_links_of_the_readme_lead_to_the_same_files_on_github(wheels):
    """Pictures are raw files, which PyPI can show."""
    _, text = metadata(wheels, "keras_gen-*.whl")
    links = [t for t in re.findall(r"\]\(([^)]*)\)", text) if t.startswith(HOME)]
    for link in links:
        kind, reference, path = link.removeprefix(f"{HOME}/").split("/", 2)
        assert (ROOT / path.partition("#")[0]).exists(), link
        assert kind == ("raw" if path.endswith(".png") else "blob"), link
        assert reference in ("main", f"v{keras_gen.__version__}")
    assert any(link.endswith(".png") for link in links)


def test_links_of_a_release_lead_to_its_tag():
    absolute_links = runpy.run_path(str(ROOT / "setup.py"))["absolute_links"]
    text = "![a](zoo/a.png) [b\nc](docs/b.md#d) [e](https://f) [g](#h) `x[0](1)`"
    wanted = "![a](H/raw/v1.2.0/zoo/a.png) [b\nc](H/blob/v1.2.0/docs/b.md#d)"
    assert absolute_links(text, "H", "1.2.0").startswith(f"{wanted} [e](https://f)")
    assert "/main/" in absolute_links(text, "H", "1.2.0.dev0")
    assert "[g](#h)" in absolute_links(text, "H", "1.2.0")


# What runs elsewhere, as far as it can be checked here.


@pytest.mark.parametrize("name", ["tests", "publish"])
def test_workflows_fit_the_schema_of_github(name):
    schemas = importlib.resources.files("check_jsonschema.builtin_schemas.vendor")
    schema = json.loads((schemas / "github-workflows.json").read_text())
    text = (ROOT / ".github" / "workflows" / f"{name}.yml").read_text()
    contents = yaml.safe_load(text)
    contents["on"] = contents.pop(True)  # YAML 1.1 takes "on" for a Boolean.
    jsonschema.validate(contents, schema)
    for command in re.findall(r"run: (.*)$", text, re.MULTILINE):
        if command.startswith("make "):
            assert (
                f"\n{command.removeprefix('make ')}:" in (ROOT / "Makefile").read_text()
            )
    version = re.search(r'python-version: "(.*)"', text)[1]
    assert f"Programming Language :: Python :: {version}" in _classifiers()


def _classifiers():
    return SETTINGS["project"]["classifiers"]


def test_ci_runs_what_the_readme_names():
    text = (ROOT / ".ci" / "run").read_text()
    commands = [line for line in text.splitlines() if line and line[0] not in "#"]
    made = [line for line in commands if not line.startswith(("set ", "cd "))]
    assert made == ["make lint", "make test"]
    readme = (ROOT / "README.md").read_text()
    assert all(re.search(rf"(^|`){command}\b", readme, re.M) for command in made)


def test_the_dockerfile_fits_the_repository():
    """Files that are copied exist and are sent, and packages and extras are known."""
    text = (ROOT / "Dockerfile").read_text()
    sent = re.findall("^!(.*)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    copied = [
        source
        for words in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE)
        for source in words.split()
    ]
    assert sorted(copied) == sorted(sent)
    assert all((ROOT / source).exists() for source in copied)
    python = re.search(r"^ARG PYTHON=(.*)$", text, re.MULTILINE)[1]
    assert f"Programming Language :: Python :: {python}" in _classifiers()
    extras = re.findall(r"EXTRAS=(\w+)", text)
    assert set(extras) == {"zoo", "cuda"}
    assert set(extras) <= set(SETTINGS["project"]["optional-dependencies"])
    for distribution in (SETTINGS, ZOO):
        wheel = distribution["project"]["name"].replace("-", "_")
        assert f"/wheels/{wheel}-*.whl" in text
    assert 'ENTRYPOINT ["keras-gen"]' in text
    assert "keras-gen" in SETTINGS["project"]["scripts"]


def test_extras_install_what_the_documents_name():
    extras = SETTINGS["project"]["optional-dependencies"]
    pages = [ROOT / "README.md", ROOT / "zoo" / "README.md", ROOT / "Makefile"]
    for page in pages:
        for names in re.findall(r'"(?:keras-gen|\.)\[([\w,]+)\]"', page.read_text()):
            assert set(names.split(",")) <= set(extras), page
    # The same TensorFlow, with its libraries.
    (tensorflow,) = [
        d for d in SETTINGS["project"]["dependencies"] if d.startswith("tensorflow>")
    ]
    (cuda,) = extras["cuda"]
    assert cuda == tensorflow.replace("tensorflow", "tensorflow[and-cuda]")
    for tool in ("build", "twine"):
        assert any(entry.startswith(tool) for entry in extras["dev"])
