"""Runs: training in folders, which can be interrupted, resumed and repeated.

    run = keras_gen.runs.Run.create("dcgan", "mnist", epochs=5)
    model = run.train()

    run = keras_gen.runs.Run.open("runs/dcgan/20260101-120000")
    model = run.train(epochs=10)  # Continues from the last checkpoint.

The folder of a run holds:

    run.json        the settings
    config.yaml     the same as options, for `keras-gen train --config` in a new run
    stages.json     the arguments of the model before they were changed by a resumption
    data.json       what the split of a folder followed from, unless it has its own
    model.keras     the last checkpoint: weights, optimizers and random state
    index.html      a page that shows the curves, the last grid and the settings
    log.csv         losses and figures, one line for each epoch
    tensorboard/    the same for TensorBoard
    samples/        one grid of images for each epoch
    trackers.json   how trackers, if any, find the run when it goes on

`keras-gen train` and `keras-gen train --resume` are this class on the command line.
"""

import contextlib
import csv
import dataclasses
import datetime
import functools
import inspect
import json
import math
import os
import pathlib
import shlex
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import keras
import tensorflow as tf

from keras_gen import (
    callbacks,
    catalogue,
    config,
    data,
    distribute,
    files,
    progress,
    trackers,
    zoo,
)
from keras_gen.callbacks.epoch_log import EpochLog
from keras_gen.callbacks.run_page import RunPage
from keras_gen.core import checks, weight_files
from keras_gen.core.model import GenerativeModel
from keras_gen.core.registry import BATCH_SIZE, preset
from keras_gen.files import read_text, write_text

SETTINGS = "run.json"
CONFIG = "config.yaml"  # Is written from the settings, and never read by a run.
MODEL = "model.keras"
LOG = "log.csv"
STAGES = "stages.json"
DATA = "data.json"
# What a run may write into its folder.
FILES = (
    *(SETTINGS, CONFIG, STAGES, DATA, MODEL, LOG, "index.html"),
    *("tensorboard", "samples", "trackers.json"),
)
# Settings in the order in which a command line names them, after `name`, `data`,
# `epochs` and `overrides`.
OPTIONS = (
    "split",
    "validation",
    "labels",
    "batch_size",
    "steps_per_epoch",
    "weights",
    "networks",
    "seed",
    "dtype",
    "strategy",
)
FLAGS = ("mirror", "jit")
PREVIOUS = "RUN"  # In a list of commands, the folder of the run of the one before.


