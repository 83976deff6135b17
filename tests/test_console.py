"""Completion, examples and bars of the command line."""

import os
import pathlib
import shlex
import subprocess
import sys
import threading
import types

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import keras_gen
from keras_gen import config, progress
from keras_gen.cli import COMMANDS, app, bars, completions
from keras_gen.cli.examples import EXAMPLES

ROOT = pathlib.Path(__file__).parents[1]
runner = CliRunner()

COMPLETE = """
import sys
import keras_gen.cli
sys.argv = ["keras-gen"]
try:
    keras_gen.cli.app(prog_name="keras-gen")
finally:
    heavy = {"tensorflow", "keras", "scipy", "matplotlib", "numpy", "rich.progress"}
    found = heavy & set(sys.modules)
    assert not found, found
"""


def completed(line, **environment):
    """The words with which bash would end a line, which may end with a space."""
    words = shlex.split(line)
    count = len(words) if line.endswith(" ") else len(words) - 1
    unset = ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL", "KERAS_GEN_ZOO")
    done = subprocess.run(
        [sys.executable, "-c", COMPLETE],
        env={
            **{k: v for k, v in os.environ.items() if k not in unset},
            "PYTHONPATH": str(ROOT),
            "_KERAS_GEN_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(count),
            **environment,
        },
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("keras-gen re", ["reproduce"]),
        ("keras-gen train dcg", ["dcgan"]),
        ("keras-gen train dcgan --batch", ["--batch-size"]),
        ("keras-gen train dcgan --data st", ["stacked_mnist"]),
        (
            "keras-gen train gan --tracker ",
            ["tensorboard", "wandb", "mlflow", "trackio"],
        ),
        ("keras-gen train gan --data mnist --strategy mi", ["mirrored"]),
        ("keras-gen sample dcgan --weights ", keras_gen.zoo.weights_of("dcgan")),
        ("keras-gen run vae encode --weights mnist_f", ["mnist_flow"]),
        ("keras-gen export a=dcgan --weights mn", ["mnist"]),
        ("keras-gen export vae:mnist_f", ["vae:mnist_flow"]),
        ("keras-gen export gan:mnist a=vae:mnist_f", ["a=vae:mnist_flow"]),
        ("keras-gen export a=dcg", ["a=dcgan"]),
        ("keras-gen export gan : mnist vae : mnist_f", ["mnist_flow"]),  # In bash.
        ("keras-gen reproduce vae:mnist_f", ["vae:mnist_flow"]),
        ("keras-gen list --task comp", ["completion"]),
        ("keras-gen sample nonsense --weights ", []),
    ],
)
def test_the_shell_completes_without_tensorflow(line, expected):
    assert completed(line) == expected


def test_completion_asks_no_server_and_shows_no_error(tmp_path):
    line = "keras-gen sample dcgan --weights "
    server = "https://localhost:1/index.json"
    assert completed(line, KERAS_GEN_ZOO=server) == keras_gen.zoo.weights_of("dcgan")
    assert completed(line, KERAS_GEN_ZOO=str(tmp_path / "nowhere")) == []
    card = tmp_path / "dcgan" / "mine" / "card.json"
    card.parent.mkdir(parents=True)
    card.write_text("{}")
    assert "mine" in completed(line, KERAS_GEN_ZOO=str(tmp_path))


def test_scripts_for_shells_are_shown():
    for shell in ("bash", "zsh", "fish"):
        environment = {"_KERAS_GEN_COMPLETE": f"source_{shell}"}
        done = subprocess.run(
            [sys.executable, "-c", COMPLETE],
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            capture_output=True,
            text=True,
        )
        assert "_KERAS_GEN_COMPLETE=complete_" in done.stdout, shell


def test_data_sets_that_are_completed_are_those_that_ship():
    ours = {*keras_gen.data._OURS, "emoji", "faces"}
    assert set(config.DATA_SETS) == ours


