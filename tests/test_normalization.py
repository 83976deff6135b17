"""Normalization of discriminators, and penalties of their gradients with it."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import make_batch, train
from keras import layers

import keras_gen
from keras_gen.core.registry import PRESETS
from keras_gen.models import DCGAN, ConditionalGAN, InfoGAN, PuzzleGAN, TextToImage
from keras_gen.models.adversarial.base import AdversarialModel
from keras_gen.networks.normalization import instance_norm, layer_norm

RANDOM = np.random.default_rng(0)
CONVOLUTIONAL = [DCGAN, ConditionalGAN, InfoGAN]
WARNING = "discriminator has batch normalization"

every_model = pytest.mark.parametrize("cls", CONVOLUTIONAL)


def build(cls, **options):
    # Three halvings, so that two layers of convolutions could be normalized.
    model = cls(**{**cls.tiny, "image_shape": (32, 32, 1), **options})
    model.compile(seed=0)
    return model


def kinds_before_logits(discriminator):
    """Types of the layers on the paths from the inputs to the logits."""
    logits = keras.Model(discriminator.inputs, discriminator.outputs[:1])
    return [type(layer) for layer in logits.layers]


def normalizations_before_logits(model):
    kinds = kinds_before_logits(model.discriminator)
    return {
        kind
        for kind in (layers.BatchNormalization, layers.GroupNormalization)
        if kind in kinds
    }


# What a discriminator has.


@every_model
@pytest.mark.parametrize("penalty", ["r1", "gradient_penalty"])
def test_a_discriminator_with_a_penalty_has_no_normalization(cls, penalty):
    model = build(cls, **{penalty: 1.0})
    assert normalizations_before_logits(model) == set()
    assert model.get_config()["normalization"] == "none"
    has_own = layers.BatchNormalization in map(type, model.discriminator.layers)
    assert has_own == (cls is InfoGAN)  # In the head that predicts the codes.


@every_model
def test_a_discriminator_without_a_penalty_has_batch_normalization(cls):
    model = build(cls)
    assert normalizations_before_logits(model) == {layers.BatchNormalization}
    assert model.get_config()["normalization"] == "batch"


@every_model
@pytest.mark.parametrize("normalization", ["layer", "instance"])
@pytest.mark.parametrize("r1", [0.0, 1.0])
def test_a_given_normalization_is_used_with_and_without_a_penalty(
    cls, normalization, r1
):
    model = build(cls, normalization=normalization, r1=r1)
    assert normalizations_before_logits(model) == {layers.GroupNormalization}
    found = [
        (layer.groups, layer.gamma.shape[0])
        for layer in model.discriminator.layers
        if isinstance(layer, layers.GroupNormalization)
    ]
    # The dense layer of InfoGAN has no maps of several pixels.
    assert len(found) == (3 if cls is InfoGAN else 2)
    assert all(
        groups == (1 if normalization == "layer" else maps)
        for groups, maps in found[:2]
    )
    assert all(groups == 1 for groups, _ in found[2:])
    convolutions = [
        layer for layer in model.discriminator.layers if hasattr(layer, "strides")
    ]
    assert [layer.use_bias for layer in convolutions] == [True, False, False]


def test_layer_and_instance_normalization_by_hand():
    maps = RANDOM.normal(2.0, 3.0, (2, 3, 4, 5)).astype("float32")
    for norm, axes in ((layer_norm, (1, 2, 3)), (instance_norm, (1, 2))):
        centred = maps - maps.mean(axis=axes, keepdims=True)
        expected = centred / maps.std(axis=axes, keepdims=True)
        np.testing.assert_allclose(norm(tf.constant(maps)), expected, atol=1e-4)


@pytest.mark.parametrize("cls", [DCGAN, ConditionalGAN])
def test_spectral_normalization_replaces_batch_normalization_by_default(cls):
    model = build(cls, spectral_normalization=True)
    assert normalizations_before_logits(model) == set()
    both = build(cls, spectral_normalization=True, normalization="layer")
    assert normalizations_before_logits(both) == {layers.GroupNormalization}


@every_model
def test_unknown_normalizations_are_refused(cls):
    with pytest.raises(ValueError, match="Expected normalization, 'batch'"):
        build(cls, normalization="group")


def test_a_discriminator_of_dense_layers_takes_no_normalization():
    with pytest.raises(ValueError, match="network='mlp'"):
        build(ConditionalGAN, network="mlp", normalization="layer")
    assert build(ConditionalGAN, network="mlp", r1=1.0).discriminator


# Penalties.


def penalties(model, batch):
    """R1 and the gradient penalty halfway between images and fixed others."""
    shared = {"fake": tf.roll(batch["image"], 1, axis=1)}
    model.noise = lambda name, shape, kind: tf.fill(shape, 0.5)
    return [
        float(loss(batch, shared, training=True))
        for loss in (model.r1_loss, model.gradient_penalty_loss)
    ]


@every_model
@pytest.mark.parametrize("normalization", ["none", "layer", "instance", "batch"])
def test_a_batch_has_the_penalties_of_its_images_unless_it_is_normalized(
    cls, normalization
):
    """Exactly so: only the order of sums differs."""
    model = build(cls, normalization=normalization, r1=1.0, gradient_penalty=1.0)
    batch = {key: tf.constant(v) for key, v in make_batch(model, 4).items()}
    # Kernels of 0.02 would give penalties near those of a constant.
    for variable in model.discriminator.trainable_variables:
        if variable.name == "kernel":
            variable.assign(4.0 * variable)
    together = penalties(model, batch)
    single = [
        penalties(model, {key: value[i : i + 1] for key, value in batch.items()})
        for i in range(4)
    ]
    apart = np.mean(single, axis=0)
    assert min(together) > 1e-4
    if normalization == "batch":
        assert (np.abs(together - apart) > 0.02 * np.array(together)).all()
    else:
        np.testing.assert_allclose(together, apart, rtol=1e-4)


@every_model
@pytest.mark.parametrize("normalization", [None, "layer", "instance"])
def test_discriminate_gives_the_verdicts_of_training(cls, normalization):
    model = build(cls, normalization=normalization, r1=1.0)
    model.run_eagerly = True
    batch = make_batch(model, 4)
    train(model, batch, count=2)  # Statistics, if any, have moved.
    batch = {key: tf.constant(value) for key, value in batch.items()}
    logits, _ = model.logits(batch["image"], batch.get("label"), training=True)
    verdicts = model.logits(batch["image"], batch.get("label"), training=False)[0]
    np.testing.assert_allclose(verdicts, logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cls", [PuzzleGAN, TextToImage])
@pytest.mark.parametrize("normalization", ["layer", "instance", "none"])
def test_verdicts_on_parts_and_captions_are_those_of_training(cls, normalization):
    model = cls(**cls.tiny, normalization=normalization)
    network = model.discriminator if cls is PuzzleGAN else model.trunk
    assert not any("batch_norm" in layer.name for layer in network.layers)
    images = make_batch(model, 4)["image"]
    together, alone = network(images, training=True), network(images[:1])
    np.testing.assert_allclose(together[:1], alone, rtol=1e-4, atol=1e-5)


# Warnings.


def own_model(discriminator, **options):
    generator = keras.Sequential([keras.Input((2,)), layers.Dense(3)], name="generator")
    model = AdversarialModel(
        generator=generator, discriminator=discriminator, latent_dim=2, **options
    )
    model.compile(seed=0)
    return model


class Block(layers.Layer):
    """A dense layer and batch normalization, inside of a layer."""

    def __init__(self):
        super().__init__()
        self.inner = [layers.Dense(4), layers.BatchNormalization()]

    def build(self, shape):
        self.inner[0].build(shape)
        self.inner[1].build((None, 4))

    def call(self, x, training=None):
        dense, norm = self.inner
        return norm(dense(x), training=training)


def points_discriminator(*hidden):
    return keras.Sequential(
        [keras.Input((3,)), *hidden, layers.Dense(1)], name="discriminator"
    )


@every_model
@pytest.mark.parametrize("penalty", ["r1", "gradient_penalty"])
def test_training_warns_of_batch_normalization_under_a_penalty(cls, penalty):
    model = build(cls, normalization="batch", **{penalty: 1.0})
    model.run_eagerly = True
    with pytest.warns(UserWarning, match=WARNING):
        train(model, make_batch(model, 2))


def test_training_warns_of_batch_normalization_in_own_networks():
    points = {"point": np.zeros((4, 3), np.float32)}
    nested = keras.Sequential([keras.Input((3,)), layers.BatchNormalization()])
    for hidden in (layers.BatchNormalization(), nested, Block()):
        model = own_model(points_discriminator(hidden), r1=1.0)
        with pytest.warns(UserWarning, match=WARNING):
            train(model, points)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(
            own_model(points_discriminator(layers.LayerNormalization()), r1=1.0), points
        )
        train(own_model(points_discriminator(Block())), points)


@every_model
def test_training_does_not_warn_of_the_defaults(cls):
    """Nor of the batch normalization in the head of InfoGAN that predicts codes."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for options in ({}, {"r1": 1.0, "gradient_penalty": 1.0}):
            model = build(cls, **options)
            model.run_eagerly = True
            train(model, make_batch(model, 2))