@dataclasses.dataclass(frozen=True)
class Settings:
    """All settings of a run, as `run.json` stores them.

    >>> keras_gen.runs.Settings("dcgan", "mnist", epochs=3).command
    'keras-gen train dcgan --data mnist --epochs 3'

    Args:
        name: Name of the model's preset.
        data: Data set: "mnist", "emoji", "emoji/noto,openmoji", "faces",
            "faces/personas?glasses", the name of one in tensorflow-datasets, or the
            path of a folder of images. Two folders with a comma between them are two
            domains.
        split: Part of the data to train on, such as "train[:50000]".
        validation: Part of the data on which losses are measured after each epoch,
            such as "test"; None measures none.
        labels: Number of labels to keep; all others are hidden. None keeps all.
        mirror: Boolean, whether half of the images are flipped horizontally.
        batch_size: Number of images in a batch; None uses that of the preset.
        epochs: Number of epochs, at least 1, counted from the start of the run.
        steps_per_epoch: Number of steps that count as an epoch; None uses all data.
        weights: Weights to start from: the name of weights that ship, the path of a
            `.keras` file, or of a run's folder, or "hf://user/name@revision". None
            starts from random weights.
        networks: Names of the networks that start from `weights`, with commas between
            them, such as "encoder,decoder"; all others start from random weights. Those
            of another model are named with it: weights="flow_matching:mnist",
            networks="network" starts a `ddpm`. If a network has more outputs than that
            in `weights`, as the discriminator of an `infogan` has, the layers that lead
            to these alone start from random weights. None takes all networks from
            `weights`.
        overrides: Arguments of the model that replace those of the preset, by name.
        seed: Seed of the initial weights, of the order of the data, and of all noise.
        dtype: Dtype policy: "float32", "mixed_float16" or "mixed_bfloat16". None takes
            the one in force.
        strategy: Distribution strategy: "auto", "mirrored" or "multi_worker"; see
            `keras_gen.distribute.strategy`.
        jit: Boolean, whether XLA compiles the training step; on one replica only.

    Raises:
        ValueError: For numbers out of range, or networks without weights.
    """

    name: str
    data: str
    split: str = "train"
    validation: str | None = None
    labels: int | None = None
    mirror: bool = False
    batch_size: int | None = None
    epochs: int = 20
    steps_per_epoch: int | None = None
    weights: str | None = None
    networks: str | None = None
    overrides: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    seed: int = 0
    dtype: str | None = None
    strategy: Literal["auto", "mirrored", "multi_worker"] = "auto"
    jit: bool = False

    def __post_init__(self):
        if self.batch_size is None:
            object.__setattr__(self, "batch_size", preset(self.name).batch_size)
        checks.counts(batch_size=self.batch_size, epochs=self.epochs)
        checks.at_least(0, seed=self.seed)
        if self.steps_per_epoch is not None:
            checks.counts(steps_per_epoch=self.steps_per_epoch)
        if self.labels is not None:
            checks.counts(labels=self.labels)
        if self.networks and not self.weights:
            raise ValueError(f"Expected weights for networks={self.networks!r}.")

    @property
    def command(self) -> str:
        """The shell command that trains a new run with these settings."""
        words = ["keras-gen", "train", self.name, "--data", self.data]
        words += ["--epochs", str(self.epochs)]
        for key, value in self.overrides.items():
            words += ["--set", f"{key}={as_option(value)}"]
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        # A preset's own batch size may change, and cards keep commands.
        is_usual = preset(self.name).batch_size == BATCH_SIZE
        defaults["batch_size"] = BATCH_SIZE if is_usual else None
        for name in OPTIONS:
            value = getattr(self, name)
            if value not in (None, defaults[name]):
                words += [f"--{name.replace('_', '-')}", str(value)]
        words += [f"--{flag}" for flag in FLAGS if getattr(self, flag)]
        return shlex.join(words)

    @classmethod
    def read(cls, path: str | os.PathLike) -> "Settings":
        """Reads a file `run.json`; settings that older files lack have defaults.

        Raises:
            ValueError: If the file holds no settings, or unknown ones.
        """
        path = pathlib.Path(path)
        try:
            stored = json.loads(read_text(path))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"Expected JSON in {path}: {error}") from error
        if not isinstance(stored, dict) or not {"name", "data"} <= set(stored):
            raise ValueError(f"Expected a run's settings in {path}, got others.")
        known = {field.name for field in dataclasses.fields(cls)}
        if set(stored) - known:
            raise ValueError(
                f"Expected settings of {sorted(known)} in {path}, got "
                f"{sorted(set(stored) - known)}."
            )
        try:
            return cls(**stored)
        except (ValueError, TypeError) as error:
            raise ValueError(f"Expected a run's settings in {path}: {error}") from error

    def write(self, path: str | os.PathLike) -> None:
        """Writes the settings to a file `run.json`."""
        write_text(path, json.dumps(dataclasses.asdict(self), indent=2) + "\n")

    def write_config(self, path: str | os.PathLike) -> None:
        """Writes the settings as options, for `keras-gen train --config`.

        Relative paths of data and weights start from the folder of the file.

        Args:
            path: Path of the YAML file.
        """
        values = {k: v for k, v in dataclasses.asdict(self).items() if v is not None}
        folder = pathlib.Path(path).parent
        for name in ("data", "weights"):
            if name in values and not (name == "weights" and self._has_named_weights()):
                values[name] = config.relocate(values[name], "", folder)
        values["set"] = values.pop("overrides")
        options = {name.replace("_", "-"): value for name, value in values.items()}
        config.write(path, options, _CONFIG_COMMENT)

    @property
    def source(self) -> tuple[str, str | None]:
        """The name of the model that the weights belong to, and the weights alone."""
        name, colon, weights = (self.weights or "").partition(":")
        if colon and self.networks and name in zoo.names():
            return name, weights
        return self.name, self.weights

    def with_source(self, weights: str | os.PathLike) -> "Settings":
        """The settings with other weights of the same model.

        Args:
            weights: Weights to start from, without the name of their model.
        """
        prefix = self.weights.removesuffix(self.source[1])
        return dataclasses.replace(self, weights=f"{prefix}{os.fspath(weights)}")

    def _has_named_weights(self):
        name, weights = self.source
        return weights in catalogue.weights_of(name)


_CONFIG_COMMENT = f"""\
keras-gen train --config {CONFIG} trains a new run with these options; those of the
command line override them. Relative paths start from the folder of this file."""


def _place_of(data):
    """Paths of files and folders, however they are written; other sources as they are.

    Args:
        data: Data set, of which two folders have a comma between them.
    """
    path = pathlib.Path(data).expanduser()
    if path.exists():
        return str(path.resolve())
    first, comma, rest = os.fspath(data).partition(",")
    return f"{_place_of(first)},{_place_of(rest)}" if comma else first


