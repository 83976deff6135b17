"""The guarantees of the base class, on models small enough to compute by hand."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import steps, train
from keras import ops

import keras_gen
from keras_gen import GenerativeModel, Player


@keras.saving.register_keras_serializable("tests")
class Line(GenerativeModel):
    """A single weight that approaches the batch's mean; computable by hand."""

    figures = ("mean",)

    def __init__(self, moves=1, average=None, noise=0.0, **kwargs):
        super().__init__(**kwargs)
        inputs = keras.Input((1,))
        layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
        self.line = keras.Model(inputs, layer(inputs), name="line")
        other = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
        self.other = keras.Model(inputs, other(inputs), name="other")
        self.keep_average(self.line, average)
        self.moves, self.deviation = moves, noise

    def batch_shapes(self):
        return {"point": (1,)}

    def players(self):
        return {
            "line": Player([self.line], self.line_loss, moves=self.moves),
            "other": Player([self.other], self.other_loss),
        }

    def default_optimizers(self):
        return {name: keras.optimizers.SGD(0.1) for name in ("line", "other")}

    def forward(self, batch, training):
        points = batch["point"]
        if self.deviation:
            points += self.deviation * self.noise("points", tf.shape(points))
        return {"points": points, "line": self.line(ops.ones_like(points))}

    def line_loss(self, batch, shared, training):
        loss = ops.mean(ops.square(shared["line"] - shared["points"])) / 2.0
        return loss, {"mean": ops.mean(shared["points"])}

    def other_loss(self, batch, shared, training):
        return ops.mean(ops.square(shared["line"] * self.other(batch["point"])))

    @property
    def weight(self):
        return float(self.line.weights[0].numpy()[0, 0])


