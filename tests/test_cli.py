"""The command line, used in the way of a user."""

import csv
import inspect
import json
import shlex
import warnings

import numpy as np
import PIL.Image
import pytest
import typer
from typer.testing import CliRunner

import keras_gen
from keras_gen import runs
from keras_gen.cli import COMMANDS, app
from keras_gen.cli.models import print_models
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
def test_every_option_is_described(parameter):
    assert parameter.help and parameter.help.endswith(".")


def test_help_shows_defaults_that_are_given_in_words():
    text = " ".join(run("train", "--help").output.split())
    assert "[default: (all data)]" in text
    assert "[default: (20, or that of the resumed run)]" in text
    text = " ".join(run("export", "--help").output.split())
    assert "SERVED=NAME:WEIGHTS" in text and "[default: (the next one)]" in text


def test_train_has_an_option_for_every_setting_with_the_same_default():
    options = inspect.signature(COMMANDS["train"]).parameters
    settings = inspect.signature(runs.Settings).parameters
    assert set(settings) <= set(options)
    assert set(arguments.descriptions_of(runs.Settings)) == set(settings)
    for name in set(settings) - {"name", "data", "epochs", "overrides"}:
        assert options[name].default == settings[name].default, name
    assert f"({settings['epochs'].default}, or that" in run("train", "--help").output
    root = inspect.signature(COMMANDS["export"]).parameters["root"].default
    assert root == keras_gen.export.deploy.ROOT


def test_version():
    done = run("--version")
    assert done.exit_code == 0
    assert done.stdout == f"keras-gen {keras_gen.__version__}\n"


def test_list_fits_80_columns_and_has_a_line_for_each_model():
    lines = run("list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["name", *keras_gen.zoo.names()]
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("dcgan  ") and line.endswith(" mnist") for line in lines)


def test_a_summary_has_the_room_that_its_own_weights_leave(capsys):
    text = "A model of images, which is described in many more words than fit."
    rows = [("one", text, ()), ("other", text, ("mnist", "faces")), ("x", "Short.", ())]
    print_models(rows)
    head, one, other, short = capsys.readouterr().out.splitlines()
    assert max(map(len, (head, one, other, short))) == 80
    assert head.endswith(" weights") and one == f"one    {text[:-1]}"
    start, _, end = other.partition("...")
    assert text.startswith(start.removeprefix("other  ")) and len(start) > 60
    assert end.strip() == "mnist, faces" and short == "x      Short"


@pytest.mark.parametrize(
    "task, expected",
    [
        ("translation", {"cyclegan", "stargan"}),
        ("text-to-image", {"text_to_image"}),
        ("completion", {"pixelcnn", "pixelrnn"}),
        ("classification", {"classifier", "semi_aae", "stargan"}),
        ("infer_codes", {"infogan"}),
    ],
)
def test_list_selects_models_by_task_or_ability(task, expected):
    assert expected <= set(json.loads(run("list", "--task", task, "--json").stdout))
    others = {"gan", "linear_ae", "matcher"}
    assert not others & set(json.loads(run("list", "--task", task, "--json").stdout))


def test_every_model_has_a_task():
    listed = json.loads(run("list", "--json").stdout)
    assert set(listed) == set(keras_gen.zoo.names())
    assert all(entry["tasks"] for entry in listed.values())
    wrong = run("list", "--task", "translatoin")
    assert wrong.exit_code == 2 and "translation" in wrong.stderr


def test_show_explains_each_argument():
    card = json.loads(run("show", "dcgan", "--json").output)
    assert card["configuration"]["image_shape"] == [32, 32, 1]
    text = run("show", "dcgan").stdout
    described = arguments.descriptions_of(keras_gen.models.DCGAN)
    for name in card["arguments"]:
        (entry,) = [e for e in text.split("\n\n") if e.startswith(f"  {name}: ")]
        assert described[name] in " ".join(entry.split()), name
        assert f"default {json.dumps(card['arguments'][name])}" in entry
    assert "image_shape: [32, 32, 1] in this preset, default [64, 64, 3]" in text
    assert "sample: Draws images" in text
    assert '"frechet_distance"' in run("show", "dcgan", "--weights", "mnist").stdout