def as_option(value: Any) -> str:
    """The text after --set that is parsed as this value: JSON, or a bare string.

    Args:
        value: Value of plain types.
    """
    if not isinstance(value, str):
        return json.dumps(value)
    try:
        json.loads(value)
    except json.JSONDecodeError:
        return value
    return json.dumps(value)


def _shows_settings(function):
    """Shows the fields of `Settings` in a signature in place of `**settings`."""
    signature = inspect.signature(function)
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    settings = [
        parameter.replace(kind=parameter.KEYWORD_ONLY)
        for parameter in inspect.signature(Settings).parameters.values()
        if parameter.name not in signature.parameters
    ]
    function.__signature__ = signature.replace(parameters=[*own, *settings])
    return function


class Run:
    """The training of a model in its own folder.

    Create a run with `Run.create`, or open an existing one with `Run.open`.

    >>> run = keras_gen.runs.Run.create(
    ...     "gan", "mnist", split="train[:64]", epochs=1, overrides={"widths": [8]}
    ... )
    >>> model = run.train(verbose=0)
    >>> model.sample(4, seed=0).shape
    (4, 28, 28, 1)
    >>> keras_gen.runs.Run.open(run.folder).settings.overrides
    {'widths': [8]}

    Args:
        folder: Path of the run's folder.
        settings: Settings of the run.
    """

    def __init__(self, folder: str | os.PathLike, settings: Settings):
        self._folder, self._settings = pathlib.Path(folder), settings
        self._made = []

    @classmethod
    @_shows_settings
    def create(
        cls,
        name: str,
        data: str | os.PathLike,
        *,
        folder: str | os.PathLike | None = None,
        runs: str | os.PathLike = "runs",
        **settings,
    ) -> "Run":
        """Creates a new run and its folder; `train` starts the training.

        Args:
            name: Name of the model's preset.
            data: Data set; see `Settings`.
            folder: Path of the run's folder. None makes `<runs>/<name>/<time>`.
            runs: Path of the folder in which runs are kept by name and time.
            **settings: Further settings; see `Settings`.

        Raises:
            ValueError: For an unknown model, unknown arguments or settings, or a folder
                that holds a run, or other files with names of a run's.
        """
        known = {field.name for field in dataclasses.fields(Settings)}
        if set(settings) - known:
            raise ValueError(
                f"Expected settings of {sorted(known)}, got "
                f"{sorted(set(settings) - known)}."
            )
        if settings.get("weights") is not None:
            settings["weights"] = os.fspath(settings["weights"])
        overrides = _plain(settings.pop("overrides", None) or {})
        chosen = Settings(name, os.fspath(data), overrides=overrides, **settings)
        zoo.check_overrides(name, overrides)
        parent = pathlib.Path(runs) / name if folder is None else pathlib.Path(folder)
        parent = parent.expanduser()
        missing = [path for path in (parent, *parent.parents) if not path.exists()]
        if folder is None:
            parent = _new_folder(parent)
            missing.insert(0, parent)
        else:
            held = [name for name in FILES if (parent / name).exists()]
            if held:
                raise ValueError(
                    f"Expected a new folder, got {folder}, which holds "
                    f"{'a run' if {SETTINGS, MODEL} & {*held} else ', '.join(held)}."
                )
            parent.mkdir(parents=True, exist_ok=True)
        return cls(parent, chosen)._with_made(missing)

    def _with_made(self, folders):
        """The run, with the folders that go if nothing is written, innermost first."""
        self._made = folders
        return self

    @classmethod
    def open(cls, folder: str | os.PathLike, name: str | None = None) -> "Run":
        """Opens the run in a folder, to resume it or to use its model.

        Args:
            folder: Path of the run's folder.
            name: Name of the preset that the run must have; None allows any.

        Raises:
            ValueError: If the folder holds no run, or one of another model.
        """
        folder = pathlib.Path(folder).expanduser()
        path = folder / SETTINGS
        if not path.is_file():
            lacks = "" if path.parent.is_dir() else ", which does not exist"
            raise ValueError(
                f"Expected a run's folder with {SETTINGS}, got {folder}{lacks}."
            )
        settings = Settings.read(path)
        if name is not None and settings.name != name:
            raise ValueError(
                f"Expected a run of {name!r}, got one of {settings.name!r}."
            )
        return cls(folder, settings)

    @classmethod
    def of(cls, weights: str | os.PathLike) -> "Run | None":
        """The run that weights come from.

        Args:
            weights: Path of a run's folder, or of a file in it.

        Returns:
            The run; None for weights of no run, and for paths at which nothing lies.

        Raises:
            ValueError: If the settings of the run cannot be read.
        """
        path = pathlib.Path(weights).expanduser()
        folder = path if path.is_dir() else path.parent
        has_run = path.exists() and (folder / SETTINGS).is_file()
        return cls.open(folder) if has_run else None

    def __repr__(self):
        return f"Run({str(self.folder)!r}, {self.settings})"

    @property
    def folder(self) -> pathlib.Path:
        """Path of the run's folder."""
        return self._folder

    @property
    def settings(self) -> Settings:
        """Settings of the run, including changes by arguments of `train`."""
        return self._settings

    @property
    def command(self) -> str:
        """The shell command that trains a new run with the same settings."""
        return self.settings.command

    @property
    def commands(self) -> list[str]:
        """The shell commands that train such a run, one after the other.

        There are several if arguments of the model were changed when the run was
        resumed, or if its weights are those of another run. From the second on, "RUN"
        stands for the folder of the run of the command before.
        """
        settings, commands = self.settings, []
        source = pathlib.Path(settings.source[1] or "")
        source = source.parent if source.suffix == ".keras" else source
        if settings.weights and (source / SETTINGS).is_file():
            commands = Run.open(source).commands
            settings = settings.with_source(PREVIOUS)
        ends = {"epochs": settings.epochs, "overrides": settings.overrides}
        first, *later = [*self._stages(), ends]
        commands.append(dataclasses.replace(settings, **first).command)
        known = first["overrides"]
        for stage in later:
            words = ["keras-gen", "train", settings.name, "--resume", PREVIOUS]
            words += ["--epochs", str(stage["epochs"])]
            for key, value in stage["overrides"].items():
                if key not in known or known[key] != value:
                    words += ["--set", f"{key}={as_option(value)}"]
            commands.append(shlex.join(words))
            known = stage["overrides"]
        return commands

    def _stages(self):
        """The ends of earlier stages, each a dict of `epochs` and `overrides`."""
        path = self.folder / STAGES
        return files.read_json(path)["stages"] if path.is_file() else []

    @property
    def resume_command(self) -> str:
        """The shell command that continues the run from its last checkpoint."""
        words = ["keras-gen", "train", self.settings.name, "--resume", str(self.folder)]
        return shlex.join(words)

    @property
    def model_path(self) -> pathlib.Path:
        """Path of the checkpoint, which `zoo.load` takes as weights."""
        return self.folder / MODEL

    def load_model(self) -> GenerativeModel:
        """The model of the last checkpoint, with its optimizers.

        Raises:
            ValueError: If there is no checkpoint yet.
        """
        if not self.model_path.is_file():
            raise ValueError(
                f"Expected a run that was trained, got {self.folder} without {MODEL}."
            )
        return zoo.load(self.settings.name, self.model_path)

    def train(
        self,
        epochs: int | None = None,
        overrides: Mapping[str, Any] | None = None,
        *,
        verbose: int | Literal["auto"] = "auto",
        more_callbacks: Sequence[keras.callbacks.Callback] = (),
        tracker: Sequence[str] = (),
    ) -> GenerativeModel:
        """Trains from the last checkpoint, if there is one, to the last epoch.

        Random numbers and the order of the data are the same as without an
        interruption. Before it starts, it prints what the data are and what is left
        out, changed and held out, the size of the model, and where the run lies; images
        that cannot be read are left out. A new run on images that are stored in colour
        gets a model with three channels, also where the preset has one, unless
        `image_shape` or weights are given. Likewise, a model with classes or domains
        gets as many as the data have.

        Args:
            epochs: Number of epochs, counted from the start of the run: the new end,
                which may be earlier or later than that of the settings. None uses the
                number in the settings.
            overrides: Arguments of the model that replace those of the settings. They
                must fit the checkpoint's weights.
            verbose: Verbosity: 0 is silent, 1 shows a progress bar, 2 prints a line for
                each epoch; "auto" is 1.
            more_callbacks: Callbacks in addition to those that write the run's files.
            tracker: Names of trackers that get losses, figures, settings and grids; see
                `keras_gen.callbacks.Track`.

        Returns:
            The trained model.

        Raises:
            ValueError: For data, weights or arguments that do not fit, or fewer epochs
                than the run has done. The folder is not changed, or removed if training
                never started.
            ImportError: For a tracker whose library is not installed.
        """
        trackers.check(tracker)
        overrides = {**self.settings.overrides, **_plain(overrides or {})}
        zoo.check_overrides(self.settings.name, overrides)
        settings = dataclasses.replace(
            self.settings,
            epochs=self.settings.epochs if epochs is None else epochs,
            overrides=overrides,
        )
        # A killed run may have logged an epoch whose checkpoint it did not write.
        self._check_end(settings.epochs, self._logged() - 1)
        try:
            return self._train(settings, verbose, more_callbacks, tracker)
        except BaseException:
            for folder in self._made:
                with contextlib.suppress(OSError):
                    folder.rmdir()  # Does nothing unless the folder is empty.
            raise

    def _check_end(self, epochs, done):
        """Refuses an end that lies before the epochs that are done."""
        if epochs < done:
            raise ValueError(
                f"Expected epochs of at least {done}, as many as {self.folder} has "
                f"done, got {epochs}."
            )

    def _logged(self):
        """Number of epochs in the log: as many as are done, or one more."""
        path = self.folder / LOG
        if not path.is_file() or not self.model_path.is_file():
            return 0
        with open(path, encoding="utf-8", newline="") as file:
            epochs = [row.get("epoch") or "" for row in csv.DictReader(file)]
        return max((int(text) + 1 for text in epochs if text.isdigit()), default=0)

    def _train(self, settings, verbose, more_callbacks, tracker):
        say = _say if verbose else _say_nothing
        is_new = not self.model_path.is_file()
        strategy = distribute.strategy(settings.strategy)
        model, description, changes = self._build(settings, strategy), None, {}
        is_first = is_new and not (self.folder / SETTINGS).is_file()
        grey = _default_grey(settings, model) if is_first else None
        counts = _default_counts(settings, model) if is_first else {}
        if is_new and (verbose or grey or counts):
            description = _describe(settings, model)
        for argument, (count, kind) in counts.items():
            found = len(getattr(description, f"{kind}_names"))
            if found > 1 and found != count:
                changes[argument] = found
        if grey and description.is_in_colour:
            shape = (*grey[:-1], 3)
            changes["image_shape"] = list(shape)
            description = description.in_shape(shape)
        if changes:
            overrides = {**settings.overrides, **changes}
            settings = dataclasses.replace(settings, overrides=overrides)
            model = self._build(settings, strategy)
        batches, validation, digest = _load_data(settings, model, say, description)
        if not is_new and self._used_all_rows(digest):
            say(
                "Data: earlier epochs may have trained on all rows of "
                f"{settings.data}, of which a tenth are held out now"
            )
        if not is_new and self._is_split_anew(digest):
            say(
                f"Data: {settings.data} has changed since the run began, and is split "
                "anew: images that were held out may be trained on from now on"
            )
        for argument in changes.keys() & counts.keys():
            count, _ = counts[argument]
            say(
                f"{argument}: {changes[argument]}, as many as the data have, in place "
                f"of the preset's {count}"
            )
        if "image_shape" in changes:
            say(
                "Colours: kept, since images are stored in colour and no image_shape "
                f"is given; grey needs --set 'image_shape={list(grey)}'"
            )
        if is_new:
            say(_model_line(settings, model))
        if is_new and (self.folder / SETTINGS).is_file():
            say(
                f"Run: {self.folder} was stopped in its first epoch, and starts anew "
                "with its settings"
            )
        plain = dataclasses.asdict(settings)
        tracks = [callbacks.Track(name, self.folder, plain) for name in tracker]
        missed = sorted(set(callbacks.track.tracked(self.folder)) - set(tracker))
        if missed:
            flags = " ".join(f"--tracker {name}" for name in missed)
            say(f"Not tracked: these epochs, since {flags} is not given")
        try:
            averages = [
                c for c in more_callbacks if isinstance(c, callbacks.PowerAverages)
            ]
            others = [c for c in more_callbacks if c not in averages]
            first, *later = self._callbacks(settings, model, batches, say, digest)
            with progress.shown_by(None):  # Keras shows that of the epoch.
                model.fit(
                    batches,
                    epochs=settings.epochs,
                    verbose=verbose,
                    steps_per_epoch=settings.steps_per_epoch,
                    validation_data=validation,
                    # A checkpoint needs the averages of its step, not the reverse.
                    callbacks=[first, *averages, *later, *tracks, *others],
                )
        finally:
            for track in tracks:
                track.close()
        return model

    def _build(self, settings, strategy):
        """The compiled model of settings, with the weights that it starts from."""
        keras.utils.set_random_seed(settings.seed)
        if self.model_path.is_file():  # A checkpoint has all weights.
            saved = weight_files.read_config(self.model_path)["config"]
            changes = {"weights": None, "networks": None}
            changes["dtype"] = settings.dtype or saved.get("dtype")
            settings = dataclasses.replace(settings, **changes)
        with strategy.scope():
            saved = self._saved(settings.name)
            model = _initial_model(settings, {**saved, **settings.overrides})
            model.compile(seed=settings.seed, jit_compile=settings.jit)
        return model

    def _saved(self, name):
        """The arguments of the checkpoint's model: defaults may have changed since."""
        path = self.model_path
        return zoo.configuration(name, path) if path.is_file() else {}

    def is_of(self, data: str | os.PathLike) -> bool:
        """Whether a data set is that of the run, however its path is written."""
        places = {_place_of(self.settings.data), self._split().get("data")}
        return _place_of(data) in places

    def split_seed(self, data: str | os.PathLike) -> int:
        """The seed with which data are split as in the run; 0 for other data.

        Args:
            data: Data set, of which folders are split by a seed.
        """
        return self.settings.seed if self.is_of(data) else 0

    def change_of(self, data: str | os.PathLike, batches: tf.data.Dataset) -> str:
        """A sentence if data of the run are not split as they were in its training.

        Args:
            data: Data set.
            batches: Batches of it, as of `keras_gen.data.load`.

        Returns:
            The sentence; "" for data that are split as they were, or other data.
        """
        digest = getattr(batches, "split_digest", None)
        if not self.is_of(data):
            return ""
        if self._is_split_anew(digest):
            return (
                f"{data} has changed since the run began, and is split anew: training "
                "images may be among the test images."
            )
        if self._used_all_rows(digest):
            return (
                f"The run may have been trained on all rows of {data}: training images "
                "may be among the test images."
            )
        return ""

    def _is_split_anew(self, digest):
        """Whether data that are split by a seed have changed since the run began."""
        known = self._split().get("split_digest")
        return None not in (digest, known) and known != digest

    def _used_all_rows(self, digest):
        """Whether the run may be older than the split of files of arrays."""
        suffix = pathlib.Path(self.settings.data).suffix.lower()
        is_array = suffix in data.array_files.SUFFIXES
        return is_array and digest is not None and not self._split()

    def _split(self):
        """What the split of the data followed from, and their place; {} if unknown."""
        path = self.folder / DATA
        return files.read_json(path) if path.is_file() else {}

    def _callbacks(self, settings, model, batches, say, digest):
        """The callbacks that write the run's files."""

        def keep(logs):
            done = int(model.epoch.numpy())
            self._check_end(settings.epochs, done)
            _drop_rows(self.folder / LOG, done)
            if done and settings.overrides != self.settings.overrides:
                self._end_stage(done)
            settings.write(self.folder / SETTINGS)
            settings.write_config(self.folder / CONFIG)
            if digest is not None and not (done and self._split()):
                split = {"split_digest": digest, "data": _place_of(settings.data)}
                write_text(self.folder / DATA, json.dumps(split, indent=2) + "\n")
            self._settings = settings
            say(*self._start_lines(done))

        chosen = [
            # `fit` reads the checkpoint before training begins: if overrides do not fit
            # it, run.json is not changed.
            keras.callbacks.LambdaCallback(on_train_begin=keep),
            # A kill after the log and before the checkpoint costs the epoch, whose row
            # is then dropped; a kill after the checkpoint costs nothing, since the grid
            # is drawn when the run goes on.
            EpochLog(self.folder / LOG),
            callbacks.Checkpoint(self.model_path),
            keras.callbacks.TensorBoard(
                str(self.folder / "tensorboard"), write_graph=False
            ),
            callbacks.EpochTime(),
        ]
        grid = sample_grid(model, batches, self.folder / "samples")
        page = RunPage(
            self.folder,
            f"{settings.name} on {settings.data}",
            dataclasses.asdict(settings),
            {"To go on": self.resume_command, "A new run like this": settings.command},
        )
        return [*chosen, page] if grid is None else [*chosen, grid, page]

    def _end_stage(self, done):
        """Notes the overrides of the epochs that are done, before they change.

        If no epoch was done since they changed last, those of before stay noted.
        """
        stages = [stage for stage in self._stages() if stage["epochs"] <= done]
        if not stages or stages[-1]["epochs"] < done:
            ended = {"epochs": done, "overrides": dict(self.settings.overrides)}
            stages = [*stages, ended]
        text = json.dumps({"stages": stages}, indent=2) + "\n"
        write_text(self.folder / STAGES, text)

    def _start_lines(self, done):
        """Lines on where the run lies, and which epochs follow `done` of them."""
        last = self.settings.epochs
        if done >= last and done:
            return [
                f"Run: {self.folder} is complete; to go on: {self.resume_command} "
                f"--epochs {2 * last}"
            ]
        batches = f"with batches of {self.settings.batch_size:,}"
        if done:
            epochs = (
                f"epochs {done + 1} to {last}" if last > done + 1 else f"epoch {last}"
            )
            return [f"Run: resumes {self.folder}, {epochs} {batches}"]
        epochs = f"{last:,} epoch{'' if last == 1 else 's'}"
        return [
            f"Run: {epochs} {batches}, in {self.folder}",
            f"Ctrl-C stops it; to go on: {self.resume_command}",
        ]


