"""Wrong arguments: each is refused in one sentence, before a network is built."""

import dataclasses
import inspect
import io
import json
import math
import pathlib
import types as builtin_types
import typing
import zipfile
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

import annotated_types
import keras
import numpy as np
import pytest

import keras_gen
from keras_gen import callbacks, layers, priors
from keras_gen.core import arguments, types
from keras_gen.core.model import GenerativeModel
from keras_gen.core.registry import PRESETS
from keras_gen.models.adversarial import AdversarialModel


def subclasses(cls):
    """The package's subclasses of a class, however deep."""
    for child in cls.__subclasses__():
        if child.__module__.startswith("keras_gen."):
            yield child
        yield from subclasses(child)


MODELS = sorted(set(subclasses(GenerativeModel)), key=lambda cls: cls.__name__)
every_model = pytest.mark.parametrize("cls", MODELS, ids=lambda cls: cls.__name__)
every_preset = pytest.mark.parametrize("name", sorted(PRESETS))


class Begun(Exception):
    """The construction of a model began, as its arguments are right."""


@pytest.fixture
def begins(monkeypatch):
    """Constructors raise `Begun` after the check, before anything is built."""

    def begin(*args, **kwargs):
        raise Begun

    monkeypatch.setattr(keras.Model, "__new__", begin)


# Wrong values, from annotations; independent of the code that is tested.

NAN, INF = math.nan, math.inf
OF_TYPE = {
    int: ["big", "64", 1.5, 64.0, True, NAN, INF, [1], {}, b"1", 2**70],
    float: ["big", "0.5", True, NAN, INF, -INF, 10**400, 1e39, [0.5], 1j],
    bool: ["yes", 0, 2, 1.0, []],
    str: [3, b"text", ["text"], {}],
    dict: [3, "text", []],
    type(None): [],
}


def wrong_values(annotation):
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, builtin_types.UnionType):
        right = [part for part in parts if part is not type(None)]
        missing = [] if type(None) in parts else [None]
        kinds = [wrong_values(part) for part in right]
        common = [v for v in kinds[0] if all(any(v is w for w in k) for k in kinds)]
        return [v for v in common if v is not None] + missing
    return [None, *_wrong(annotation, origin, parts)]


def _wrong(annotation, origin, parts):
    if origin is Annotated:
        inner = parts[0]
        yield from _wrong(inner, typing.get_origin(inner), typing.get_args(inner))
        yield from out_of_range(annotation)
    elif origin is Literal:
        yield from ["unknown", 3, [], NAN]
    elif origin is tuple and parts[-1] is not ...:
        right = [1] * len(parts)
        yield from [64, "abc", NAN, {}, right[1:], [*right, 1], np.ones(len(parts))]
        for value in wrong_values(parts[0]):
            yield [value, *right[1:]]
            yield (*right[1:], value)
    elif origin in (tuple, Sequence, Iterable):
        yield from [64, "text", NAN, np.ones(2)]
        for value in wrong_values(parts[0]):
            yield [value]
            yield (value,)
    elif annotation in OF_TYPE:
        yield from OF_TYPE[annotation]
    else:
        yield from [3, "text", []]


def out_of_range(annotation):
    constraints = list(annotation.__metadata__)
    while constraints:
        entry = constraints.pop()
        if isinstance(entry, annotated_types.GroupedMetadata):
            constraints += list(entry)
        elif isinstance(entry, annotated_types.Ge):
            yield from [entry.ge - 1, entry.ge - 3]
        elif isinstance(entry, annotated_types.Gt):
            yield from [entry.gt, entry.gt - 1]
        elif isinstance(entry, annotated_types.Le):
            yield entry.le + 1
        elif isinstance(entry, annotated_types.Lt):
            yield from [entry.lt, entry.lt + 1]
        elif isinstance(entry, annotated_types.MinLen):
            yield from [[], ()]


