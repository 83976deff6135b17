"""Every tutorial runs with small settings, and what it exports answers as its model."""

import ast
import contextlib
import functools
import pathlib
import re
import runpy

import keras
import matplotlib
import nbformat
import numpy as np
import pytest
import test_conformance as conformance
import typer
from serving_double import Double
from typer.testing import CliRunner

import keras_gen
from keras_gen.core.registry import PRESETS
from keras_gen.export import deploy

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

ROOT = pathlib.Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "tutorials"
TOOL = runpy.run_path(str(ROOT / "tools" / "run_tutorials.py"))
NAMES = TOOL["names"]()
# Largest differences between an export and its model, in grey levels of 2 / 255: none
# but where a sampler amplifies rounding errors over its steps.
TOLERANCE = 1e-3


@pytest.fixture
def pictures(monkeypatch):
    """The figures that were shown, as arrays."""
    shown = []

    def show():
        figure = pyplot.gcf()
        figure.canvas.draw()
        shown.append(np.asarray(figure.canvas.buffer_rgba()))
        pyplot.close(figure)

    monkeypatch.setattr(pyplot, "show", show)
    return shown


@pytest.fixture
def work(tmp_path, monkeypatch):
    """An empty folder, in which a tutorial runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(name, before=None):
    """The names that a tutorial defines, after its small settings.

    Args:
        name: Name of the tutorial.
        before: Function of a cell's code and the names so far, called before each cell.
    """
    names = {"__name__": f"tutorial_{name}"}
    for cell in TOOL["notebook"](name, small=True).cells:
        if cell.cell_type == "code":
            if before is not None:
                before(cell.source, names)
            exec(compile(cell.source, f"{name}.py", "exec"), names)  # noqa: S102
    return names


def check(names, pictures, count):
    """The export answers as the model, and pictures were shown, none of them blank.

    Args:
        names: Names that the tutorial has defined.
        pictures: The figures that were shown.
        count: Smallest number of figures.
    """
    assert len(names["answer"]) == len(names["expected"]) > 1
    np.testing.assert_allclose(names["answer"], names["expected"], atol=TOLERANCE)
    assert np.ptp(names["answer"]) > 0
    assert (names["folder"] / "saved_model.pb").exists()
    assert len(pictures) >= count
    assert all(np.ptp(picture[..., :3]) > 100 for picture in pictures)


def test_every_tutorial_is_listed_by_its_title():
    index = (FOLDER / "index.md").read_text()
    titles = {
        path.stem: re.match(r"# %% \[markdown\]\n# # (.+)\n", path.read_text())[1]
        for path in FOLDER.glob("*.py")
    }
    listed = re.findall(r"^- \[(.+?)\]\((\w+)\.py\)", index, re.MULTILINE)
    assert {name: title for title, name in listed} == titles
    assert len(listed) == len(titles) >= 8


@pytest.mark.parametrize("name", NAMES)
def test_links_of_a_tutorial_lead_somewhere(name):
    for cell in TOOL["notebook"](name).cells:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", cell.source):
            if cell.cell_type == "markdown":
                assert (FOLDER / target).exists(), target


@pytest.mark.parametrize("name", NAMES)
def test_no_cell_ends_with_a_value_that_would_be_shown_as_an_address(name):
    for cell in TOOL["notebook"](name).cells:
        if cell.cell_type == "code":
            last = ast.unparse(ast.parse(cell.source).body[-1])
            assert not re.match(r"\w+\.fit\(", last), last


@pytest.mark.parametrize("name", NAMES)
def test_small_settings_replace_full_ones_in_one_cell(name):
    full, small = (TOOL["notebook"](name, small=small).cells for small in (False, True))
    changed = [
        i
        for i, (a, b) in enumerate(zip(full, small, strict=True))
        if a.source != b.source
    ]
    assert len(changed) == 1
    settings = ({}, {})
    for cells, values in zip((full, small), settings, strict=True):
        exec(cells[changed[0]].source, values)  # noqa: S102
    assert settings[0].keys() == settings[1].keys()
    assert "# small:" not in small[changed[0]].source


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_show_draws_the_grid_below_its_title(channels, monkeypatch):
    monkeypatch.setattr(pyplot, "show", lambda: None)
    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (6, 5, 4, channels)).astype(np.float32)
    keras_gen.images.show(images, "Six", columns=3)
    axes = pyplot.gcf().axes[0]
    drawn = np.asarray(axes.images[0].get_array())
    expected = keras_gen.images.grid(images, columns=3)
    np.testing.assert_array_equal(drawn.reshape(expected.shape), expected)
    assert axes.images[0].get_clim() == (0, 255)  # So that grey stays what it is.
    assert axes.get_title() == "Six"
    pyplot.close("all")
    with pytest.raises(ValueError, match="Expected images of shape"):
        keras_gen.images.show(images[0])
    assert not pyplot.get_fignums()


def test_faces(work, pictures):
    check(run("faces"), pictures, 8)


def test_vae(work, pictures):
    names = run("vae")
    check(names, pictures, 6)
    assert names["nats"]["100 epochs"] < min(
        names["nats"]["40 coordinates"], names["nats"]["2 coordinates"]
    )


def test_text_to_faces(work, pictures):
    names = run("text_to_faces")
    check(names, pictures, 5)
    assert names["asked"].shape == (5, 4)


def test_cyclegan(work, pictures):
    check(run("cyclegan"), pictures, 3)
    for name in ("black", "pink"):
        assert len(list((work / "photos" / name).glob("*.png"))) == 24


def test_pixelcnn(work, pictures):
    names = run("pixelcnn")
    check(names, pictures, 4)
    kept = names["expected"][:, :14]  # The upper halves, which the mask keeps.
    np.testing.assert_array_equal(kept, names["binary"][:8, :14])


def test_anomalies(work, pictures):
    names = run("anomalies")
    check(names, pictures, 2)
    assert set(names["areas"]) == {
        (4, "reconstruction error"),
        (4, "surprise of the VAE"),
        (4, "corrected"),
    }
    assert all(0 <= area <= 1 for area in names["areas"].values())
    assert names["of_black"] > names["digits"].mean()  # As the text says.


def test_new_model(work, pictures):
    try:
        check(run("new_model"), pictures, 3)
        for test in (
            conformance.test_a_move_changes_its_players_weights_and_no_others,
            conformance.test_abilities_give_finite_rows_in_range,
            conformance.test_evaluate_changes_nothing,
            conformance.test_rows_do_not_depend_on_who_shares_the_batch,
        ):
            test("wae")
    finally:
        PRESETS.pop("wae", None)
        keras.saving.get_custom_objects().pop("keras_gen>WAE", None)


def test_measuring(work, pictures):
    names = run("measuring")
    check(names, pictures, 6)
    ours, floor = (names["distances"][key] for key in ("vae", "real test images"))
    assert ours[-1] > floor[-1] > 0


def test_serving_asks_a_server(work, pictures):
    with contextlib.ExitStack() as servers:

        def start(code, names):
            if code.startswith("if address is None"):
                config = work / "serving" / "models.config"
                text = config.read_text().replace(deploy.ROOT, str(work / "serving"))
                config.write_text(text)
                server = servers.enter_context(Double(work / "serving"))
                names["address"] = server.grpc_address

        names = run("serving", start)
    np.testing.assert_allclose(names["served"], names["expected"], atol=1e-5)
    np.testing.assert_allclose(names["asked"], names["expected"], atol=1e-5)
    assert len(pictures) == 2


BROKEN = """# %% [markdown]
# # Broken

