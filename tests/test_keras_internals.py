"""Each private hook of Keras and of tensorflow-datasets still works as before."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import steps, train

import keras_gen
from keras_gen.core import keras_internals


def tiny_gan(**options):
    return keras_gen.zoo.load("gan", **keras_gen.models.GAN.tiny, **options)


def test_arguments_of_a_constructor_are_recorded_with_what_was_given():
    config = tiny_gan(loss="hinge").get_config()
    assert config["loss"] == "hinge" and config["latent_dim"] == 3
    assert config["point_dim"] is None  # A default.


def test_a_network_in_float32_has_the_weights_of_the_other_and_calls_of_its_own():
    inputs = keras.Input((4, 4, 1))
    x = keras.layers.Conv2D(2, 3, dtype="mixed_bfloat16")(inputs)
    x = keras.layers.BatchNormalization(dtype="mixed_bfloat16")(x)
    network = keras.Model(inputs, keras.layers.Flatten(dtype="mixed_bfloat16")(x))
    copy = keras_internals.in_float32(network)
    assert [id(v) for v in copy.variables] == [id(v) for v in network.variables]
    images = np.random.default_rng(0).normal(size=(2, 4, 4, 1)).astype(np.float32)
    assert network(images).dtype == tf.bfloat16 and copy(images).dtype == tf.float32
    np.testing.assert_allclose(
        copy(images), tf.cast(network(images), tf.float32), atol=0.05
    )
    before = copy(images).numpy()
    network.layers[1].kernel.assign(2.0 * network.layers[1].kernel)
    np.testing.assert_allclose(copy(images), 2.0 * before, rtol=1e-5)
    assert len(network.layers[1]._inbound_nodes) == 1
    assert {layer.compute_dtype for layer in network.layers[1:]} == {"bfloat16"}


class Residual(keras.layers.Layer):
    """Two dense layers, one of them in a list, that note what dtype they get."""

    def __init__(self):
        super().__init__()
        self.first, self.others = keras.layers.Dense(3), [keras.layers.Dense(3)]
        self.seen = []

    def build(self, shape):
        for layer in (self.first, *self.others):
            layer.build(shape)

    def call(self, x):
        outputs = self.others[0](self.first(x))
        self.seen.append((x.dtype, outputs.dtype))
        return x + outputs


class Own(keras.Model):
    """A model of a class of its own, which is not functional."""

    def __init__(self):
        super().__init__()
        inputs = keras.Input((3,))
        self.block = Residual()
        self.tail = keras.Model(inputs, keras.layers.Dense(2)(inputs))

    def call(self, x):
        return self.tail(self.block(x))


@pytest.mark.parametrize("kind", ["functional", "own"])
def test_layers_inside_of_layers_compute_in_float32_too(kind):
    keras.config.set_dtype_policy("mixed_bfloat16")
    if kind == "own":
        network = Own()
        block = network.block
    else:
        block = Residual()
        network = keras.Sequential([keras.Input((3,)), block, keras.layers.Dense(2)])
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    assert network(x).dtype == tf.bfloat16
    copy = keras_internals.in_float32(network)
    block.seen.clear()
    outputs = copy(x).numpy()
    assert block.seen[-1] == ("float32", "float32") and outputs.dtype == np.float32
    kernels = [np.array(v.numpy()) for v in network.trainable_variables]
    hidden = (x @ kernels[0] + kernels[1]) @ kernels[2] + kernels[3] + x
    np.testing.assert_allclose(outputs, hidden @ kernels[4] + kernels[5], rtol=1e-5)
    assert network(x).dtype == tf.bfloat16  # As before.
    assert {id(v) for v in copy.variables} == {id(v) for v in network.variables}


def test_layers_inside_of_layers_are_listed():
    layers = keras_internals.nested_layers(Own())
    assert sum(isinstance(layer, keras.layers.Dense) for layer in layers) == 3


def test_what_an_untracked_object_holds_is_neither_tracked_nor_saved(tmp_path):
    model = tiny_gan()
    count = len(model.variables)
    model.held = keras_internals.Untracked()
    model.held.values["layer"] = keras.layers.Dense(3)
    model.held.values["layer"].build((None, 2))
    assert len(model.variables) == count
    model.save(tmp_path / "model.keras")
    keras.saving.load_model(tmp_path / "model.keras")


def test_fit_asks_for_a_symbolic_build_that_is_off(monkeypatch):
    """Keras would call the method by this name, and pass it a batch of the data."""
    assert hasattr(keras.Model, "_maybe_symbolic_build") or hasattr(
        keras.src.backend.tensorflow.trainer.TensorFlowTrainer, "_maybe_symbolic_build"
    )
    asked = []
    monkeypatch.setattr(
        keras_internals.NoSymbolicBuild,
        "_maybe_symbolic_build",
        lambda self, *args, **kwargs: asked.append(1),
    )
    train(tiny_gan(), {"image": np.zeros((4, 8, 8, 1), np.float32)})
    assert asked


def test_direct_layers_are_the_attributes_and_not_what_lies_within():
    layers = keras_internals.direct_layers(tiny_gan(average=0.9))
    assert set(layers) == {"generator", "discriminator", "averaged_generator", "prior"}


def test_an_optimizer_reduces_gradients_by_the_hook_that_is_replaced():
    optimizer = keras.optimizers.SGD(1.0)
    called = []
    optimizer._all_reduce_sum_gradients = lambda pairs: called.append(1) or list(pairs)
    variable = keras.Variable(1.0)
    optimizer.apply([tf.constant(0.5)], [variable])
    assert called and float(variable.numpy()) == 0.5
    # The hook takes and returns pairs or gradients, which `list` passes through.
    optimizer = keras_internals.without_reduction(keras.optimizers.SGD(1.0))
    optimizer.apply([tf.constant(0.5)], [variable])
    assert float(variable.numpy()) == 0.0


def test_loss_scaling_wraps_the_optimizer():
    inner = keras.optimizers.SGD(0.1)
    assert keras_internals.unscaled(keras.optimizers.LossScaleOptimizer(inner)) is inner
    assert keras_internals.unscaled(inner) is inner


def test_a_schedule_is_told_from_a_rate():
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    assert keras_internals.has_schedule(keras.optimizers.SGD(schedule))
    assert not keras_internals.has_schedule(keras.optimizers.SGD(0.1))


def test_reset_empties_slots_and_count_and_keeps_the_rate():
    optimizer = keras.optimizers.Adam(0.1)
    variable = keras.Variable(1.0)
    optimizer.apply([tf.constant(0.5)], [variable])
    keras_internals.reset(optimizer)
    assert int(optimizer.iterations.numpy()) == 0
    assert float(optimizer.learning_rate) == pytest.approx(0.1)
    slots = [v for v in optimizer.variables if v is not optimizer.learning_rate]
    assert not any(np.any(v.numpy()) for v in slots)


def test_graphs_that_are_forgotten_in_fit_are_traced_anew():
    model = tiny_gan()
    data = steps({"image": np.zeros((4, 8, 8, 1), np.float32)})
    traced = []

    class Forgets(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            traced.append(self.model.train_function)
            keras_internals.forget_graphs(self.model)
            assert self.model.train_function is not traced[-1]

    model.fit(data, steps_per_epoch=2, verbose=0, callbacks=[Forgets()])
    assert int(model.step.numpy()) == 2 and traced[0] is not traced[1]


def test_fit_says_that_it_validates():
    asked = []

    class Asks(keras_gen.models.GAN):
        def evaluate(self, *args, **kwargs):
            asked.append(keras_internals.is_validation_of_fit(kwargs))
            return super().evaluate(*args, **kwargs)

    model = Asks(**keras_gen.models.GAN.tiny)
    model.compile()
    images = np.zeros((4, 8, 8, 1), np.float32)
    model.fit(images, validation_data=images, verbose=0)
    model.evaluate(images, verbose=0)
    assert asked == [True, False]


def test_a_read_of_a_weight_asks_the_scope_first():
    replaced, kept = keras.Variable(2.0), keras.Variable(3.0)

    def value_of(variable):
        return tf.constant(5.0) if variable is replaced else None

    with keras_internals.ReplacedWeights(value_of):
        assert float(replaced.value) == 5.0 and float(kept.value) == 3.0
    assert float(replaced.value) == 2.0


def test_every_hook_has_its_reason():
    for name, member in inspect.getmembers(keras_internals):
        if getattr(member, "__module__", None) == keras_internals.__name__:
            assert member.__doc__, name


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_builders_of_tensorflow_datasets_call_a_check_before_they_download(tmp_path):
    import tensorflow_datasets as tfds

    def refuse():
        raise OSError("no network")

    builder = tfds.builder("fashion_mnist", data_dir=tmp_path)
    keras_internals.before_downloads(builder, refuse)
    with pytest.raises(OSError, match="no network"):
        builder.download_and_prepare()


def test_a_layer_that_is_replaced_stays_tracked_until_it_is_taken_out():
    model, old, new = keras.Model(), keras.layers.Dense(1), keras.layers.Dense(1)
    model.part = old
    model.part = new
    assert [layer is old for layer in model.layers] == [True, False]
    keras_internals.untrack(model, old)
    assert [layer is new for layer in model.layers] == [True]


def test_the_mode_of_a_callback_gives_its_direction():
    callback = keras.callbacks.EarlyStopping("loss_of_ours")
    keras_internals.set_direction(callback)
    callback.on_train_begin()
    for epoch, value in enumerate((2.0, 1.0)):
        callback.set_model(keras.Model())
        callback.on_epoch_end(epoch, {"loss_of_ours": value})
    assert callback.best == 1.0
