"""The faces: their parts, attributes, captions, selections and splits."""

import functools
import hashlib
import pathlib
import re

import numpy as np
import pytest

import keras_gen
from keras_gen.data import faces

# Each of a face's up to 14 layers is rounded to bytes, and so is each of the renderer's
# paths: of the images below, no value differs by more than 5.
ROUNDING = 6
HANDS = ("personas", "toon-head", "micah", "big-smile")


@pytest.fixture(scope="module")
def table():
    """All features of all faces, apart from images."""
    return faces._select("all", faces.parse("faces"))


def column(table, name):
    return table["attributes"][:, faces.attribute_names().index(name)] == 1


def batch_of(source, split="test[:40]", **options):
    options = {"shuffle": False, "batch_size": 40, **options}
    data = keras_gen.data.load(source, split, **options)
    return next(data.as_numpy_iterator()), data


# Images.


@pytest.mark.parametrize("hand", HANDS)
@pytest.mark.parametrize("size", faces.SIZES)
def test_composed_parts_equal_what_the_renderer_draws(hand, size):
    with np.load(pathlib.Path(__file__).parent / "data" / "faces.npz") as stored:
        choices, rendered = stored[f"{hand}/choices"], stored[f"{hand}/{size}"]
    # Every option of every slot, and every colour, occurs.
    known = [len(options) for options in faces._hand(hand)["slots"].values()]
    assert (choices.max(0)[: len(known)] == np.array(known) - 1).all()
    composed = faces.compose(hand, choices, size)
    differences = np.abs(composed.astype(int) - rendered.astype(int))
    assert differences.max() <= ROUNDING
    assert differences.mean() < 0.2
    # The pictures are not alike, so that another face would not pass.
    others = np.abs(np.roll(composed, 1, axis=0).astype(int) - rendered)
    assert (others.reshape(len(others), -1).max(1) > 10 * ROUNDING).all()


def test_no_two_of_at_least_50_000_faces_have_equal_pictures():
    count = faces._count()
    assert count == 60_000
    digests = set()
    for start in range(0, count, 1000):
        images = faces.draw(np.arange(start, start + 1000))
        digests.update(hashlib.sha256(image).digest() for image in images)
    assert len(digests) == count


def test_images_of_both_sizes_show_the_same_faces():
    small, large = faces.draw(np.arange(40), 64), faces.draw(np.arange(40), 128)
    halved = large.reshape(40, 64, 2, 64, 2, 3).mean((2, 4))
    same = np.abs(small - halved).mean((1, 2, 3))
    other = np.abs(np.roll(small, 4, axis=0) - halved).mean((1, 2, 3))
    assert (same < 4).all() and (other > 2 * same).all()
    assert (small[:, 0, 0] == 255).all()  # The ground is white.
    with pytest.raises(ValueError, match="size of"):
        faces.compose("micah", np.zeros((1, 15), np.uint8), 32)


def test_load_scales_the_nearest_larger_drawings():
    image = {
        side: batch_of("faces", image_shape=(side, side, 3))[0]["image"]
        for side in (32, 64, 128)
    }
    assert all(image[side].shape == (40, side, side, 3) for side in image)
    rows = faces._select("test[:40]", faces.parse("faces"))["row"]
    for side in (64, 128):
        drawn = faces.draw(rows, side) / 127.5 - 1
        np.testing.assert_allclose(image[side], drawn, atol=1e-6)
    halved = image[64].reshape(40, 32, 2, 32, 2, 3).mean((2, 4))
    assert np.abs(image[32] - halved).mean() < 0.05
    grey, _ = batch_of("faces", image_shape=(64, 64, 1))
    assert grey["image"].shape == (40, 64, 64, 1)


def test_loading_is_deterministic():
    options = {"shuffle": True, "seed": 5, "batch_size": 16}
    first, second = (batch_of("faces", "train[:200]", **options)[0] for _ in range(2))
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name])
    arrays = faces.load("train[:8]")
    plain, _ = batch_of("faces", "train[:8]", batch_size=8)
    np.testing.assert_array_equal(arrays["id"], plain["id"])
    np.testing.assert_allclose(arrays["image"] / 127.5 - 1, plain["image"], atol=1e-6)


# Features.


