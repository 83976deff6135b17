"""`keras-gen run`: abilities on the command line, with tiny models and files."""

import csv
import json
import shlex

import numpy as np
import PIL.Image
import pytest
from typer.testing import CliRunner

import keras_gen
from keras_gen.cli import app, pictures
from keras_gen.cli.usage import example, query_example
from keras_gen.runs import Settings

runner = CliRunner()
SHAPE = (8, 8, 3)
MODELS = {
    "stargan": {"image_shape": SHAPE, "num_domains": 3},
    "cyclegan": {"image_shape": SHAPE},
    "classifier": {"image_shape": SHAPE, "num_classes": 3},
    "cgan": {"num_classes": 3, "latent_dim": 4},
    "text_to_image": {},
    "pixelcnn": {"image_shape": (8, 8, 1)},
    "stacked_ae": {"image_shape": (8, 8, 1), "widths": [4], "latent_dim": 3},
}


def run(*arguments):
    return runner.invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Photos in folders of three classes, with brackets and spaces in their names."""
    folder = tmp_path_factory.mktemp("photos") / "my [b] photos"
    random = np.random.default_rng(0)
    for i, name in enumerate(("cat", "dog", "owl")):
        for k in range(4):
            (folder / name).mkdir(parents=True, exist_ok=True)
            pixels = random.integers(0, 256, (8, 12, 3), np.uint8)
            PIL.Image.fromarray(pixels).save(folder / name / f"{i}{k} [b].png")
    return folder


@pytest.fixture(scope="module")
def weights(photos, tmp_path_factory):
    """Folders of runs by the model's name, with random weights."""
    found = {}
    for name, config in MODELS.items():
        folder = tmp_path_factory.mktemp("runs") / f"{name} [run]"
        cls = keras_gen.core.registry.preset(name).model
        model = keras_gen.zoo.load(name, **{**cls.tiny, **config})
        folder.mkdir()
        model.save(folder / "model.keras")
        settings = Settings(name, str(photos), split="train", epochs=1)
        settings.write(folder / "run.json")
        found[name] = folder
    return found


def used(name, ability, weights, *arguments):
    return run("run", name, ability, "--weights", weights[name], *arguments)


def model_of(name, weights):
    return keras_gen.zoo.load(name, weights[name])


def images_of(folder, count, channels=3):
    """The first images of a folder, as the command line must read them."""
    paths = sorted(str(path) for path in folder.rglob("*.png"))[:count]
    shape = (8, 8, channels)
    options = {"shuffle": False, "test_fraction": 0.0, "image_shape": shape}
    batch = next(iter(keras_gen.data.load(paths, "all", **options)))
    return paths, batch["image"].numpy()


def test_translations_of_files_are_those_of_the_method(weights, photos, tmp_path):
    paths, images = images_of(photos, 3)
    output = tmp_path / "[b] out.npy"
    files = ("--input", *paths)  # As a shell expands a glob.
    done = used("stargan", "translate", weights, *files, "--label", 1, "-o", output)
    assert done.exit_code == 0, done.output
    assert done.stdout == f"The images of 3 rows are in {output}.\n"
    assert "cropped around the centre" in done.stderr
    expected = model_of("stargan", weights).translate(images, [1, 1, 1])
    np.testing.assert_array_equal(np.load(output), expected)


def test_rows_are_combined_with_each_label_by_number_or_by_name(
    weights, photos, tmp_path
):
    _, images = images_of(photos, 4)
    output = tmp_path / "out.npy"
    labels = ("--label", "owl", "--label", 0)
    done = used("stargan", "translate", weights, photos / "cat", *labels, "-o", output)
    assert done.exit_code == 0, done.output
    expected = model_of("stargan", weights).translate(
        images.repeat(2, axis=0), [2, 0] * 4
    )
    np.testing.assert_array_equal(np.load(output), expected)


