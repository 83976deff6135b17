"""Trackers: what they are told of a run, with doubles of the libraries."""

import csv
import json
import sys
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
import tracker_doubles
from test_page import check_page
from typer.testing import CliRunner

import keras_gen
from keras_gen import trackers
from keras_gen.callbacks import track
from keras_gen.cli import app
from keras_gen.runs import Run

OPTIONS = {
    "split": "train[:32]",
    "batch_size": 16,
    "overrides": {"image_shape": (8, 8, 1), "widths": [8], "latent_dim": 4},
}


@pytest.fixture(autouse=True)
def no_settings_of_trackers(monkeypatch):
    """Removes the environment variables that trackers read."""
    for name in ("WANDB_PROJECT", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("TRACKIO_PROJECT", raising=False)


@pytest.fixture
def notes(monkeypatch):
    """A function that puts the double of a library in place, and returns its notes."""

    def replace(name):
        found = tracker_doubles.Notes()
        double = getattr(tracker_doubles, name)(found)
        monkeypatch.setitem(sys.modules, name, double)
        return found

    return replace


def trained(folder, tracker, epochs=2):
    run = Run.create("gan", "mnist", folder=folder, epochs=epochs, **OPTIONS)
    run.train(verbose=0, tracker=tracker)
    return run


def logged(run):
    """The rows of the log of a run, as numbers."""
    with open(run.folder / "log.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [{k: float(v) for k, v in row.items() if v != "NA"} for row in rows]


def test_wandb_gets_epochs_settings_and_grids_and_goes_on(notes, tmp_path):
    found = notes("wandb")
    run = trained(tmp_path / "run", ["wandb"])
    init = {"project": "keras-gen", "name": "run", "dir": str(tmp_path / "run")}
    assert found.named("init") == [{**init, "id": None}]
    (config,) = found.named("config")
    assert config["name"] == "gan" and config["overrides"]["widths"] == [8]
    values = [v for v in found.named("log") if "samples" not in v]
    for value, row in zip(values, logged(run), strict=True):
        assert value["epoch"] == row["epoch"] + 1 and "generator_loss" in value
        assert value.keys() == row.keys()
        for key in value.keys() - {"epoch"}:  # CSVLogger writes float32 in words.
            assert row[key] == pytest.approx(value[key], rel=1e-6)
    grids = [v for v in found.named("log") if "samples" in v]
    path = run.folder / "samples" / "epoch_0002.png"
    assert grids[-1] == {"samples": ("image", str(path)), "epoch": 2}
    assert found.named("finish") == [0]
    assert track.tracked(run.folder) == {"wandb": "w1"}
    Run.open(run.folder).train(epochs=3, verbose=0, tracker=["wandb"])
    assert found.named("init")[1] == {**init, "id": "w1"}
    values = [v for v in found.named("log") if "samples" not in v]
    assert [v["epoch"] for v in values] == [1, 2, 3]


def test_mlflow_gets_epochs_settings_and_grids_and_goes_on(notes, tmp_path):
    found = notes("mlflow")
    run = trained(tmp_path / "run", ["mlflow"], epochs=1)
    assert found.named("set_experiment") == [("keras-gen", {})]
    assert found.named("start_run") == [(None, "run")]
    (params,) = found.named("log_params")
    assert params["name"] == '"gan"' and params["epochs"] == "1"
    ((values, options),) = found.named("log_metrics")
    assert options == {"step": 1} and "generator_loss" in values
    path = str(run.folder / "samples" / "epoch_0001.png")
    assert found.named("log_artifact") == [(path, "samples", {})]
    assert found.named("end_run") == [("FINISHED", {})]
    Run.open(run.folder).train(epochs=2, verbose=0, tracker=["mlflow"])
    assert found.named("start_run")[1] == ("m1", None)
    assert found.named("log_params")[1] == {}
    assert found.named("set_tags")[1] == ({"resumed.epochs": "2"}, {})
    assert len(found.named("set_experiment")) == 1


def test_trackio_gets_epochs_settings_and_grids_and_goes_on(notes, tmp_path):
    found = notes("trackio")
    run = trained(tmp_path / "gan" / "run", ["trackio"], epochs=1)
    init = {"project": "keras-gen", "name": "gan-run"}
    assert found.named("init") == [{**init, "resume": "never"}]
    (values, step), (grid, other) = found.named("log")
    assert step == other == 1 and "generator_loss" in values
    path = str(run.folder / "samples" / "epoch_0001.png")
    assert grid == {"samples": ("image", path)} and found.named("finish") == [None]
    Run.open(run.folder).train(epochs=2, verbose=0, tracker=["trackio"])
    assert found.named("init")[1] == {**init, "resume": "allow"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["wandb", "mlflow", "trackio"])
def test_the_libraries_themselves_take_what_they_get(name, tmp_path, monkeypatch):
    """In their offline modes, where they are installed; the suite does without."""
    pytest.importorskip(name)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        run = trained(tmp_path / "gan" / "run", [name])
        known = track.tracked(run.folder)
        Run.open(run.folder).train(epochs=3, verbose=0, tracker=[name])
    assert not [w for w in warned if "The tracker" in str(w.message)]
    assert known == track.tracked(run.folder) and list(known) == [name]


def events(folder):
    """Pairs of a tag and a step, and the settings, of TensorBoard's event files."""
    tags, text = [], None
    for path in sorted(map(str, folder.glob("events.out.tfevents.*"))):
        for record in tf.data.TFRecordDataset(path):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                tags.append((value.tag, event.step))
                if value.tag == "settings":
                    text = value.tensor.string_val[0].decode()
                if value.tag == "samples":
                    png = value.tensor.string_val[2]
                    assert tf.io.decode_png(png).shape[-1] in (1, 3)
    return tags, text


def test_tensorboard_gets_settings_and_grids_beside_losses(tmp_path):
    run = trained(tmp_path / "run", ["tensorboard"])
    tags, text = events(run.folder / "tensorboard" / "samples")
    assert tags == [("settings", 0), ("samples", 1), ("samples", 2)]
    assert '|name|`"gan"`|' in text
    tags, _ = events(run.folder / "tensorboard" / "train")
    assert ("epoch_generator_loss", 1) in tags


def test_several_trackers_are_told_and_ended_if_training_fails(notes, tmp_path):
    found, others = notes("wandb"), notes("mlflow")

    class Fail(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    run = Run.create("gan", "mnist", folder=tmp_path / "run", epochs=3, **OPTIONS)
    with pytest.raises(KeyboardInterrupt):
        run.train(verbose=0, tracker=["wandb", "mlflow"], more_callbacks=[Fail()])
    assert found.named("finish") == [1]
    assert others.named("end_run") == [("KILLED", {})]
    assert track.tracked(run.folder) == {"wandb": "w1", "mlflow": "m1"}


def test_a_tracker_that_fails_does_not_end_the_training(notes, tmp_path, monkeypatch):
    found = notes("mlflow")

    def fail(*args, **options):
        raise RuntimeError("No connection")

    monkeypatch.setattr(sys.modules["mlflow"], "log_metrics", fail)
    with pytest.warns(UserWarning, match="mlflow did not take epoch 1.*No connection"):
        run = trained(tmp_path / "run", ["mlflow"], epochs=1)
    assert run.model_path.is_file() and found.named("end_run") == [("FINISHED", {})]
    monkeypatch.setattr(sys.modules["mlflow"], "start_run", fail)
    other = Run.create("gan", "mnist", folder=tmp_path / "b", epochs=1, **OPTIONS)
    with pytest.raises(OSError, match="mlflow could not start: No connection"):
        other.train(verbose=0, tracker=["mlflow"])
    assert not other.model_path.exists()


def test_a_run_without_a_tracker_calls_none_and_says_what_it_leaves_out(
    notes, tmp_path, capsys
):
    found = notes("wandb")
    run = trained(tmp_path / "run", ["wandb"], epochs=1)
    count = len(found)
    Run.open(run.folder).train(epochs=2, verbose=2)
    assert len(found) == count
    assert "Not tracked: these epochs, since --tracker wandb" in capsys.readouterr().out
    plain = Run.create("gan", "mnist", folder=tmp_path / "b", epochs=1, **OPTIONS)
    plain.train(verbose=2)
    assert "racked" not in capsys.readouterr().out
    assert not (plain.folder / track.STATE).exists() and len(found) == count


@pytest.mark.parametrize("name", ["wandb", "mlflow", "trackio"])
def test_a_missing_library_is_named_before_any_work(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, name, None)  # Imports of it fail.
    command = ["train", "gan", "--data", "mnist", "--tracker", name]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 1 and done.stdout == ""
    assert f"pip install 'keras-gen[{name}]'" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_folder_of_the_same_name_is_no_library(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "no_tracker").mkdir()
    monkeypatch.setitem(trackers.TRACKERS, "no_tracker", trackers.Trackio)
    with pytest.raises(ImportError, match=r"keras-gen\[no_tracker\]"):
        trackers.check(["no_tracker"])


def test_unknown_trackers_are_refused():
    def stderr(*options):
        command = ["train", "gan", "--data", "mnist", *options]
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 2
        return done.stderr

    assert "nearest: wandb" in stderr("--tracker", "wandbb")
    twice = ("--tracker", "tensorboard") * 2
    assert "'tensorboard' twice" in stderr(*twice)


def test_the_callback_works_without_a_run(notes, tmp_path):
    found = notes("wandb")
    model = keras_gen.zoo.load("gan", image_shape=(8, 8, 1), widths=[8])
    model.compile(seed=0)
    images = np.random.default_rng(0).integers(0, 256, (32, 8, 8, 1), np.uint8)
    callback = keras_gen.callbacks.Track("wandb", tmp_path, {"mine": (1, 2)})
    model.fit(images, epochs=1, verbose=0, callbacks=[callback])
    assert found.named("config") == [{"mine": [1, 2]}]
    assert json.loads((tmp_path / track.STATE).read_text()) == {"wandb": "w1"}


def test_a_run_has_a_page(tmp_path):
    run = trained(tmp_path / "run", [], epochs=2)
    found = check_page(run.folder / "index.html")
    titles = [text for _, text in found.headings]
    assert titles[0] == "gan on mnist" and "Epoch 2 of 2" in titles
    assert len(found.all("img")) == 1 and len(found.all("svg")) >= 2
    text = (run.folder / "index.html").read_text("utf-8")
    assert "After epoch 2" in text and "keras-gen train gan --data mnist" in text
    assert "http-equiv" not in text  # It is complete.
    Run.open(run.folder).train(epochs=3, verbose=0, more_callbacks=[Look(run.folder)])


class Look(keras.callbacks.Callback):
    """Reads the page of a run that goes on."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def on_epoch_end(self, epoch, logs=None):
        text = (self.folder / "index.html").read_text("utf-8")
        assert "Epoch 3 of 3" in text and "After epoch 3" in text
        assert 'http-equiv="refresh" content="30"' in text
