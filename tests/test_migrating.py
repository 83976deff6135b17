"""The page for those who come from other libraries names nothing that is not there."""

import ast
import inspect
import pathlib
import re
import shlex

import pytest
import typer.main

import keras_gen
import keras_gen.models  # Registers the presets.
from keras_gen.cli import app
from keras_gen.core.registry import PRESETS

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "guides" / "migrating.md"
SECTIONS = {
    title: re.findall(r"^\| .+ \| (.+) \|$", text, re.MULTILINE)[2:]
    for title, text in re.findall(
        r"^## (.+)\n((?:(?!## ).*\n)*)", PAGE.read_text(), re.M
    )
}
# The preset whose arguments a section means where it names none.
MEANT = {"TF-GAN": "gan", "pythae": "vae", "PyTorch-GAN": "dcgan"}
OURS = [
    (title, code)
    for title, cells in SECTIONS.items()
    for cell in cells
    for code in re.findall(r"`([^`]+)`", cell)
]
FILES = {"samples/", "model.keras"}


def parameters(name):
    return set(inspect.signature(PRESETS[name].model).parameters)


def test_every_section_has_rows():
    assert set(SECTIONS) == {"keras.io's examples", *MEANT}
    assert all(len(cells) >= 8 for cells in SECTIONS.values())


@pytest.mark.parametrize(("title", "code"), OURS)
def test_what_the_column_of_ours_names_exists(title, code):
    if code in FILES:
        return
    if code.startswith(("keras-gen ", "--")):
        check_command(code, MEANT.get(title, "gan"))
    else:
        check_python(ast.parse(code), MEANT.get(title, "gan"))


def check_command(line, preset):
    words = shlex.split(line)
    if words[0] == "keras-gen":
        words.pop(0)
    else:
        words = ["train", preset, "--data", "mnist", *words]
    if words[1:] == ["--resume"]:
        words[1:] = [preset, "--resume", "runs"]
    command = typer.main.get_command(app).commands[words[0]]
    options = command.make_context(words[0], words[1:]).params
    assert options["name"] in PRESETS
    for assignment in options.get("overrides") or ():
        assert assignment.split("=")[0] in parameters(options["name"])


def check_python(tree, preset):
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            check_name(ast.unparse(node))
        if isinstance(node, ast.Call):
            check_arguments(node)
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            assert statement.targets[0].id in parameters(preset)
        elif isinstance(statement.value, ast.Name):
            assert statement.value.id in parameters(preset) | set(PRESETS)


def check_name(name):
    first, *rest = name.split(".")
    if first == "model":
        assert any(hasattr(preset.model, rest[0]) for preset in PRESETS.values()), name
    if first == "keras_gen":
        found = keras_gen
        for part in rest:
            found = getattr(found, part)


def check_arguments(call):
    """Keyword arguments are those of the function, or of the preset that is loaded."""
    names = {keyword.arg for keyword in call.keywords}
    function = ast.unparse(call.func)
    if function == "keras_gen.zoo.load":
        assert names <= parameters(call.args[0].value) | {"weights"}
    elif function.startswith("keras_gen."):
        found = keras_gen
        for part in function.split(".")[1:]:
            found = getattr(found, part)
        inspect.signature(found).bind(
            *call.args, **{keyword.arg: keyword.value for keyword in call.keywords}
        )
    elif function == "model.sample":
        assert names <= {"seed", "steps"}
