"""The examples of the documents run, and their tables agree with registry and cards."""

import importlib
import json
import pathlib
import re

import keras
import numpy as np
import PIL.Image
import pytest
from conftest import make_batch, train
from typer.testing import CliRunner

import keras_gen
from keras_gen.cli import app
from keras_gen.core.registry import PRESETS

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
RESULTS = (ROOT / "docs" / "results.md").read_text()
DOCS = sorted(ROOT.glob("docs/**/*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS]
KIT = sorted(ROOT.glob("export/*.md"))
NOTES = sorted(ROOT.glob("zoo/*/NOTES.md"))

# Two steps and a few images, so that tests are faster than the examples themselves.
SHORTER = {
    "epochs=20, steps_per_epoch=100": "epochs=1, steps_per_epoch=2",
    "epochs=20, steps_per_epoch=5": "epochs=1, steps_per_epoch=2",
    "epochs=20,": "epochs=1, steps_per_epoch=2,",
    '{"width": 32}': '{"width": 8, "patch": 4, "num_blocks": 1}',
    "batch_size=64), epochs=20\n": "batch_size=8), epochs=1, steps_per_epoch=2\n",
    'steps=20, sampler="heun"': 'steps=2, sampler="heun"',
    "epochs=50": "epochs=1",
    "num_images=10_000": "num_images=200, num_train=1000",
}
FIGURES = [  # Drawn when the site is built.
    f"figures/{name.replace('_', '-')}.png"
    for name in re.findall(
        r"^@figure\ndef (\w+)",
        (ROOT / "tools" / "pages" / "figures.py").read_text(),
        re.MULTILINE,
    )
]


def blocks(page, language):
    """The code blocks of a page."""
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def name_of(page):
    """The path of a document in the repository."""
    return page.relative_to(ROOT).as_posix()


def examples():
    """Every Python example in README and docs/, which users can run unchanged."""
    for page in PAGES:
        if page.name == "CONTRIBUTING.md":  # Has a test of its own below.
            continue
        for number, code in enumerate(blocks(page.read_text(), "python")):
            name = page.relative_to(ROOT).with_suffix("").as_posix()
            yield pytest.param(code, id=f"{name}-{number}")


@pytest.mark.parametrize("code", list(examples()))
def test_examples_run(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    random = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for index in range(32):
        pixels = random.integers(0, 256, (48, 64, 3), np.uint8)
        PIL.Image.fromarray(pixels).save(tmp_path / "photos" / f"{index}.png")
    for long, short in SHORTER.items():
        code = code.replace(long, short)
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102


def test_the_table_of_models_is_the_registry():
    rows = re.findall(r"^\| (\w+) \| ([^|]*) \| ([^|]*?) ?\|$", README, re.MULTILINE)
    shown = {row[0]: row[1:] for row in rows if row[0] != "name"}
    cards = {name: keras_gen.zoo.card(name) for name in keras_gen.zoo.names()}
    assert shown == {
        name: (card["summary"], ", ".join(card["weights"]))
        for name, card in cards.items()
    }


@pytest.mark.parametrize("page", [*PAGES, *NOTES], ids=name_of)
def test_links_lead_somewhere(page):
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        assert (page.parent / path).exists() or target in FIGURES, target
        assert not anchor or path or anchor in anchors, target


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_of_a_page_exists_with_its_options(page):
    for block in blocks(page.read_text(), "bash"):
        for line in re.findall(r"^keras-gen (.*)$", block, re.MULTILINE):
            command, *words = line.partition("#")[0].split()
            result = CliRunner().invoke(
                app, [command, "--help"], env={"COLUMNS": "200"}, color=False
            )
            assert result.exit_code == 0, line
            for option in (word for word in words if re.match(r"--?[a-z]", word)):
                assert re.search(rf"{option}\b", result.output), (line, option)


@pytest.mark.parametrize("page", [*PAGES, *KIT], ids=name_of)
def test_commands_of_a_page_quote_brackets_which_zsh_would_expand(page):
    for block in blocks(page.read_text(), "bash"):
        for line in block.splitlines():
            code = re.sub(r"'[^']*'|\"[^\"]*\"", "", line).partition("#")[0]
            assert "[" not in code, line


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_names_of_the_package_on_a_page_exist(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for name in re.findall(r"`(keras_gen(?:\.\w+)+)", text):
        target = keras_gen
        for part in name.split(".")[1:]:
            if not hasattr(target, part):
                importlib.import_module(f"{target.__name__}.{part}")
            target = getattr(target, part)


def test_documents_are_short_enough_to_be_read():
    assert README.count("\n") <= 190
    assert CONTRIBUTING.count("\n") <= 85


def test_figures_of_samples_are_those_of_the_cards():
    rows = re.findall(r"^\| (\w+) (\w+) \| ([-.\d]+ \|.*) \|$", RESULTS, re.MULTILINE)
    assert len(rows) >= 2
    for name, weights, numbers in rows:
        figures = keras_gen.zoo.card(name, weights)["figures"]
        keys = ("frechet_distance", "kernel_distance", "precision", "recall")
        keys += ("density", "coverage")
        for key, shown in zip(keys, numbers.split(" | "), strict=True):
            digits = len(shown.partition(".")[2])
            assert round(figures[key], digits) == float(shown), (name, key)


def test_distances_over_steps_are_those_that_were_measured():
    lines = (ROOT / "benchmarks" / "diffusion.jsonl").read_text().splitlines()
    measured = [json.loads(line) for line in lines]
    heads = re.findall(r"^\| model and sampler \| (.*) \|$", RESULTS, re.MULTILINE)
    (counts,) = set(heads)
    rows = re.findall(r"^\| `(\w+/\w+)`, (\S+) \| (.*) \|$", RESULTS, re.MULTILINE)
    shown = {
        (name, sampler, int(steps)): cell
        for name, sampler, cells in rows
        for steps, cell in zip(counts.split(" | "), cells.split(" | "), strict=True)
        if cell != "–"
    }
    expected = {
        (row["model"], row["sampler"], row["steps"]): f"{row['frechet_distance']:.2f}"
        for row in measured
    }
    assert len(shown) > 10 and shown == expected


QUALITY = ("frechet_distance", "recall", "coverage")


def test_figures_of_growth_are_those_of_the_cards():
    keys = (*QUALITY, None)  # The last column is no figure of the card.
    row = r"^\| `(\w+)`" + r" \| ([\d.]+)" * len(keys) + r" \|$"
    rows = re.findall(row, RESULTS, re.MULTILINE)
    assert [name for name, *_ in rows] == ["progan", "stylegan"]
    for name, *numbers in rows:
        figures = keras_gen.zoo.card(name, "mnist")["figures"]
        for key, shown in zip(keys, numbers, strict=True):
            digits = len(shown.partition(".")[2])
            assert key is None or round(figures[key], digits) == float(shown), key


def test_likelihoods_are_those_of_the_cards():
    row = r"^\| (\w+) (\w+)[^|]* \| ([\d.]+) \| [\d.]*\s*\|$"
    rows = re.findall(row, RESULTS, re.MULTILINE)
    assert len(rows) >= 5
    for name, weights, shown in rows:
        figures = keras_gen.zoo.card(name, weights)["figures"]
        assert round(figures["nll_nats"], 1) == float(shown), (name, weights)
        if name == "vae":
            assert figures["nll_samples"] == 5_000


def test_figures_of_codes_are_those_of_the_cards():
    keys = {
        "infogan": "category_accuracy",
        "semi_aae": "test_accuracy",
        "aae": "prior_two_sample_accuracy",
        "cgan": "label_agreement",
    }
    row = r"^\| (\w+) mnist \| [^|]* \| ([\d.]+) % \| [^|]*\|$"
    rows = re.findall(row, RESULTS, re.MULTILINE)
    assert [name for name, _ in rows] == list(keys)
    for name, shown in rows:
        figure = keras_gen.zoo.card(name, "mnist")["figures"][keys[name]]
        assert round(100 * figure, 1) == float(shown), name


def test_attributes_of_translations_are_those_of_the_card():
    figures = keras_gen.zoo.card("stargan", "faces")["figures"]
    words = {"glasses, or none": "glasses", "a beard, or none": "beard"}
    words["a smile, or none"] = "smile"
    keys = {"the other attributes kept": "attribute_kept"}
    rows = re.findall(r"^\| ([a-z ,]+) \| ([\d.]+) % \|$", RESULTS, re.MULTILINE)
    assert len(rows) == 7
    for name, shown in rows:
        key = f"attribute_asked_{words.get(name, name.replace(' ', '_'))}"
        assert round(100 * figures[keys.get(name, key)], 1) == float(shown), name


def test_figures_of_translations_captions_and_parts_are_those_of_the_cards():
    keys = [
        ("cyclegan", "l1_twemoji_to_openmoji", "l1_untranslated_twemoji_to_openmoji"),
        ("cyclegan", "l1_openmoji_to_twemoji", "l1_untranslated_openmoji_to_twemoji"),
        *(
            ("cyclegan", f"frechet_{way}", f"frechet_untranslated_{way}")
            for way in ("twemoji_to_openmoji", "openmoji_to_twemoji")
        ),
        ("stargan", "agreement", "chance"),
        ("puzzle_gan", "mask_iou", "mask_iou_constant"),
        ("puzzle_gan", "parts_l1", "parts_l1_pasted"),
    ]
    number = r"([\d.]+)( %)?"
    row = rf"^\| (\w+) emoji \| [^|]* \| {number} \| {number} \|$"
    rows = re.findall(row, RESULTS, re.MULTILINE)
    for (name, *pair), (shown_name, *shown) in zip(keys, rows, strict=True):
        assert name == shown_name
        chance = {"chance": 1 / 3 if name == "stargan" else 0.1}
        figures = {**chance, **keras_gen.zoo.card(name, "emoji")["figures"]}
        for key, value, percent in zip(pair, shown[::2], shown[1::2], strict=True):
            digits = len(value.partition(".")[2])
            figure = figures[key] * (100 if percent else 1)
            assert round(figure, digits) == float(value), (name, key)


@pytest.fixture
def new_model():
    """The class of CONTRIBUTING's example, registered for one test."""
    (code,) = blocks(CONTRIBUTING, "python")
    names = {}
    exec(compile(code, "CONTRIBUTING.md", "exec"), names)  # noqa: S102
    yield names["FGAN"]
    del PRESETS["f_gan"]
    keras.saving.get_custom_objects().pop("keras_gen>FGAN")


def test_the_worked_example_of_a_new_model_keeps_the_contract(new_model, tmp_path):
    model = keras_gen.zoo.load("f_gan", **new_model.tiny)
    batch = make_batch(model, 8)
    before = [np.array(v.numpy()) for v in model.trainable_variables]
    history = train(model, batch, count=2).history
    assert set(history) == {"critic_loss", "generator_loss", "kl_bound"}
    assert all(np.isfinite(values).all() for values in history.values())
    for old, variable in zip(before, model.trainable_variables, strict=True):
        assert not np.array_equal(old, variable.numpy()), variable.path
    images = model.sample(4, seed=0)
    assert images.shape == (4, *model.image_shape)
    np.testing.assert_allclose(images[:2], model.sample(2, seed=0), atol=1e-6)
    mean = model.sample(2, seed=0, scale=0.0)  # Both are the image of the latent 0.
    np.testing.assert_array_equal(mean[0], mean[1])
    with pytest.raises(ValueError, match="scale"):
        model.sample(2, seed=0, scale=-1.0)
    model.save(tmp_path / "f_gan.keras")
    again = keras.saving.load_model(tmp_path / "f_gan.keras")
    np.testing.assert_array_equal(again.sample(4, seed=0), images)
    assert (
        keras_gen.export.save(model, tmp_path / "f_gan") / "saved_model.pb"
    ).exists()
