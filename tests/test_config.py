"""Files in place of the options of `keras-gen train`."""

import dataclasses
import inspect
import shlex

import pytest
from typer.testing import CliRunner

import keras_gen
from keras_gen import config, runs
from keras_gen.cli import COMMANDS, app
from keras_gen.cli.config import NOT_IN_FILES
from keras_gen.runs import Run, Settings

runner = CliRunner()


@pytest.fixture
def settings_of(monkeypatch):
    """A function that returns the settings of a command line, which trains nothing."""
    found = []

    def create(name, data, *, runs, **settings):
        found.append(Settings(name, data, **settings))
        raise ValueError("This test does not train.")

    monkeypatch.setattr(Run, "create", create)

    def invoke(command):
        done = runner.invoke(app, shlex.split(command)[1:])
        assert found, done.output
        return found.pop()

    return invoke


ALL = {
    "split": "train[:9]",
    "validation": "test",
    "labels": 10,
    "mirror": True,
    "batch_size": 3,
    "epochs": 7,
    "steps_per_epoch": 2,
    "weights": "mnist",
    "networks": "decoder",
    "overrides": {
        "widths": [8, 8],
        "name": "7",
        "other": "1e-4",
        "beta": 1e-4,
        "prior": {"kind": "null", "on": "yes", "none": None},
    },
    "seed": 4,
    "dtype": "mixed_bfloat16",
    "strategy": "mirrored",
    "jit": True,
}


@pytest.mark.parametrize("options", [{}, ALL])
@pytest.mark.parametrize("data", ["mnist", "photos", "faces/personas?glasses"])
def test_the_file_of_a_run_gives_its_settings(
    data, options, settings_of, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    settings = Settings("vae", data, **options)
    settings.write_config("runs/vae/1/config.yaml")
    assert settings_of("keras-gen train --config runs/vae/1/config.yaml") == settings
    settings.write("runs/vae/1/run.json")  # As runs of version 0.1 have.
    assert settings_of("keras-gen train --config runs/vae/1/run.json") == settings


def test_the_command_line_overrides_the_file(settings_of, tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(
        "name: vae\ndata: mnist\nbatch-size: 8\nepochs: 3\nmirror: true\n"
        "set:\n  widths: [8]\n  beta: 1e-4\n"
    )
    settings = settings_of(f"keras-gen train --config {path}")
    assert (settings.batch_size, settings.epochs, settings.mirror) == (8, 3, True)
    assert settings.overrides == {"widths": [8], "beta": 0.0001}
    assert settings.seed == 0
    command = f"keras-gen train --epochs 5 --set beta=2 --seed 9 --config {path}"
    settings = settings_of(command)
    assert (settings.batch_size, settings.epochs, settings.seed) == (8, 5, 9)
    assert settings.overrides == {"widths": [8], "beta": 2}
    assert settings_of(f"keras-gen train gan --config {path}").name == "gan"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.toml", 'name = "gan"\ndata = "mnist"\nsteps-per-epoch = 4\n[set]\nwidth=2'),
        (
            "a.json",
            '{"name":"gan","data":"mnist","steps_per_epoch":4,"set":{"width":2}}',
        ),
        ("a.YML", "{name: gan, data: mnist, steps_per_epoch: 4, set: {width: 2}}"),
    ],
)
def test_formats(name, text, settings_of, tmp_path):
    (tmp_path / name).write_text(text)
    expected = Settings("gan", "mnist", steps_per_epoch=4, overrides={"width": 2})
    assert settings_of(f"keras-gen train --config {tmp_path / name}") == expected