def test_features_of_all_faces():
    batch, data = batch_of("faces")
    assert set(batch) == {"image", "domain", "attributes", "label", "caption", "id"}
    assert batch["image"].dtype == batch["attributes"].dtype == np.float32
    assert batch["label"].dtype == batch["domain"].dtype == np.int64
    assert batch["attributes"].shape == (40, len(data.attribute_names))
    assert data.domain_names == list(HANDS)
    assert data.class_names[-1] == "none" and len(data.class_names) == 8
    for name, hand in zip(batch["id"], batch["domain"], strict=True):
        assert name.decode().startswith(HANDS[hand])
    some, _ = batch_of("faces", features=("attributes", "label"))
    assert set(some) == {"attributes", "label"}
    np.testing.assert_array_equal(some["attributes"], batch["attributes"])


def test_attributes_agree_with_each_other_and_with_labels(table):
    for tone in ("light", "medium", "dark"):
        assert 0.3 < column(table, f"{tone}_skin").mean() < 0.37
    skins = sum(
        column(table, f"{tone}_skin").astype(int)
        for tone in ("light", "medium", "dark")
    )
    assert (skins == 1).all()
    colours = faces.class_names()[:-1]
    for label, colour in enumerate(colours):
        np.testing.assert_array_equal(
            column(table, f"{colour}_hair"), table["label"] == label
        )
    no_hair = table["label"] == len(colours)
    assert (column(table, "bald") | column(table, "hat"))[no_hair].all()
    assert not (column(table, "glasses") & column(table, "sunglasses")).any()
    assert not (column(table, "smile") & column(table, "frown")).any()
    styles = [column(table, name) for name in ("long_hair", "tied_hair", "bald", "hat")]
    np.testing.assert_array_equal(column(table, "short_hair"), ~np.any(styles, axis=0))


def test_every_attribute_is_frequent_enough_to_be_learned(table):
    shares = table["attributes"].mean(0)
    assert (shares > 0.04).all() and (shares < 0.65).all()
    # Attributes are drawn independently of each other, apart from hands.
    personas = table["domain"] == 0
    pairs = np.corrcoef(
        column(table, "smile")[personas], column(table, "dark_skin")[personas]
    )
    assert abs(pairs[0, 1]) < 0.05


def test_attributes_are_what_the_pictures_show():
    slots = list(faces._hand("micah")["slots"])
    choices = np.repeat(faces._files()["micah/choices"][:30], 2, axis=0)
    choices[::2, slots.index("glasses")] = 0
    choices[1::2, slots.index("glasses")] = 1  # Round ones.
    images = faces.compose("micah", choices).astype(int)
    changed = (images[::2] != images[1::2]).any(-1)
    assert (changed.sum((1, 2)) > 30).all()
    assert not changed[:, :16].any() and not changed[:, 40:].any()  # Around the eyes.
    # Blond hair without glasses or hat has pixels of the colour of the palette.
    blond = faces._tints("hair")[faces.class_names().index("blond")] * 255
    batch, _ = batch_of("faces/toon-head?blond_hair", "train[:20]", batch_size=20)
    images = (batch["image"] + 1) * 127.5
    near = (np.abs(images - blond) < 2).all(-1).sum((1, 2))
    assert (near > 50).all()
    batch, _ = batch_of("faces/toon-head?!blond_hair", "train[:20]", batch_size=20)
    images = (batch["image"] + 1) * 127.5
    assert ((np.abs(images - blond) < 2).all(-1).sum((1, 2)) < 20).all()


WORDS = {
    "glasses": r"\b(round|square) glasses",
    "sunglasses": "sunglasses",
    "smile": "smiling",
    "frown": "frowning",
    "wink": "winking",
    "open_mouth": "with an open mouth",
    "earrings": "earring",
    "beard": "beard|goatee",
    "moustache": "moustache|full beard|long beard|goatee",
    "tied_hair": r"\bbun\b|pigtails",
    "curly_hair": "curly|wavy",
    "hat": "cap|beanie|turban",
}


def test_captions_say_what_attributes_say(table):
    captions = [caption.decode() for caption in table["caption"]]
    for name, words in WORDS.items():
        said = np.array([bool(re.search(words, caption)) for caption in captions])
        np.testing.assert_array_equal(said, column(table, name), err_msg=name)
    names = faces.class_names()
    for caption, label in zip(captions, table["label"], strict=True):
        assert label == len(names) - 1 or names[label] in caption
    text = " ".join(captions)
    assert not re.search(r"\b(he|she|his|her|man|woman|boy|girl|male|female)\b", text)
    assert not re.search(r"[{}]|  |\ba [aeio]|\bNone\b| ,", text)


