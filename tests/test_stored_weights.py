"""Weights that ship hold what abilities read; int8, and missing networks."""

import json
import pathlib
import re
import sys

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from conftest import make_batch, train
from keras import ops

from keras_gen import catalogue, zoo
from keras_gen.core import inputs, weight_files
from keras_gen.core.abilities import transforms
from keras_gen.export import signatures
from keras_gen.models import AAE, GAN
from keras_gen.runs import Run

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tools"))
import store  # noqa: E402

SHIPPED = [(name, w) for name in zoo.names() for w in zoo.weights_of(name)]


def test_all_files_of_weights_that_ship_are_those_of_names():
    """So that the next test leaves out none."""
    paths = catalogue.zoo_folder().rglob("*.safetensors")
    found = [path.relative_to(catalogue.zoo_folder()).parts for path in paths]
    assert sorted(found) == sorted((*key, zoo.WEIGHTS) for key in SHIPPED)


@pytest.mark.parametrize("name, weights", SHIPPED)
def test_every_tensor_that_ships_is_read_or_the_card_says_why_it_is_kept(name, weights):
    path = catalogue.zoo_folder() / name / weights / zoo.WEIGHTS
    with safetensors.safe_open(path, "numpy") as file:
        stored = {n.removesuffix(weight_files.SCALE) for n in file.keys()}
    unread = stored & set(store.unread(zoo.load(name, weights)))
    kept = zoo.card(name, weights).get("kept", {})
    assert all(re.fullmatch(r"[A-Z]\w+ \w+ .*\.", text) for text in kept.values())
    assert store.unexplained(unread, kept) == []
    for key in kept:  # No reason stays for what is read or gone.
        assert store.unexplained(unread, {k: kept[k] for k in kept if k != key}), key


def test_a_reason_is_for_one_tensor_or_for_one_network():
    names = ["critic/000/kernel", "critic/001/bias"]
    assert store.unexplained(names, {}) == names
    assert store.unexplained(names, {"critic/": "Why."}) == []
    assert store.unexplained(names, {names[0]: "Why."}) == names[1:]
    for key in ("", "/", "c", "critic", "critic/00", "critic/000/"):
        assert store.unexplained(names, {key: "Why."}) == names


class Careless(AAE):
    """An AAE whose abilities call the discriminator, and do not use what it returns."""

    @transforms("latents")
    def encode(self, images):
        """The codes."""
        codes = self.codes(images)
        self.logits(codes, ops.zeros(ops.shape(codes)[:1], "int32"))
        return codes


def test_weights_that_enter_no_result_are_unread():
    model = Careless(**{**AAE.tiny, "encoder": "deterministic"})
    graph = signatures.signatures_of(model, ["encode"])["encode"].function
    specs = {"images": inputs.image_input(model.image_shape).spec}
    read = graph.get_concrete_function(**specs).variables
    assert any(v is model.discriminator.weights[0].value for v in read)
    names = store.unread(model)
    assert store.networks_of(names, model) == ["discriminator"]
    assert len(names) == len(model.discriminator.weights)


@pytest.fixture(scope="module")
def aae(tmp_path_factory):
    """A tiny AAE, whose discriminator no ability reads, and its folder with a card."""
    model = zoo.load("aae", **AAE.tiny)
    train(model, make_batch(model, 8), count=2)
    folder = tmp_path_factory.mktemp("weights") / "aae"
    zoo.write_card(model, folder, name="aae", dtype="float32", notes="A card.")
    return model, folder