@every_model
def test_every_argument_has_an_annotation_that_the_check_understands(cls):
    parameters = arguments.parameters_of(cls)
    assert {"name", "dtype"} <= set(parameters) or cls.__name__ == "Pair"
    unknown = set(parameters) - set(arguments.kinds_of(cls))
    assert not unknown, f"annotate {unknown} with types as in keras_gen/core/types.py"


# Any finite number can mark the padding of a sequence, or be a mean.
WITHOUT_A_RANGE = {"mean", "padding"}


def is_unlimited(annotation):
    """Whether numbers in an annotation have no range."""
    if typing.get_origin(annotation) is Annotated:
        parts = list(annotation.__metadata__)
        groups = [p for p in parts if isinstance(p, annotated_types.GroupedMetadata)]
        parts += [part for group in groups for part in group]
        bounds = (annotated_types.Ge, annotated_types.Gt)
        if any(isinstance(part, bounds) for part in parts):
            return False
    parts = typing.get_args(annotation)
    return annotation in (int, float) or any(map(is_unlimited, parts))


@every_model
def test_every_number_has_a_range(cls):
    for name, parameter in arguments.parameters_of(cls).items():
        assert is_unlimited(parameter.annotation) == (name in WITHOUT_A_RANGE), name


@every_preset
def test_every_wrong_value_is_refused_by_name_before_anything_is_built(name, begins):
    cls = PRESETS[name].model
    count = 0
    for argument, parameter in arguments.parameters_of(cls).items():
        for value in wrong_values(parameter.annotation):
            with pytest.raises(ValueError) as refusal:
                cls(**{argument: value})
            message = str(refusal.value)
            assert message.startswith(f"Expected {argument}, "), (argument, value)
            assert message.endswith(f", got {types.shown(value)}."), message
            count += 1
    assert count > 50


@every_preset
def test_defaults_and_configurations_are_right(name, begins):
    cls = PRESETS[name].model
    defaults = arguments.defaults_of(cls)
    as_json = [json.loads(json.dumps(c)) for c in (cls.tiny, PRESETS[name].config)]
    for config in ({}, defaults, cls.tiny, PRESETS[name].config, *as_json):
        with pytest.raises(Begun):
            cls(**config)


@every_preset
def test_configurations_that_ship_are_right(name, begins):
    cls = PRESETS[name].model
    for weights in keras_gen.zoo.weights_of(name):
        saved = keras_gen.zoo.card(name, weights)["configuration"]
        config = cls.upgrade_config(dict(saved))
        config.pop("dtype", None)
        with pytest.raises(Begun):
            cls(**config)


OLD = json.loads(
    (pathlib.Path(__file__).parent / "data" / "keras_files_0_1.json").read_text()
)


@pytest.mark.parametrize("name", OLD)
def test_configurations_of_old_files_are_right(name, begins):
    folder = pathlib.Path(__file__).parent / "data"
    with zipfile.ZipFile(folder / "keras_files_0_1.zip") as archive:
        with zipfile.ZipFile(io.BytesIO(archive.read(f"{name}.keras"))) as file:
            saved = json.loads(file.read("config.json"))
    config = {n: untupled(v) for n, v in saved["config"].items() if n != "dtype"}
    cls = PRESETS[name].model
    with pytest.raises(Begun):
        cls(**cls.upgrade_config(config))


def untupled(value):
    """The list in the place of a tuple as Keras writes it."""
    if isinstance(value, dict) and value.get("class_name") == "__tuple__":
        return value["config"]["value"]
    return value