def test_captions_have_several_wordings_that_ids_choose(table):
    starts = {tuple(caption.split()[:3:2]) for caption in table["caption"]}
    assert len(starts) >= 4
    again = faces._captions.__wrapped__()
    np.testing.assert_array_equal(table["caption"], again[table["row"]])
    assert len(set(table["caption"])) > 20_000


# Selections.


def test_hands_and_attributes_select_faces(table):
    has = functools.partial(column, table)
    micah = table["domain"] == 2
    expected = {
        "faces/personas": table["domain"] == 0,
        "faces/micah,personas": micah | (table["domain"] == 0),
        "faces?glasses": has("glasses"),
        "faces?!glasses": ~has("glasses"),
        "faces?glasses&smile": has("glasses") & has("smile"),
        "faces/micah?beard&!smile": micah & has("beard") & ~has("smile"),
        "faces?black_hair,blond_hair": has("black_hair") | has("blond_hair"),
        "faces?glasses,smile": has("glasses") ^ has("smile"),
    }
    for text, chosen in expected.items():
        found = faces._select("all", faces.parse(text), ("id",))
        assert set(found["id"]) == set(table["id"][chosen]), text
        assert faces.parse(str(faces.parse(text))) == faces.parse(text)


def test_only_pixels_of_their_area_change_with_attributes():
    """The same faces, drawn with each of the options of the slot of glasses."""
    columns = list(faces._hand("personas")["slots"])
    choices = faces._files()["personas/choices"][:40]
    area = faces.area("faces/personas", ["glasses"])
    drawn = []
    for option in range(6):
        changed = choices.copy()
        changed[:, columns.index("eyes")] = option
        drawn.append(faces.compose("personas", changed))
    differs = np.ptp(np.stack(drawn).astype(int), axis=0).max(axis=(0, 3)) > 0
    assert differs.any() and not (differs & ~area).any()
    assert area.mean() < 0.25  # Of the 64 rows, about 16 hold eyes.


def test_areas_of_colours_and_of_several_attributes():
    hair = faces.area("faces/personas", ["red_hair"])
    changed = faces._files()["personas/choices"][:40].copy()
    columns = [*faces._hand("personas")["slots"], *faces._hand("personas")["colours"]]
    drawn = []
    for colour in (0, 5):
        changed[:, columns.index("hair", columns.index("body"))] = colour
        drawn.append(faces.compose("personas", changed))
    differs = (drawn[0] != drawn[1]).any(axis=(0, 3))
    assert differs.any() and not (differs & ~hair).any()
    both = faces.area("faces/personas", ["glasses", "red_hair"], size=128)
    assert both.shape == (128, 128) and both.mean() > hair.mean()
    assert not faces.area("faces/toon-head", ["glasses"]).any()


def test_conditions_are_met_where_all_terms_are():
    names = faces.attribute_names()
    table = np.zeros((3, len(names)))
    table[1:, names.index("smile")] = table[2, names.index("hat")] = 1
    assert faces.meets("smile&!hat", table).tolist() == [False, True, False]
    assert faces.meets("!smile", table > 0).tolist() == [True, False, False]


def test_domains_are_hands_or_conditions():
    batch, data = batch_of("faces/micah,personas")
    assert data.domain_names == ["micah", "personas"]
    for name, domain in zip(batch["id"], batch["domain"], strict=True):
        assert name.decode().startswith(data.domain_names[domain])
    batch, data = batch_of("faces/personas?black_hair,blond_hair&smile")
    assert data.domain_names == ["black_hair", "blond_hair&smile"]
    np.testing.assert_array_equal(batch["domain"] == 0, batch["label"] == 0)
    np.testing.assert_array_equal(batch["domain"] == 1, batch["label"] == 2)


@pytest.mark.parametrize(
    "source",
    [
        ("faces/personas?glasses", "faces/personas?!glasses&!sunglasses"),
        "faces/personas?glasses,!glasses&!sunglasses",
    ],
)
def test_two_domains_for_translation_are_one_line(source):
    options = {"features": ("image", "image_b"), "batch_size": 30, "shuffle": False}
    batch = next(keras_gen.data.load(source, **options).as_numpy_iterator())
    expected = [
        batch_of(f"faces/personas?{condition}", "train[:30]", batch_size=30)[0]["image"]
        for condition in ("glasses", "!glasses&!sunglasses")
    ]
    np.testing.assert_array_equal(batch["image"], expected[0])
    np.testing.assert_array_equal(batch["image_b"], expected[1])