def _default_grey(settings, model):
    """The shape of one channel that a model has by default.

    Presets that were made for digits would make photos grey.

    Args:
        settings: Settings of the run.
        model: Model of these settings.

    Returns:
        The shape; None if it is another, or if `image_shape` or weights are given.
    """
    shape = model.get_config().get("image_shape")
    is_given = settings.weights or "image_shape" in settings.overrides
    return None if is_given or not shape or shape[-1] != 1 else shape


def _default_counts(settings, model):
    """The numbers of classes and domains that a model has by default.

    A model of more classes than the data have would draw some that it never saw.

    Args:
        settings: Settings of the run.
        model: Model of these settings.

    Returns:
        For each argument, the number, and what it counts: "class" or "domain". Empty if
        weights are given, and for files of arrays, which do not name their classes.
    """
    config, found = model.get_config(), {}
    if pathlib.Path(settings.data).suffix.lower() in data.array_files.SUFFIXES:
        return found
    kinds = {"label": "class", "domain": "domain"}
    for argument, feature in (("num_classes", "label"), ("num_domains", "domain")):
        kind = kinds.get(config.get("target", feature))
        is_given = settings.weights or argument in settings.overrides
        if config.get(argument) and kind and not is_given:
            found[argument] = config[argument], kind
    return found


