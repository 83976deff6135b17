"""Runs from Python: settings, folders, resuming, and commands of shipped weights."""

import contextlib
import csv
import dataclasses
import inspect
import io
import json
import shlex
import shutil
import subprocess
import sys
import types

import keras
import numpy as np
import PIL.Image
import pytest
from conftest import values
from typer.testing import CliRunner

import keras_gen
from keras_gen import callbacks, runs, zoo
from keras_gen.callbacks import epoch_time
from keras_gen.cli import app
from keras_gen.core.registry import preset
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


def test_a_run_trains_and_resumes_on_two_replicas(tmp_path):
    options = {**OPTIONS, "strategy": "mirrored"}
    run = Run.create("gan", "mnist", runs=tmp_path, epochs=1, **options)
    model = run.train(verbose=0)
    assert model.distribute_strategy.num_replicas_in_sync == 2
    again = Run.open(run.folder, "gan").train(2, verbose=0)
    assert again.distribute_strategy.num_replicas_in_sync == 2
    assert int(again.step.numpy()) == 2 * int(model.step.numpy()) > 0


def test_a_run_trains_and_resumes_as_if_it_had_not_been_interrupted(tmp_path):
    whole = Run.create("gan", "mnist", runs=tmp_path, epochs=3, **OPTIONS)
    assert whole.folder.parent == tmp_path / "gan"
    assert not list(whole.folder.iterdir())
    trained = whole.train(verbose=0)
    files = {path.name for path in whole.folder.iterdir()}
    known = {"run.json", "config.yaml", "index.html", "model.keras", "log.csv"}
    assert files == known | {"tensorboard", "samples"}
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


KILLED = """
import os, sys
from keras_gen import callbacks, runs
from keras_gen.core import checkpoint

where, folder = sys.argv[1:]
times = []

def die(*args, **kwargs):
    times.append(None)
    if len(times) == 2:
        os._exit(9)
    return real(*args, **kwargs)

if where == "grid":
    real, callbacks.SampleGrid.write = callbacks.SampleGrid.write, die
else:
    real, checkpoint.save_model = checkpoint.save_model, die
runs.Run.open(folder).train(verbose=0)
"""