EXAMPLES = [
    ("dcgan", {"width": "big"}, "width, a whole number of at least 1, got 'big'"),
    (
        "vae",
        {"image_shape": 64},
        r"image_shape, 3 whole numbers of at least 1 \(height, width, channels\), "
        "got 64",
    ),
    (
        "wgan_gp",
        {"discriminator_moves": INF},
        "discriminator_moves, a whole number of at least 1, got inf",
    ),
    ("stargan", {"class_weight": -3}, "class_weight, a number of at least 0, got -3"),
    ("cyclegan", {"num_blocks": 0}, "num_blocks, a whole number of at least 1, got 0"),
    ("dcgan", {"average": 1}, r"average, a number in \[0, 1\) or None, got 1"),
    (
        "gan",
        {"augmentation": "color"},
        "augmentation, a list of 'color', .* and",
    ),
    ("sparse_ae", {"target": 1}, r"target, a number in \(0, 1\), got 1"),
    ("sparse_ae", {"penalty": "l2"}, "penalty, 'kl', 'squared' or 'l1', got 'l2'"),
    (
        "text_to_image",
        {"prompts": []},
        r"prompts, a list of 1 or more strings, got \[\]",
    ),
    (
        "infogan",
        {"categories": [10, 1]},
        r"categories, a list of whole numbers of at least 2, got \[10, 1\]",
    ),
    (
        "dcgan",
        {"generator_rate": 0.0},
        "generator_rate, a number above 0 or None, got 0.0",
    ),
    ("vae", {"flow": 3}, "flow, 'realnvp' or 'maf', got 3"),
    (
        "aae",
        {"prior": "laplace"},
        "prior, .* 'swiss_roll' or a string and a dict, got 'laplace'",
    ),
]


@pytest.mark.parametrize("name, wrong, message", EXAMPLES)
def test_messages_say_what_is_expected(name, wrong, message, begins):
    with pytest.raises(ValueError, match=f"Expected {message}"):
        keras_gen.zoo.load(name, **wrong)


def test_numbers_of_numpy_and_lists_are_accepted_and_saved_as_plain_ones():
    model = keras_gen.models.GAN(
        image_shape=[np.int64(8), 8, 1], widths=[np.int32(4)], r1=np.float32(0.5)
    )
    config = json.loads(json.dumps(model.get_config()))
    assert config["image_shape"] == [8, 8, 1] and config["r1"] == 0.5
    assert config["widths"] == [4] and type(config["widths"][0]) is int


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: keras_gen.models.DCGAN(wdth=3), "Expected an argument of DCGAN, got "
        "'wdth'. Nearest: width"),
        (lambda: keras_gen.models.DCGAN(generator=3), "DCGAN, got 'generator'"),
        (lambda: keras_gen.models.DCGAN(num_classes=3), "Expected no num_classes"),
        (
            lambda: keras_gen.models.DCGAN((16, 16, 1), image_shape=(16, 16, 1)),
            "multiple values for argument 'image_shape'",
        ),
        (lambda: keras_gen.models.DCGAN(*range(20)), "too many positional arguments"),
        (lambda: keras_gen.models.DCGAN((16, 16)), "Expected image_shape, 3 whole"),
        (
            lambda: AdversarialModel(latent_dim=3),
            "Expected the argument generator of AdversarialModel, got none",
        ),
        (
            lambda: AdversarialModel(
                generator="x", discriminator="y", latent_dim=3
            ),
            "Expected generator, a Model, got 'x'",
        ),
    ],
)  # fmt: skip
def test_unknown_missing_and_repeated_arguments_are_refused(call, message, begins):
    with pytest.raises(ValueError, match=message):
        call()


def test_models_of_users_have_annotations_of_their_own_or_inherited_ones(begins):
    class Mine(keras_gen.models.GAN):
        def __init__(self, widths=(8,), depth=3, size: types.Count = 2, **options):
            super().__init__(widths=widths, **options)

    for wrong in ({"widths": "x"}, {"size": 0}, {"r1": -1}):
        with pytest.raises(ValueError, match=f"Expected {next(iter(wrong))}, "):
            Mine(**wrong)
    with pytest.raises(Begun):
        Mine(depth="any value")


