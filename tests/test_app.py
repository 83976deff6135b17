"""The app without a browser: forms of values, the code that it gives, and errors."""

import asyncio
import io
import json
import pathlib
import subprocess

import numpy as np
import PIL.Image
import pytest
from serving_double import Double
from typer.testing import CliRunner

import keras_gen
from keras_gen import images
from keras_gen.app import calls, extras, follow, outcomes, pictures, snippets, source
from keras_gen.app.settings import Settings
from keras_gen.cli import app
from keras_gen.core import inputs
from keras_gen.core.abilities import abilities_of
from keras_gen.core.registry import PRESETS

gradio = pytest.importorskip("gradio")

from keras_gen.app import controls, views  # noqa: E402 They need Gradio.

HTML = {"alt=", "<img"}


@pytest.fixture(autouse=True)
def loop(monkeypatch):
    """One event loop in place of those that Gradio makes and does not close."""
    loop = asyncio.new_event_loop()
    monkeypatch.setattr(asyncio, "new_event_loop", lambda: loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


class Untrained(source.Local):
    """A model of a small configuration, without weights."""

    def __init__(self, name, **config):
        self._config = {**PRESETS[name].model.tiny, **config}
        load = keras_gen.zoo.load
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                source.zoo, "load", lambda name, weights: load(name, **self._config)
            )
            super().__init__(name, None)

    def python(self):
        words = "".join(f", {name}={value!r}" for name, value in self._config.items())
        return [f'model = keras_gen.zoo.load("{self.name}"{words})']


def picture(shape, seed=0):
    """A picture of noise, uint8."""
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def given_for(offer):
    """Values of a form for an offer: pictures of noise, a class, and a caption."""
    values = {}
    for name, entry in offer.inputs.items():
        if entry.role == inputs.IMAGE:
            values[name] = picture([d or 2 for d in entry.shape], len(values))
        elif entry.role == inputs.MASK:
            values[name] = pictures.mask_of("upper", [], entry.shape)
        elif entry.role == inputs.LABEL:
            values[name] = [0, entry.range[1]]
        elif entry.role == inputs.TEXT:
            values[name] = ['it\'s a "red" heart', "café"]
        elif entry.role == inputs.SEED:
            values[name] = 3
        elif not entry.shape and entry.default is None:
            values[name] = 0.25
        elif entry.shape and entry.default is None:
            values[name] = np.linspace(0, 1, np.prod(entry.shape)).reshape(entry.shape)
            values[name] = np.float32(values[name].round())
    return values


def outcome_of(model, name, n=3, options=None):
    """The outcome of an offer or an extra."""
    known = {**model.offers, **extras.extras(model)}
    offer = known[name]
    given = given_for(offer)
    if isinstance(offer, extras.Extra):
        return offer.outcome(model, given)
    return outcomes.of_offer(model, offer, given, n, options)


def executed(outcome, model, folder):
    """What the Python of an outcome writes, with the outcome's own model."""
    for name, content in outcome.files.items():
        (folder / name).write_bytes(content)
    lines = outcome.python.splitlines()
    code = "\n".join(line for line in lines if not line.startswith("model = "))
    names = {"model": model.model, "print": lambda rows: names.update(rows=rows)}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(compile(code, "snippet", "exec"), names)
    return names


# What models offer.


def kinds():
    """A model for each set of abilities, since tracing all of them takes minutes."""
    found = {}
    for name in sorted(PRESETS, key=lambda name: (name not in RICH, name)):
        cls = PRESETS[name].model
        config = {**keras_gen.zoo.arguments(cls), **cls.tiny}
        found.setdefault(frozenset(abilities_of(cls, config)), name)
    return sorted(found.values())