def test_a_grid_shows_inputs_and_results_above_their_texts(
    weights, photos, tmp_path, monkeypatch
):
    shown = []
    save = pictures.save_labelled

    def spy(images, texts, path, columns, scale):
        shown.append((list(texts), columns))
        save(images, texts, path, columns, scale)

    monkeypatch.setattr("keras_gen.cli.results.save_labelled", spy)
    output = tmp_path / "grid.png"
    arguments = ("--label", "dog", "--label", "owl", "-o", output, "--scale", 4)
    done = used("stargan", "translate", weights, photos / "cat", *arguments)
    assert done.exit_code == 0, done.output
    ((texts, columns),) = shown
    assert columns == 3
    assert texts[:6] == ["00 [b].png", "dog", "owl", "01 [b].png", "dog", "owl"]
    with PIL.Image.open(output) as picture:
        line = pictures.TEXT_HEIGHT
        assert picture.size == (3 * 36 - 4, 4 * (36 + line) - 4)
        pixels = np.asarray(picture)
    _, images = images_of(photos, 1)
    first = keras_gen.images.to_uint8(images[0]).repeat(4, axis=0).repeat(4, axis=1)
    np.testing.assert_array_equal(pixels[:32, :32], first)
    assert pixels[32 : 32 + line].min() < 100  # The text.


def test_a_folder_gets_a_file_for_each_image(weights, photos, tmp_path):
    done = used(
        "cyclegan", "translate", weights, photos / "cat", "-o", tmp_path / "out"
    )
    assert done.exit_code == 0, done.output
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names[0] == "0-00__b_.png" and len(names) == 4
    again = used(
        "cyclegan", "translate", weights, photos / "cat", "-o", tmp_path / "out"
    )
    assert again.exit_code == 1 and "--force" in again.stderr


def test_nothing_of_the_users_is_replaced_without_force(weights, photos, tmp_path):
    mine = tmp_path / "photo.png"
    PIL.Image.new("RGB", (8, 8), "red").save(mine)
    before = mine.read_bytes()
    arguments = ("cyclegan", "translate", weights, mine, "-o", mine)
    done = used(*arguments)
    assert done.exit_code == 1 and "--force" in done.stderr
    assert mine.read_bytes() == before
    assert used(*arguments, "--force").exit_code == 0
    assert mine.read_bytes() != before
    done = used("cyclegan", "translate", weights, photos / "cat", "-o", photos)
    assert done.exit_code == 1 and "empty folder" in done.stderr


def test_draws_are_those_of_the_method_with_the_same_seeds_for_each_label(
    weights, tmp_path
):
    arguments = ("--seed", 3, "-n", 2)
    labels = ("--label", 2, "--label", 0)
    for name, more in (("one", labels[:2]), ("two", labels)):
        done = used(
            *("cgan", "sample", weights, *more, *arguments),
            *("-o", tmp_path / f"{name}.npy"),
        )
        assert done.exit_code == 0, done.output
    model = model_of("cgan", weights)
    one, two = np.load(tmp_path / "one.npy"), np.load(tmp_path / "two.npy")
    np.testing.assert_array_equal(one, model.sample(2, seed=3, labels=[2, 2]))
    other = model.sample(2, seed=3, labels=[0, 0])
    # A batch of four may be added up in another order than one of two: last bits.
    almost = {"rtol": 1e-4, "atol": 1e-7}
    np.testing.assert_allclose(two, [*one, *other], **almost)
    assert not np.allclose(one, other, **almost)


def test_captions_are_given_in_words(weights, tmp_path):
    output = tmp_path / "c.npy"
    captions = ("--caption", "red heart", "--caption", "[b] cat")
    arguments = (*captions, "-n", 1, "--seed", 0, "-o", output)
    done = used("text_to_image", "sample", weights, *arguments)
    assert done.exit_code == 0, done.output
    seeds = np.zeros(2, np.int64)
    expected = model_of("text_to_image", weights).sample(
        captions=["red heart", "[b] cat"], seed=seeds
    )
    np.testing.assert_array_equal(np.load(output), expected)