@pytest.mark.parametrize(
    "name, wrong, message",
    [
        ("gan", {"dtype": "x"}, "dtype, 'float32', .* dtype policy, got 'x'"),
        ("gan", {"dtype": 3}, "dtype, 'float32', .* dtype policy, got 3"),
        ("aae", {"prior": ["Normal", {}]}, "arguments of tfp.distributions.Normal"),
        (
            "aae",
            {"prior": ["Normal", {"loc": "x", "scale": 1}]},
            "arguments of tfp.distributions.Normal",
        ),
        ("cyclegan", {"discriminator_blocks": 31}, "discriminator_blocks that halve"),
        ("cyclegan", {"num_blocks": 10**9}, "sides of at least 8, multiples of"),
        ("classifier", {"image_shape": (3, 4, 1)}, "sides of at least 4 pixels"),
    ],
)
def test_what_a_type_cannot_say_is_refused_in_a_sentence_too(name, wrong, message):
    with pytest.raises(ValueError, match=f"^Expected {message}"):
        keras_gen.zoo.load(name, **{**PRESETS[name].model.tiny, **wrong})


COMPILED = {
    "seed": ["x", 1.5, NAN, True, 2**70],
    "clip_norm": ["x", 0, -1.0, NAN, INF],
    "accumulate_steps": ["x", 0, 1.5, None, True],
    "steps_per_execution": [0, "x", None],
    "jit_compile": ["yes", 2],
    "run_eagerly": ["yes", None],
}


@pytest.fixture(scope="module")
def model():
    return keras_gen.zoo.load("gan", **keras_gen.models.GAN.tiny)


@pytest.mark.parametrize("name", COMPILED)
def test_compile_refuses_wrong_values(model, name):
    before = model.optimizers
    for value in COMPILED[name]:
        with pytest.raises(ValueError, match=f"Expected {name}, "):
            model.compile(**{name: value})
    assert model.optimizers is before
    parameters = inspect.signature(model.compile).parameters
    assert list(parameters)[:2] == ["optimizers", "seed"]


FITTED = {
    "epochs": ["3", 1.5, -1, INF, True],
    "batch_size": ["x", 0, -1, 2.0],
    "steps_per_epoch": ["x", 0, -2, INF],
    "validation_steps": [0, "x"],
    "validation_freq": [0, "x"],
    "initial_epoch": [-1, "x", None],
    "shuffle": ["batch", None],
    "validation_split": ["x", 1.0, -0.1, NAN],
}


@pytest.mark.parametrize("name", FITTED)
def test_fit_refuses_wrong_values_before_it_reads_data(model, name):
    model.compile(seed=0)
    for value in FITTED[name]:
        with pytest.raises(ValueError, match=f"Expected {name}, "):
            model.fit("no data are read", **{name: value})


def checked_calls():
    """Functions and classes with a check, and right arguments of each."""
    posterior, shape = (lambda images: None), (8, 8, 1)
    return {
        layers.AffineNetwork: {"in_degrees": [1], "out_degrees": [1], "widths": [2]},
        layers.DiagonalBiLSTM: {"hidden": 2},
        layers.EqualizedConv2D: {"units": 2},
        layers.EqualizedDense: {"units": 2},
        layers.Flow: {"dim": 2, "num_steps": 1, "widths": (2,)},
        layers.GatedStacks: {"filters": 2},
        layers.Learned: {"shape": (2,)},
        layers.MaskedConv2D: {"filters": 2, "kernel_size": 3, "mask": "A"},
        layers.MaskedDense: {"mask": [[1.0]]},
        layers.MinibatchStdDev: {},
        layers.PixelHead: {"kind": "bernoulli", "channels": 1, "hidden": 2},
        layers.ReflectionPadding2D: {"size": 1},
        layers.RowLSTM: {"hidden": 2},
        layers.TextEncoder: {"units": 2, "buckets": 4},
        priors.Normal: {"latent_dim": 2},
        priors.Uniform: {"latent_dim": 2},
        priors.Mixture: {"latent_dim": 2},
        priors.Flow: {"latent_dim": 2, "num_steps": 1, "widths": (2,)},
        priors.Vamp: {"posterior": posterior, "image_shape": shape},
        priors.Codes: {"noise_dim": 2, "categories": (3,), "continuous": 1},
        callbacks.Checkpoint: {"path": "model.keras"},
        callbacks.EpochTime: {},
        callbacks.Evaluate: {"data": "mnist"},
        callbacks.Grow: {},
        callbacks.SampleGrid: {"folder": "samples"},
        callbacks.TimeLimit: {"minutes": 1},
        callbacks.Track: {"tracker": "tensorboard", "folder": "run"},
        callbacks.Phase: {"side": 8, "fade": 0, "stable": 1},
        keras_gen.Lazy: {"penalty": posterior},
        keras_gen.Player: {"networks": [], "loss": posterior},
    }