RICH = ("text_to_image_diffusion",)  # With more inputs than others of its abilities.


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_model_has_controls_for_all_that_it_does(name):
    model = Untrained(name)
    known = {**model.offers, **extras.extras(model)}
    assert known
    with gradio.Blocks():
        for offer in known.values():
            made = {}
            for key, entry in offer.inputs.items():
                made[key] = controls.control(entry, model, made)
                assert all(c.label for c in made[key].components)
            for option in offer.options.values():
                controls.option_control(option)


@pytest.mark.parametrize("name", kinds())
def test_python_of_every_offer_makes_the_same_again(name, tmp_path):
    """Of one row or three, with classes and captions, in 8 bits: the same file."""
    model = Untrained(name)
    known = {**model.offers, **extras.extras(model)}
    for offer in known:
        outcome = outcome_of(model, offer)
        names = executed(outcome, model, tmp_path)
        if outcome.name.endswith(".png"):
            assert (tmp_path / outcome.name).read_bytes() == outcome.content, offer
            assert all(part in outcome.html for part in HTML)
        else:
            answer = np.load(io.BytesIO(outcome.content))
            np.testing.assert_array_equal(np.array(names["rows"], "float32"), answer)
        assert outcome.curl.startswith(("curl ", "#"))


def test_a_whole_program_loads_the_model_too(tmp_path, monkeypatch):
    model = source.open_local("vae", "mnist")
    assert source.open_local("vae", "mnist") is model
    outcome = outcome_of(model, "reconstruct")
    monkeypatch.chdir(tmp_path)
    for name, content in outcome.files.items():
        (tmp_path / name).write_bytes(content)
    exec(compile(outcome.python, "snippet", "exec"), {})
    assert (tmp_path / "reconstruct.png").read_bytes() == outcome.content
    assert 'zoo.load("vae", weights="mnist")' in outcome.python


def test_samples_are_those_of_the_seed_and_classes_are_named():
    model = source.open_local("cgan", "mnist")
    offer = model.offers["sample"]
    given = {"seed": 5, "labels": [7, 1]}
    call = calls.call_of(offer, given, 3, {})
    expected = model.model.sample(3, seed=5, labels=[7, 1, 7])
    np.testing.assert_array_equal(call.run(model), expected)
    assert call.texts(model) == ["label 7", "label 1", "label 7"]
    drawn = calls.call_of(offer, {"seed": 5}, 3, {})
    labels = [int(text.split()[1]) for text in drawn.texts(model)]
    np.testing.assert_array_equal(
        drawn.run(model), model.model.sample(3, seed=5, labels=labels)
    )


def test_drawing_in_parts_gives_the_same_and_tells_how_far_it_is():
    model, shares = Untrained("cgan"), []
    call = calls.call_of(model.offers["sample"], {"seed": 1, "labels": [0, 2]}, 20, {})
    rows = call.run(model, shares.append)
    expected = model.model.sample(20, seed=1, labels=[0, 2] * 10)
    np.testing.assert_allclose(rows, expected, atol=1e-6)  # Batches differ in rounding.
    assert shares == [0.8, 1.0]


def test_every_label_is_combined_with_the_picture():
    model = Untrained("stargan")
    offer = model.offers["translate"]
    shown = picture(offer.inputs["images"].shape)
    call = calls.call_of(offer, {"images": shown, "domain": [2, 0]}, None, {})
    rows = images.from_uint8(np.stack([shown, shown]))
    expected = model.model.translate(rows, domain=[2, 0])
    np.testing.assert_array_equal(call.run(model), expected)


def test_options_that_are_chosen_are_passed_on_and_defaults_are_not():
    model = Untrained("cyclegan")
    a, b = (outcome_of(model, "translate", options={"to": to}) for to in ("a", "b"))
    assert a.content != b.content
    assert 'to="a"' in a.python and "to=" not in b.python
    assert '"translate_to_a_bytes"' in a.curl and '"translate_bytes"' in b.curl