def test_two_hands_are_two_domains():
    batch, _ = batch_of("faces/micah,big-smile", features=("image", "image_b"))
    micah, _ = batch_of("faces/micah")
    np.testing.assert_array_equal(batch["image"], micah["image"])
    with pytest.raises(ValueError, match="two domains"):
        batch_of("faces/micah", features=("image", "image_b"))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("faces?glases", r"\['glasses', 'sunglasses'\].*got 'glases'"),
        ("faces?smiling", "'smile'"),
        ("faces?xyz", "attributes of .*'long_hair'"),
        ("faces?glasses&", "got ''"),
        ("faces/persona", "Expected hands of"),
        ("faces/micah,micah", "each once"),
        ("faces?split=random", "split=id or split=combinations"),
        ("faces?glasses&!glasses", "each of which some face meets"),
        ("faces/toon-head?smile,glasses", "each of which some face meets"),
        ("faces/toon-head?glasses", "each of which some face meets"),
    ],
)
def test_unknown_selections_are_refused_with_what_is_near(source, message):
    for function in (keras_gen.data.load, keras_gen.data.describe):
        with pytest.raises(ValueError, match=message):
            function(source)


def test_a_selection_without_test_images_can_be_described_and_trained_on():
    rare = "faces/micah?hat&earrings&glasses&beard&frown&split=combinations"
    held_out = [rare, rare.replace("beard", "!beard")]
    sizes = [keras_gen.data.describe(name).counts for name in held_out]
    assert any(0 in counts.values() for counts in sizes)
    for name, counts in zip(held_out, sizes, strict=True):
        for split, count in counts.items():
            if count:
                assert batch_of(name, split)[0]["image"].shape[0] == min(count, 40)
            else:
                with pytest.raises(ValueError, match="Expected faces in the split"):
                    batch_of(name, split)


def test_a_folder_of_the_same_name_is_not_taken_silently(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "faces").mkdir()
    with pytest.raises(ValueError, match=r"'./faces' for the folder"):
        keras_gen.data.describe("faces")
    assert "Split 'all': 60,000" in str(keras_gen.data.describe("faces?", "all"))


# Splits.


def test_ids_divide_faces_at_random(table):
    parts = {
        split: faces._select(split, faces.parse("faces"))["id"]
        for split in ("train", "test")
    }
    assert not set(parts["train"]) & set(parts["test"])
    assert len(parts["train"]) + len(parts["test"]) == 60_000
    assert 0.095 < len(parts["test"]) / 60_000 < 0.105
    # Selections keep each face in its split.
    chosen, _ = batch_of("faces/micah?glasses")
    assert set(chosen["id"]) <= set(parts["test"])


def test_held_out_combinations_never_occur_in_training():
    names = faces.attribute_names()
    columns = [names.index(name) for name in faces.COMBINED]
    seen, captions = {}, {}
    for split in ("train", "test"):
        found = faces._select(split, faces.parse("faces?split=combinations"))
        captions[split] = set(found["caption"])
        rows = np.concatenate(
            [found["attributes"][:, columns], found["label"][:, None]], 1
        )
        seen[split] = {tuple(row) for row in rows}
        shares = found["attributes"].mean(0)
        assert (shares > 0.02).all()  # Each attribute alone is in both splits.
        assert 5_000 < len(rows) < 55_000
    assert not seen["train"] & seen["test"]
    assert not captions["train"] & captions["test"]
    total = len(seen["train"]) + len(seen["test"])
    assert 0.08 < len(seen["test"]) / total < 0.12


def test_the_name_of_a_source_chooses_its_division():
    def test_ids(source, features):
        options = {"features": features, "batch_size": 60_000, "shuffle": False}
        data = keras_gen.data.load(source, "test", **options)
        return set(next(data.as_numpy_iterator())["id"])

    by_id = test_ids("faces", ("id", "caption"))
    assert test_ids("faces?split=id", ("id",)) == by_id
    by_combination = test_ids("faces?split=combinations", ("id",))
    assert test_ids("faces?split=combinations", ("id", "caption")) == by_combination
    assert by_id != by_combination
    hats = test_ids("faces/micah?hat&split=combinations", ("id",))
    assert hats and hats < by_combination


