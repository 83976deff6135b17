"""Classifiers of attributes, of which an image has any number."""

import keras
import numpy as np
import pytest

from keras_gen import metrics
from keras_gen.models import Classifier


def built(**options):
    options = {"image_shape": (8, 8, 1), "num_classes": 2, "width": 4, **options}
    model = Classifier(target="attributes", average=None, **options)
    model.compile({"classifier": keras.optimizers.SGD(0.1, momentum=0.9)}, seed=0)
    return model


def halves(count):
    """Images whose halves are bright or dark, and which halves are bright."""
    bright = np.random.default_rng(0).integers(0, 2, (count, 2))
    images = np.repeat(bright[:, None, :, None] * 1.6 - 0.8, 8, axis=1)
    return np.repeat(images, 4, axis=2).astype(np.float32), bright


def test_attributes_are_learnt_independently():
    """Both, one or none of two halves may be bright: no softmax could say so."""
    model = built(turn=0.0, scale=0.0, shift=0.0)
    images, bright = halves(256)
    model.fit(images, bright, batch_size=32, epochs=40, shuffle=False, verbose=0)
    found = model.classify(images)
    np.testing.assert_array_equal(found > 0.5, bright == 1)
    sums = found.sum(axis=1)
    assert sums[bright.sum(1) == 2].min() > 1.5
    assert sums[bright.sum(1) == 0].max() < 0.5
    result = model.evaluate(images, bright, verbose=0, return_dict=True)
    assert result["accuracy"] == 1.0


def test_the_loss_is_the_sum_of_the_attributes_entropies():
    model = built()
    images, bright = halves(16)
    result = model.evaluate(images, bright, verbose=0, return_dict=True)
    found = model.classify(images).astype(np.float64)
    likely = np.where(bright == 1, found, 1 - found)
    expected = -np.log(likely).sum(axis=1).mean()
    assert result["classifier_loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("wrong", [0.5, -1, 2, np.nan, "yes"])
def test_attributes_other_than_0_and_1_are_refused(wrong):
    model = built()
    images, bright = halves(4)
    attributes = bright.astype(object)
    attributes[1, 1] = wrong
    attributes = np.array(attributes.tolist())
    with pytest.raises(ValueError, match="Expected attributes that are 0 or 1"):
        model.fit(images, attributes, verbose=0)


def test_another_number_of_attributes_is_refused():
    images, bright = halves(4)
    with pytest.raises(ValueError, match=r"attributes of shape \(batch, 3\)"):
        built(num_classes=3).fit(images, bright, verbose=0)


def test_attributes_are_no_classes_of_an_extractor(tmp_path):
    """A classifier score of probabilities that do not sum to 1 would mean nothing."""
    model = built()
    model.save(tmp_path / "model.keras")
    extractor = metrics.extractor(tmp_path / "model.keras")
    assert not extractor.has_classes
    images, _ = halves(4)
    np.testing.assert_allclose(
        extractor.features(images), model.features(images), atol=1e-6
    )


def test_further_blocks_need_and_see_larger_images():
    with pytest.raises(ValueError, match="at least 16 pixels"):
        built(num_blocks=5)
    model = built(image_shape=(16, 16, 1), num_blocks=4)
    assert model.features(np.zeros((2, 16, 16, 1), np.float32)).shape == (2, 32)
