"""Every registered model, built from its `tiny` configuration, keeps one contract."""

import functools
import io
import json

import keras
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from conftest import make_batch, train, values
from game_recorder import check_applied_gradients, record_step
from session_loader import COMPILER, SessionLoader

import keras_gen
from keras_gen.callbacks import Phase
from keras_gen.core.inputs import TEXT
from keras_gen.core.registry import PRESETS
from keras_gen.models import FlowMatching
from keras_gen.models.diffusion.base import DiffusionModel

NAMES = keras_gen.zoo.names()
# A model's tests run one after another (`scope`) on one worker (`--dist loadgroup`),
# which trains it once and then forgets it.
every_model = pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in NAMES],
    scope="module",
)


# Models that step in a graph on two replicas and in mixed precision, and after loading:
# one for each kind of step. The others step without one, which takes half the time.
IN_GRAPHS = {
    *("stylegan", "cyclegan", "stargan", "dcgan", "infogan", "semi_aae", "vae", "gmm"),
    *("flow_matching", "consistency", "pixelcnn", "puzzle_gan", "conv_ae", "matcher"),
}


def tiny(name, **overrides):
    model = keras_gen.zoo.load(name, **{**PRESETS[name].model.tiny, **overrides})
    model.compile(seed=0)
    if hasattr(model, "growth"):  # In the middle of a fade, where all weights work.
        model.enter(Phase(model.shape[0], 0, 0))
        model.growth.images.assign(3 * model.phase_images // 2)
        model.growth.alpha.assign(0.5)
    return model


@functools.lru_cache(maxsize=1)
def trained(name):
    """A model after a step on its `batch_of`; tests that use it must not break it."""
    model = tiny(name)
    train(model, batch_of(model))
    return model


def batch_of(model):
    return make_batch(model, 8)


def inputs_of(model, ability, rows=3):
    """Arrays for an ability, in the form that a server would get."""
    random = np.random.default_rng(1)
    arrays = {}
    for name, entry in ability.declared(model).items():
        arrays[name] = entry.example(rows, random)
        if entry.dtype == "int64":
            limit = min(entry.range[1] + 1, rows)
            arrays[name] = np.arange(rows) % limit
        elif entry.role == TEXT:
            words = ("red heart", "Cat with smiling eyes!", "", "a hat", "flag: Peru")
            arrays[name] = np.array([words[i % 5].encode() for i in range(rows)])
        elif entry.range is None:
            arrays[name] = random.uniform(-1, 1, arrays[name].shape).astype("float32")
    return arrays


def call(model, ability, arrays):
    """The public method on the same arrays."""
    arrays = dict(arrays)
    if ability.draws:
        seed = arrays.pop("seed")
        return getattr(model, ability.name)(len(seed), seed=seed, **arrays)
    return getattr(model, ability.name)(**arrays)


@every_model
def test_a_move_changes_its_players_weights_and_no_others(name):
    model = tiny(name)
    # A high rate, since gradients through gates near 0 are tiny.
    records, last, _ = record_step(model, make_batch(model, 4), rate=1.0)
    places = {id(v): i for i, v in enumerate(model.variables)}
    trained = {places[id(v)] for v in model.trainable_variables}
    weights = [before for _, before, _ in records] + [last]
    for (player, *_), before, after in zip(
        records, weights[:-1], weights[1:], strict=True
    ):
        own = {places[id(v)] for v in model.players()[player].variables}
        assert own
        changed = {i for i in trained if not np.array_equal(before[i], after[i])}
        assert changed == own, player
    assert all(np.isfinite(float(metric.result())) for metric in model.metrics)


@every_model
def test_applied_gradients_are_those_of_the_losses_at_the_weights_as_they_are(name):
    model = tiny(name)
    check_applied_gradients(model, make_batch(model, 8))


@every_model
def test_fit_lowers_the_loss_of_a_lone_player_and_keeps_all_finite(name):
    before = values(tiny(name).trainable_variables)
    model = trained(name)
    step = int(model.step.numpy())
    options = {"batch_size": 8, "verbose": 0, "return_dict": True}
    first = model.evaluate(batch_of(model), **options)  # With the same noise as later.
    history = train(model, batch_of(model), count=31).history
    last = model.evaluate(batch_of(model), **options)
    assert int(model.step.numpy()) == step + 31
    for key, value in [*last.items(), *history.items()]:
        assert np.isfinite(value).all(), key
    if len(model.players()) == 1:
        (key,) = (f"{player}_loss" for player in model.players())
        assert last[key] < first[key]
    moved = [
        not np.array_equal(old, new)
        for old, new in zip(before, values(model.trainable_variables), strict=True)
    ]
    assert all(moved)


@every_model
def test_evaluate_changes_nothing(name):
    model = trained(name)
    before = values(v for v in model.variables if v is not model.tested)
    options = {"batch_size": 4, "verbose": 0, "return_dict": True}
    first = model.evaluate(batch_of(model), **options)
    again = model.evaluate(batch_of(model), **options)
    assert first == pytest.approx(again, rel=1e-6)  # Threads sum in any order.
    after = values(v for v in model.variables if v is not model.tested)
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)