def test_masks_come_from_words_images_and_arrays(weights, photos, tmp_path):
    _, images = images_of(photos, 4, channels=1)
    binary = np.where(images > 0, 1.0, -1.0).astype("float32")
    np.save(tmp_path / "images.npy", binary)
    mask = np.zeros((8, 8, 1), np.float32)
    mask[:4] = 1
    np.save(tmp_path / "mask.npy", mask)
    white = PIL.Image.fromarray((255 * mask[..., 0]).astype(np.uint8))
    white.save(tmp_path / "mask.png")
    results = []
    for i, text in enumerate(("upper", tmp_path / "mask.npy", tmp_path / "mask.png")):
        output = tmp_path / f"{i}.npy"
        arguments = ("--mask", text, "--seed", 1, "-o", output)
        done = used(
            "pixelcnn", "complete", weights, tmp_path / "images.npy", *arguments
        )
        assert done.exit_code == 0, done.output
        results.append(np.load(output))
    model = model_of("pixelcnn", weights)
    expected = model.complete(binary, np.stack([mask] * 4), seed=1)
    for result in results:
        np.testing.assert_array_equal(result, expected)
    np.testing.assert_array_equal(expected[:, :4], binary[:, :4])


def test_classes_are_printed_by_name_and_written_in_full(weights, photos, tmp_path):
    _, images = images_of(photos, 4)
    expected = model_of("classifier", weights).classify(images)
    done = used("classifier", "classify", weights, photos / "cat")
    assert done.exit_code == 0, done.output
    first = done.stdout.splitlines()[1].split()
    best = ["cat", "dog", "owl"][expected[0].argmax()]
    assert first[:4] == ["00", "[b].png", best, f"{expected[0].max():.3f}"]
    output = tmp_path / "a.csv"
    done = used("classifier", "classify", weights, photos / "cat", "-o", output)
    assert done.exit_code == 0, done.output
    with open(output, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["row"] for row in rows] == [f"0{k} [b].png" for k in range(4)]
    found = [[float(row[name]) for name in ("cat", "dog", "owl")] for row in rows]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    done = used("classifier", "classify", weights, photos / "cat", "--json")
    np.testing.assert_allclose(json.loads(done.stdout), expected, rtol=1e-6)


def test_codes_go_from_encode_to_decode(weights, photos, tmp_path):
    codes, output = tmp_path / "codes.npy", tmp_path / "decoded.npy"
    done = used("stacked_ae", "encode", weights, photos / "owl", "-o", codes)
    assert done.exit_code == 0, done.output
    done = used("stacked_ae", "decode", weights, "--input", codes, "-o", output)
    assert done.exit_code == 0, done.output
    model = model_of("stacked_ae", weights)
    np.testing.assert_array_equal(np.load(output), model.decode(np.load(codes)))


def test_integers_in_arrays_are_converted_and_drawn_rows_come_from_data(
    weights, photos, tmp_path
):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 1), np.uint8)
    np.save(tmp_path / "u8.npy", pixels)
    output = tmp_path / "r.npy"
    arguments = (tmp_path / "u8.npy", "-o", output)
    done = used("stacked_ae", "reconstruct", weights, *arguments)
    assert done.exit_code == 0, done.output
    expected = model_of("stacked_ae", weights).reconstruct(
        keras_gen.images.from_uint8(pixels)
    )
    np.testing.assert_allclose(np.load(output), expected, atol=1e-6)
    arguments = ("--data", photos, "--split", "all", "-n", 5, "--seed", 1, "--json")
    codes = [
        json.loads(used("stacked_ae", "encode", weights, *arguments).stdout)
        for _ in range(2)
    ]
    assert codes[0] == codes[1] and len(codes[0]) == 5
    assert len(np.unique(codes[0], axis=0)) == 5