# Arguments that a function checks itself, or does not check.
OWN_CHECK = {
    *("in_degrees", "out_degrees", "mask", "activation", "kernel_initializer"),
    *("data", "features", "images"),
}


@pytest.mark.parametrize("call", checked_calls(), ids=lambda call: call.__name__)
def test_layers_priors_and_callbacks_refuse_wrong_values(call):
    right = checked_calls()[call]
    call(**right)
    hints = typing.get_type_hints(
        call if dataclasses.is_dataclass(call) else call.__init__, include_extras=True
    )
    names = [
        name
        for name, parameter in inspect.signature(call).parameters.items()
        if parameter.kind is not parameter.VAR_KEYWORD
    ]
    checked = 0
    for name in names:
        own = name in OWN_CHECK and not (name == "mask" and "filters" in names)
        for value in [] if own else wrong_values(hints[name]):
            with pytest.raises(ValueError, match=f"Expected {name}, "):
                call(**{**right, name: value})
            checked += 1
    assert checked or call is layers.MaskedDense


def test_export_refuses_wrong_values_before_it_writes(model, tmp_path):
    for wrong, message in (
        ({"path": 3}, "path, a string or a path, got 3"),
        ({"model": "gan"}, "model, a GenerativeModel, got 'gan'"),
        ({"abilities": "sample"}, "abilities, a list of strings or None, got 'sample'"),
        ({"float16": "yes"}, "float16, True or False, got 'yes'"),
        ({"batch_sizes": [1, 2.5]}, "batch_sizes, a list of whole numbers"),
        ({"batch_sizes": 64}, "batch_sizes, a list of whole numbers"),
        ({"card": "x"}, "card, a dict or None"),
        ({"ability": ["sample"]}, "an argument of save, got 'ability'. Nearest: abil"),
    ):
        arguments = {"model": model, "path": tmp_path / "gan", **wrong}
        with pytest.raises(ValueError, match=f"Expected {message}"):
            keras_gen.export.save(**arguments)
    assert not list(tmp_path.iterdir())


def test_layers_are_saved_with_the_arguments_that_they_were_given():
    layer = layers.MaskedConv2D(np.int64(4), 3, mask="A", name="first")
    copy = layers.MaskedConv2D.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
    assert type(copy.filters) is int and copy.mask == "A"


def test_help_shows_plain_types_and_words_the_ranges():
    signature = inspect.signature(keras_gen.models.DCGAN)
    assert signature.parameters["width"].annotation is int
    assert signature.parameters["image_shape"].annotation == tuple[int, int, int]
    kinds = arguments.kinds_of(keras_gen.models.DCGAN)
    assert kinds["width"] == "a whole number of at least 1"
    assert kinds["label_smoothing"] == "a number in [0, 1)"
    text = inspect.getdoc(keras_gen.models.DCGAN)
    text = " ".join(text.split())
    assert (
        text.count("latent_dim: Dimension of a latent. A whole number of at least") == 1
    )
    assert "target of 1. A number in [0, 1)." in text
