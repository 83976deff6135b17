"""Cards' commands: how runs write them, and `keras-gen reproduce`, which runs them."""

import json
import sys

import numpy as np
import pytest
from conftest import values
from typer.testing import CliRunner

import keras_gen
from keras_gen import config, zoo
from keras_gen.cli import app
from keras_gen.cli.reproduce import measuring_of, stages_of
from keras_gen.runs import Run

SHIPPED = [(name, w) for name in zoo.names() for w in zoo.weights_of(name)]
OPTIONS = {
    "split": "train[:64]",
    "batch_size": 16,
    "overrides": {"image_shape": (8, 8, 1), "widths": [8], "latent_dim": 4},
}
TRAIN = "keras-gen train gan --data mnist"


@pytest.fixture
def measured(monkeypatch):
    """Weights, data and options of what is measured; two figures stand for all."""
    found = []

    def evaluate(model, data, **options):
        found.append((values(model.trainable_variables), data, options))
        return {"frechet_distance": 2.5, "copies": 1}

    monkeypatch.setattr(keras_gen.metrics, "evaluate", evaluate)
    return found


def reproduce(*words):
    return CliRunner().invoke(app, ["reproduce", *map(str, words)])


def write_card(folder, commands, key="commands"):
    """A folder with weights of a GAN, whose card has other commands."""
    model = zoo.load("gan", image_shape=(8, 8, 1), widths=[8], latent_dim=4)
    figures = {"frechet_distance": 0.25, "recall": 0.5}
    zoo.write_card(model, folder, name="gan", data="mnist", figures=figures)
    card = json.loads((folder / "card.json").read_text())
    card[key] = commands
    (folder / "card.json").write_text(json.dumps(card))
    return folder


@pytest.mark.parametrize("name, weights", SHIPPED)
def test_the_commands_of_every_card_are_those_that_would_run(name, weights):
    commands = zoo.card(name, weights)["commands"]
    assert [stage.command for stage in stages_of({"commands": commands}, name)] == (
        commands
    )


def test_weights_of_two_stages_have_two_commands():
    first, second = zoo.card("vae", "mnist_vamp")["commands"]
    assert zoo.card("vae", "mnist")["commands"] == [first]
    assert second.endswith("--weights RUN --networks encoder,decoder")


def test_a_card_of_version_0_1_has_its_command_in_a_list(tmp_path):
    text = f"{TRAIN} --epochs 2 && keras-gen train gan --resume RUN --epochs 3"
    card = zoo.card("gan", write_card(tmp_path / "card", text, "command"))
    assert card["commands"] == text.split(" && ") and "command" not in card
    for wrong in ("text", [1], {"a": "b"}):
        with pytest.raises(ValueError, match="list of strings as commands"):
            zoo.card("gan", write_card(tmp_path / "wrong", wrong))


def test_a_run_in_two_stages_is_reproduced_to_the_last_weight(tmp_path, measured):
    """The second stage resumes with other overrides, a third starts from the run."""
    run = Run.create("gan", "mnist", runs=tmp_path, epochs=1, **OPTIONS)
    run.train(verbose=0)
    run.train(2, {"label_smoothing": 0.1}, verbose=0)
    later = Run.create(
        "gan", "mnist", runs=tmp_path, epochs=1, weights=run.model_path, **OPTIONS
    )
    model = later.train(verbose=0)
    commands = Run.open(later.folder).commands
    assert len(commands) == 3
    assert commands[1] == (
        "keras-gen train gan --resume RUN --epochs 2 --set label_smoothing=0.1"
    )
    assert "--weights RUN" in commands[2] and "--resume" not in commands[2]
    card = write_card(tmp_path / "card", commands)
    done = reproduce("gan", "--weights", card, "--runs", tmp_path / "again")
    assert done.exit_code == 0, done.output
    ((weights, data, options),) = measured
    assert data == "mnist" and options == {}
    for a, b in zip(weights, values(model.trainable_variables), strict=True):
        np.testing.assert_array_equal(a, b)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines == [
        ["figure", "card", "reproduced"],
        ["frechet_distance", "0.25", "2.5"],
        ["recall", "0.5", "-"],
        ["copies", "-", "1"],
    ]
    assert len(list((tmp_path / "again" / "gan").iterdir())) == 2