@pytest.fixture(scope="module")
def stripped(aae, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights") / "stripped"
    store.main(aae[1], folder, strip=True, dtype="float32")
    return folder


def test_the_discriminator_of_an_aae_is_stripped(aae, stripped):
    model, folder = aae
    card = zoo.card("aae", stripped)
    assert card["without"] == ["discriminator"] and card["notes"] == "A card."
    names = set(safetensors.numpy.load_file(stripped / zoo.WEIGHTS))
    assert {name.split("/")[0] for name in names} == {"encoder", "decoder"}
    assert card["parameters"] < zoo.card("aae", folder)["parameters"]
    images = make_batch(model, 3)["image"]
    loaded = zoo.load("aae", stripped)
    np.testing.assert_allclose(
        loaded.reconstruct(images), model.reconstruct(images), atol=1e-6
    )
    with pytest.raises(ValueError, match="Expected a new folder"):
        store.main(folder, stripped)


def test_training_says_in_one_sentence_what_starts_anew(aae, stripped, capsys):
    loaded = zoo.load("aae", stripped)
    assert loaded.missing_networks == ("discriminator",)
    capsys.readouterr()
    train(loaded, make_batch(loaded, 8))
    sentence = "The weights lack discriminator: training starts from random ones there."
    assert capsys.readouterr().out.splitlines() == [sentence]
    train(loaded, make_batch(loaded, 8))
    whole = zoo.load("aae", aae[1])
    train(whole, make_batch(whole, 8))
    assert capsys.readouterr().out == ""


def test_what_weights_lack_is_not_written_as_if_it_were_trained(stripped, tmp_path):
    loaded = zoo.load("aae", stripped)
    card = zoo.write_card(loaded, tmp_path / "again", name="aae", dtype="float32")
    assert card["without"] == ["discriminator"]
    assert zoo.load("aae", tmp_path / "again").missing_networks == ("discriminator",)
    options = {"weights": str(stripped), "networks": "encoder,discriminator"}
    run = Run.create("aae", "mnist", folder=tmp_path / "run", **options)
    with pytest.raises(ValueError, match="'decoder', 'encoder'.* got 'discriminator'"):
        run.train(verbose=0)


def test_figures_that_depend_on_missing_networks_are_left_out(stripped, monkeypatch):
    from keras_gen.metrics.figures import losses

    class Context:
        model = zoo.load("aae", stripped)

        def draw(self, *args, **kwargs):
            import tensorflow as tf

            return tf.data.Dataset.from_tensors(make_batch(self.model, 8))

    before = [w.numpy() for w in Context.model.discriminator.weights]
    found = set(losses.Losses().measure(Context()))
    assert {"test_autoencoder_loss", "test_mse"} <= found
    assert not found & {"test_discriminator_loss", "test_generator_loss", "test_d_real"}
    for a, b in zip(before, Context.model.discriminator.weights, strict=True):
        np.testing.assert_array_equal(a, b.numpy())


@pytest.mark.parametrize("without", [["painter"], "discriminator", [[1]], 3, {"a": 1}])
def test_cards_that_lack_unknown_networks_are_refused(without, stripped, tmp_path):
    folder = tmp_path / "wrong"
    folder.mkdir()
    (folder / zoo.WEIGHTS).write_bytes((stripped / zoo.WEIGHTS).read_bytes())
    card = json.loads((stripped / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, "without": without}))
    with pytest.raises(ValueError, match="Expected networks without weights of"):
        zoo.load("aae", folder)


def test_weights_without_a_network_that_the_card_does_not_name_are_refused(
    stripped, tmp_path
):
    model = zoo.load("aae", **AAE.tiny)
    with pytest.raises(ValueError, match="other names"):
        zoo.load_weights(model, stripped / zoo.WEIGHTS)


# int8.


def test_int8_rounds_each_channel_to_half_a_step_at_most():
    random = np.random.default_rng(0)
    deviations = np.array([1e-4, 1.0, 300.0, 2.0] * 8)
    kernel = (random.normal(size=(40, 32)) * deviations).astype(np.float32)
    transposed = np.ascontiguousarray(kernel.T)[None]  # Channels are next to last.
    kernel[:, 5] = 0
    arrays = {
        "kernel": kernel,
        "transposed": transposed,
        "bias": random.normal(size=2000).astype(np.float32),
        "small": np.ones((8, 8), np.float32),
        "count": np.ones((64, 64), np.int64),
    }
    stored = weight_files.to_int8(arrays)
    for name in ("bias", "small", "count"):
        assert stored[name] is arrays[name]
    for name, shape in (("kernel", (1, 32)), ("transposed", (1, 32, 1))):
        scale = stored[f"{name}:scale"]
        assert stored[name].dtype == np.int8 and scale.shape == shape
        error = np.abs(stored[name] * scale - arrays[name])
        assert (error <= 0.501 * scale).all()
    assert not stored["kernel"][:, 5].any()
    assert len(stored) == len(arrays) + 2