def test_errors_go_to_the_standard_error_with_2_for_usage_and_1_for_others(tmp_path):
    wrong = run("show", "dcgann")
    assert wrong.exit_code == 2 and wrong.stdout == ""
    assert wrong.stderr.startswith("Error: ") and "Nearest: dcgan" in wrong.stderr
    assert run("show").exit_code == run("train", "gan", "--epoch").exit_code == 2
    (tmp_path / "a.png").write_text("mine")
    output = ("-o", tmp_path / "a.png")
    done = run("run", "gan", "sample", "-n", 1, *output)
    assert done.exit_code == 1 and done.stdout == "" and "--force" in done.stderr
    assert (tmp_path / "a.png").read_text() == "mine"


def test_text_of_users_is_no_markup_and_is_not_wrapped(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    name = "[b] a long name [/red] of a model that is longer than the terminal is wide"
    done = run("show", name)
    assert done.exit_code == 2 and f"got '{name}'" in done.stderr
    assert done.stderr.count("\n") == 1 and "\x1b" not in done.stderr


def test_the_hint_of_a_model_that_does_not_sample_is_a_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("sample", "cyclegan", "--weights", "emoji")
    assert done.exit_code == 2
    command = done.stderr.rpartition("Try: ")[2].strip()
    assert command.startswith("keras-gen run cyclegan translate --weights emoji --data")
    done = run(*shlex.split(command)[1:], "-n", 1)
    assert done.exit_code == 0 and (tmp_path / "translate.png").exists()


def test_weights_may_be_left_out_only_if_one_set_ships(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("sample", "gan", "-n", 1)
    assert done.exit_code == 0 and done.stdout == "1 images are in samples.png.\n"
    assert "gan mnist" in done.stderr
    assert "samples-2.png" in run("sample", "gan", "-n", 1).stdout
    done = run("sample", "vae", "-n", 1)
    assert done.exit_code == 2 and "--weights mnist_flow" in done.stderr


def test_export_refuses_a_folder_of_the_users(tmp_path):
    for name in ("cat.jpg", "dog.jpg"):
        (tmp_path / "photos" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(b"picture")
    done = run("export", "gan:mnist", "--to", tmp_path / "photos")
    assert done.exit_code == 2 and "cat.jpg" in done.stderr
    assert {p.name for p in (tmp_path / "photos").iterdir()} == {"cat.jpg", "dog.jpg"}


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
    with warnings.catch_warnings():  # Under pytest it would be an exception.
        warnings.filterwarnings("default", "The discriminator has")
        done = run("train", "dcgan", "--resume", folder, "--epochs", 4, "--set", "r1=2")
    assert done.exit_code == 0, done.output
    assert "Warning: The discriminator has batch normalization" in done.output
    settled = (folder / "run.json").read_text()
    assert json.loads(settled)["overrides"] == {
        **{"image_shape": [16, 16, 1], "width": 4, "loss": "hinge", "latent_dim": 4},
        "r1": 2,
    }
    assert keras_gen.zoo.load("dcgan", folder / "model.keras").r1 == 2
    for wrong in (["--set", "packing=2"], ["--batch-size", 16], ["--set", "r2=1"]):
        failed = run("train", "dcgan", "--resume", folder, "--epochs", 9, *wrong)
        assert failed.exit_code == 2 and failed.stderr.startswith("Error")
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
    *_, sample, export = done.stdout.splitlines()
    assert shlex.split(sample)[:3] == ["keras-gen", "sample", "gan"]
    assert run(*shlex.split(sample)[1:], "-o", tmp_path / "a.png").exit_code == 0
    assert shlex.split(export)[:3] == ["keras-gen", "export", "gan"]


@pytest.mark.parametrize(
    "where, message",
    [
        ("zoo.load", "Stopped before training began; nothing was written."),
        ("data.load", "Stopped before training began; nothing was written."),
        ("callbacks.EpochTime.on_train_begin", "Stopped in the first epoch; "),
        ("callbacks.EpochTime.on_epoch_begin", "Stopped in the first epoch; "),
        ("callbacks.EpochTime.on_train_batch_end", "Stopped in the first epoch; "),
        ("callbacks.Checkpoint.on_epoch_end", "Stopped in the first epoch; "),
    ],
)
def test_ctrl_c_before_the_first_checkpoint(where, message, tmp_path, monkeypatch):
    def stop(*args, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(f"keras_gen.{where}", stop)
        done = run("train", "gan", *SMALL, "--runs", tmp_path / "runs")
    assert done.exit_code == 130
    last = done.stderr.splitlines()[-1]
    assert last.startswith(message)
    command = last.partition("again with: ")[2]
    if not command:
        assert not list(tmp_path.iterdir())
        return
    (folder,) = (tmp_path / "runs" / "gan").iterdir()
    done = run(*shlex.split(command)[1:])
    assert done.exit_code == 0, done.stderr
    assert f"{folder} was stopped in its first epoch, and starts anew" in done.stdout
    assert keras_gen.zoo.load("gan", folder).get_config()["widths"] == [8]


def test_ctrl_c_in_other_commands_has_the_shells_code(monkeypatch):
    def stop(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(keras_gen.zoo, "load", stop)
    done = run("sample", "gan")
    assert done.exit_code == 130 and done.stderr.endswith("Stopped.\n")


def test_epochs_given_with_resume_are_the_new_end(tmp_path):
    done = run("train", "gan", *SMALL[:-1], 30, "--runs", tmp_path, "--epochs", 1)
    assert done.exit_code == 0, done.stderr
    (folder,) = (tmp_path / "gan").iterdir()
    path = folder / "run.json"
    path.write_text(path.read_text().replace('"epochs": 1', '"epochs": 30'))
    assert run("train", "gan", "--resume", folder, "--epochs", 2).exit_code == 0
    with open(folder / "log.csv") as file:
        assert len(list(csv.DictReader(file))) == 2
    assert json.loads(path.read_text())["epochs"] == 2
    for epochs, message in ((1, "at least 2, as many"), (0, "epochs"), (-1, "epochs")):
        done = run("train", "gan", "--resume", folder, "--epochs", epochs)
        assert done.exit_code == 2 and message in done.stderr
    assert json.loads(path.read_text())["epochs"] == 2


def test_jit_is_passed_to_compile_and_kept_by_the_run(tmp_path, monkeypatch):
    compiled = []
    compile_model = keras_gen.GenerativeModel.compile

    def spy(model, **settings):
        compiled.append(settings.get("jit_compile", False))
        compile_model(model, **settings)

    monkeypatch.setattr(keras_gen.GenerativeModel, "compile", spy)
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
        (["sample", "dcgan", "--weights", "nowhere"], "weights for 'dcgan'"),
        (["train", "dcgan", "--data", "minst"], "mnist"),
        (["train", "dcgan", "--data", "mnist", "--epochs", "0"], "epochs"),
        (["train", "dcgan", "--data", "mnist", "--epochs", "-1"], "epochs"),
        (["sample", "gan", "-n", "0"], "-n"),
        (["traverse", "vae", "--coordinates", "a"], "whole numbers"),
        (["evaluate", "gan", "--weights", "mnist", "--report", "."], "--report"),
    ],
)
def test_mistakes_are_reported_in_one_line_and_leave_no_files(
    arguments, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.output
    assert not list(tmp_path.rglob("*.*"))
    assert not list(tmp_path.iterdir())