def test_a_trial_is_bounded_and_says_so(tmp_path, measured):
    sizes = "--set 'image_shape=[8, 8, 1]' --set 'widths=[8]' --batch-size 16"
    commands = [
        f"{TRAIN} --epochs 90 {sizes}",
        "keras-gen train gan --resume RUN --epochs 119",
    ]
    card = write_card(tmp_path / "card", commands)
    options = ("--epochs", 1, "--steps-per-epoch", 2, "-n", 30, "--json")
    done = reproduce(f"gan:{card}", *options, "--runs", tmp_path)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["is_trial"] and found["reproduced"]["frechet_distance"] == 2.5
    assert found["card"] == {"frechet_distance": 0.25, "recall": 0.5}
    assert found["commands"][1] == "keras-gen train gan --resume RUN --epochs 2"
    assert "cannot be compared" in done.stderr
    settings = Run.open(found["run"]).settings
    assert (settings.epochs, settings.steps_per_epoch) == (2, 2)
    assert measured[0][2] == {"num_images": 30}


AGAIN = "keras-gen evaluate gan --weights mnist --json --data 'a?b=c'"
MEASURED = f"{AGAIN} -n 200 --without likelihood --without 'path length' --seed 3"


def test_figures_are_measured_with_the_settings_of_the_card(tmp_path, measured):
    size = "--set 'image_shape=[8, 8, 1]' --set 'widths=[8]' --batch-size 16"
    card = write_card(tmp_path / "card", [f"{TRAIN} --epochs 1 {size}"])
    contents = json.loads((card / "card.json").read_text())
    (card / "card.json").write_text(json.dumps({**contents, "figures_again": MEASURED}))
    trial = ("--steps-per-epoch", 1, "--runs", tmp_path)
    for more, number in ((), 200), (("-n", 30), 30):
        done = reproduce(f"gan:{card}", *trial, *more)
        assert done.exit_code == 0, done.output
        options = measured.pop()[2]
        assert list(options.pop("without")) == ["likelihood", "path length"]
        assert options == {"num_images": number, "seed": 3}


def test_every_card_has_settings_with_which_it_is_measured():
    """Those whose figures take hours otherwise have some of their own."""
    cards = {key: zoo.card(*key) for key in SHIPPED}
    found = {key: measuring_of(card) for key, card in cards.items()}
    assert found["gan", "mnist"] == {}
    assert found["flow_matching", "faces"]["num_images"] == 2000
    assert list(found["flow_matching", "faces"]["without"]) == ["likelihood"]


@pytest.mark.parametrize(
    "command, reason",
    {
        "rm -rf /": "another command",
        f"{AGAIN}; rm -rf /": "No such option",
        f"{AGAIN} --features /etc/passwd": "--features and --judge are for users",
        f"{AGAIN} --evil 1": "No such option",
        f"{AGAIN} -n many": "valid integer",
        "keras-gen evaluate 'gan": "No closing quotation",
    }.items(),
)
def test_other_commands_of_figures_are_refused_before_any_training(
    command, reason, tmp_path
):
    card = write_card(tmp_path / "card", command, "figures_again")
    done = reproduce("gan", "--weights", card, "--runs", tmp_path / "runs")
    assert done.exit_code == 2 and reason in done.stderr, done.stderr
    assert repr(command) in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_prints_the_commands_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = reproduce("vae:mnist_vamp", "--dry-run")
    assert done.stdout.splitlines() == zoo.card("vae", "mnist_vamp")["commands"]
    assert list(tmp_path.iterdir()) == []
    done = reproduce("gan:mnist", "--dry-run", "--epochs", 3, "--json")
    (command,) = json.loads(done.stdout)["commands"]
    assert command == f"{TRAIN} --epochs 3 --set average=0.999"


