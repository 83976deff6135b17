"""The command line, used in the way of a user."""

import csv
import inspect
import json
import shlex

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
import typer
from typer.testing import CliRunner

import keras_gen
from keras_gen import runs
from keras_gen.cli import COMMANDS, app
from keras_gen.core import arguments

runner = CliRunner()


def run(*arguments):
    return runner.invoke(app, [str(argument) for argument in arguments])


def test_help_names_every_command():
    text = run("--help").output
    for command in COMMANDS:
        assert command in text
    assert "--resume" in run("train", "--help").output


def parameters():
    """Every argument and option: "train --data" and its `click` parameter."""
    for name, command in typer.main.get_command(app).commands.items():
        for parameter in command.params:
            if parameter.name != "help":
                yield pytest.param(parameter, id=f"{name} {parameter.opts[0]}")


@pytest.mark.parametrize("parameter", list(parameters()))
def test_every_option_is_described_in_words_that_the_help_shows(parameter):
    assert parameter.help and parameter.help.endswith(".")
    # Rich reads square brackets as markup and does not print them.
    assert "[" not in f"{parameter.help} {parameter.show_default}"


def test_help_shows_defaults_that_are_given_in_words():
    text = " ".join(run("train", "--help").output.replace("│", " ").split())
    assert "[default: (all data)]" in text
    assert "[default: (20, or that of the resumed run)]" in text
    text = " ".join(run("export", "--help").output.replace("│", " ").split())
    assert "SERVED=NAME:WEIGHTS" in text and "[default: (the next one)]" in text


def test_train_has_an_option_for_every_setting_with_the_same_default():
    options = inspect.signature(COMMANDS["train"]).parameters
    settings = inspect.signature(runs.Settings).parameters
    assert set(settings) <= set(options)
    assert set(arguments.descriptions_of(runs.Settings)) == set(settings)
    for name in set(settings) - {"name", "data", "epochs", "overrides"}:
        assert options[name].default == settings[name].default, name


def test_list_and_show():
    listed = run("list").output
    assert "dcgan" in listed and "vae" in listed
    card = json.loads(run("show", "dcgan", "--json").output)
    assert card["configuration"]["image_shape"] == [32, 32, 1]
    wrong = run("show", "dcgann")
    assert wrong.exit_code == 2 and "Nearest: dcgan" in wrong.output
    assert "Traceback" not in wrong.output


# Keras warns of weights that do not fit before it fails.
@pytest.mark.filterwarnings("ignore:Skipping nested container")
def test_train_resume_sample_export(tmp_path):
    runs = tmp_path / "runs"
    options = [
        *("--data", "mnist", "--split", "train[:64]", "--batch-size", 16),
        *("--validation", "test[:32]", "--seed", 3, "--runs", runs),
        *("--set", "image_shape=[16,16,1]", "--set", "width=4"),
        *("--set", "loss=hinge", "--set", "latent_dim=4", "--set", "r1=0"),
    ]
    done = run("train", "dcgan", *options, "--epochs", 1)
    assert done.exit_code == 0, done.output
    (folder,) = (runs / "dcgan").iterdir()
    assert json.loads((folder / "run.json").read_text())["overrides"]["width"] == 4
    assert (folder / "samples" / "epoch_0001.png").exists()
    assert list((folder / "tensorboard").rglob("*.v2"))
    for more in (["--epochs", 3], []):  # Without --epochs, the run is complete.
        done = run("train", "dcgan", "--resume", folder, *more)
        assert done.exit_code == 0, done.output
    with pytest.warns(UserWarning, match="has batch normalization"):
        done = run("train", "dcgan", "--resume", folder, "--epochs", 4, "--set", "r1=2")
    assert done.exit_code == 0, done.output
    settled = (folder / "run.json").read_text()
    assert json.loads(settled)["overrides"] == {
        **{"image_shape": [16, 16, 1], "width": 4, "loss": "hinge", "latent_dim": 4},
        "r1": 2,
    }
    assert keras_gen.zoo.load("dcgan", folder / "model.keras").r1 == 2
    for wrong in (["--set", "packing=2"], ["--batch-size", 16], ["--set", "r2=1"]):
        failed = run("train", "dcgan", "--resume", folder, "--epochs", 9, *wrong)
        assert failed.exit_code == 2 and "Error" in failed.output
    assert (folder / "run.json").read_text() == settled
    with open(folder / "log.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1", "2", "3"]
    assert {"d_real", "generator_loss", "val_d_fake"} <= set(rows[0])
    weights = folder / "model.keras"
    grids = []
    for name in ("a.png", "b.png"):
        output = tmp_path / name
        done = run(
            *("sample", "dcgan", "--weights", weights, "-n", 5, "--seed", 2),
            *("-o", output, "--scale", 1),
        )
        assert done.exit_code == 0, done.output
        grids.append(np.asarray(PIL.Image.open(output)))
    assert grids[0].shape == (2 * 16 + 2, 3 * 16 + 4)
    np.testing.assert_array_equal(*grids)
    done = run("export", "dcgan", "--weights", weights, "--to", tmp_path / "serving")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "serving" / "models" / "dcgan" / "1" / "saved_model.pb").exists()