def _features(settings, model):
    """What a model takes of the data, as arguments of `data.load` and `describe`."""
    shapes = model.batch_shapes()  # Those of the last level of a growing model.
    return {
        "features": tuple(shapes),
        "image_shape": shapes.get("image"),
        "seed": settings.seed,
    }


def _describe(settings, model):
    """The description of the data of a run, in the shape that the model takes."""
    return data.describe(
        settings.data,
        settings.split,
        mirror=settings.mirror,
        **_features(settings, model),
    )


def _initial_model(settings, arguments):
    """The model of new settings, with the weights that it starts from.

    Raises:
        ValueError: For names of networks that the model and the weights do not both
            have, or networks of other shapes.
    """
    load = functools.partial(zoo.load, settings.name, dtype=settings.dtype)
    if not settings.networks:
        return load(settings.weights, **arguments)
    name, weights = settings.source
    source, saved = zoo.load(name, weights), {}
    if name == settings.name:  # Arguments of other models may mean something else.
        config = source.get_config().items()
        saved = {k: v for k, v in config if k not in ("dtype", "name")}
    model = load(**{**saved, **arguments})
    known, targets = source.networks(), model.networks()
    both = sorted((set(known) - set(source.missing_networks)) & set(targets))
    for name in settings.networks.split(","):
        if name not in both:
            raise ValueError(f"Expected networks of {both}, got {name!r}.")
        weights = source.averaged(known[name])
        for copy in (targets[name], model.averaged(targets[name])):
            _start_network(copy, weights, f"{name!r} in {settings.weights}")
    return model