def test_what_is_missing_is_named():
    model = Untrained("cgan")
    with pytest.raises(ValueError, match="^Expected a picture, got none.$"):
        calls.call_of(model.offers["discriminate"], {"labels": [1]}, None, {})
    with pytest.raises(ValueError, match="^Expected a value of labels, got none.$"):
        given = {"images": picture((16, 16, 1))}
        calls.call_of(model.offers["discriminate"], given, None, {})


# Controls.


@pytest.mark.parametrize(
    ("entry", "kind", "value", "read"),
    [
        (inputs.seed_input(), "Number", 7, 7),
        (inputs.label_input(3), "Dropdown", [2, 0], [2, 0]),
        (inputs.label_input(3), "Dropdown", [], None),
        (inputs.caption_input(["a"]), "Textbox", " a cat \n\nb", ["a cat", "b"]),
        (inputs.caption_input(["a"]), "Textbox", "", None),
        (inputs.attributes_input(3), "CheckboxGroup", [1], [0, 1, 0]),
        (inputs.Input("x", range=(0.0, 2.0), default=1.0), "Slider", 0.5, 0.5),
        (inputs.Input("x", (), "int64", range=(1, 9), default=3), "Slider", 4, 4),
        (inputs.Input("x", default=1.0), "Number", 0.7, 0.7),
        (inputs.Input("x"), "Textbox", "0.7", 0.7),
        (inputs.Input("x"), "Textbox", "", None),
        (inputs.latent_input(2), "Textbox", "[0.5, -1]", [0.5, -1]),
        (inputs.latent_input(2), "Textbox", "0.5, -1", [0.5, -1]),
    ],
)
def test_an_input_is_given_by_the_control_that_fits_it(entry, kind, value, read):
    with gradio.Blocks():
        control = controls.control(entry, source.Source(), {})
    (component,) = control.components
    assert type(component).__name__ == kind
    assert component.label == entry.name.capitalize()
    got = control.read(entry, value)
    assert got is None if read is None else np.array_equal(got, read)
    if kind == "Slider":
        assert (component.minimum, component.maximum) == entry.range
        assert component.value == entry.default


@pytest.mark.parametrize(
    ("entry", "value", "words"),
    [
        (inputs.latent_input(2), "1, x", "as numbers"),
        (inputs.latent_input(2), "1, 2, 3", "Expected 2 latents, got 3"),
        (inputs.seed_input(), 2**31, "Expected a seed from 0 to"),
        (inputs.seed_input(), -1, "Expected a seed from 0 to"),
        (inputs.Input("x"), "one", "Expected x as a number, got 'one'"),
    ],
)
def test_values_that_do_not_fit_are_refused_in_a_sentence(entry, value, words):
    with gradio.Blocks():
        control = controls.control(entry, source.Source(), {})
    with pytest.raises(ValueError, match=words):
        control.read(entry, value)


def test_options_have_the_control_of_their_type():
    offers = Untrained("ddpm").offers
    options = {**offers["decode"].options, "other": offers["sample"].options["sampler"]}
    with gradio.Blocks():
        made = {key: controls.option_control(o) for key, o in options.items()}
    kinds = {key: type(c.components[0]).__name__ for key, c in made.items()}
    assert kinds == {"steps": "Textbox", "sampler": "Dropdown", "other": "Textbox"}
    assert made["sampler"].read(None, controls.OWN) is None
    assert made["sampler"].read(None, "heun") == "heun"
    assert made["steps"].read(None, "") is None and made["steps"].read(None, "5") == 5
    with pytest.raises(ValueError, match="Expected steps as a number, got 'few'"):
        made["steps"].read(None, "few")


# Pictures.


def save(path, size, mode="RGB"):
    PIL.Image.new(mode, size, "red" if mode == "RGB" else 0).save(path)
    return str(path)