@keras.saving.register_keras_serializable("tests")
class Normed(GenerativeModel):
    """One player with batch norm and no noise: replicas must share the statistics."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        inputs = x = keras.Input((3,))
        x = keras.layers.Dense(4, use_bias=False)(x)
        x = keras.layers.BatchNormalization(synchronized=True)(x)
        x = keras.layers.Dense(3, dtype="float32")(ops.tanh(x))
        self.network = keras.Model(inputs, x, name="network")
        self.keep_average(self.network, 0.9)

    def batch_shapes(self):
        return {"point": (3,)}

    def players(self):
        return {"network": Player([self.network], self.network_loss)}

    def default_optimizers(self):
        return {"network": keras.optimizers.Adam(0.01)}

    def network_loss(self, batch, shared, training):
        outputs = self.network(batch["point"], training=training)
        return ops.mean(ops.square(outputs - batch["point"]))


def points(*numbers):
    return {"point": np.array(numbers, np.float32)[:, None]}


def test_one_step_is_worked_out_by_hand():
    model = Line()
    model.compile()
    history = train(model, points(1.0, 3.0)).history
    # w = 0; loss = mean((0 - x)^2) / 2 = 2.5; dw = mean(0 - x) = -2; w = 0.2.
    assert history["line_loss"] == [pytest.approx(2.5)]
    assert history["mean"] == [pytest.approx(2.0)]
    assert model.weight == pytest.approx(0.2)


def test_every_move_sees_a_batch_of_its_own_and_the_shared_one_is_the_last():
    model = Line(moves=3)
    model.compile()
    data = tf.data.Dataset.from_tensor_slices(points(*range(6))).batch(2)
    model.fit(data, epochs=1, verbose=0)  # One step: batches 0 1, 2 3, 4 5.
    weight = 0.0
    for mean in (0.5, 2.5, 4.5):
        before, weight = weight, weight - 0.1 * (weight - mean)
    assert model.weight == pytest.approx(weight)
    # `other` differentiates mean((w * v * x)^2), v = 1, with the w of the last batch.
    gradient = 2 * before**2 * np.mean([16.0, 25.0])
    other = float(model.other.weights[0].numpy()[0, 0])
    assert other == pytest.approx(1 - 0.1 * gradient, rel=1e-5)


def test_moves_do_not_share_epoch_seams_or_lose_batches():
    stream, per_epoch = keras_gen.data.stream(
        tf.data.Dataset.from_tensor_slices(points(*range(10))).batch(2), 2, 1
    )
    assert per_epoch == 2
    seen = [b["point"].numpy().ravel().tolist() for b in stream.take(3)]
    assert seen == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1]]


def test_the_generator_runs_once_a_step(monkeypatch):
    model = keras_gen.zoo.load("gan", **keras_gen.models.GAN.tiny)
    calls = []
    generate = model.generate
    monkeypatch.setattr(
        model, "generate", lambda *args: calls.append(1) or generate(*args)
    )
    model.compile(run_eagerly=True)
    train(model, {"image": np.zeros((4, 8, 8, 1), np.float32)})
    assert calls == [1]


def test_two_replicas_with_different_halves_equal_one(two_replicas):
    random = np.random.default_rng(0)
    batch = {"point": random.normal(size=(8, 3)).astype(np.float32)}
    alone = Normed()
    alone.compile()
    with two_replicas.scope():
        shared = Normed()
        shared.compile()
    for source, target in zip(alone.variables, shared.variables, strict=True):
        target.assign(source.numpy())
    first = train(alone, batch, count=5).history["network_loss"]
    second = train(shared, batch, count=5).history["network_loss"]
    assert first == pytest.approx(second, rel=1e-5)
    for a, b in zip(alone.variables, shared.variables, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-6)


def test_clipping_acts_on_the_gradient_of_all_replicas(two_replicas):
    batch = points(1.0, 1.0, 300.0, 300.0)
    alone = Line()
    alone.compile(clip_norm=2.0)
    train(alone, batch)
    assert alone.weight == pytest.approx(0.2)  # -150.5 clipped to -2.
    with two_replicas.scope():
        shared = Line()
        shared.compile(clip_norm=2.0)
    train(shared, batch)
    assert shared.weight == pytest.approx(0.2)


def test_noise_differs_by_replica_and_follows_from_the_seed(two_replicas):
    def run(seed):
        with two_replicas.scope():
            model = Line(noise=1.0)
            model.compile(seed=seed)
        shown = []
        grab = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: shown.append(logs["mean"])
        )
        model.fit(steps(points(0.0, 0.0)), steps_per_epoch=2, verbose=0, callbacks=grab)
        return shown

    first = run(1)
    assert first == run(1)
    assert first != run(2)
    with two_replicas.scope():
        model = Line()
        model.compile(seed=1)
    drawn = two_replicas.run(lambda: model.noise_seed("points"))
    one, two = two_replicas.experimental_local_results(drawn)
    assert not np.array_equal(one.numpy(), two.numpy())


def test_average_follows_the_weights_and_is_what_samples_use():
    model = Line(average=0.5)
    model.compile()
    average = 0.0
    for step in range(3):
        train(model, points(1.0))
        keep = min(0.5, (1 + step) / (10 + step))
        average = keep * average + (1 - keep) * model.weight
    kept = float(model.averaged(model.line).weights[0].numpy()[0, 0])
    assert kept == pytest.approx(average, rel=1e-5)
    gan = keras_gen.zoo.load("gan", average=0.9, **keras_gen.models.GAN.tiny)
    before = gan.sample(2, seed=0)
    gan.generator.set_weights([0 * w for w in gan.generator.get_weights()])
    np.testing.assert_array_equal(before, gan.sample(2, seed=0))
    copy = gan.averaged(gan.generator)
    copy.set_weights([0 * w for w in copy.get_weights()])
    assert not gan.sample(2, seed=0).any()


def test_a_loss_that_is_not_finite_stops_with_player_and_step(tmp_path):
    model = Line()
    model.compile({"line": keras.optimizers.SGD(1e30)})
    path = tmp_path / "model.keras"
    message = r"player 'line' is (inf|nan) at step \d+"
    with pytest.raises(FloatingPointError, match=message):
        model.fit(
            steps(points(1.0)),
            steps_per_epoch=50,
            verbose=0,
            callbacks=[keras_gen.callbacks.Checkpoint(path)],
        )
    assert not path.exists()
    assert int(model.step.numpy()) < 6


@pytest.mark.parametrize(
    "callback",
    [
        keras.callbacks.LearningRateScheduler(lambda epoch: 0.1),
        keras.callbacks.ReduceLROnPlateau(),
        keras.callbacks.SwapEMAWeights(),
    ],
)
def test_callbacks_that_need_one_optimizer_are_refused(callback):
    model = Line()
    model.compile()
    with pytest.raises(ValueError, match=f"{type(callback).__name__}: "):
        model.fit(points(1.0), callbacks=[callback], verbose=0)


def test_compile_names_what_is_wrong(two_replicas):
    model = Line()
    with pytest.raises(ValueError, match=r"\['line', 'other'\], got one for \['critic"):
        model.compile({"critic": "adam"})
    with pytest.raises(ValueError, match="got optimizer"):
        model.compile(optimizer="adam")
    with pytest.raises(ValueError, match="clip_norm"):
        model.compile(clip_norm=-1.0)
    with two_replicas.scope():
        shared = Line()
        with pytest.raises(ValueError, match="on 2"):
            shared.compile(jit_compile=True)
        with pytest.raises(ValueError, match="clip_norm"):
            shared.compile({"line": keras.optimizers.SGD(0.1, clipnorm=1.0)})


def test_a_loss_without_a_path_to_its_weights_is_named():
    class Lost(Line):
        def other_loss(self, batch, shared, training):
            return ops.mean(batch["point"])

    model = Lost()
    model.compile(run_eagerly=True)
    with pytest.raises(ValueError, match="'other' does not depend on"):
        train(model, points(1.0))


def test_data_that_do_not_fit_are_refused_before_training():
    model = keras_gen.zoo.load("gan", **keras_gen.models.GAN.tiny)
    good = np.zeros((4, 8, 8, 1), np.float32)
    wanted = r"shape \(batch, 8, 8, 1\), got \(None, 7, 8, 1\)"
    with pytest.raises(ValueError, match=wanted):
        model.fit(good[:, 1:], verbose=0)
    with pytest.raises(ValueError, match="from 255 to 255"):
        dataset = tf.data.Dataset.from_tensors(good).map(lambda x: x + 255.0)
        model.fit(dataset.concatenate(dataset).map(lambda x: x * 1), verbose=0)
    with pytest.raises(ValueError, match="steps_per_epoch"):
        model.fit(tf.data.Dataset.from_tensors(good).repeat(), verbose=0)
    with pytest.raises(ValueError, match=r"Expected batches with \['image'\]"):
        model.fit({"picture": good}, verbose=0)
    with pytest.raises(ValueError, match="nan"):
        model.fit(good * np.nan, verbose=0)
    assert int(model.step.numpy()) == 0


def test_fit_takes_arrays_pairs_and_validation_data():
    model = keras_gen.zoo.load("gan", **keras_gen.models.GAN.tiny)
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 1), np.uint8)
    history = model.fit(
        images,
        np.arange(6),
        batch_size=2,
        validation_data=(images, np.arange(6)),
        verbose=0,
    ).history
    assert {"d_real", "d_fake", "val_d_real", "val_generator_loss"} <= set(history)
    assert int(model.step.numpy()) == 3


@pytest.mark.parametrize(
    "options, noise",
    # XLA draws other numbers from the same seed.
    [({"steps_per_execution": 3}, 1.0), ({"jit_compile": True}, 0.0)],
)
def test_options_of_one_replica_take_the_same_steps(options, noise):
    plain, other = Line(noise=noise), Line(noise=noise)
    plain.compile(seed=1)
    other.compile(seed=1, **options)
    train(plain, points(1.0, 2.0), count=6)
    train(other, points(1.0, 2.0), count=6)
    assert int(other.step.numpy()) == 6
    assert other.weight == pytest.approx(plain.weight, rel=1e-5)


def test_parameter_server_and_missing_workers_are_explained(monkeypatch):
    with pytest.raises(ValueError, match="keras#18624"):
        keras_gen.distribute.strategy("parameter_server")
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ValueError, match="TF_CONFIG"):
        keras_gen.distribute.strategy("multi_worker")
    with pytest.raises(ValueError, match="one|mirrored"):
        keras_gen.distribute.strategy("tpu")


def test_a_cluster_of_one_worker_is_this_machine(monkeypatch):
    alone = {"cluster": {"worker": ["127.0.0.1:1"]}}
    alone["task"] = {"type": "worker", "index": 0}
    expected = keras_gen.distribute.strategy("auto")
    monkeypatch.setenv("TF_CONFIG", json.dumps(alone))
    for name in ("auto", "multi_worker"):
        assert keras_gen.distribute.strategy(name) is expected


@pytest.mark.parametrize("count", [0, 1, 2])
def test_auto_copies_the_model_to_several_gpus_but_not_to_several_cpus(
    count, monkeypatch
):
    listed, given = tf.config.list_logical_devices, []
    gpus = [tf.config.LogicalDevice(f"/device:GPU:{i}", "GPU") for i in range(count)]
    monkeypatch.setattr(
        tf.config, "list_logical_devices", lambda k: gpus if k == "GPU" else listed(k)
    )
    monkeypatch.setattr(keras_gen.distribute, "_mirrored", given.append)
    found = keras_gen.distribute.strategy("auto")
    if count > 1:
        assert given == [("/device:GPU:0", "/device:GPU:1")]
    else:
        assert found is tf.distribute.get_strategy() and not given


@pytest.mark.parametrize(
    ("jobs", "chief"),
    [(["worker", "worker"], ("worker", 0)), (["chief", "worker"], ("chief", 0))],
)
def test_one_process_of_a_cluster_writes_files(jobs, chief):
    cluster = {}
    for place, job in enumerate(jobs):
        cluster.setdefault(job, []).append(f"127.0.0.1:{place}")
    for job, tasks in cluster.items():
        for index in range(len(tasks)):
            resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
                tf.train.ClusterSpec(cluster), task_type=job, task_id=index
            )
            process = types.SimpleNamespace(cluster_resolver=resolver)
            writes = keras_gen.distribute.is_chief(process)
            assert writes == ((job, index) == chief)


RESUME = """
import sys, time, keras, numpy as np, tensorflow as tf, keras_gen