def _start_network(network, source, description):
    """Gives a network, or the part of it that leads to one output, another's weights.

    What leads to further outputs alone, such as a second head, keeps its own.
    """
    parts = [network]
    if len(outputs := getattr(network, "outputs", ())) > 1:
        parts += [keras.Model(network.inputs, output) for output in outputs]
    weights = source.get_weights()
    shapes = [value.shape for value in weights]
    for part in parts:
        if [tuple(variable.shape) for variable in part.weights] == shapes:
            part.set_weights(weights)
            return
    raise ValueError(f"Expected a network of the same shapes as {description}.")


def sample_grid(
    model: GenerativeModel, batches: tf.data.Dataset, folder: str | os.PathLike
) -> callbacks.SampleGrid | None:
    """The callback that shows a model's samples, pictures or reconstructions.

    For models with `pictures`, it shows those of 16 training examples; for models that
    sample, samples; and for models that reconstruct, 32 training images beside their
    reconstructions.

    Args:
        model: A model.
        batches: Batches of training data.
        folder: Path of the folder for the grids.

    Returns:
        The callback; None for models that draw nothing.
    """
    grid = functools.partial(callbacks.SampleGrid, folder)
    if hasattr(model, "pictures"):
        batch = next(iter(batches.unbatch().batch(16)))
        return grid(images={key: value.numpy() for key, value in batch.items()})
    if "sample" in model.abilities():
        return grid()
    if "reconstruct" in model.abilities():
        return grid(images=next(iter(batches.take(1)))["image"].numpy()[:32])
    return None