def test_a_growing_model_trains_on_mirrored_images(tmp_path, monkeypatch):
    mirrored = []
    load = keras_gen.data.load

    def spy(*args, **options):
        mirrored.append(options.get("mirror", False))
        return load(*args, **options)

    monkeypatch.setattr(keras_gen.data, "load", spy)
    options = [
        *("--data", "mnist", "--split", "train[:32]", "--batch-size", 16),
        *("--set", "image_shape=[8,8,1]", "--set", "base_maps=16"),
        *("--set", "phase_images=16", "--epochs", 1, "--mirror", "--runs", tmp_path),
    ]
    done = run("train", "progan", *options)
    assert done.exit_code == 0, done.output
    (folder,) = (tmp_path / "progan").iterdir()
    done = run("train", "progan", "--resume", folder, "--epochs", 2)
    assert done.exit_code == 0, done.output
    assert mirrored == [True, True]
    model = keras_gen.zoo.load("progan", folder / "model.keras")
    assert model.image_shape == (8, 8, 1)


SMALL = (
    *("--data", "mnist", "--split", "train[:32]", "--batch-size", 16),
    *("--set", "image_shape=[8,8,1]", "--set", "widths=[8]", "--epochs", 2),
)


def test_ctrl_c_says_how_to_go_on(tmp_path, monkeypatch):
    def stop(callback, epoch, logs=None):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(keras_gen.callbacks.EpochTime, "on_epoch_end", stop)
        done = run("train", "gan", *SMALL, "--runs", tmp_path / "[b] c")
    (folder,) = (tmp_path / "[b] c" / "gan").iterdir()
    assert done.exit_code == 130 and "Traceback" not in done.output
    line = done.output.splitlines()[-1]
    command = f"keras-gen train gan --resume '{folder}'"
    assert line == (
        f"Stopped. The last complete epoch is in {folder}; go on with: {command}"
    )
    done = run(*shlex.split(command)[1:])
    assert done.exit_code == 0 and f"Run: resumes {folder}, epoch 2 " in done.output
    assert f"The model is in '{folder / 'model.keras'}'." in done.output


@pytest.mark.parametrize(
    "where, message",
    [
        ("data.load", "Stopped before training began; nothing was written."),
        ("callbacks.EpochTime.on_epoch_begin", "Stopped in the first epoch; "),
    ],
)
def test_ctrl_c_before_the_first_checkpoint(where, message, tmp_path, monkeypatch):
    def stop(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(f"keras_gen.{where}", stop)
    done = run("train", "gan", *SMALL, "--runs", tmp_path)
    assert done.exit_code == 130
    assert done.output.splitlines()[-1].startswith(message)
    folders = list((tmp_path / "gan").iterdir())
    assert len(folders) == ("again with" in done.output)


def test_jit_is_passed_to_compile_and_kept_by_the_run(tmp_path, monkeypatch):
    compiled = []
    compile_model = keras_gen.GenerativeModel.compile

    def spy(model, **settings):
        compiled.append(settings.get("jit_compile", False))
        compile_model(model, **settings)

    monkeypatch.setattr(keras_gen.GenerativeModel, "compile", spy)
    default = tf.distribute.get_strategy()  # One replica; the tests have two devices.
    monkeypatch.setattr(keras_gen.distribute, "strategy", lambda _: default)
    options = [
        *("--data", "mnist", "--split", "train[:32]", "--batch-size", 16),
        *("--runs", tmp_path, "--set", "widths=[8]", "--epochs", 1, "--jit"),
    ]
    done = run("train", "vae", *options)
    assert done.exit_code == 0, done.output
    (folder,) = (tmp_path / "vae").iterdir()
    assert run("train", "vae", "--resume", folder, "--epochs", 2).exit_code == 0
    assert compiled == [False, True, False, True]  # Loading compiles too, without it.


def test_evaluate_prints_figures_and_writes_a_report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for split in ("train", "test"):  # Few images, so that the test is fast.
        batch = next(iter(keras_gen.data.load("mnist", split, batch_size=200)))
        for i, image in enumerate(batch["image"].numpy()):
            path = tmp_path / "digits" / split / f"{i}.png"
            keras_gen.images.save_grid(image[None], path)
    command = ("evaluate", "gan", "--weights", "mnist", "--data", "digits", "-n", 200)
    done = run(*command, "--json")
    assert done.exit_code == 0, done.output
    figures = json.loads(done.stdout)
    assert figures["num_generated"] == 200 and figures["modes"] == 10
    assert 0 < figures["frechet_distance_floor"] < figures["frechet_distance"]
    assert [path.name for path in tmp_path.iterdir()] == ["digits"]
    done = run(*command)
    assert "Fréchet distance" in done.output and "report.html" in done.output
    page = (tmp_path / "report.html").read_text()
    assert f"{figures['frechet_distance']:.5g}" in page
    assert "classifier/mnist" in page and "data:image/png" in page


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["train", "dcgan"], "--data"),
        (["train", "dcgan", "--data", "mnist", "--set", "width"], "key=value"),
        (["train", "dcgan", "--data", "mnist", "--set", "widht=3"], "width"),
        (["train", "gan", "--resume", "nowhere"], "run.json"),
        (["train", "dcgan", "--data", "mnist", "--batch-size", "0"], "batch_size"),
        (["train", "gan", "--resume", ".", "--seed", "3"], "--seed"),
        (["sample", "dcgan", "--weights", "nowhere"], "ship for 'dcgan'"),
        (["train", "dcgan", "--data", "minst"], "mnist"),
    ],
)
def test_mistakes_are_reported_in_one_line_and_leave_no_files(
    arguments, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert done.exit_code == 2
    assert message in done.output.replace("\n", " ")
    assert "Traceback" not in done.output
    assert not list(tmp_path.rglob("*.*"))
    assert not list(tmp_path.glob("runs/*/*"))