def test_differences_that_the_guide_states_are_those_of_the_cards():
    """A figure moves by less than a hundredth of itself, the error of one by 2.4."""
    guide = pathlib.Path(__file__).parents[1] / "docs" / "guides" / "sharing.md"
    row = r"^\| (\w+) (\w+) \| `(\w+)` \| ([\d.]+) \| ([\d.]+) \|$"
    rows = re.findall(row, guide.read_text(), re.MULTILINE)
    assert len(rows) >= 7
    for name, weights, figure, before, now in rows:
        card = zoo.card(name, weights)
        assert card["stored_as"] == "int8"
        digits = len(now.partition(".")[2])
        assert round(card["figures"][figure], digits) == float(now), (name, figure)
        most = 0.025 if (name, figure) == ("aae", "test_mse") else 0.01
        assert abs(float(now) - float(before)) < most * float(before)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A GAN with kernels that are large enough for int8, and its folder."""
    model = zoo.load("gan", **{**GAN.tiny, "widths": (64,)})
    folder = tmp_path_factory.mktemp("int8") / "gan"
    zoo.write_card(model, folder, name="gan", dtype="int8")
    return model, folder


def test_weights_of_int8_load_and_are_close(small, tmp_path):
    model, folder = small
    assert zoo.card("gan", folder)["stored_as"] == "int8"
    half = zoo.write_card(model, tmp_path / "half", name="gan", dtype="float16")
    sizes = [(f / zoo.WEIGHTS).stat().st_size for f in (folder, tmp_path / "half")]
    assert sizes[0] < 0.7 * sizes[1] and half["stored_as"] == "float16"
    loaded = zoo.load("gan", folder)
    for a, b in zip(loaded.generator.weights, model.generator.weights, strict=True):
        # Half a step of 127 for the largest weight, and the rounding of float16.
        a, b = a.numpy(), b.numpy()
        assert np.abs(a - b).max() <= np.abs(b).max() * (0.51 / 127 + 1e-3)
    content = bytearray((folder / zoo.WEIGHTS).read_bytes())
    content[-1] ^= 1
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / zoo.WEIGHTS).write_bytes(content)
    (copy / "card.json").write_text((folder / "card.json").read_text())
    with pytest.raises(ValueError, match="sha256"):
        zoo.load("gan", copy)


def changed(array, **change):
    array = array.copy()
    array.flat[0] = change["value"]
    return array


BAD = {
    "nan": (lambda s: changed(s, value=np.nan), "finite scales above 0"),
    "infinity": (lambda s: changed(s, value=np.inf), "finite scales above 0"),
    "zero": (lambda s: changed(s, value=0), "finite scales above 0"),
    "negative": (lambda s: changed(s, value=-1), "finite scales above 0"),
    "overflow": (lambda s: changed(s, value=3e38), "Expected finite weights"),
    "rank": (lambda s: s.reshape(-1), "a scale for each channel"),
    "size": (lambda s: s[:, :3].copy(), "a scale for each channel"),
    "all": (lambda s: np.ones((3, 64), np.float32), "a scale for each channel"),
    "half": (lambda s: s.astype(np.float16), "scales of float32"),
    "none": (None, "Expected .* of float32, got int8"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_scales_are_refused(kind, small, tmp_path):
    model, folder = small
    arrays = safetensors.numpy.load_file(folder / zoo.WEIGHTS)
    name = next(n for n in arrays if n.endswith(":scale") and arrays[n].shape[1] == 64)
    change, message = BAD[kind]
    if change is None:
        del arrays[name]
    elif kind == "all":
        shape = arrays[name.removesuffix(":scale")].shape
        arrays[name] = np.ones(shape, np.float32)
    else:
        arrays[name] = change(arrays[name])
    path = tmp_path / "weights.safetensors"
    safetensors.numpy.save_file(arrays, path)
    before = [w.numpy() for w in model.generator.weights]
    with pytest.raises(ValueError, match=message):
        zoo.load_weights(model, path)
    for a, b in zip(before, model.generator.weights, strict=True):
        np.testing.assert_array_equal(a, b.numpy())


def test_scales_without_int8_are_refused(small, tmp_path):
    model, folder = small
    arrays = safetensors.numpy.load_file(folder / zoo.WEIGHTS)
    name = next(n for n in arrays if n.endswith(":scale"))
    array = name.removesuffix(":scale")
    for dtype in (np.float32, np.int32, np.uint8):
        wrong = {**arrays, array: arrays[array].astype(dtype)}
        safetensors.numpy.save_file(wrong, tmp_path / "w.safetensors")
        with pytest.raises(ValueError, match="of int8 with scales"):
            zoo.load_weights(model, tmp_path / "w.safetensors")
    wrong = {**arrays, "generator/999/extra:scale": arrays[name]}
    safetensors.numpy.save_file(wrong, tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match="other names"):
        zoo.load_weights(model, tmp_path / "w.safetensors")


def test_unknown_types_are_refused(small, tmp_path):
    with pytest.raises(ValueError, match="int8"):
        zoo.save_weights(small[0], tmp_path / "w.safetensors", "int4")