tf.config.experimental.enable_op_determinism()
keras.utils.set_random_seed(0)
model = keras_gen.zoo.load("dcgan", image_shape=(16, 16, 1), width=4, average=0.9)
model.compile(seed=int(sys.argv[3]))
data = keras_gen.data.load("mnist", "train[:320]", image_shape=(16, 16, 1), seed=5,
                           batch_size=16)
slow = keras.callbacks.LambdaCallback(
    on_train_batch_end=lambda batch, logs: time.sleep(float(sys.argv[2])))
model.fit(data, epochs=4, verbose=2,
          callbacks=[slow, keras_gen.callbacks.Checkpoint(sys.argv[1])])
np.savez(sys.argv[1] + ".npz", *[v.numpy() for v in model.variables], *[
    v.numpy() for o in model.optimizers.values() for v in o.variables])
print("step", int(model.step.numpy()))
"""


def test_a_killed_run_goes_on_as_if_it_had_not_been_killed(tmp_path):
    def command(name, pause, seed):
        return [sys.executable, "-c", RESUME, str(tmp_path / name), pause, seed]

    whole = subprocess.run(
        command("whole.keras", "0", "7"), capture_output=True, text=True
    )
    assert "step 80" in whole.stdout, whole.stderr[-2000:]
    killed = subprocess.Popen(
        command("cut.keras", "0.05", "7"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "cut.keras").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.4)  # Into the next epoch.
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "cut.keras.npz").exists()
    again = subprocess.run(
        command("cut.keras", "0", "99"), capture_output=True, text=True
    )
    assert "step 80" in again.stdout, again.stderr[-2000:]
    assert "Epoch 1/4" not in again.stdout
    a, b = np.load(tmp_path / "whole.keras.npz"), np.load(tmp_path / "cut.keras.npz")
    assert len(a.files) > 40
    for key in a.files:
        np.testing.assert_array_equal(a[key], b[key])


WORKER = """
import sys, numpy as np, keras, keras_gen