ONLY = {
    name: f"takes only {', '.join(zoo.weights_of(name))}" for name in ("gan", "vae")
}
REFUSED = {
    "rm -rf /": "it is another command",
    "python evil.py": "it is another command",
    "keras-gen export gan:mnist --to /etc": "it is another command",
    f"{TRAIN}; rm -rf /": "No such option",
    f"{TRAIN} && rm -rf /": "No such option",
    f"{TRAIN} --runs /etc": "--runs is for users",
    f"{TRAIN} --runs=runs": "--runs is for users",
    f"{TRAIN} --evil 1": "No such option",
    f"{TRAIN} more": "unexpected extra argument",
    f"{TRAIN} --epochs many": "valid integer",
    f"{TRAIN} --epochs 0": "epochs",
    f"{TRAIN} --help": "No such option",
    f"{TRAIN} --set evil=1": "evil",
    f"{TRAIN} --set 'a": "No closing quotation",
    f"{TRAIN} --weights /etc/passwd": f"--weights of gan {ONLY['gan']}",
    f"{TRAIN} --weights RUN": f"--weights of gan {ONLY['gan']}",
    f"{TRAIN} --weights vae:/etc --networks a": f"--weights of vae {ONLY['vae']}",
    f"{TRAIN} --networks generator": "Expected weights for networks",
    "keras-gen train gan": "lacks --data",
    "keras-gen train dcgan --data mnist": "another model",
    "keras-gen train gan --resume RUN": "the run before",
    "keras-gen train gan --resume /home/other": "the run before",
    "": "another command",
}


@pytest.mark.parametrize("command", REFUSED)
def test_commands_of_a_card_that_are_no_training_are_refused(command, tmp_path):
    card = write_card(tmp_path / "card", [command])
    done = reproduce("gan", "--weights", card, "--runs", tmp_path / "runs")
    assert done.exit_code == 2 and REFUSED[command] in done.stderr, done.stderr
    assert repr(command) in done.stderr and done.stdout == ""
    assert not (tmp_path / "runs").exists()


def test_a_later_command_is_refused_before_the_first_one_runs(tmp_path):
    later = "keras-gen train gan --resume RUN --batch-size 3"
    card = write_card(tmp_path / "card", [TRAIN, later])
    done = reproduce("gan", "--weights", card, "--runs", tmp_path / "runs")
    assert done.exit_code == 2 and "Expected only --epochs, --set" in done.stderr
    assert not (tmp_path / "runs").exists()
    card = write_card(tmp_path / "none", [])
    done = reproduce("gan", "--weights", card)
    assert done.exit_code == 2 and "card with commands" in done.stderr
    assert "Expected gan:WEIGHTS" in reproduce("gan").stderr


def test_named_networks_start_from_weights_and_all_others_anew(tmp_path):
    run = Run.create(
        "vae",
        "mnist",
        runs=tmp_path,
        epochs=1,
        steps_per_epoch=1,
        batch_size=4,
        weights="mnist",
        networks="encoder,decoder",
        overrides={"prior": "vamp", "num_components": 3, "learning_rate": 1e-12},
    )
    model, source = run.train(verbose=0), zoo.load("vae", weights="mnist")
    assert type(model.prior).__name__ == "Vamp"
    for name in ("encoder", "decoder"):  # Adam moves each weight by the rate at most.
        pairs = zip(
            getattr(model, name).get_weights(),
            getattr(source, name).get_weights(),
            strict=True,
        )
        for a, b in pairs:
            np.testing.assert_allclose(a, b, atol=1e-7)
    assert run.command.endswith("--weights mnist --networks encoder,decoder")


def small(name, runs, **settings):
    """A run of one step on four digits, with a network of few weights."""
    overrides = {"image_shape": (8, 8, 1), "network": "dit", "learning_rate": 1e-12}
    overrides["settings"] = {"width": 8, "depth": 1, "heads": 2}
    sizes = {"epochs": 1, "steps_per_epoch": 1, "batch_size": 4}
    sizes |= {"overrides": overrides | settings.pop("overrides", {})}
    return Run.create(name, "mnist", runs=runs, **sizes, **settings)


