"""Docstrings: their examples run, and their argument descriptions begin with a noun."""

import ast
import doctest
import importlib
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_gen

PACKAGE = pathlib.Path(keras_gen.__file__).parent

# Names that users call first. Each has an example in its docstring.
FIRST = [
    "callbacks.Checkpoint",
    "callbacks.SampleGrid",
    "core.game.Lazy",
    "core.game.Player",
    "core.model.GenerativeModel",
    "core.model.GenerativeModel.compile",
    "core.model.GenerativeModel.fit",
    "data.load",
    "distribute.strategy",
    "export.Client",
    "export.save",
    "images.from_uint8",
    "images.save_grid",
    "latent.fit_density",
    "latent.interpolate",
    "latent.lerp",
    "metrics.evaluate",
    "metrics.frechet_distance",
    "models.DCGAN",
    "models.VAE",
    "models.classifier_from",
    "zoo.card",
    "zoo.load",
    "zoo.names",
]
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
NAMES = {"keras": keras, "keras_gen": keras_gen, "np": np, "tf": tf}

# Beginnings of descriptions without a head noun, which the reader would have to guess.
HEADLESS = ("Of ", "The same", "That ", "Until ", "Whether ", "As ", "See ")


def found(name):
    """The object with a dotted name in the package."""
    target = keras_gen
    for part in name.split("."):
        if not hasattr(target, part):
            importlib.import_module(f"{target.__name__}.{part}")
        target = getattr(target, part)
    return target


@pytest.mark.parametrize("name", FIRST)
def test_what_users_call_first_has_an_example_that_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    finder = doctest.DocTestFinder(recurse=False)
    tests = finder.find(found(name), name, extraglobs=NAMES)
    assert tests and tests[0].examples, f"{name} has no example"
    assert run(tests[0]) == "", name
    skipped = any(doctest.SKIP in example.options for example in tests[0].examples)
    assert not skipped or name == "export.Client"  # Needs a server.


def files_with_examples():
    """Paths of the package's files that contain examples."""
    return [path for path in sorted(PACKAGE.rglob("*.py")) if ">>>" in path.read_text()]


@pytest.mark.parametrize(
    "path", files_with_examples(), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_all_other_examples_run(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [report for test in examples_of(path) if (report := run(test))] == []


def examples_of(path):
    """The examples in a file's docstrings, except those of `FIRST`."""
    parts = ("keras_gen", *path.relative_to(PACKAGE).with_suffix("").parts)
    name = ".".join(part for part in parts if part != "__init__")
    module = importlib.import_module(name)
    tested = {found(first).__doc__ for first in FIRST}
    for test in doctest.DocTestFinder().find(module, name, extraglobs=NAMES):
        if test.examples and test.docstring not in tested:
            yield test


def run(test):
    """The report of a doctest's failures; empty if all examples are right."""
    lines = []
    doctest.DocTestRunner(verbose=False, optionflags=OPTIONS).run(
        test, out=lines.append
    )
    return "".join(lines)


def descriptions(path):
    """(line, description) of every argument, attribute and option in a file."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "help":
            if isinstance(node.value, ast.Constant):
                yield node.value.lineno, node.value.value
        kinds = (ast.ClassDef, ast.FunctionDef, ast.Module)
        if isinstance(node, kinds) and ast.get_docstring(node):
            docstring = node.body[0]
            yield from entries(docstring.value.value, docstring.lineno)


def entries(docstring, first_line):
    """(line, description) under "Args:" and "Attributes:"."""
    section = None  # The indentation of the heading.
    for offset, line in enumerate(docstring.splitlines()):
        indent = len(line) - len(line.lstrip())
        if line.strip() in ("Args:", "Attributes:"):
            section = indent
        elif section is not None and line.strip():
            if indent <= section:
                section = None
            elif indent == section + 4:
                yield first_line + offset, line.partition(": ")[2]


def test_no_description_of_an_argument_leaves_its_noun_to_be_guessed():
    wrong = [
        f"{path.relative_to(PACKAGE.parent)}:{line}: {text}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for line, text in descriptions(path)
        if text.startswith(HEADLESS)
    ]
    assert not wrong, "\n" + "\n".join(wrong)


def test_descriptions_are_found_where_they_stand():
    text = "Sum.\n\nArgs:\n    a: Of it.\n        More.\n    b: Number.\n\nReturns:"
    assert list(entries(text, 10)) == [(13, "Of it."), (15, "Number.")]