@pytest.mark.parametrize(
    ("where", "done", "epochs"), [("grid", 2, 2), ("grid", 2, 3), ("checkpoint", 1, 2)]
)
def test_a_run_that_was_killed_has_the_files_of_one_that_was_not(
    where, done, epochs, tmp_path
):
    whole = Run.create("gan", "mnist", folder=tmp_path / "a", epochs=epochs, **OPTIONS)
    whole.train(verbose=0)
    killed = Run.create("gan", "mnist", folder=tmp_path / "b", epochs=epochs, **OPTIONS)
    killed.settings.write(killed.folder / "run.json")
    command = [sys.executable, "-c", KILLED, where, str(killed.folder)]
    assert subprocess.run(command, capture_output=True).returncode == 9
    left = zoo.load("gan", killed.model_path)
    assert int(left.epoch.numpy()) == done
    assert len(list((killed.folder / "samples").iterdir())) == 1
    resumed = Run.open(killed.folder)
    resumed.train(verbose=0)
    grids = [f"epoch_{i + 1:04d}.png" for i in range(epochs)]
    for run in (whole, resumed):
        assert sorted(p.name for p in (run.folder / "samples").iterdir()) == grids
        with open(run.folder / "log.csv") as file:
            rows = [row["epoch"] for row in csv.DictReader(file)]
        assert rows == [str(epoch) for epoch in range(epochs)]
        assert not list(run.folder.rglob(".aside-*"))
    for a, b in zip(
        values(whole.load_model().weights),
        values(resumed.load_model().weights),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    for grid in grids:
        pictures = [
            np.asarray(PIL.Image.open(run.folder / "samples" / grid), int)
            for run in (whole, resumed)
        ]
        np.testing.assert_allclose(*pictures, atol=1)  # One of 256 levels.


def test_grids_are_drawn_again_only_if_they_are_missing(tmp_path):
    run = Run.create("gan", "mnist", folder=tmp_path / "run", epochs=2, **OPTIONS)
    run.train(verbose=0)
    for number in (1, 2):
        (run.folder / "samples" / f"epoch_000{number}.png").write_bytes(b"mine")
    run.train(3, verbose=0)
    contents = [p.read_bytes() for p in sorted((run.folder / "samples").iterdir())]
    assert contents[:2] == [b"mine", b"mine"] and len(contents) == 3


def test_a_run_that_starts_from_another_runs_weights_counts_its_own_epochs(tmp_path):
    first = Run.create("gan", "mnist", folder=tmp_path / "a", epochs=2, **OPTIONS)
    first.train(verbose=0)
    options = {**OPTIONS, "weights": first.folder}
    second = Run.create("gan", "mnist", folder=tmp_path / "b", epochs=1, **options)
    second.train(verbose=0)
    assert int(second.load_model().epoch.numpy()) == 1
    assert [p.name for p in (tmp_path / "b" / "samples").iterdir()] == [
        "epoch_0001.png"
    ]


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
    with pytest.raises(ValueError, match="at least 2, as many as .* has done, got 1"):
        run.train(1, verbose=0)
    again = run.train(verbose=0)
    assert run.settings.epochs == 2 and int(again.epoch.value) == 2


def test_changes_that_no_epoch_saw_are_in_no_command(tmp_path):
    run = Run.create("gan", "mnist", folder=tmp_path / "run", epochs=1, **OPTIONS)
    run.train(verbose=0)

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.train(2, {"r1": 1.0}, verbose=0, more_callbacks=[Stop()])
    run = Run.open(run.folder)
    run.train(2, {"r1": 2.0}, verbose=0)
    first, second = run.commands
    assert "r1" not in first and "--epochs 1 " in first
    assert "r1=2.0" in second and "--epochs 2 " in second


def test_a_resumed_run_keeps_what_was_a_default_when_it_began(tmp_path):
    options = {**OPTIONS, "overrides": {"widths": [4]}}
    run = Run.create("gan", "mnist", folder=tmp_path / "run", epochs=1, **options)
    run.train(verbose=0)
    # As if the widths had been the defaults of that version.
    Settings(**{**dataclasses.asdict(run.settings), "overrides": {}}).write(
        run.folder / "run.json"
    )
    resumed = Run.open(run.folder).train(2, verbose=0)
    assert resumed.get_config()["widths"] == [4]
    assert int(resumed.epoch.value) == 2


def test_a_run_resumes_without_the_weights_that_it_started_from(tmp_path):
    options = {**OPTIONS, "epochs": 1}
    folder = tmp_path / "first"
    first = Run.create("gan", "mnist", folder=folder, **options, dtype="mixed_bfloat16")
    first.train(verbose=0)
    policies = []
    for networks in (None, "generator"):
        folder = tmp_path / f"{networks}"
        source = {"weights": str(tmp_path / "first"), "networks": networks}
        run = Run.create("gan", "mnist", folder=folder, **options, **source)
        policies.append(run.train(verbose=0).dtype_policy.name)
    assert policies == ["mixed_bfloat16", "float32"]
    (tmp_path / "first").rename(tmp_path / "gone")
    for networks, policy in zip((None, "generator"), policies, strict=True):
        resumed = Run.open(tmp_path / f"{networks}").train(2, verbose=0)
        assert int(resumed.epoch.value) == 2
        assert resumed.dtype_policy.name == policy


# What a run says.


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """30 photos, of which two cannot be read, and a text with brackets in its name."""
    folder = tmp_path_factory.mktemp("photos")
    for i in range(30):
        picture = PIL.Image.new("RGB", (40, 20 + 2 * i), (8 * i, 0, 0))
        picture.save(folder / f"{i:02}.png")
    content = (folder / "29.png").read_bytes()
    (folder / "03.png").write_bytes(content[: len(content) // 2])
    (folder / "04.png").write_text("no image")
    (folder / "[b]notes.txt").write_text("Holidays")
    return folder


@pytest.fixture(scope="module")
def told(photos, tmp_path_factory):
    """A run of two epochs, and the lines that it printed."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        folder = tmp_path_factory.mktemp("runs") / "a [b]run"
        run = Run.create("gan", photos, folder=folder, epochs=2, **SMALL)
        run.train(verbose=2)
    return run, output.getvalue().splitlines()


SMALL = {
    "batch_size": 8,
    "overrides": {"image_shape": (24, 24, 1), "widths": [8], "latent_dim": 4},
}


def test_a_run_says_what_its_data_are_before_it_starts(told, photos):
    run, lines = told
    assert lines[:3] == [
        f"Data: {photos}, 30 images of 40x20 to 40x78 pixels (width x height; median "
        "40x52)",
        "Left out: 1 file, because its name does not end in .avif, .bmp, .gif, .jfif, "
        ".jpe, .jpeg, .jpg, .pbm, .pgm, .png, .ppm, .tif, .tiff or .webp: [b]notes.txt",
        "Images: cropped around the centre to a square (cuts off up to 50% of the "
        "area), then resized to 24x24 pixels, which enlarges 2 of them; colours become "
        "grey (image_shape=[24,24,3] keeps them)",
    ]
    assert lines[3].startswith("Left out: 2 files, each because it cannot be read: 03")
    assert "04.png (its content is not an image)" in lines[3]
    assert lines[4] == (
        "Training: 25 images; held out: 3 in the split 'test' (10%, chosen by seed 0)"
    )
    assert lines[6:9] == [
        f"Run: 2 epochs with batches of 8, in {run.folder}",
        f"Ctrl-C stops it; to go on: {run.resume_command}",
        "Epoch 1/2",
    ]
    assert shlex.split(run.resume_command) == [
        *("keras-gen", "train", "gan", "--resume", str(run.folder))
    ]


def test_a_run_says_how_large_its_model_is(told):
    # Dense layers of 4 to 8 to 576 units, with normalization, and of 576 to 8 to 1.
    generator, discriminator = 4 * 8 + 3 * 8 + 8 * 576 + 576, 576 * 8 + 8 + 8 + 1
    run, lines = told
    assert lines[5].startswith(
        f"Model: gan, 24x24x1, {generator + discriminator:,} parameters "
        f"(generator {generator:,}, discriminator {discriminator:,}), "
    )
    assert lines[5].endswith(("without a GPU", "GPU", "GPUs"))
    shorts = [runs._in_short(n) for n in (9999, 12_300, 999_499, 999_500, 3_560_000)]
    assert shorts == ["9,999", "12 k", "999 k", "1.0 M", "3.6 M"]


@pytest.mark.filterwarnings("ignore:Skipped")
def test_photos_in_colour_stay_so_if_no_shape_is_given(
    photos, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(preset("gan").config, "image_shape", (8, 8, 1))
    small = {"batch_size": 8, "epochs": 1, "overrides": {"widths": [8]}}
    run = Run.create("gan", photos, folder=tmp_path / "colour", **small)
    model = run.train(verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert not any("colours become grey" in line for line in lines)
    assert (
        "Colours: kept, since images are stored in colour and no image_shape is given; "
        "grey needs --set 'image_shape=[8, 8, 1]'"
    ) in lines
    assert Run.open(run.folder).settings.overrides["image_shape"] == [8, 8, 3]
    run.train(2, verbose=2)
    assert "Colours" not in capsys.readouterr().out
    small["overrides"]["image_shape"] = (8, 8, 3)  # As if it had been given.
    given = Run.create("gan", photos, folder=tmp_path / "given", **small)
    for one, other in zip(model.weights, given.train(verbose=0).weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize(
    "name, data, options, expected",
    [
        ("dcgan", "faces", {}, (32, 32, 1)),
        ("progan", "faces", {}, (32, 32, 1)),
        ("dcgan", "mnist", {}, None),
        ("dcgan", "faces", {"overrides": {"image_shape": [16, 16, 1]}}, None),
        ("dcgan", "faces", {"weights": "mnist"}, None),
        ("stargan", "faces", {}, None),
    ],
)
def test_the_default_shape_is_unwanted_for_data_in_colour(
    name, data, options, expected
):
    settings = Settings(name, data, **options)
    model = zoo.load(name, **settings.overrides)
    assert unwanted_grey(settings, model) == expected


def unwanted_grey(settings, model):
    """The default shape, if a run takes three channels in its place; else None."""
    grey = runs._default_grey(settings, model)
    return grey if grey and runs._describe(settings, model).is_in_colour else None


def test_a_model_gets_as_many_classes_as_the_data_have(tmp_path, capsys):
    for name in ("cats", "dogs", "owls"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(6):
            picture = PIL.Image.new("RGB", (16, 16), (40 * i, 0, 0))
            picture.save(tmp_path / "pets" / name / f"{i}.png")
    small = {"image_shape": (16, 16, 3), "width": 2, "average": None, "r1": 0.0}
    options = {"batch_size": 4, "epochs": 1, "overrides": small}
    run = Run.create("cgan", tmp_path / "pets", folder=tmp_path / "run", **options)
    assert run.train(verbose=2).num_classes == 3
    assert Run.open(run.folder).settings.overrides["num_classes"] == 3
    line = "num_classes: 3, as many as the data have, in place of the preset's 10"
    assert line in capsys.readouterr().out.splitlines()
    arrays = Settings("cgan", "digits.NPZ")  # Their labels need not be all classes.
    assert runs._default_counts(arrays, zoo.load("cgan", **small)) == {}
    options["overrides"] = {**small, "num_classes": 4}
    run = Run.create("cgan", tmp_path / "pets", folder=tmp_path / "other", **options)
    with pytest.raises(ValueError, match="of 4 classes, as the model has, got 3"):
        run.train(verbose=0)


def test_two_folders_in_colour_are_described_for_a_model_of_both(photos):
    settings = Settings("cyclegan", f"{photos},{photos}")
    model = zoo.load("cyclegan", image_shape=(32, 32, 1))
    assert unwanted_grey(settings, model) == (32, 32, 1)


def test_settings_are_refused_before_data_are_read(tmp_path, monkeypatch):
    def read(*args, **options):
        raise AssertionError("The data were read.")

    monkeypatch.setattr("keras_gen.data.describe", read)
    for options, message in (
        ({"overrides": {"latent_dim": -1}}, "latent_dim"),
        ({"dtype": "float13"}, "float13"),
        ({"strategy": "multi_worker"}, "TF_CONFIG"),
    ):
        run = Run.create("gan", "faces", folder=tmp_path / "run", **options)
        with pytest.raises(ValueError, match=message):
            run.train(verbose=0)
        assert not run.folder.exists()


def test_a_run_says_how_long_an_epoch_takes(told):
    (line,) = [line for line in told[1] if line.startswith("About")]
    assert "per epoch (3 steps), " in line and line.endswith(" for 2 epochs.")


def test_a_run_that_resumes_says_so_shortly(told, capsys):
    run = Run.open(told[0].folder)
    capsys.readouterr()
    run.train(verbose=2)
    left_out, line = capsys.readouterr().out.splitlines()
    assert left_out == told[1][3]
    command = f"{run.resume_command} --epochs 4"
    assert line == f"Run: {run.folder} is complete; to go on: {command}"
    run.train(3, verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        left_out,
        f"Run: resumes {run.folder}, epoch 3 with batches of 8",
    ]
    assert lines[2] == "Epoch 3/3" and len(lines) == 4


def test_a_silent_run_prints_nothing_and_warns_of_broken_images(
    photos, tmp_path, capsys
):
    run = Run.create("gan", photos, folder=tmp_path / "b", epochs=1, **SMALL)
    with pytest.warns(UserWarning, match="Skipped: .*0[34].png") as warned:
        run.train(verbose=0)
    skipped = [w for w in warned if str(w.message).startswith("Skipped")]
    assert len(skipped) == 2 and capsys.readouterr().out == ""


def test_a_run_says_how_many_labels_it_keeps(capsys):
    model = zoo.load("semi_aae", image_shape=(8, 8, 1), widths=[8])
    settings = Settings("semi_aae", "mnist", split="train[:512]", labels=10)
    description = runs._describe(settings, model)
    runs._load_data(settings, model, runs._say, description)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "Data: mnist, 70,000 images of 28x28 pixels, 10 classes",
        "Images: resized to 8x8 pixels",
        "Training: 512 of 60,000 images (split 'train[:512]'); held out: 10,000 in the "
        "split 'test' (the data set's own)",
        "Labels: 10 are kept, and all others are hidden",
    ]


class Clock:
    """A clock that goes on by a second, and by 100 after its first reading."""

    def __init__(self):
        self.readings = 0

    def monotonic(self):
        self.readings += 1
        return self.readings + (99 if self.readings > 1 else 0)


@pytest.mark.parametrize(
    "measured, steps, epochs, expected, at",
    [
        (2, 8, 3, "About 8.0 s of training per epoch (8 steps), 24 s for 3 epochs.", 3),
        (2, 8, 1, "About 8.0 s of training per epoch (8 steps).", 3),
        (
            9,
            3,
            2,
            "About 3.0 s of training per epoch (3 steps), 6.0 s for 2 epochs.",
            3,
        ),
        (
            9,
            1,
            4,
            "About 1.0 s of training per epoch (1 step), 4.0 s for 4 epochs.",
            2,
        ),
        (9, 3, 1, None, None),  # After the last epoch, an estimate is of no use.
    ],
)
def test_the_time_of_an_epoch_is_measured_without_the_first_step(
    measured, steps, epochs, expected, at, monkeypatch, capsys
):
    monkeypatch.setattr(epoch_time, "time", Clock())
    printed = run_steps(callbacks.EpochTime(measured), steps, epochs, capsys)
    assert printed == ([] if expected is None else [(at, expected)])


def run_steps(callback, steps, epochs, capsys, verbose=2, image_shape=(8, 8, 1)):
    """Calls a callback as `fit` does; lists (number of steps, what it printed)."""
    model = types.SimpleNamespace(
        image_shape=image_shape, batch_shapes=lambda: {"image": (8, 8, 1)}
    )
    callback.set_model(model)
    callback.set_params({"steps": steps, "epochs": epochs, "verbose": verbose})
    callback.on_train_begin()
    printed, count = [], 0

    def note():
        text = capsys.readouterr().out
        if text:
            printed.append((count, text.removesuffix("\n")))

    for epoch in range(epochs):
        callback.on_epoch_begin(epoch)
        for step in range(steps):
            callback.on_train_batch_begin(step)
            callback.on_train_batch_end(step)
            count += 1
            note()
        callback.on_epoch_end(epoch)
        note()
    return printed


def test_the_time_of_an_epoch_fits_the_display(monkeypatch, capsys):
    monkeypatch.setattr(epoch_time, "time", Clock())
    times = callbacks.EpochTime(2)
    assert run_steps(times, 8, 2, capsys, verbose=0) == []
    ((_, text),) = run_steps(times, 8, 2, capsys, verbose=1)
    assert text.startswith("\nAbout")  # The progress bar's line is left first.
    ((_, text),) = run_steps(times, 8, 2, capsys, image_shape=(4, 4, 1))
    assert "while images have 4x4 pixels" in text and "2 epochs" not in text
    with pytest.raises(ValueError, match="steps, a whole number of at least 1"):
        callbacks.EpochTime(0)


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
        "networks": None,
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
        ('{"name": "gan", "data": "mnist", "epochs": "3"}', "run.json"),
        ("[" * 100_000, "Expected JSON"),
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
        ("dcgan", {"epochs": -1}, "epochs that is an int >= 1"),
        ("dcgan", {"epochs": 0}, "epochs that is an int >= 1"),
        ("dcgan", {"steps_per_epoch": 0}, "steps_per_epoch that is an int >= 1"),
    ],
)
def test_mistakes_are_found_before_a_folder_is_made(name, options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        Run.create(name, "mnist", runs=tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_a_run_that_cannot_start_leaves_no_folder(tmp_path):
    run = Run.create("gan", "minst", runs=tmp_path / "runs")
    with pytest.raises(ValueError, match="mnist"):
        run.train(verbose=0)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="run that was trained"):
        run.load_model()


def test_a_run_that_cannot_start_leaves_folders_that_were_there(tmp_path):
    (tmp_path / "mine").mkdir()
    run = Run.create("gan", "minst", folder=tmp_path / "mine")
    with pytest.raises(ValueError, match="mnist"):
        run.train(verbose=0)
    assert list(tmp_path.iterdir()) == [tmp_path / "mine"]


def test_the_end_is_compared_with_the_checkpoint_if_the_log_is_behind(tmp_path):
    run = Run.create("gan", "mnist", folder=tmp_path / "run", epochs=2, **OPTIONS)
    run.train(verbose=0)
    log = run.folder / "log.csv"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:-1]))
    settings = (run.folder / "run.json").read_text()
    with pytest.raises(ValueError, match="at least 2"):
        Run.open(run.folder).train(1, verbose=0)
    assert (run.folder / "run.json").read_text() == settings


def test_folders_of_one_second_are_numbered_and_runs_are_not_overwritten(tmp_path):
    folders = {
        Run.create("gan", "mnist", runs=tmp_path).folder.name[:15] for _ in range(3)
    }
    assert len(list((tmp_path / "gan").iterdir())) == 3 and len(folders) <= 2
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(ValueError, match="holds a run"):
        Run.create("gan", "mnist", folder=tmp_path)
    for name in ("index.html", "samples", "log.csv"):  # Files of the user's.
        (tmp_path / name / "site").mkdir(parents=True)
        (tmp_path / name / "site" / name).write_text("mine")
        with pytest.raises(ValueError, match=f"new folder.* holds {name}"):
            Run.create("gan", "mnist", folder=tmp_path / name / "site")


def test_a_run_with_another_loss_logs_into_the_right_columns(tmp_path):
    run = Run.create("gan", "mnist", folder=tmp_path / "run", epochs=1, **OPTIONS)
    run = Run.open(run.train(verbose=0) and run.folder)
    run.train(2, {"loss": "wasserstein"}, verbose=0)
    run.train(3, verbose=0)
    with open(run.folder / "log.csv", newline="") as file:
        first, *later = csv.DictReader(file)
    assert first["wasserstein"] == "" and 0 < float(first["d_real"]) < 1
    for row, epoch in zip(later, ("1", "2"), strict=True):
        assert row["epoch"] == epoch and None not in row
        difference = float(row["d_real"]) - float(row["d_fake"])
        assert float(row["wasserstein"]) == pytest.approx(difference, abs=1e-4)


def test_a_run_says_that_its_photos_have_changed(photos, tmp_path, capsys):
    folder = shutil.copytree(photos, tmp_path / "photos")
    for name in ("03.png", "04.png", "[b]notes.txt"):
        (folder / name).unlink()
    run = Run.create("gan", folder, folder=tmp_path / "run", epochs=1, **SMALL)
    run.train(verbose=2)
    run.train(2, verbose=2)
    assert "split anew" not in capsys.readouterr().out
    shutil.copy(folder / "00.png", folder / "000.png")
    run.train(3, verbose=2)
    assert "photos has changed since the run began" in capsys.readouterr().out
    run.model_path.unlink()  # As if it had been stopped in its first epoch.
    run.train(1, verbose=2)
    assert "has changed" not in capsys.readouterr().out
    options = {"image_shape": (24, 24, 1), "shuffle": False}
    batches = keras_gen.data.load(folder, "test", **options)
    assert not run.change_of(folder, batches)


def test_a_run_knows_its_photos_from_any_folder(photos, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = shutil.copytree(photos, tmp_path / "photos")
    shutil.copytree(photos, tmp_path / "others")
    for name in ("03.png", "04.png", "[b]notes.txt"):
        (folder / name).unlink()
    monkeypatch.chdir(tmp_path)
    run = Run.create("gan", "photos", folder="~/run", epochs=1, seed=3, **SMALL)
    run.train(verbose=0)
    run = Run.open(run.folder)
    for spelling in ("photos", "./photos/", folder):
        assert run.split_seed(spelling) == 3
    monkeypatch.chdir(run.folder)
    assert run.split_seed(folder) == run.split_seed("../photos") == 3
    assert run.split_seed(tmp_path / "others") == 0
    pair = Run.create("gan", f"{folder},{tmp_path / 'others'}", folder="pair", seed=3)
    monkeypatch.chdir(tmp_path)
    assert pair.split_seed("photos,./others") == 3


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
        networks="decoder",
        overrides={"widths": [8, 8], "prior": "flow", "name": "7", "beta": 0.5},
        seed=4,
        dtype="mixed_bfloat16",
        strategy="mirrored",
        jit=True,
    )
    assert settings_of(settings.command, monkeypatch) == settings
    assert Settings("gan", "mnist").command == (
        "keras-gen train gan --data mnist --epochs 20"
    )
    # The preset's own batch size is written down, since presets may change.
    assert Settings("vae", "mnist").command == (
        "keras-gen train vae --data mnist --epochs 20 --batch-size 100"
    )


def test_commands_of_shipped_weights_are_those_of_their_settings(monkeypatch):
    commands = [
        command
        for name in zoo.names()
        for weights in zoo.weights_of(name)
        for command in zoo.card(name, weights)["commands"]
        if "--resume" not in command
    ]
    assert len(commands) > 20
    for command in commands:
        settings = settings_of(command, monkeypatch)
        assert settings.command == command
        zoo.check_overrides(settings.name, settings.overrides)