# %% tags=["parameters"]
number = 2  # small: 1

# %%
print("before", number)
raise RuntimeError("as expected")
"""


def test_a_cell_that_fails_fails_the_command_with_its_text(tmp_path, monkeypatch):
    monkeypatch.setitem(TOOL["notebook"].__globals__, "FOLDER", tmp_path)
    (tmp_path / "index.md").write_text("- [Broken](broken.py)\n")
    (tmp_path / "broken.py").write_text(BROKEN)
    command = functools.partial(CliRunner().invoke, app())
    failed = command(["broken", "--small", "--to", str(tmp_path)])
    assert failed.exit_code == 1
    assert 'print("before", number)' in failed.output
    assert "RuntimeError: as expected" in failed.output
    cells = nbformat.read(tmp_path / "broken.ipynb", as_version=4).cells
    assert cells[2].outputs[0].text == "before 1\n"
    (tmp_path / "broken.py").write_text(BROKEN.replace("raise ", ""))
    assert command(["broken", "--to", str(tmp_path)]).exit_code == 0
    cells = nbformat.read(tmp_path / "broken.ipynb", as_version=4).cells
    assert cells[2].outputs[0].text == "before 2\n"
    unknown = command(["other", "--to", str(tmp_path)])
    assert unknown.exit_code == 1 and "Expected a tutorial of" in unknown.output


def app():
    """The command of the tool."""
    command = typer.Typer()
    command.command()(TOOL["main"])
    return command


def test_lines_that_tensorflow_writes_are_removed_and_no_others():
    text = (
        "I0000 00:00:1 port.cc:153] oneDNN\nkept\nINFO:tensorflow:Assets written to\n"
        "WARNING:tensorflow:5 out of the last 6 calls to f triggered retracing\n"
    )
    outputs = [nbformat.v4.new_output("stream", name="stderr", text=text)]
    outputs.append(nbformat.v4.new_output("stream", text="I0000 00 only\n"))
    outputs.append(nbformat.v4.new_output("display_data", {"text/plain": "picture"}))
    cells = [nbformat.v4.new_code_cell("1", outputs=outputs)]
    found = TOOL["without_noise"](nbformat.v4.new_notebook(cells=cells)).cells[0]
    assert [o.output_type for o in found.outputs] == ["stream", "display_data"]
    assert found.outputs[0].text == "kept\n"