def test_a_picture_is_brought_to_the_size_as_on_the_command_line(tmp_path):
    path = save(tmp_path / "a.png", (60, 40))
    pixels, told = pictures.prepare(path, (8, 8, 1))
    expected = keras_gen.data.load(
        [path], "all", image_shape=(8, 8, 1), shuffle=False, test_fraction=0.0
    )
    (batch,) = expected
    np.testing.assert_array_equal(pixels, images.to_uint8(batch["image"][0]))
    assert told == (
        "Your picture of 60x40 is cropped around its centre to 40x40, is resized to "
        "8x8 and becomes grey."
    )
    path = save(tmp_path / "b.png", (8, 8), "L")
    assert pictures.prepare(path, (8, 8, 1))[1] == (
        "Your picture of 8x8 is used as it is."
    )


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n1234"])
def test_a_file_that_is_no_picture_is_refused_in_a_sentence(content, tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="^Expected a picture.* 'photo.png', which"):
        pictures.prepare(str(path), (8, 8, 1))
    entry = inputs.image_input((8, 8, 1))
    assert 'class="problem" role="alert"' in controls._told(entry, str(path))


def test_a_mask_keeps_halves_or_what_is_not_painted():
    layer = np.zeros((80, 80, 4), np.uint8)
    layer[40:, :, 3] = 255
    painted = pictures.mask_of(pictures.PAINTED, [layer], (8, 8, 1))
    np.testing.assert_array_equal(painted, pictures.mask_of("upper", [], (8, 8, 1)))
    assert painted[:4].all() and not painted[4:].any()
    for half, other in (("upper", "lower"), ("left", "right")):
        both = [pictures.mask_of(name, [], (8, 6, 3)) for name in (half, other)]
        np.testing.assert_array_equal(sum(both), np.ones((8, 6, 3)))
    with pytest.raises(ValueError, match="Expected pixels that are painted over"):
        pictures.mask_of(pictures.PAINTED, [np.zeros_like(layer)], (8, 8, 1))


def test_texts_of_users_are_no_html():
    shown = [np.zeros((2, 2, 1))]
    text = "<script>alert(1)</script>"
    made = pictures.gallery(shown, [text], text) + pictures.problem(text)
    made += pictures.bars([text], np.ones(1), text) + pictures.note(text)
    assert "<script" not in made + pictures.numbers(np.ones(1), text)


# Choosing.


def test_a_runs_folder_and_a_card_name_the_preset(tmp_path):
    settings = keras_gen.runs.Settings("gan", "mnist", epochs=1)
    settings.write(tmp_path / "run.json")
    assert source.find("vae", str(tmp_path)) == ("gan", str(tmp_path))
    folder = str(pathlib.Path(keras_gen.zoo.__file__).parents[1] / "zoo/gan/mnist")
    assert source.find("vae", folder) == ("gan", folder)
    assert source.find("vae", "mnist") == ("vae", "mnist")
    assert source.find("vae", None) == ("vae", None)


@pytest.mark.parametrize(
    ("host", "share", "is_open"),
    [
        ("127.0.0.1", False, False),
        ("localhost", False, False),
        ("::1", False, False),
        ("0.0.0.0", False, True),
        ("example.org", False, True),
        ("127.0.0.1", True, True),
    ],
)
def test_a_page_that_others_reach_takes_no_paths(host, share, is_open, tmp_path):
    settings = Settings("vae", host=host, share=share)
    assert settings.is_open is is_open
    if is_open:
        with pytest.raises(ValueError, match="Expected weights of a list"):
            views._open(settings, ("vae", str(tmp_path)))


def tabs_of(settings):
    blocks = views.build(settings).blocks.values()
    return [block.label for block in blocks if isinstance(block, gradio.Tab)]


def test_a_page_that_others_reach_shows_runs_only_of_a_folder_that_is_named():
    own = ["Use a model", "Compare two models"]
    assert tabs_of(Settings("vae"))[:3] == [*own, "Follow a run"]
    assert "Follow a run" not in tabs_of(Settings("vae", share=True))
    assert "Follow a run" in tabs_of(Settings("vae", share=True, runs="runs"))


