"""Figures about attributes, with models and judges that are exact."""

import types

import numpy as np
import pytest
import tensorflow as tf

from keras_gen import latent
from keras_gen.data import faces
from keras_gen.metrics.figures.arithmetic import Arithmetic
from keras_gen.metrics.figures.attribute_translations import AttributeTranslations

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