# Files.


@every_model
@pytest.mark.parametrize("options", [{}, {"r1": 1.0}, {"gradient_penalty": 1.0}])
def test_configurations_of_older_versions_have_batch_normalization(cls, options):
    config = build(cls, **options).get_config()
    del config["normalization"]
    old = cls.from_config(config)  # Without a warning, which would be an error here.
    assert normalizations_before_logits(old) == {layers.BatchNormalization}
    assert old.get_config()["normalization"] == "batch"


@pytest.mark.parametrize("cls", [DCGAN, ConditionalGAN])
def test_older_configurations_with_spectral_normalization_have_no_other(cls):
    config = build(cls, spectral_normalization=True).get_config()
    del config["normalization"]
    assert normalizations_before_logits(cls.from_config(config)) == set()


def test_older_configurations_of_dense_layers_load():
    config = build(ConditionalGAN, network="mlp").get_config()
    del config["normalization"]
    assert ConditionalGAN.from_config(config).get_config()["normalization"] is None


@pytest.mark.parametrize("name", ["dcgan", "cgan", "infogan"])
@pytest.mark.parametrize("before, after", [(0.0, 1.0), (1.0, 0.0)])
def test_a_file_keeps_its_networks_when_the_penalty_changes(
    name, before, after, tmp_path
):
    model = build(PRESETS[name].model, r1=before)
    model.save(tmp_path / "model.keras")
    loaded = keras_gen.zoo.load(name, tmp_path / "model.keras", r1=after)
    assert loaded.r1 == after
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