def test_a_page_that_others_reach_shows_no_images_of_own_data(tmp_path, monkeypatch):
    images.save_grid(np.zeros((1, 4, 4, 1)), tmp_path / "mine.png")
    for is_open in (False, True):
        model = source.open_local("vae", "mnist", is_open)
        assert model.has_examples and "nearest" in extras.extras(model)
        monkeypatch.setattr(model, "data", str(tmp_path))
        assert model.has_examples is not is_open
        assert ("nearest" in extras.extras(model)) is not is_open


def test_a_choice_that_is_reported_twice_makes_the_forms_once():
    blocks = views.build(Settings("vae", "mnist"))
    events = {fn.fn: fn for fn in blocks.fns.values()}
    for function in (views._on_name, views._on_weights):
        event = events[function]
        assert (event.concurrency_id, event.concurrency_limit) == ("choice", 1)
    updates = views._on_name("vae", ("vae", "/a/file.keras"))
    assert updates == (gradio.skip(), gradio.skip())
    assert views._on_name("dcgan", ("vae", "mnist"))[1] == ("dcgan", "faces")


def test_only_what_both_models_do_is_compared():
    models = [Untrained("vae"), Untrained("denoising_ae")]
    names = [offer.name for offer in views._shared(models)]
    assert names == ["reconstruct", "walk_between_pictures", "decode"]
    names = [offer.name for offer in views._shared(models[:1])]
    assert names[:3] == ["sample", "walk", "reconstruct"] and "log_prob" in names