@pytest.mark.parametrize(
    "name, ability, arguments, message",
    [
        ("stargan", "translate", (), "Expected --input (images, 8x8x3)"),
        ("stargan", "translate", ("{photos}",), "its names: cat, dog, owl"),
        ("stargan", "translate", ("{photos}", "--label", 3), "from 0 to 2"),
        ("stargan", "translate", ("{photos}", "--label", "cow"), "cat, dog, owl"),
        ("stargan", "translate", ("{photos}", "--caption", "a"), "no --caption"),
        ("stargan", "translate", ("{photos}", "--mask", "upper"), "no --mask"),
        ("stargan", "translate", ("nowhere.png", "--label", 1), "is not here"),
        ("stargan", "translate", ("{photos}", "--data", "mnist"), "got both"),
        ("stargan", "translat", (), "keras-gen run stargan translate --weights"),
        ("cyclegan", "translate", ("{photos}", "--set", "to=c"), "one of a, b"),
        ("cyclegan", "translate", ("{photos}", "--set", "two=a"), "(images, to)"),
        ("cgan", "sample", ("--data", "mnist"), "no --data"),
        ("cgan", "decode", ("{photos}", "--label", 0), "a .npy file"),
        ("pixelcnn", "complete", ("{photos}", "--mask", "top"), "upper, lower"),
        ("classifier", "classify", ("{photos}", "-o", "a.jpg"), ".png, .npy or .csv"),
    ],
)
def test_mistakes_are_named_before_files_are_written(
    name, ability, arguments, message, weights, photos, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    given = [str(photos) if word == "{photos}" else word for word in arguments]
    done = used(name, ability, weights, *given)
    assert done.exit_code == 2 and done.stdout == ""
    assert message in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_abilities_are_listed_with_what_they_take(weights):
    done = run("run", "stargan", "--weights", weights["stargan"])
    assert done.exit_code == 0, done.output
    assert "translate: Translates images to another domain" in done.stdout
    assert "  takes --input (images, 8x8x3), --label (domain, 0 to 2)" in done.stdout
    done = run("run", "cyclegan", "--weights", weights["cyclegan"])
    assert "  and --set to=a or b (default: b)" in done.stdout


@pytest.mark.parametrize("name", ["stargan", "classifier", "cgan", "pixelcnn"])
def test_the_commands_of_hints_work(name, weights, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = model_of(name, weights)
    for ability in model.abilities().values():
        command = example(model, name, str(weights[name]), ability)
        words = shlex.split(command)[1:]
        if "--data" in words:
            assert words[words.index("--data") + 1] == str(photos)
            words += ["-n", "2"]
        if "LATENTS.npy" in words:  # Words in capitals are the user's.
            np.save("LATENTS.npy", np.zeros((2, 4), np.float32))
        done = run(*words)
        assert done.exit_code == 0, (command, done.stderr)


def test_texts_fit_their_images(tmp_path):
    text = "a caption that is much longer than its image is wide"
    short = pictures._fitting(text, 100)
    assert short.startswith("a caption") and short.endswith("...")
    assert pictures._font().getlength(short) <= 100
    assert pictures._fitting("кот", 100) == "кот"
    images = np.zeros((3, 8, 8, 4), np.float32)
    pictures.save_labelled(images, ["", "", ""], tmp_path / "a.png", 2, 1)
    with PIL.Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (20, 20)  # No lines of text.


OUTPUTS = {
    "sample": ("samples.png", "cgan"),
    "interpolate": ("walks-0.5.gif", "stacked_ae"),
    "traverse": ("walks.png", "stacked_ae"),
    "mix": ("mix.png", "stylegan"),
    "nearest": ("nearest.png", "cgan"),
}


@pytest.mark.parametrize("command", OUTPUTS)
def test_outputs_that_exist_are_refused_before_any_work(command, tmp_path):
    file, name = OUTPUTS[command]
    mine = tmp_path / file
    mine.write_bytes(b"mine")
    for output in (mine, mine.with_suffix("")) if "walks" in file else (mine,):
        done = run(command, name, "--weights", "none", "-o", output)
        assert done.exit_code == 1 and "--force replaces it" in done.stderr
    assert mine.read_bytes() == b"mine"
    (tmp_path / "folder.png").mkdir()
    done = run(command, name, "--weights", "none", "-o", tmp_path / "folder.png")
    assert done.exit_code == 2 and "got the folder" in done.stderr
    done = run(command, name, "--weights", "none", "-o", mine, "--force")
    assert done.exit_code == 2 and "--force" not in done.stderr


def test_a_report_that_exists_is_not_replaced(weights, tmp_path):
    mine = tmp_path / "report.html"
    mine.write_bytes(b"mine")
    arguments = ("cgan", "--weights", weights["cgan"], "--report", mine)
    done = run("evaluate", *arguments)
    assert done.exit_code == 1 and "--force replaces it" in done.stderr
    assert mine.read_bytes() == b"mine"


def test_names_of_walks_with_a_dot_stay_apart(weights, tmp_path):
    for name in ("walks-0.5", "walks-0.6.png"):
        arguments = ("--weights", weights["stacked_ae"], "-n", 1, "--steps", 2)
        arguments = ("interpolate", "stacked_ae", *arguments, "-o", tmp_path / name)
        done = run(*arguments)
        assert done.exit_code == 2
        assert "Expected 2 test images, two for each walk, got 1" in done.stderr
        done = run(*arguments, "--data", "mnist")
        assert done.exit_code == 0, done.output
    found = sorted(path.name for path in tmp_path.iterdir())
    files = ("walks-0.5.gif", "walks-0.5.png", "walks-0.6.gif", "walks-0.6.png")
    assert found == list(files)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--json", "-o", "x.npy"), "Expected --json or -o, got both."),
        (("--split", "train"), "Expected --split with --data"),
        (("--input", "x.png", "-n", 2), "Expected -n without --input"),
        (("--set", "images=3"), "Expected --set images= a list of rows"),
    ],
)
def test_options_without_an_effect_are_refused(weights, arguments, message):
    done = used("classifier", "classify", weights, *arguments)
    assert done.exit_code == 2 and message in " ".join(done.stderr.split())


