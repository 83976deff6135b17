"""Runs from Python: settings, folders, resuming, and commands of shipped weights."""

import csv
import dataclasses
import inspect
import json
import shlex

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import values
from typer.testing import CliRunner

import keras_gen
from keras_gen import zoo
from keras_gen.cli import app
from keras_gen.runs import Run, Settings

OPTIONS = {
    "split": "train[:64]",
    "batch_size": 16,
    "overrides": {"image_shape": (8, 8, 1), "widths": [8], "latent_dim": 4},
}
# A run.json as version 0.1 wrote it, before --mirror and --jit were options.
OLD_SETTINGS = {
    "name": "gan",
    "data": "mnist",
    "split": "train[:64]",
    "validation": None,
    "labels": None,
    "batch_size": 16,
    "epochs": 1,
    "steps_per_epoch": None,
    "weights": None,
    "overrides": {"image_shape": [8, 8, 1], "widths": [8], "latent_dim": 4},
    "seed": 0,
    "dtype": None,
    "strategy": "auto",
}


@pytest.fixture(autouse=True)
def one_replica(monkeypatch):
    """Trains on a single replica, although the tests have two devices."""
    default = tf.distribute.get_strategy()
    monkeypatch.setattr(keras_gen.distribute, "strategy", lambda _: default)


