"""Two logical devices for strategies, and batches for any model."""

import gc
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.pop("KERAS_GEN_ZOO", None)  # Tests count the weights that ship.

import hub_double  # noqa: F401 Before Gradio imports the hub's client.
import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_gen
from keras_gen import catalogue

CPU = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    CPU, [tf.config.LogicalDeviceConfiguration()] * 2
)

gc.set_threshold(20_000, 20, 20)


@pytest.fixture(autouse=True, scope="module")
def unsearched():
    """Spares searches for garbage what imports and other modules' tests have left.

    Traced graphs are very many objects, and TensorFlow keeps some of them for ever.
    """
    gc.freeze()
    yield
    gc.collect()


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef):
    """Sets fixed seeds for what several tests share, whichever test comes first."""
    if fixturedef.scope != "function":
        keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True)
def seeded():
    """Sets fixed seeds; restores the dtype policy and the zoo's places after a test."""
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_dtype_policy("float32")
    catalogue._added.clear()


@pytest.fixture
def two_replicas():
    """A strategy over two logical CPU devices."""
    return keras_gen.distribute.strategy("mirrored")


def make_batch(model, size, seed=0):
    """Random features with the shapes that a model takes, as arrays."""
    random = np.random.default_rng(seed)
    batch = {}
    for name, shape in model.batch_shapes().items():
        if name in ("label", "domain"):
            batch[name] = random.integers(0, 3, (size, *shape))
        elif name == "caption":
            words = np.array(["red", "heart", "cat", "with", "smiling", "eyes"])
            batch[name] = np.array(
                [" ".join(random.choice(words, 3)) for _ in range(size)]
            )
        else:
            batch[name] = random.uniform(-1, 1, (size, *shape)).astype("float32")
    return batch


def steps(batch, count=None):
    """A dataset that repeats one batch."""
    dataset = tf.data.Dataset.from_tensors(batch).repeat(count)
    size = len(next(iter(batch.values())))
    return dataset.map(
        lambda b: {k: tf.ensure_shape(v, (size, *v.shape[1:])) for k, v in b.items()}
    )


def train(model, batch, count=1):
    """Takes `count` training steps on one batch by `fit`; returns the History."""
    return model.fit(steps(batch), steps_per_epoch=count, epochs=1, verbose=0)


def values(variables):
    """Copies of the values of variables."""
    return [np.array(variable.numpy()) for variable in variables]