# Servers.


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with two models; the attribute `model` is the first of them."""
    folder = tmp_path_factory.mktemp("serving")
    models = {name: Untrained(name).model for name in ("vae", "cyclegan")}
    for name, model in models.items():
        options = {"root": str(folder), "batch_sizes": (1, 4, 16)}
        keras_gen.export.deploy.add(model, folder, name, **options)
    with Double(folder) as double:
        double.model = models["vae"]
        yield double


def test_a_server_offers_what_its_card_declares(server):
    served = source.Served(server.grpc_address, "vae")
    local = Untrained("vae")
    assert set(local.offers) <= set(served.offers)
    assert not any(name.endswith("_bytes") for name in served.offers)
    for name in ("sample", "reconstruct", "log_prob", "interpolate_images"):
        outcome = outcome_of(served, name)
        assert outcome.html and outcome.python.count("Client(") == 1
    assert extras.extras(served) == {}
    with gradio.Blocks():
        for offer in served.offers.values():
            for entry in offer.inputs.values():
                controls.control(entry, served, {})
    assert {"translate_to_a", "translate_to_b"} <= set(
        source.Served(server.grpc_address, "cyclegan").offers
    )


@pytest.mark.parametrize("name", ["sample", "reconstruct"])
def test_python_of_a_server_writes_what_the_page_shows(server, name, tmp_path):
    served = source.Served(server.rest_address, "vae")
    outcome = outcome_of(served, name)
    executed(outcome, served, tmp_path)
    assert (tmp_path / f"{name}.png").read_bytes() == outcome.content
    program = outcome.python.splitlines()
    exec(
        "\n".join(x for x in program if x.startswith(("import", "model"))), found := {}
    )
    with found["model"] as client:
        assert client.card == served.model.card


@pytest.mark.parametrize(
    "name", ["sample", "reconstruct", "walk", "walk_between_pictures"]
)
def test_curl_of_a_model_asks_a_server_for_the_same(server, name, tmp_path):
    model = Untrained("vae")
    model.model, model.url = server.model, f"{server.rest_address}/v1/models/vae"
    outcome = outcome_of(model, name)
    for file, content in outcome.files.items():
        (tmp_path / file).write_bytes(content)
    given = set(tmp_path.iterdir())
    done = subprocess.run(
        ["sh", "-ec", outcome.curl], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    cells = cells_of(outcome, 8)
    written = set(tmp_path.iterdir()) - given
    numbers = {int(path.stem.rpartition("-")[2]): path for path in written}
    assert sorted(numbers) == list(range(len(cells)))
    for number, path in numbers.items():
        with PIL.Image.open(path) as image:
            levels = np.asarray(image, np.int64)
        assert np.abs(levels - cells[number]).max() <= 1  # Rounding.


def cells_of(outcome, size):
    """The images of a grid, without those that are white."""
    with PIL.Image.open(io.BytesIO(outcome.content)) as image:
        scale = 128 // size
        grid = np.asarray(image.convert("L"), np.int64)[::scale, ::scale]
    cells = [
        grid[top : top + size, left : left + size]
        for top in range(0, len(grid), size + 2)
        for left in range(0, grid.shape[1], size + 2)
    ]
    return [cell for cell in cells if (cell < 255).any()]


def test_captions_with_quotes_reach_a_shell_and_json_unchanged():
    text = 'it\'s a "red" $HEART `x` \\ é'
    entries = {"captions": [text]}
    command = snippets.request("http://x", "sample", entries, "logits")
    command = command.replace("curl -s", "printf '%s\\n'", 1)
    done = subprocess.run(["sh", "-ec", command], capture_output=True, text=True)
    body = json.loads(done.stdout.splitlines()[-1])
    assert body == {"signature_name": "sample", "inputs": entries}


def test_a_request_that_is_too_long_is_a_comment():
    rows = {"mask": np.ones((1, 200, 200, 1)).tolist()}
    command = snippets.request("http://x", "complete", rows, "images")
    assert command.startswith("# ") and "too long" in command


def test_a_server_that_does_not_answer_is_a_sentence_on_the_page():
    settings = Settings("vae", server="127.0.0.1:9")
    with pytest.raises(OSError):
        source.Served("127.0.0.1:9", "vae")
    with gradio.Blocks() as blocks:
        views._forms(settings, [("", None)])
    (shown,) = [b for b in blocks.blocks.values() if isinstance(b, gradio.HTML)]
    assert "Expected the name of a model on the server" in shown.value


# Following a run.


def test_a_run_is_followed_by_its_files(tmp_path):
    for name in ("gan/one", "vae/two"):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        preset = name.split("/")[0]
        keras_gen.runs.Settings(preset, "mnist", epochs=3).write(folder / "run.json")
    folder = tmp_path / "gan" / "one"
    assert "No epoch has ended" in follow.report(str(folder))
    assert "No samples" in follow.samples(str(folder), None)
    (folder / "log.csv").write_text("epoch,loss\n0,2.5\n1,1.25\n2,0.")
    (folder / "samples").mkdir()
    images.save_grid(np.zeros((1, 4, 4, 1)), folder / "samples" / "epoch_0001.png")
    found = follow.found_in(str(tmp_path))
    assert found == [str(folder), str(tmp_path / "vae" / "two")]
    assert follow.found_in(str(folder)) == [str(folder)]
    assert "<svg" in follow.report(str(folder))
    assert "gan on mnist, 3 epochs" in follow.summary(str(folder))
    shown = follow.samples(str(folder), 5)
    assert "Samples, epoch 0001" in shown and "data:image/png" in shown
    with pytest.raises(ValueError, match="Expected a folder of runs"):
        follow.found_in(str(tmp_path / "none"))


# The command.


def test_the_command_says_what_is_missing(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    done = CliRunner().invoke(app, ["app"])
    assert done.exit_code == 1 and "pip install 'keras-gen[app]'" in done.stderr


def test_the_command_refuses_an_unknown_model():
    done = CliRunner().invoke(app, ["app", "dcgam", "--no-browser"])
    assert done.exit_code == 2 and "dcgan" in done.stderr


def test_nothing_is_reported_to_anyone():
    from keras_gen.app import launch

    assert launch.os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
    blocks = views.build(Settings("vae", "mnist"))
    assert not blocks.analytics_enabled
