"""Figures about attributes, with models and judges that are exact."""

import dataclasses
import re
import types

import numpy as np
import pytest
import tensorflow as tf

from keras_gen import latent
from keras_gen.data import faces
from keras_gen.metrics.figures.arithmetic import Arithmetic
from keras_gen.metrics.figures.attribute_translations import AttributeTranslations
from keras_gen.metrics.figures.attribute_vectors import AttributeVectors
from keras_gen.metrics.figures.code_information import CodeInformation, information
from keras_gen.metrics.figures.condition_translations import ConditionTranslations
from keras_gen.metrics.figures.judged import JUDGED
from keras_gen.metrics.figures.named_attributes import NamedAttributes

NAMES = faces.attribute_names()


class Faces:
    """Latents of -1 or 1: glasses and smile. Images show them in their two halves."""

    latent_dim = 2

    def decode(self, latents):
        return np.repeat(latents[:, None, :, None], 4, axis=1).astype(np.float32)


class Judge:
    image_shape = (4, 2, 1)

    def classify(self, images):
        glasses, smile = images.mean(axis=(1, 3)).T > 0
        found = np.zeros((len(images), len(NAMES)))
        found[:, NAMES.index("glasses")] = glasses
        found[:, NAMES.index("smile")] = smile
        return found


class Context:
    """What the figure asks of a `keras_gen.metrics.figures.Context`."""

    source, seed = "faces", 0

    def __init__(self):
        self.model, self.pictures = Faces(), {}

    def load_judge(self, preset, weights):
        return Judge(), f"{preset}/{weights}"

    def keep(self, figure, title, rows):
        self.pictures[title] = rows


@pytest.fixture
def binary(monkeypatch):
    """Latents are drawn from the four corners."""

    def draw(model, n, seed):
        return np.random.default_rng(seed).choice([-1.0, 1.0], (n, 2))

    monkeypatch.setattr(latent, "draw", draw)


def test_arithmetic_adds_what_the_first_has_and_the_second_lacks(binary):
    context = Context()
    figures = Arithmetic().measure(context)
    assert figures["arithmetic_agreement"] == 1.0
    drawn = latent.draw(None, 2_000, 0)
    floor = np.mean((drawn[:, 0] > 0) & (drawn[:, 1] < 0))
    assert figures["arithmetic_floor"] == pytest.approx(floor)
    (rows,) = context.pictures.values()
    assert rows.shape == (16, 10, 4, 2, 1)
    glasses, smile = rows.mean(axis=(2, 4)).transpose(2, 0, 1) > 0
    expected = [1] * 3 + [0] * 6 + [1]
    np.testing.assert_array_equal(glasses, np.tile(expected, (16, 1)))
    expected = [1] * 6 + [0] * 4
    np.testing.assert_array_equal(smile, np.tile(expected, (16, 1)))


def test_arithmetic_needs_examples_of_each_kind(monkeypatch):
    monkeypatch.setattr(latent, "draw", lambda model, n, seed: np.ones((n, 2)))
    assert Arithmetic().measure(Context()) == {}


# Translations to attributes.


class Translator:
    """Images of 8 numbers: glasses and smile, which it translates as it is told to.

    Half of the images keep their smile, whatever they are told.
    """

    image_shape = (4, 2, 1)

    def translate(self, images, attributes):
        told = 2.0 * np.asarray(attributes) - 1
        told[::2, 1] = images[::2, 0, 1, 0]
        return np.repeat(told[:, None, :, None], 4, axis=1).astype(np.float32)


class TestSplit(Context):
    num_images = 40

    def __init__(self):
        super().__init__()
        self.model = Translator()
        self.own = np.random.default_rng(1).integers(0, 2, (40, 2))
        images = np.repeat((2.0 * self.own - 1)[:, None, :, None], 4, axis=1)
        batch = {"image": images.astype(np.float32), "attributes": self.own}
        self.batches = [{name: tf.constant(rows) for name, rows in batch.items()}]
        data = types.SimpleNamespace(attribute_names=["glasses", "smile"])
        self.real = types.SimpleNamespace(load=lambda split: data)

    def draw(self, split, features, count):
        assert (split, count) == ("test", 40)
        return self.batches


TestSplit.__test__ = False  # It is no class of tests.


def test_translations_are_judged_by_what_was_asked_and_what_was_kept():
    context = TestSplit()
    figures = AttributeTranslations().measure(context)
    assert figures["attribute_asked_glasses"] == 1.0
    assert figures["attribute_asked_smile"] == 0.5
    assert figures["attribute_asked"] == 0.75
    assert figures["attribute_kept"] == figures["attribute_kept_floor"] == 1.0
    assert figures["reconstruction_l1"] == 0.0
    (rows,) = context.pictures.values()
    assert rows.shape == (16, 3, 4, 2, 1)


# Translations between two conditions.