def test_options_with_names_to_type_complete():
    """Names of models, weights and data sets complete wherever they can be given."""
    found = {"data": [], "weights": [], "name": []}
    for command in typer.main.get_command(app).commands.values():
        for parameter in command.params:
            if parameter.name in found:
                is_own = command.name == "label"  # Names on a server.
                completes = parameter._custom_shell_complete is not None
                found[parameter.name].append(completes or is_own)
    assert all(map(all, found.values())) and all(map(len, found.values()))


# Examples.


def test_every_command_has_examples_and_shows_them():
    assert set(EXAMPLES) == set(COMMANDS)
    for name, lines in EXAMPLES.items():
        text = runner.invoke(app, [name, "--help"]).stdout
        assert "\n  Examples:\n" in text
        for line in lines:
            assert f"    {line}\n" in text and len(line) <= 76


@pytest.mark.parametrize("line", [e for lines in EXAMPLES.values() for e in lines])
def test_examples_parse_and_name_what_exists(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.yaml").write_text("{name: dcgan, data: mnist}")
    program, name, *words = shlex.split(line)
    group = typer.main.get_command(app)
    context = group.commands[name].make_context(name, words)
    given = context.params
    model, weights = given.get("name"), given.get("weights")
    for text in [model] if isinstance(model, str) else given.get("names", ()):
        preset, _, named = text.partition("=")[2].partition(":")
        if not preset:
            preset, _, named = text.partition(":")
        if preset.startswith("runs/") or name == "label":
            continue
        card = keras_gen.zoo.card(preset)
        named = named or weights
        if named and not named.startswith(("runs/", "hf://")):
            assert named in card["weights"], line
        ability = given.get("ability")
        ability = ability if isinstance(ability, str) else "".join(ability or ())
        assert not ability or ability in card["abilities"], line


# Bars.


class Shown:
    """A double of a way to show progress, which notes what it is told."""

    def __init__(self):
        self.told = []

    def over(self, items, what, total):
        for i, item in enumerate(items):
            self.told.append((what, i, total))
            yield item


def test_nothing_is_told_unless_someone_shows_it():
    rows = range(3)
    assert progress.over(rows, "rows") is rows
    shown = Shown()
    with progress.shown_by(shown.over):
        assert list(progress.over(rows, "rows")) == [0, 1, 2]
        with progress.shown_by(None):
            assert progress.over(rows, "others") is rows
        list(progress.over(iter("ab"), "letters", 2))
    assert progress.over(rows, "rows") is rows
    numbers = [("rows", i, 3) for i in range(3)]
    assert shown.told == [*numbers, ("letters", 0, 2), ("letters", 1, 2)]


def test_abilities_tell_their_batches(monkeypatch):
    model = keras_gen.zoo.load("gan", image_shape=(4, 4, 1), latent_dim=2, widths=[3])
    expected = model.sample(7, seed=0)
    monkeypatch.setattr(type(model), "rows_per_call", 3)
    shown = Shown()
    with progress.shown_by(shown.over):
        found = model.sample(7, seed=0)
    assert shown.told == [("sample", i, 3) for i in range(3)]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


class Terminal:
    """A double of a terminal, which keeps what is written."""

    encoding = "utf-8"

    def __init__(self, is_terminal=True):
        self.texts, self.is_terminal = [], is_terminal
        self.has_text = threading.Event()

    def write(self, text):
        self.texts.append(text)
        if "rows" in text:
            self.has_text.set()
        return len(text)

    def flush(self):
        pass

    def isatty(self):
        return self.is_terminal

    def fileno(self):
        raise OSError("No file")


@pytest.fixture
def terminal(monkeypatch):
    """A function that makes the standard error a terminal, or a pipe."""
    for name in ("NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")

    def replace(is_terminal=True):
        double = Terminal(is_terminal)
        monkeypatch.setattr(sys, "stderr", double)
        return double

    return replace


def test_a_bar_appears_on_a_terminal_and_goes(terminal, monkeypatch, capsys):
    screen = terminal()
    monkeypatch.setattr(bars, "DELAY", 0.0)
    with bars.shown(is_quiet=False):
        assert bars.are_shown()
        for row in progress.over(range(3), "rows [b]"):
            # The bar is shown by another thread, for which the work waits.
            assert screen.has_text.wait(60)
            print("result", row)
        with bars.work("more rows"), bars.work("inner rows"):
            pass
    assert not bars.are_shown() and sys.stderr is screen
    assert "rows [b]" in "".join(screen.texts) and "result" not in "".join(screen.texts)
    assert capsys.readouterr().out == "result 0\nresult 1\nresult 2\n"


@pytest.mark.parametrize(("is_terminal", "is_quiet"), [(False, False), (True, True)])
def test_no_bar_appears_in_a_pipe_or_if_it_is_not_wanted(
    is_terminal, is_quiet, terminal
):
    screen = terminal(is_terminal)
    with bars.shown(is_quiet), bars.work("rows"):
        assert not bars.are_shown()
        assert list(progress.over(range(3), "rows")) == [0, 1, 2]
    assert not screen.texts


def test_a_single_batch_within_other_work_has_no_bar_of_its_own(terminal, monkeypatch):
    screen = terminal()
    monkeypatch.setattr(bars, "DELAY", 0.0)
    with bars.shown(is_quiet=False), bars.work("rows"):
        assert screen.has_text.wait(60)
        assert list(progress.over(["a"], "inner")) == ["a"]
        names = [task.description for task in bars._bars._bars.tasks]
        for _ in progress.over(["a", "b"], "inner"):
            names += [task.description for task in bars._bars._bars.tasks]
    assert names == ["rows"] + ["rows", "inner"] * 2
    assert "?" not in "".join(screen.texts).replace("[?25", "")


def test_fast_work_shows_no_bar(terminal, monkeypatch):
    screen = terminal()
    monkeypatch.setattr(bars, "DELAY", 3600.0)
    with bars.shown(is_quiet=False):
        assert sum(progress.over(range(1000), "rows")) == 499_500
    assert not screen.texts


def test_a_bar_goes_after_an_error(terminal, monkeypatch):
    screen = terminal()
    monkeypatch.setattr(bars, "DELAY", 0.0)
    with pytest.raises(ZeroDivisionError), bars.shown(is_quiet=False):
        with bars.work("rows"):
            assert screen.has_text.wait(60)
            raise ZeroDivisionError
    assert not bars.are_shown() and sys.stderr is screen
    assert progress.over(range(3), "rows") == range(3)


@pytest.mark.parametrize(
    ("options", "expected"), [([], False), (["--quiet"], True), (["--json"], True)]
)
def test_commands_are_quiet_with_an_option_or_with_json(options, expected, monkeypatch):
    found = []
    real = bars.shown

    def shown(is_quiet):
        found.append(is_quiet)
        return real(is_quiet)

    monkeypatch.setattr(bars, "shown", shown)
    assert runner.invoke(app, ["show", "gan", *options]).exit_code == 0
    assert found == [expected]


def test_every_command_can_be_quiet():
    for name in COMMANDS:
        assert "--quiet" in runner.invoke(app, [name, "--help"]).stdout


def test_completions_say_what_a_model_is():
    assert dict(completions.models("dcg")) == {
        "dcgan": "Deep convolutional generative adversarial network"
    }


def test_clients_show_bars_on_terminals_only(terminal):
    def shown(**options):
        client = types.SimpleNamespace(**options)
        return keras_gen.export.Client._tracked(client, range(3))

    terminal(is_terminal=False)
    assert shown(_progress=True) == range(3)
    terminal()
    assert shown(_progress=False) == range(3)
    assert shown(_progress=True) != range(3)