def test_paths_start_from_the_folder_of_the_file(settings_of, tmp_path, monkeypatch):
    for folder in ("project/photos", "project/a", "project/b", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "project" / "old.keras").write_text("")
    path = tmp_path / "project" / "run.yaml"
    monkeypatch.chdir(tmp_path / "elsewhere")

    def settings(data, weights="null"):
        path.write_text(f"{{name: gan, data: '{data}', weights: {weights}}}")
        return settings_of("keras-gen train --config ../project/run.yaml")

    assert settings("photos").data == "../project/photos"
    assert settings("a,b").data == "../project/a,../project/b"
    assert settings("./later").data == "../project/later"
    assert settings(tmp_path).data == str(tmp_path)
    assert settings("~/photos").data == "~/photos"
    assert settings("emoji/noto,openmoji").data == "emoji/noto,openmoji"
    assert settings("photos", "old.keras").weights == "../project/old.keras"
    assert settings("photos", "mnist").weights == "mnist"
    assert settings("photos", "hf://a/b").weights == "hf://a/b"
    path.write_text("{name: gan, data: mnist, runs: trained}")
    places = []
    monkeypatch.setattr(Run, "create", lambda *_, runs, **__: places.append(runs))
    runner.invoke(app, ["train", "--config", str(path)])
    assert [str(place) for place in places] == [str(path.parent / "trained")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nam: gan", "'nam'; nearest: name"),
        ("step_per_epoch: 3", "'step-per-epoch'; nearest: steps-per-epoch"),
        ("resume: runs/gan/1", "'resume'"),
        ("config: run.yaml", "'config'"),
        ("epochs: '3'", "epochs that is a whole number"),
        ("epochs: 2.5", "epochs that is a whole number"),
        ("epochs: true", "epochs that is a whole number"),
        ("mirror: 1", "mirror that is true or false"),
        ("split: 3", "split that is a string"),
        ("set: [width=3]", "set that is names with values"),
        ("epochs: 3\nepochs: 4", "'epochs' twice"),
        ("batch-size: 3\nbatch_size: 4", "'batch-size' twice"),
        ("- name", "options with values"),
        ("", "options with values"),
        ("3: name", "options with values"),
        ("name: [", "Expected YAML in"),
        ("name: !!python/object:os.system ls", "Expected YAML in"),
        ("name: gan\ndata: here", "relative to the folder of"),
        ("name: gan", "--data"),
        ("name: gan\ndata: mnist\nset: {widht: 3}", "widht"),
    ],
)
def test_mistakes_are_reported_in_one_line_and_leave_no_files(
    text, message, tmp_path, monkeypatch
):
    (tmp_path / "work" / "here").mkdir(parents=True)
    (tmp_path / "run.yaml").write_text(text)
    monkeypatch.chdir(tmp_path / "work")
    done = runner.invoke(app, ["train", "--config", "../run.yaml"])
    assert done.exit_code == 2, done.output
    assert message in done.stderr and done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.rglob("*") if path.is_dir()] == [
        "work",
        "here",
    ]


def test_files_that_are_none_are_refused(tmp_path):
    def stderr(*arguments):
        done = runner.invoke(app, ["train", *map(str, arguments)])
        assert done.exit_code in (1, 2) and done.stdout == ""
        return done.stderr

    assert "No such file" in stderr("--config", tmp_path / "none.yaml")
    assert "its config.yaml" in stderr("--config", tmp_path)
    (tmp_path / "run.yaml").write_text("data: mnist")
    missing = stderr("--config", tmp_path / "run.yaml")
    assert "missing argument 'name'" in missing.lower()
    again = ("gan", "--resume", tmp_path, "--config", tmp_path / "run.yaml")
    assert "'--config'" in stderr(*again)
    (tmp_path / "run.toml").write_text("name = ")
    assert "Expected TOML in" in stderr("--config", tmp_path / "run.toml")


def test_every_option_but_those_of_this_machine_can_stand_in_a_file(tmp_path):
    settings = Settings("gan", "mnist", **{**ALL, "overrides": {}})
    settings.write_config(tmp_path / "config.yaml")
    written = config.read(tmp_path / "config.yaml")
    fields = {field.name.replace("_", "-") for field in dataclasses.fields(settings)}
    assert set(written) == fields - {"overrides"} | {"set"}
    options = inspect.signature(COMMANDS["train"]).parameters
    names = {name.replace("_", "-") for name in options}
    assert set(written) <= names | {"set"}
    assert NOT_IN_FILES == {"config", "resume", "quiet", "help"}


def test_cards_cannot_read_files():
    from keras_gen.cli.reproduce import stages_of

    for option in ("--config=run.yaml", "--config run.yaml", "--tracker wandb"):
        card = {"commands": [f"keras-gen train gan --data mnist {option}"]}
        with pytest.raises(ValueError, match="for users to set"):
            stages_of(card, "gan")


@pytest.mark.parametrize(
    "value",
    [
        "1e-4",
        "1E5",
        "yes",
        "null",
        "~",
        "3",
        "0x1F",
        "1_000",
        "a: b",
        "# no",
        " x ",
        "é",
    ]
    + [1e-4, 1e22, 3, 0.1, True, None, [1, [2.5, "1e3"]], {"a": {"b": "off"}}, ""],
)
def test_values_are_read_as_they_were_written(value, tmp_path):
    config.write(tmp_path / "a.yaml", {"value": value}, "A comment.\nIn two lines.")
    read = config.read(tmp_path / "a.yaml")["value"]
    assert read == value and type(read) is type(value)


def test_a_run_writes_the_file_and_renews_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    overrides = {"image_shape": [8, 8, 1], "widths": [8], "latent_dim": 4}
    options = {"split": "train[:16]", "batch_size": 16, "overrides": overrides}
    run = Run.create("gan", "mnist", epochs=1, **options)
    run.train(verbose=0)
    path = run.folder / runs.CONFIG
    assert config.read(path)["epochs"] == 1
    run.train(epochs=2, verbose=0)
    assert config.read(path)["epochs"] == 2
    done = runner.invoke(app, ["train", "--config", str(path), "--runs", "again"])
    assert done.exit_code == 0, done.output
    (folder,) = (tmp_path / "again" / "gan").iterdir()
    assert Run.open(folder).settings == run.settings
    assert keras_gen.runs.Run.open(folder).load_model().latent_dim == 4