def test_a_text_is_one_value_and_not_many_rows(weights, tmp_path):
    output = tmp_path / "out.npy"
    arguments = ("--set", "captions=red heart", "-n", 2, "--seed", 0, "-o", output)
    done = used("text_to_image", "sample", weights, *arguments)
    assert done.exit_code == 0, done.output
    assert len(np.load(output)) == 2


@pytest.mark.parametrize("command", ["traverse", "interpolate"])
def test_models_with_classes_walk_with_classes_that_are_drawn(
    command, weights, tmp_path
):
    arguments = ("--weights", weights["cgan"], "--steps", 2)
    done = run(command, "cgan", *arguments, "-o", tmp_path / "walk")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "walk.png").exists()


def test_styles_of_models_with_classes_are_mixed(tmp_path):
    cls = keras_gen.core.registry.preset("stylegan").model
    model = keras_gen.zoo.load("stylegan", **{**cls.tiny, "num_classes": 3})
    model.save(tmp_path / "model.keras")
    arguments = ("--weights", tmp_path / "model.keras", "-n", 2, "--layers", "0")
    done = run("mix", "stylegan", *arguments, "-o", tmp_path / "mix.png")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "mix.png").exists()


def test_models_of_points_and_weights_without_a_card_are_refused(weights, tmp_path):
    model = keras_gen.zoo.load("flow_matching", point_dim=2, image_shape=None)
    model.save(tmp_path / "points.keras")
    points = ("flow_matching", "--weights", tmp_path / "points.keras")
    done = run("evaluate", *points, "--data", "gaussian_ring")
    assert done.exit_code == 2
    assert "Expected a model of images, got FlowMatching of point" in done.stderr
    done = run("show", "cgan", "--weights", weights["cgan"])
    assert done.exit_code == 2 and "Expected weights with a card" in done.stderr


def test_exports_take_options_of_abilities_alone(weights, tmp_path):
    served = ("export", "cgan", "--weights", weights["cgan"], "--to", tmp_path / "to")
    for setting in ("version=3", "steps=2", "abilities=sample"):
        done = run(*served, "--set", setting)
        assert done.exit_code == 2 and "Expected --set with an option" in done.stderr
    assert not (tmp_path / "to").exists()


def test_the_next_command_asks_for_what_is_served(weights):
    assert query_example(model_of("stacked_ae", weights), "ae").split()[4] == (
        "reconstruct"
    )
    command = query_example(model_of("stacked_ae", weights), "ae", ["encode"])
    assert command.split()[4] == "encode"
    command = query_example(model_of("stacked_ae", weights), "ae", ["decode"])
    assert shlex.split(command)[-1] == "latents=[[0, 0, 0]]"
    command = query_example(model_of("stacked_ae", weights), "ae", ["interpolate"])
    assert command is None