def test_a_run_trains_and_resumes_as_if_it_had_not_been_interrupted(tmp_path):
    whole = Run.create("gan", "mnist", runs=tmp_path, epochs=3, **OPTIONS)
    assert whole.folder.parent == tmp_path / "gan"
    assert not list(whole.folder.iterdir())
    trained = whole.train(verbose=0)
    files = {path.name for path in whole.folder.iterdir()}
    assert files == {"run.json", "model.keras", "log.csv", "tensorboard", "samples"}
    parted = Run.create("gan", "mnist", folder=tmp_path / "b", epochs=2, **OPTIONS)
    parted.train(verbose=0)
    resumed = Run.open(tmp_path / "b", name="gan")
    assert resumed.settings == parted.settings
    resumed.train(epochs=3, verbose=0)
    assert resumed.settings.epochs == Run.open(tmp_path / "b").settings.epochs == 3
    with open(tmp_path / "b" / "log.csv") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["0", "1", "2"]
    for a, b in zip(
        values(trained.weights), values(resumed.load_model().weights), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_overrides_of_a_resumed_run_are_kept_if_they_fit(tmp_path):
    run = Run.create("gan", "mnist", folder=tmp_path / "run", epochs=1, **OPTIONS)
    run.train(verbose=0)
    settings = (run.folder / "run.json").read_text()
    with pytest.raises(ValueError, match="argument of GAN, got 'r2'"):
        run.train(2, {"r2": 1.0}, verbose=0)
    assert (run.folder / "run.json").read_text() == settings
    run.train(2, {"r1": 2.0}, verbose=0)
    assert run.settings.overrides["r1"] == run.load_model().r1 == 2.0
    assert Run.open(run.folder).settings == run.settings
    again = run.train(1, verbose=0)  # Fewer epochs than it has change nothing.
    assert run.settings.epochs == 2 and int(again.epoch.value) == 2


def test_callbacks_of_the_caller_are_called(tmp_path):
    epochs = []
    count = keras.callbacks.LambdaCallback(on_epoch_end=lambda e, _: epochs.append(e))
    run = Run.create("gan", "mnist", runs=tmp_path, epochs=1, **OPTIONS)
    run.train(verbose=0, more_callbacks=[count])
    assert epochs == [0]


def test_settings_of_older_versions_are_read(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(OLD_SETTINGS))
    run = Run.open(tmp_path)
    assert (run.settings.mirror, run.settings.jit) == (False, False)
    assert dataclasses.asdict(run.settings) == {
        **OLD_SETTINGS,
        "mirror": False,
        "jit": False,
    }
    run.train(verbose=0)
    assert run.load_model().image_shape == (8, 8, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "run's folder with run.json"),
        ("{", "Expected JSON"),
        ("[]", "run's settings"),
        ('{"name": "gan"}', "run's settings"),
        ('{"name": "gan", "data": "mnist", "sped": 3}', "sped"),
        ('{"name": "gan", "data": "mnist", "batch_size": 0}', "batch_size"),
        ('{"name": "gan", "data": "mnist"}', "run of 'dcgan', got one of 'gan'"),
    ],
)
def test_a_folder_without_a_run_is_refused(text, message, tmp_path):
    if text is not None:
        (tmp_path / "run.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        Run.open(tmp_path, name="dcgan")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("dcgann", {}, "Nearest: dcgan"),
        ("dcgan", {"overrides": {"widht": 3}}, "Nearest: width"),
        ("dcgan", {"overrides": {"dtype": "float16"}}, "got 'dtype'"),
        ("dcgan", {"overrides": {"width": object()}}, "plain values"),
        ("dcgan", {"epoch": 3}, "epoch"),
        ("dcgan", {"epochs": -1}, "epochs >= 0"),
        ("dcgan", {"steps_per_epoch": 0}, "steps_per_epoch that is an int >= 1"),
    ],
)
def test_mistakes_are_found_before_a_folder_is_made(name, options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        Run.create(name, "mnist", runs=tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_a_run_that_cannot_start_leaves_no_folder(tmp_path):
    run = Run.create("gan", "minst", runs=tmp_path)
    with pytest.raises(ValueError, match="mnist"):
        run.train(verbose=0)
    assert not list((tmp_path / "gan").iterdir())
    with pytest.raises(ValueError, match="run that was trained"):
        run.load_model()


def test_folders_of_one_second_are_numbered_and_runs_are_not_overwritten(tmp_path):
    folders = {
        Run.create("gan", "mnist", runs=tmp_path).folder.name[:15] for _ in range(3)
    }
    assert len(list((tmp_path / "gan").iterdir())) == 3 and len(folders) <= 2
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(ValueError, match="holds a run"):
        Run.create("gan", "mnist", folder=tmp_path)


def test_all_settings_stand_in_the_signature_of_create():
    known = set(inspect.signature(Run.create).parameters)
    assert {field.name for field in dataclasses.fields(Settings)} <= known
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings("gan", "mnist").epochs = 3


def settings_of(command, monkeypatch):
    """The settings that a command line results in."""
    found = []

    def create(name, data, *, runs, **settings):
        found.append(Settings(name, data, **settings))
        raise ValueError("This test does not train.")

    monkeypatch.setattr(Run, "create", create)
    CliRunner().invoke(app, shlex.split(command)[1:])
    (settings,) = found
    return settings


def test_a_command_gives_back_the_settings(monkeypatch):
    settings = Settings(
        "vae",
        "a folder",
        split="train[:9]",
        validation="test",
        labels=10,
        mirror=True,
        batch_size=3,
        epochs=7,
        steps_per_epoch=2,
        weights="mnist",
        overrides={"widths": [8, 8], "prior": "flow", "name": "7", "beta": 0.5},
        seed=4,
        dtype="mixed_bfloat16",
        strategy="mirrored",
        jit=True,
    )
    assert settings_of(settings.command, monkeypatch) == settings
    assert Settings("vae", "mnist").command == (
        "keras-gen train vae --data mnist --epochs 20"
    )


def test_commands_of_shipped_weights_are_those_of_their_settings(monkeypatch):
    commands = [
        zoo.card(name, weights)["command"]
        for name in zoo.names()
        for weights in zoo.weights_of(name)
    ]
    commands = [c for c in commands if c.startswith("keras-gen") and "&&" not in c]
    assert len(commands) > 20
    for command in commands:
        settings = settings_of(command, monkeypatch)
        assert settings.command == command
        zoo.check_overrides(settings.name, settings.overrides)