class Glasses:
    """Translates to glasses, and to none; every fourth image smiles afterwards.

    It darkens all images, also where no glasses are.
    """

    def translate(self, images, to):
        translated = images.copy()
        translated[..., 0, :] = 1.0 if to == "a" else -1.0
        translated[::4, :, 1] = 1.0
        return translated - 0.1


class Sides(Context):
    """Images of 8 numbers, in whose left half glasses are, and a smile in the right."""

    num_images, image_shape = 40, (4, 2, 1)
    data = "faces/personas?glasses,!glasses"

    def __init__(self):
        super().__init__()
        self.model = Glasses()

    def draw(self, split, features, count, data):
        assert (split, count) == ("test", 40)
        own = np.zeros((40, len(NAMES)))
        own[:, NAMES.index("glasses")] = data == "faces/personas?glasses"
        shown = 2.0 * own[:, [NAMES.index("glasses"), NAMES.index("smile")]] - 1
        images = np.repeat(shown[:, None, :, None], 4, axis=1).astype(np.float32)
        return [{"image": tf.constant(images), "attributes": tf.constant(own)}]


def test_translations_meet_the_condition_of_the_other_set(monkeypatch):
    def left(name, attributes, size):
        assert (name, attributes) == (Sides.data, ["glasses"])
        # Of the middle half of the columns, which an image of 4x2 pixels shows.
        return np.broadcast_to(np.arange(size) < size // 4 + 2, (size, size))

    source = dataclasses.replace(JUDGED["faces"], area=left)
    monkeypatch.setitem(JUDGED, "faces", source)
    context = Sides()
    figures = ConditionTranslations().measure(context)
    for suffix in ("", "_glasses", "_not_glasses"):
        assert figures[f"attribute_asked{suffix}"] == 1.0
    # A quarter of the images gets one of 25 other attributes, which none has.
    assert figures["attribute_kept"] == pytest.approx(1 - 0.25 / 25)
    assert figures["attribute_kept_floor"] == 1.0
    # Of the right half, a quarter of the images changes from -1 to 0.9.
    expected = 0.25 * 1.9 + 0.75 * 0.1
    assert figures["elsewhere_l1"] == pytest.approx(expected)
    assert figures["reconstruction_l1"] > figures["elsewhere_l1"] / 2
    titles = list(context.pictures)
    assert titles[0].startswith("Test images, translations to not glasses")
    assert all(rows.shape == (16, 3, 4, 2, 1) for rows in context.pictures.values())


@pytest.mark.parametrize(
    "data, takes_images_alone, expected",
    [
        ("faces?glasses,!glasses", True, True),
        ("faces?glasses,!glasses", False, False),
        ("faces/micah,personas", True, False),
        ("faces?glasses", True, False),
        ("emoji", True, False),
    ],
)
def test_conditions_are_judged_where_there_are_two(data, takes_images_alone, expected):
    context = types.SimpleNamespace(
        source=re.split("[/?]", data)[0],
        data=data,
        takes_only=lambda ability, role: takes_images_alone,
    )
    assert ConditionTranslations().applies(context) == expected


# Attributes in codes.


class Coder:
    """Codes are a rotation of glasses and smile, and images show them in halves."""

    turn = np.array([[0.8, 0.6], [-0.6, 0.8]])

    def encode(self, images):
        return images.mean(axis=(1, 3)) @ self.turn

    def decode(self, codes):
        shown = codes @ self.turn.T
        return np.repeat(shown[:, None, :, None], 4, axis=1).astype(np.float32)


def test_vectors_of_attributes_add_them_and_nothing_else():
    context = TestSplit()
    context.model = Coder()
    context.draw = lambda split, features, count: context.batches
    figures = AttributeVectors().measure(context)
    assert figures["vector_found_glasses"] == figures["vector_found_smile"] == 1.0
    assert figures["vector_found"] == figures["vector_kept"] == 1.0
    assert (figures["vector_found_floor"], figures["vector_kept_floor"]) == (0.0, 1.0)
    (title, rows), *_ = context.pictures.items()
    assert title.endswith("glasses, smile") and rows.shape == (16, 4, 4, 2, 1)


def test_vectors_leave_out_what_comes_with_an_attribute():
    """Who has glasses smiles more often; the vector of glasses adds no smile."""
    context = TestSplit()
    context.model = Coder()
    own = np.array([[1, 1]] * 18 + [[1, 0]] * 2 + [[0, 1]] * 2 + [[0, 0]] * 18)
    images = np.repeat((2.0 * own - 1)[:, None, :, None], 4, axis=1)
    context.batches = [
        {"image": tf.constant(images, tf.float32), "attributes": tf.constant(own)}
    ]
    context.draw = lambda split, features, count: context.batches
    assert AttributeVectors().measure(context)["vector_kept"] == 1.0


class Codes:
    """A category of three whose second value is glasses, and a code that smiles."""

    categories, continuous = (3,), 1

    def inputs(self):
        def draw(random):
            return np.append(np.eye(3)[random.integers(3)], random.uniform(-1, 1))

        return {"codes": types.SimpleNamespace(default=draw)}

    def sample(self, n, seed, codes):
        shown = np.stack([2.0 * codes[:, 1] - 1, codes[:, 3]], axis=1)
        return np.repeat(shown[:, None, :, None], 4, axis=1).astype(np.float32)


def test_the_information_of_codes_about_attributes():
    context = TestSplit()
    context.model, context.num_images = Codes(), 3_000
    figures = CodeInformation().measure(context)
    # The entropy of one in three, and of a half. A share of 3,000 draws has a standard
    # deviation below 0.01, by which the entropies change by at most 0.7 times as much.
    third = np.log(3) - 2 / 3 * np.log(2)
    assert figures["code_information_category_0"] == pytest.approx(third, abs=0.03)
    assert (
        figures["code_information_category_0_glasses"]
        == (figures["code_information_category_0"])
    )
    smile = figures["code_information_continuous_0_smile"]
    assert smile == pytest.approx(np.log(2), abs=0.01)
    assert "code_information_category_0_smile" not in figures
    assert figures["code_information_floor"] < 0.01
    category, continuous = context.pictures.values()
    assert category.shape == (8, 3, 4, 2, 1) and continuous.shape == (8, 10, 4, 2, 1)
    # The code changes along a row, and nothing else.
    np.testing.assert_array_equal(category[:, 1, :, 0], 1.0)
    np.testing.assert_array_equal(category[:, 0, :, 1], category[:, 2, :, 1])
    assert np.all(np.diff(continuous[:, :, 0, 1, 0], axis=1) > 0)


def test_information_is_that_of_the_table_of_counts():
    values = np.array([0, 0, 1, 1, 1, 1])
    attributes = np.array([[1, 1, 0, 0, 0, 0]], bool).T
    expected = -(1 / 3 * np.log(1 / 3) + 2 / 3 * np.log(2 / 3))
    assert information(values, attributes) == pytest.approx([expected])


class Drawer:
    """Draws what captions of two letters say: G or g, and S or s.

    Half of the samples smile, whatever their captions say.
    """

    image_shape = (4, 2, 1)

    def sample(self, seed, captions):
        told = np.array(
            [[2.0 * chr(c).isupper() - 1 for c in text] for text in captions]
        )
        told[::2, 1] = 1.0
        return np.repeat(told[:, None, :, None], 4, axis=1).astype(np.float32)


class Captioned(TestSplit):
    def __init__(self):
        super().__init__()
        self.model = Drawer()
        (batch,) = self.batches
        attributes = np.zeros((40, len(NAMES)))
        for column, name in enumerate(("glasses", "smile")):
            attributes[:, NAMES.index(name)] = self.own[:, column]
        batch["attributes"] = tf.constant(attributes)
        letters = [("gG"[glasses], "sS"[smile]) for glasses, smile in self.own]
        batch["caption"] = tf.constant(["".join(pair) for pair in letters])

    def condition(self, ability, role):
        return types.SimpleNamespace(name="captions")

    def load_shipped(self, name, weights):
        """A matcher that finds the captions of real images, and none of samples."""
        assert (name, weights) == ("matcher", "faces")
        codes = np.eye(40)
        answers = iter([np.roll(codes, 1, axis=0), codes])
        return types.SimpleNamespace(
            image_shape=(4, 2, 1),
            features=lambda images: next(answers),
            text_features=lambda captions: codes,
        )


def test_samples_are_judged_by_what_their_captions_name():
    context = Captioned()
    figures = NamedAttributes().measure(context)
    assert figures["named_found_glasses"] == figures["named_found_smile"] == 1.0
    assert figures["named_found"] == figures["named_found_floor"] == 1.0
    # The matcher finds other captions nearer, and a few as near as the own one.
    assert figures["r_precision"] == pytest.approx(0.07)
    assert figures["r_precision_floor"] == 1.0
    assert figures["unnamed_found_floor"] < figures["unnamed_found"] < 0.1
    (rows,) = context.pictures.values()
    assert rows.shape == (16, 8, 4, 2, 1)


def test_captions_leave_out_skin_and_short_hair_alone():
    found = faces.load("test[:300]")
    named = [name for name in NAMES if name not in faces.unnamed_attributes()]
    words = {
        **{"smile": "smil", "frown": "frown", "wink": "wink", "open_mouth": "mouth"},
        **{"glasses": " glasses", "closed_eyes": "close", "beard": "beard|goatee"},
        **{"moustache": "moustache|beard|goatee", "bald": "no hair|at the sides"},
        **{"hat": "cap|beanie|turban", "earrings": "earring"},
        **{"long_hair": "long|bob|length|pigtails|shaved|big|braids"},
        **{"curly_hair": "curly|wavy", "tied_hair": "bun|pigtails"},
    }
    for caption, has in zip(found["caption"], found["attributes"], strict=True):
        for name in named:
            if has[NAMES.index(name)]:
                pattern = words.get(name, name.replace("_hair", ""))
                assert re.search(pattern, caption.decode()), (name, caption)