@every_model
def test_abilities_give_finite_rows_in_range(name):
    model = trained(name)
    assert model.abilities()
    for ability in model.abilities().values():
        output = call(model, ability, inputs_of(model, ability))
        assert output.shape[0] == 3
        assert np.isfinite(output).all()
        if ability.output == "images":
            assert output.shape[1:] == tuple(model.image_shape)
            assert output.dtype == np.float32
            assert output.min() >= -1 and output.max() <= 1


@every_model
def test_rows_do_not_depend_on_who_shares_the_batch(name):
    model = trained(name)
    for ability in model.abilities().values():
        arrays = inputs_of(model, ability, rows=5)
        together = call(model, ability, arrays)
        alone = call(model, ability, {k: v[3:4] for k, v in arrays.items()})
        # Samplers amplify rounding errors over their steps; a grey level is 8e-3.
        np.testing.assert_allclose(together[3], alone[0], rtol=1e-4, atol=1e-4)
    if "sample" in model.abilities():
        few, many = model.sample(2, seed=7), model.sample(6, seed=7)
        np.testing.assert_allclose(few, many[:2], rtol=1e-4, atol=1e-4)
        assert not np.allclose(many[0], many[1])
        assert not np.allclose(many[:2], model.sample(2, seed=8))


@every_model
def test_keras_file_brings_back_weights_optimizers_step_and_noise(name, tmp_path):
    model = trained(name)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    by_zoo = keras_gen.zoo.load(name, weights=tmp_path / "model.keras")
    assert_equal_states(model, by_zoo)
    batch = {key: tf.constant(value) for key, value in batch_of(model).items()}
    for either in (model, loaded):
        if name in IN_GRAPHS:
            train(either, batch_of(model))
        else:
            either.train_step(batch)
    # On busy cores the order of sums changes, and a gradient penalty has kinks.
    slack = 0.01 if getattr(model, "gradient_penalty", 0) else 0.0
    assert_equal_states(model, loaded, slack)


def assert_equal_states(model, other, slack=0.0):
    """Checks that variables and optimizers are equal, up to a share of the largest."""
    assert int(model.step.numpy()) == int(other.step.numpy()) >= 1
    for player in model.players():
        ours, theirs = model.optimizers[player], other.optimizers[player]
        assert len(ours.variables) == len(theirs.variables) >= 2
        for a, b in zip(ours.variables, theirs.variables, strict=True):
            assert_close(a, b, 1e-8, slack)
    for a, b in zip(model.variables, other.variables, strict=True):
        assert_close(a, b, 1e-7, slack)


def assert_close(one, other, least, slack):
    one, other = np.asarray(one), np.asarray(other)
    most = np.max(np.abs(other), initial=0.0) if other.dtype.kind == "f" else 0.0
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=least + slack * most)


@every_model
def test_config_round_trip(name):
    model = tiny(name)
    config = json.loads(json.dumps(model.get_config()))  # Plain types only.
    again = type(model).from_config(config)
    assert json.loads(json.dumps(again.get_config())) == config
    assert [tuple(v.shape) for v in again.weights] == [
        tuple(v.shape) for v in model.weights
    ]