def _drop_rows(path, epochs):
    """Drops the rows of a log from a number of epochs on: they are trained again."""
    if not path.is_file():
        return
    head, *rows = read_text(path).splitlines(keepends=True) or [""]
    numbers = [row.partition(",")[0] for row in rows]
    kept = [
        row
        for row, number in zip(rows, numbers, strict=True)
        if number.isdecimal() and int(number) < epochs and row.endswith("\n")
    ]
    if kept != rows:
        write_text(path, head + "".join(kept))


def _say(*lines):
    """Prints lines at once, also into a file."""
    for line in lines:
        print(line, flush=True)


def _say_nothing(*lines):
    """Takes the place of `_say` with `verbose=0`."""


def _load_data(settings, model, say, description):
    """Training and validation data with the shapes that the model takes.

    Images that cannot be read are left out. The third result is the digest of what a
    split by a seed followed from; None for other data.

    Args:
        settings: Settings of the run.
        model: Model to train.
        say: Function that prints lines.
        description: Description of the data, whose lines are printed; None names only
            files that cannot be read.
    """
    options = {"batch_size": settings.batch_size, "broken": "skip"}
    options |= _features(settings, model)
    if description is not None:
        say(*description.source_lines())
    with warnings.catch_warnings():
        if say is not _say_nothing:  # The lines below say the same.
            warnings.filterwarnings("ignore", message="Skipped: ")
        batches = data.load(
            settings.data, settings.split, mirror=settings.mirror, **options
        )
        validation = None
        if settings.validation:
            validation = data.load(
                settings.data, settings.validation, shuffle=False, **options
            )
    left_out = getattr(batches, "left_out", [])
    others = getattr(validation, "left_out", [])
    new = dict.fromkeys([*left_out, *others])
    if description is None:  # The first run named the files that are no images.
        new = [item for item in new if item[1].startswith("it cannot be read")]
    else:
        new = [item for item in new if item not in description.all_left_out]
    say(*data.left_out_lines(new, settings.data))
    if description is not None:
        say(*description.without(left_out).split_lines())
    digest = getattr(batches, "split_digest", None)
    if settings.labels:
        batches = data.keep_labels(batches, settings.labels)
        if description is not None:
            say(f"Labels: {settings.labels:,} are kept, and all others are hidden")
    return batches, validation, digest


