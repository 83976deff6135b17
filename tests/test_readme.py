"""What the README shows is run, and its table is the registry's."""

import pathlib
import re

import pytest

import keras_gen

README = (pathlib.Path(__file__).parents[1] / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("code", EXAMPLES, ids=range(len(EXAMPLES)))
def test_examples_run(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Two steps instead of 20 epochs.
    code = code.replace("epochs=20,", "epochs=1, steps_per_epoch=2,")
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102


def test_the_table_of_models_is_the_registry():
    rows = re.findall(r"^\| (\w+) \| ([^|]*) \| ([^|]*?) ?\|$", README, re.MULTILINE)
    shown = {row[0]: row[1:] for row in rows if row[0] != "name"}
    cards = {name: keras_gen.zoo.card(name) for name in keras_gen.zoo.names()}
    assert shown == {
        name: (card["summary"], ", ".join(card["weights"]))
        for name, card in cards.items()
    }


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert (pathlib.Path(__file__).parents[1] / target).exists(), target


def test_every_command_of_the_readme_exists():
    from typer.testing import CliRunner

    from keras_gen.cli import app

    for command in re.findall(r"^keras-gen (\w+)", README, re.MULTILINE):
        assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0


def test_figures_of_the_readme_are_those_of_the_cards():
    rows = re.findall(r"^\| (\w+) (\w+) \| ([-.\d]+ \|.*) \|$", README, re.MULTILINE)
    assert len(rows) >= 2
    for name, weights, numbers in rows:
        figures = keras_gen.zoo.card(name, weights)["figures"]
        keys = ("frechet_distance", "kernel_distance", "precision", "recall")
        keys += ("density", "coverage")
        for key, shown in zip(keys, numbers.split(" | "), strict=True):
            digits = len(shown.partition(".")[2])
            assert round(figures[key], digits) == float(shown), (name, key)


QUALITY = ("frechet_distance", "recall", "coverage")


@pytest.mark.parametrize(
    ("weights", "keys"),  # The last column of MNIST's is no figure of the card.
    [("mnist", (*QUALITY, None)), ("emoji", (*QUALITY, "ms_ssim", "path_length"))],
)
def test_figures_of_growth_are_those_of_the_cards(weights, keys):
    row = r"^\| `(\w+)`" + r" \| ([\d.]+)" * len(keys) + r" \|$"
    rows = re.findall(row, README, re.MULTILINE)
    assert [name for name, *_ in rows] == ["progan", "stylegan"]
    for name, *numbers in rows:
        figures = keras_gen.zoo.card(name, weights)["figures"]
        for key, shown in zip(keys, numbers, strict=True):
            digits = len(shown.partition(".")[2])
            assert key is None or round(figures[key], digits) == float(shown), key


def test_likelihoods_of_the_readme_are_those_of_the_cards():
    row = r"^\| (\w+) (\w+)[^|]* \| ([\d.]+) \| [\d.]*\s*\|$"
    rows = re.findall(row, README, re.MULTILINE)
    assert len(rows) >= 5
    for name, weights, shown in rows:
        figures = keras_gen.zoo.card(name, weights)["figures"]
        assert round(figures["nll_nats"], 1) == float(shown), (name, weights)
        if name == "vae":
            assert figures["nll_samples"] == 5_000


def test_figures_of_translations_captions_and_parts_are_those_of_the_cards():
    keys = [
        ("cyclegan", "l1_twemoji_to_openmoji", "l1_untranslated_twemoji_to_openmoji"),
        ("cyclegan", "l1_openmoji_to_twemoji", "l1_untranslated_openmoji_to_twemoji"),
        *(
            ("cyclegan", f"frechet_{way}", f"frechet_untranslated_{way}")
            for way in ("twemoji_to_openmoji", "openmoji_to_twemoji")
        ),
        ("stargan", "agreement", "chance"),
        ("text_to_image", "r_precision", "chance"),
        ("puzzle_gan", "mask_iou", "mask_iou_constant"),
        ("puzzle_gan", "parts_l1", "parts_l1_pasted"),
    ]
    number = r"([\d.]+)( %)?"
    row = rf"^\| (\w+) emoji \| [^|]* \| {number} \| {number} \|$"
    rows = re.findall(row, README, re.MULTILINE)
    for (name, *pair), (shown_name, *shown) in zip(keys, rows, strict=True):
        assert name == shown_name
        chance = {"chance": 1 / 3 if name == "stargan" else 0.1}
        figures = {**chance, **keras_gen.zoo.card(name, "emoji")["figures"]}
        for key, value, percent in zip(pair, shown[::2], shown[1::2], strict=True):
            digits = len(value.partition(".")[2])
            figure = figures[key] * (100 if percent else 1)
            assert round(figure, digits) == float(value), (name, key)