@every_model
def test_two_replicas_step_as_one_does(name, two_replicas, monkeypatch):
    """With equal noise and equal halves, two replicas step like one on one half."""
    monkeypatch.setattr(
        "keras_gen.core.noise.StepNoise.seed", lambda self, name: tf.constant([1, 2])
    )
    alone = tiny(name)
    half = make_batch(alone, 4)
    alone.initialize(iter([half]))
    with two_replicas.scope():
        shared = tiny(name)
    for source, target in zip(alone.variables, shared.variables, strict=True):
        target.assign(source.numpy())
    # SGD, since its steps are proportional to gradients: with Adam, neither a sum would
    # differ from a mean, nor a gradient from a rounding error.
    for model in (alone, shared):
        with model.distribute_strategy.scope():
            steps = {p: keras.optimizers.SGD(0.1) for p in model.players()}
            model.compile(steps, seed=0, run_eagerly=name not in IN_GRAPHS)
    before = values(alone.trainable_variables)
    both = {key: np.concatenate([value, value]) for key, value in half.items()}
    train(alone, half, count=2)
    train(shared, both, count=2)
    after = values(alone.trainable_variables), values(shared.trainable_variables)
    for old, *new in zip(before, *after, strict=True):
        ours, theirs = (value - old for value in new)
        longest, rounding = np.max(np.abs(ours)), 3e-7 * np.max(np.abs(old))
        np.testing.assert_allclose(ours, theirs, atol=rounding + 0.01 * longest)


@every_model
@pytest.mark.parametrize(
    "dtype",
    ["mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)],
)
def test_mixed_precision_trains_and_gives_float32(name, dtype, tmp_path):
    model = tiny(name, dtype=dtype)
    assert keras.config.dtype_policy().name == "float32"
    networks = [n for p in model.players().values() for n in p.networks]
    computes = {
        layer.compute_dtype
        for network in networks
        for layer in network._flatten_layers()
        if layer.weights
    }
    assert dtype.removeprefix("mixed_") in computes
    model.compile(seed=0, run_eagerly=name not in IN_GRAPHS)
    train(model, make_batch(model, 4), count=3)
    for ability in map(model.abilities().get, set(model.abilities()) - repeated(model)):
        output = call(model, ability, inputs_of(model, ability))
        assert output.dtype == np.float32 and np.isfinite(output).all()
    model.save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras").dtype_policy.name == dtype


@every_model
@pytest.mark.skipif(COMPILER is None, reason="no C compiler: cc is not on the PATH")
def test_exported_signatures_answer_as_the_methods_do(name, tmp_path):
    model = trained(name)
    check_exported(name, set(model.abilities()) - repeated(model), tmp_path)


@pytest.mark.slow
@every_model
@pytest.mark.skipif(COMPILER is None, reason="no C compiler: cc is not on the PATH")
def test_exported_signatures_that_repeat_answer_as_the_methods_do(name, tmp_path):
    names = repeated(trained(name))
    if not names:
        pytest.skip("the test above has all signatures")
    check_exported(name, names, tmp_path)


def repeated(model):
    """Names of abilities that a diffusion model inherits, and `flow_matching` has.

    They call the network as `sample` does, which each model exports.
    """
    if not isinstance(model, DiffusionModel) or type(model) is FlowMatching:
        return set()
    return set(model.abilities()) - {"sample", *vars(type(model))}


def check_exported(name, abilities, folder):
    """Compares signatures of abilities, which a C program runs, with the methods."""
    model = trained(name)
    folder = keras_gen.export.save(model, folder, abilities=sorted(abilities))
    with SessionLoader(folder) as served:
        assert {*abilities, "serving_default"} <= set(served.signatures)
        for signature in served.signatures.values():
            for tensor in [*signature.inputs.values(), *signature.outputs.values()]:
                assert tensor.tensor_shape.dim[0].size == -1, (name, tensor)
        for ability in map(model.abilities().get, abilities):
            arrays = inputs_of(model, ability)
            answer = served(ability.name, arrays)
            wanted = call(model, ability, arrays)
            assert_served(name, ability, answer, wanted)


def assert_served(name, ability, answer, wanted):
    """Checks that a server's answer, and its PNG files, equal the method's result."""
    np.testing.assert_allclose(
        answer[ability.output],
        wanted,
        rtol=1e-4,
        atol=1e-5,
        err_msg=f"{name}.{ability.name}",
    )
    if ability.output == "images":
        files = [PIL.Image.open(io.BytesIO(b)) for b in answer["image_bytes"]]
        pixels = np.reshape([np.asarray(file) for file in files], wanted.shape)
        np.testing.assert_allclose(pixels / 127.5 - 1, wanted, atol=0.0041)