def _model_line(settings, model):
    """A line on the size of a model and the devices that train it."""
    sizes = {
        name: sum(math.prod(v.shape) for v in network.trainable_weights)
        for name, network in model.networks().items()
    }
    parts = [f"{name} {_in_short(size)}" for name, size in sizes.items() if size]
    total = f"{_in_short(sum(sizes.values()))} parameters"
    if 1 < len(parts) <= 4:
        total += f" ({', '.join(parts)})"
    shape = model.batch_shapes().get("image")
    if shape is not None:
        height, width, channels = shape
        total = f"{width}x{height}x{channels}, {total}"
    gpus = len(tf.config.list_logical_devices("GPU"))
    device = f"on {gpus} GPU{'s' if gpus > 1 else ''}" if gpus else "without a GPU"
    start = f", from the weights {settings.weights}" if settings.weights else ""
    return f"Model: {settings.name}, {total}{start}, {device}"


def _in_short(count):
    """A number in thousands or millions.

    >>> [_in_short(n) for n in (950, 12_300, 3_560_000)]
    ['950', '12 k', '3.6 M']
    """
    if count < 10_000:
        return f"{count:,}"
    return f"{count / 1e3:.0f} k" if count < 999_500 else f"{count / 1e6:.1f} M"


def _plain(overrides):
    """Overrides as JSON keeps them: tuples become lists."""
    try:
        return json.loads(json.dumps(dict(overrides)))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Expected overrides of plain values, got {overrides!r}: {error}."
        ) from error


def _new_folder(parent):
    """A new folder named by the time, with a number if that folder exists."""
    time = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    for suffix in ("", *(f"-{i}" for i in range(2, 100))):
        try:
            (parent / f"{time}{suffix}").mkdir(parents=True)
        except FileExistsError:
            continue
        return parent / f"{time}{suffix}"
    raise OSError(f"No new folder could be made in {parent}.")