def test_networks_start_from_those_of_another_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flow = small("flow_matching", "runs", overrides={"average": 0.5})
    source = flow.train(verbose=0)
    weights = f"flow_matching:{flow.folder}"
    run = small("ddpm", "runs", weights=weights, networks="network")
    model = run.train(verbose=0)
    assert type(model).__name__ == "DDPM"
    wanted = source.averaged(source.network).get_weights()
    pairs = zip(model.network.get_weights(), wanted, strict=True)
    for a, b in pairs:  # Adam moves each weight by the rate at most.
        np.testing.assert_allclose(a, b, atol=1e-7)
    # Both commands are in the card, and are run again from there.
    first, last = run.commands
    assert first == flow.command
    assert last.endswith("--weights flow_matching:RUN --networks network")
    stages = stages_of({"commands": run.commands}, "ddpm")
    assert [stage.command for stage in stages] == run.commands
    module = sys.modules[stages_of.__module__]  # The function hides its name.
    monkeypatch.setattr(module, "train_or_stop", lambda *_, **__: None)
    before = stages[0].train(None, "again")
    again = stages[1].train(before, "again")
    assert again.settings.weights == f"flow_matching:{before.folder}"
    # A file of options names the run from its own folder.
    options = config.read(run.folder / "config.yaml")
    assert options["weights"] == f"flow_matching:../../flow_matching/{flow.folder.name}"


def test_a_network_with_a_second_head_starts_from_one_with_the_first(tmp_path):
    """An InfoGAN's discriminator has the head Q, which that of a DCGAN lacks."""
    sizes = {"image_shape": [28, 28, 1], "width": 4, "max_maps": 8, "average": None}
    # Adam moves each weight by the rate at most.
    sizes |= {"discriminator_rate": 1e-12, "generator_rate": 1e-12}
    options = {"epochs": 1, "steps_per_epoch": 1, "batch_size": 4, "runs": tmp_path}
    gan = Run.create("dcgan", "mnist", overrides=sizes, **options)
    source = gan.train(verbose=0)
    options |= {"networks": "generator,discriminator", "weights": f"dcgan:{gan.folder}"}
    overrides = sizes | {"r1": 0.2, "noise_dim": 88, "continuous": 2, "hidden": None}
    overrides |= {"turn": 0.0, "scale": 0.0, "shift": 0.0}
    run = Run.create("infogan", "mnist", overrides=overrides, **options)
    model = run.train(verbose=0)
    of_generators = source.generator.get_weights(), model.generator.get_weights()
    pairs = [*zip(*of_generators, strict=True)]
    *trunk, head, bias = source.discriminator.get_weights()
    own = model.discriminator.get_weights()
    pairs += zip(trunk, own, strict=False)
    pairs += [(a, b) for a in (head, bias) for b in own if a.shape == b.shape]
    assert len(pairs) == 12 + len(trunk) + 2
    for a, b in pairs:
        if a.shape not in ((4,), (8,)):  # Batch norm's statistics move.
            np.testing.assert_allclose(a, b, atol=1e-7)
    # Layers in between would start from random weights.
    for other in ({"width": 8}, {"hidden": 8}, {"halvings": 1}):
        run = Run.create("infogan", "mnist", overrides=overrides | other, **options)
        with pytest.raises(ValueError, match="of the same shapes as 'generator' in dc"):
            run.train(verbose=0)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"networks": "encoder,painter"}, "'painter'"),
        ({"networks": "encoder", "weights": "aae:mnist"}, "of the same shapes"),
        ({"networks": "encoder", "weights": "aae:other"}, "name of weights for 'aae'"),
        ({"networks": "encoder", "overrides": {"widths": [3]}}, "of the same shapes"),
        ({"networks": "encoder", "weights": None}, "Expected weights for networks"),
    ],
)
def test_networks_that_do_not_fit_are_refused(options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        settings = {"weights": "mnist", "epochs": 1, **options}
        Run.create("vae", "mnist", runs=tmp_path, **settings).train(verbose=0)
    assert list(tmp_path.rglob("*.*")) == []
