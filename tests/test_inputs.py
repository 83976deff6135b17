"""Declarations of inputs, which methods, signatures, clients and cards share."""

import json

import numpy as np
import pytest
import tensorflow as tf

import keras_gen
from keras_gen.core import arguments
from keras_gen.core.inputs import (
    Input,
    OneOf,
    Uniform,
    caption_input,
    check_rows,
    image_input,
    label_input,
    latent_input,
    mask_input,
    seed_input,
)
from keras_gen.core.noise import row_generator, row_seeds

ALL = [
    seed_input(),
    image_input((4, 4, 1)),
    label_input(3),
    latent_input(2),
    mask_input((4, 4, 1)),
    caption_input(("a", "b")),
    image_input((4, 4, 1)).as_files(),
    Input("truncation", default=1.0, description="Share of the way."),
    Input("sequences", (None, 3)),
]


@pytest.mark.parametrize("entry", ALL, ids=lambda entry: entry.name)
def test_a_card_brings_the_whole_input_back(entry):
    entry_in_card = json.loads(json.dumps(entry.describe()))
    again = Input.from_description(entry.name, entry_in_card)
    assert again == entry


@pytest.mark.parametrize("entry", ALL, ids=lambda entry: entry.name)
def test_examples_pass_the_check_in_python_and_in_a_graph(entry):
    for random in (None, np.random.default_rng(0)):
        rows = entry.check(entry.example(3, random))
        assert rows.shape[0] == 3
        for assertion in entry.assertions(tf.constant(rows, entry.dtype)):
            assert assertion is None  # Eager assertions raise.


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        (image_input((2, 2, 1)), np.zeros((3, 2, 2)), r"\(batch, 2, 2, 1\), got"),
        (image_input((2, 2, 1)), np.full((1, 2, 2, 1), 2.0), r"in \[-1, 1\], got v"),
        (image_input((2, 2, 1)), np.full((1, 2, 2, 1), np.nan), "finite images"),
        (latent_input(2), np.full((1, 2), 1e300), "beyond float32"),
        (latent_input(2), np.array([["a", "b"]]), "latents of float32"),
        (latent_input(2), [[1.0, 2.0], [1.0]], "rows have one shape"),
        (latent_input(2), np.ones((1, 2), bool), "float32, got bool"),
        (latent_input(2), np.ones((1, 2), complex), "float32, got complex"),
        (latent_input(2), [[10**30, 1]], "float32, got greater numbers"),
        (image_input((2, 2, 1)), np.zeros((1, 2, 2, 1), np.uint8), "got uint8"),
        (mask_input((2,)), np.full((1, 2), 0.5), "mask of 0 and 1"),
        (mask_input((2,)), np.full((1, 2), 2), "mask of 0 and 1"),
        (label_input(3), [0.0, 1.0], "int64, got float64"),
        (label_input(3), [0.7, 1.0], "int64, got float64"),
        (label_input(3), [True, False], "int64, got bool"),
        (label_input(3), [2**70, 1], "int64, got greater numbers"),
        (label_input(3), [[1], [1, 2]], "rows have one shape"),
        (caption_input(), ["a", None], "strings, got None"),
        (caption_input(), [1, 2], "strings, got 1"),
        (label_input(3), np.array([3]), "labels from 0 to 2, got values from 3 to 3"),
        (label_input(3), np.array([0.5]), "labels of int64, got float64"),
        (label_input(3), np.array([2**64 - 1], np.uint64), "fit int64"),
        (mask_input((1, 1, 1)), np.full((1, 1, 1, 1), 0.5), "mask of 0 and 1"),
    ],
)
def test_rows_that_do_not_fit_are_refused(entry, value, message):
    with pytest.raises(ValueError, match=message):
        entry.check(value)


def test_masks_may_be_bool():
    mask = mask_input((2,)).check([[True, False]])
    assert mask.dtype == np.float32 and mask.tolist() == [[1.0, 0.0]]


def test_one_value_may_stand_for_all_rows():
    inputs = {"latents": latent_input(2), "labels": label_input(3)}
    found = check_rows(inputs, {"latents": np.zeros((4, 2)), "labels": 2})
    assert found["labels"].tolist() == [2] * 4
    with pytest.raises(ValueError, match="labels whose rows have one shape"):
        check_rows(inputs, {"latents": np.zeros((4, 2)), "labels": [[1], [1, 2]]})


def test_a_graph_refuses_what_python_refuses():
    mask = mask_input((1, 1, 1))
    with pytest.raises(tf.errors.InvalidArgumentError, match="mask of 0 and 1"):
        list(mask.assertions(tf.fill((1, 1, 1, 1), 0.5)))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"labels in \[0, 2\]"):
        list(label_input(3).assertions(tf.constant([3], tf.int64)))
    with pytest.raises(tf.errors.InvalidArgumentError, match="labels of shape"):
        list(label_input(3).assertions(tf.zeros((0,), tf.int64)))


def test_defaults_follow_from_the_row_alone():
    seeds = row_seeds(5, 3)
    generators = [row_generator(seed) for seed in seeds]
    labels = label_input(10).default_rows(generators)
    assert labels == [row_generator(seed).integers(10) for seed in seeds]
    assert Input("truncation", default=0.5).default_rows(generators) == [0.5] * 5
    drawn = {OneOf(("a", "b"))(row_generator(i)) for i in range(20)}
    assert drawn == {"a", "b"}
    assert {Uniform(2, 3)(row_generator(i)) for i in range(20)} == {2, 3}


def test_cards_of_version_0_1_are_understood():
    entry = {"dtype": "int64", "shape": [None], "range": [0, 9]}
    assert Input.from_description("labels", entry).default == Uniform(0, 9)
    files = Input.from_description("image_bytes", {"dtype": "string", "shape": [None]})
    assert files.role == "file"


def test_seeds_beyond_int64_are_refused():
    with pytest.raises(ValueError, match="below 2\\*\\*63"):
        row_seeds(1, [2**64 - 1])


# Constructors.


def test_help_and_completion_show_inherited_arguments():
    dcgan = keras_gen.models.DCGAN
    signature = arguments.signature_of(dcgan)
    assert list(signature.parameters)[:2] == ["image_shape", "latent_dim"]
    assert {"loss", "r1", "average", "augmentation"} <= set(signature.parameters)
    assert not {"generator", "num_classes", "options"} & set(signature.parameters)
    for name in signature.parameters:
        if name not in ("name", "dtype"):
            assert f"    {name}: " in dcgan.__doc__, name


@pytest.mark.parametrize("name", keras_gen.zoo.names())
def test_every_argument_of_every_model_is_described_and_typed(name):
    cls = keras_gen.core.registry.preset(name).model
    described = arguments.descriptions_of(cls)
    for argument, parameter in arguments.parameters_of(cls).items():
        assert parameter.annotation is not parameter.empty, argument
        if argument not in ("name", "dtype"):
            assert described.get(argument), argument


def test_options_that_a_class_sets_itself_are_refused_at_once():
    with pytest.raises(ValueError, match="no num_classes, which DCGAN does not take"):
        keras_gen.models.DCGAN(num_classes=3)
    with pytest.raises(ValueError, match="no num_classes, which PixelRNN"):
        keras_gen.models.PixelRNN(num_classes=3)
    tiny = keras_gen.models.DCGAN.tiny
    assert keras_gen.models.DCGAN(**tiny, num_classes=None).num_classes is None