strategy = keras_gen.distribute.strategy("multi_worker")
keras.utils.set_random_seed(0)
with strategy.scope():
    model = keras_gen.zoo.load("dcgan", image_shape=(16, 16, 1), width=4, average=0.9,
                               discriminator_moves=2)
    model.compile(seed=0)
data = keras_gen.data.load("mnist", "train[:256]", image_shape=(16, 16, 1), seed=5,
                           batch_size=16)
folder = sys.argv[1]
history = model.fit(data, epochs=2, verbose=0, callbacks=[
    keras_gen.callbacks.Checkpoint(folder + "/model.keras"),
    keras_gen.callbacks.SampleGrid(folder + "/samples", n=4)])
np.savez(folder + "/" + sys.argv[2], *[v.numpy() for v in model.variables],
         loss=history.history["generator_loss"], step=model.step.numpy(),
         replicas=strategy.num_replicas_in_sync)
"""


def test_two_workers_train_to_identical_weights(tmp_path):
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    workers = []
    for index in range(2):
        task = {"cluster": cluster, "task": {"type": "worker", "index": index}}
        workers.append(
            subprocess.Popen(
                [sys.executable, "-c", WORKER, str(tmp_path), f"{index}.npz"],
                env={**os.environ, "TF_CONFIG": json.dumps(task)},
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    errors = [worker.communicate(timeout=300)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], errors[0][-3000:]
    a, b = np.load(tmp_path / "0.npz"), np.load(tmp_path / "1.npz")
    assert a["replicas"] == 2 and a["step"] == 16
    for key in a.files:
        np.testing.assert_array_equal(a[key], b[key])
    assert (tmp_path / "model.keras").exists()
    assert (tmp_path / "samples" / "epoch_0002.png").exists()
    assert not [p for p in os.listdir(tmp_path) if re.match(r"\.aside", p)]
