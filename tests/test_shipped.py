"""Results of shipped weights and of files written by version 0.1 do not change."""

import json
import pathlib
import sys
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import make_batch, train

import keras_gen
from keras_gen.models.autoregressive import AutoregressiveModel

DATA = pathlib.Path(__file__).parent / "data"
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tools"))
import fingerprints  # noqa: E402

SHIPPED = json.loads((DATA / "fingerprints.json").read_text())
OLD = json.loads((DATA / "keras_files_0_1.json").read_text())


# Where rounding errors grow: guidance multiplies the difference of two predictions in
# each of many steps, with and without graphs by up to 0.01 of the result's size;
# ancestral completion makes each step ten times, and one row differs from the same one
# among four by 3e-4.
AMPLIFIED = {
    ("text_to_image_diffusion:faces", "complete"): 0.1,
    ("ddpm:mnist", "complete"): 3e-3,
}


def check(model, expected, key=None):
    """Compares projections, which are of order 1, up to float32 rounding errors.

    Sums of many terms, such as log-likelihoods, are compared relative to their size.
    """
    # Without graphs, whose making takes longer than four rows do; but for models that
    # loop over pixels, and for the bound of a DDPM, which loops over a thousand steps,
    # and of which one row is enough.
    is_ddpm = isinstance(model, keras_gen.models.DDPM)
    loops = is_ddpm or isinstance(model, AutoregressiveModel)
    count = 1 if is_ddpm else fingerprints.ROWS
    tf.config.run_functions_eagerly(not loops)
    try:
        found = fingerprints.fingerprint(model, count)
    finally:
        tf.config.run_functions_eagerly(False)
    assert found.keys() == expected.keys()
    for name, rows in expected.items():
        rows = np.array(rows[:count])
        size = max(np.abs(rows).max(), 1.0)
        np.testing.assert_allclose(
            found[name],
            rows,
            rtol=0,
            atol=AMPLIFIED.get((key, name), 2e-4) * size,
            err_msg=name,
        )


def test_every_set_of_weights_is_held():
    assert set(SHIPPED) == {
        f"{name}:{weights}"
        for name in keras_gen.zoo.names()
        for weights in keras_gen.zoo.weights_of(name)
    }


@pytest.mark.parametrize("key", SHIPPED)
def test_shipped_weights_answer_as_they_did(key):
    name, _, weights = key.partition(":")
    check(keras_gen.zoo.load(name, weights=weights), SHIPPED[key], key)


@pytest.mark.parametrize("name", OLD)
def test_a_file_of_version_0_1_loads_and_resumes(name, tmp_path):
    with zipfile.ZipFile(DATA / "keras_files_0_1.zip") as archive:
        path = archive.extract(f"{name}.keras", tmp_path)
    model = keras_gen.zoo.load(name, weights=path)
    check(model, OLD[name])
    by_keras = keras.saving.load_model(path)
    for loaded in (model, by_keras):
        assert int(loaded.step.numpy()) == 2
        for player in loaded.players():  # With the state of every optimizer.
            assert int(loaded.optimizers[player].iterations.numpy()) >= 2
            slots = loaded.optimizers[player].variables[2:]
            assert any(np.any(slot.numpy()) for slot in slots)
    for a, b in zip(model.variables, by_keras.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    model.run_eagerly = True
    history = train(model, make_batch(model, 8)).history
    assert int(model.step.numpy()) == 3
    assert all(np.isfinite(values).all() for values in history.values())
