"""Figures about attributes, with models and judges that are exact."""

import re
import types

import numpy as np
import pytest
import tensorflow as tf

from keras_gen import latent
from keras_gen.data import faces
from keras_gen.metrics.figures.arithmetic import Arithmetic
from keras_gen.metrics.figures.attribute_translations import AttributeTranslations
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
    assert (figures["r_precision"], figures["r_precision_floor"]) == (0.0, 1.0)
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