def test_descriptions_name_hands_attributes_and_the_division():
    text = str(keras_gen.data.describe("faces", image_shape=(64, 64, 3)))
    assert text.splitlines() == [
        "Data: faces, 60,000 images of 64x64 pixels, 8 classes, 4 domains (personas, "
        "toon-head, micah, big-smile), 26 attributes",
        "Images: used at their size, 64x64",
        "Training: 53,954 images; held out: 6,046 in the split 'test' (a tenth of the "
        "faces, by their ids)",
    ]
    wanted = ("image", "caption")
    text = str(keras_gen.data.describe("faces", features=wanted))
    assert "by their ids; 'split=combinations' in the source's name" in text
    text = str(keras_gen.data.describe("faces?split=combinations", features=wanted))
    assert text.endswith(
        "(a tenth of the combinations of hair, eyewear, mouth and beard)"
    )
    large = keras_gen.data.describe("faces/micah", image_shape=(96, 96, 3))
    assert "15,000 images of 128x128" in str(large)
    pair = keras_gen.data.describe(
        "faces/personas?glasses,!glasses", features=("image", "image_b")
    )
    assert [side.source for side in pair.domains] == [
        "faces/personas?glasses",
        "faces/personas?!glasses",
    ]


def test_licences_of_all_hands_are_in_the_package():
    folder = pathlib.Path(faces.__file__).parent / "files"
    readme = (folder / "README.md").read_text("utf-8")
    for hand in HANDS:
        licence = (folder / f"faces_LICENSE_{hand}.txt").read_text("utf-8")
        assert "Designer: " in licence and "CC BY 4.0" in licence
        designer = re.search("Designer: (.*?) [-(]", licence)[1]
        assert designer in readme


# CelebA.


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_celeb_a_has_its_40_attributes_in_the_order_of_their_names(tmp_path):
    import tensorflow_datasets as tfds

    options = {"image_shape": (16, 16, 3), "batch_size": 12, "data_dir": tmp_path}
    wanted = ("image", "attributes", "caption")
    with tfds.testing.mock_data(num_examples=12):
        data = keras_gen.data.load("celeb_a", features=wanted, shuffle=False, **options)
        batch = next(data.as_numpy_iterator())
        raw = next(
            tfds.load("celeb_a", split="train", data_dir=tmp_path)
            .batch(12)
            .as_numpy_iterator()
        )["attributes"]
        facts = str(keras_gen.data.describe("celeb_a", data_dir=tmp_path))
    assert data.attribute_names == sorted(raw) and len(raw) == 40
    assert batch["attributes"].dtype == np.float32
    expected = np.stack([raw[name] for name in sorted(raw)], axis=1)
    np.testing.assert_array_equal(batch["attributes"], expected)
    assert "40 attributes" in facts
    for caption, row in zip(batch["caption"], expected, strict=True):
        present = [n for n, has in zip(data.attribute_names, row, strict=True) if has]
        assert caption.decode() == ", ".join(present).replace("_", " ").lower()


def test_attributes_are_chosen_and_ordered_by_the_name():
    chosen = keras_gen.data.load(
        "faces/micah?attributes=smile,glasses", "test", shuffle=False, batch_size=40
    )
    everything = keras_gen.data.load(
        "faces/micah", "test", shuffle=False, batch_size=40
    )
    assert chosen.attribute_names == ["smile", "glasses"]
    columns = [everything.attribute_names.index(n) for n in chosen.attribute_names]
    few, all_ = next(iter(chosen)), next(iter(everything))
    np.testing.assert_array_equal(few["id"], all_["id"])
    expected = all_["attributes"].numpy()[:, columns]
    np.testing.assert_array_equal(few["attributes"], expected)
    facts = keras_gen.data.describe("faces/micah?attributes=smile,glasses")
    assert facts.details == ("2 attributes",)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("attributes=smille", "'smile'"),
        ("attributes=", "attributes"),
        ("attributes=smile,smile", "each once"),
        ("attributes=smile&attributes=hat", "once"),
        ("split=id&split=id", "once"),
    ],
)
def test_wrong_choices_of_attributes_are_refused(query, message):
    with pytest.raises(ValueError, match=message):
        keras_gen.data.load(f"faces?{query}")
