"""Methods and arguments of Keras that its users try: they work, or say what to use."""

import multiprocessing

import keras
import numpy as np
import pytest
from conftest import values
from keras import layers
from test_training import Line, Normed, points

import keras_gen
from keras_gen.core import checks, guards
from keras_gen.core.registry import batch_size_of
from keras_gen.models import AAE, GAN, CycleGAN
from keras_gen.models.adversarial import AdversarialModel

PIXELS = np.random.default_rng(0).integers(0, 256, (48, 16, 16, 1), np.uint8)
IMAGES = (PIXELS / 127.5 - 1).astype("float32")


def tiny(name="dcgan", **config):
    sizes = {} if name == "vae" else {"width": 4}
    config = {"image_shape": (16, 16, 1), "latent_dim": 4, **sizes, **config}
    return keras_gen.zoo.load(name, **config)


# Single batches.


def test_train_on_batch_takes_the_step_of_fit():
    fitted, model = Line(), Line()
    fitted.compile(seed=0), model.compile(seed=0)
    fitted.fit(points(1.0, 3.0), batch_size=2, verbose=0)
    logs = model.train_on_batch(points(1.0, 3.0), return_dict=True)
    assert logs["line_loss"] == pytest.approx(2.5)
    assert model.weight == fitted.weight != 0.0
    assert int(model.step.numpy()) == 1


def test_train_on_batch_splits_rows_among_moves():
    model = Line(moves=2)
    model.compile(seed=0)
    with pytest.raises(ValueError, match="rows that 2 mini-batches divide, got 3"):
        model.train_on_batch(points(1.0, 2.0, 3.0))
    assert len(model.train_on_batch(points(1.0, 2.0))) == len(model.metrics)


def test_test_on_batch_changes_nothing():
    model = Line()
    model.compile(seed=0)
    first = model.test_on_batch(points(1.0, 3.0), return_dict=True)
    assert first["line_loss"] == pytest.approx(2.5)
    assert model.weight == 0.0
    assert model.test_on_batch(points(1.0, 3.0))[0] == first["line_loss"]


# Methods.


@pytest.mark.parametrize("method", ["__call__", "predict", "predict_on_batch"])
def test_methods_with_a_single_output_name_the_abilities(method):
    with pytest.raises(ValueError, match=r"model\.sample"):
        getattr(tiny(), method)(IMAGES)


def test_export_writes_what_export_save_writes(tmp_path):
    folder = tiny().export(str(tmp_path / "x"), verbose=False, abilities=["sample"])
    assert list(keras_gen.export.read_card(folder)["signatures"]) == ["sample"]
    with pytest.raises(ValueError, match="tf_saved_model"):
        tiny().export(tmp_path / "y", format="onnx")


@pytest.mark.parametrize("name", ["x.h5", "x.hdf5", "x"])
def test_files_of_models_end_in_keras(tmp_path, name):
    with pytest.raises(ValueError, match=r"ends in \.keras"):
        tiny().save(tmp_path / name)


# Data.


class Batches(keras.utils.PyDataset):
    def __init__(self, form, **options):
        super().__init__(**options)
        self.form, self.ends = form, 0

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return self.form(slice(16 * index, 16 * index + 16))

    def on_epoch_end(self):
        self.ends += 1


@pytest.mark.parametrize(
    "form",
    [
        lambda rows: IMAGES[rows],
        lambda rows: PIXELS[rows],
        lambda rows: (IMAGES[rows],),
        lambda rows: (IMAGES[rows], np.zeros(16, int)),
        lambda rows: {"image": IMAGES[rows]},
    ],
)
def test_a_pydataset_trains_as_its_arrays_do(form):
    source, model, other = Batches(form), tiny("vae", dtype=None), tiny("vae")
    other.set_weights(model.get_weights())
    for each in (model, other):
        each.compile(seed=0)
    history = model.fit(source, verbose=0, validation_data=source)
    arrays = other.fit(IMAGES, batch_size=16, shuffle=False, verbose=0)
    loss = history.history["vae_loss"]
    np.testing.assert_allclose(loss, arrays.history["vae_loss"], rtol=1e-5)
    assert source.ends >= 1
    assert np.isfinite(model.evaluate(source, verbose=0)).all()


def test_data_that_can_be_read_once_are_refused():
    with pytest.raises(ValueError, match="PyDataset"):
        tiny().fit(iter([IMAGES]))
    with pytest.raises(ValueError, match="PyDataset"):
        tiny().evaluate(IMAGES[i : i + 8] for i in range(0, 48, 8))
    with pytest.raises(ValueError, match="weights of rows"):
        tiny().fit(Batches(lambda rows: (IMAGES[rows], None, np.ones(16))))


def test_validation_split_holds_out_the_last_rows():
    model = Line()
    model.compile({"line": keras.optimizers.SGD(0.0)}, seed=0)
    history = model.fit(
        points(1.0, 1.0, 1.0, 3.0), batch_size=2, verbose=0, validation_split=0.25
    )
    assert history.history["val_mean"] == [3.0]
    assert history.history["mean"] == [1.0]
    with pytest.raises(ValueError, match="both"):
        model.fit(points(1.0), validation_split=0.5, validation_data=points(1.0))
    for share in (-0.1, 1.0, 0.9):
        with pytest.raises(ValueError, match="validation_split"):
            model.fit(points(1.0, 2.0), validation_split=share)


@pytest.mark.parametrize(
    "options",
    [
        {"sample_weight": np.ones(48)},
        {"class_weight": {0: 2.0}},
        {"workers": 2},
        {"steps_per_epoch": -2},
        {"steps_per_epoch": 0},
        {"validation_steps": 0},
        {"epochs": -1},
    ],
)
def test_arguments_without_a_meaning_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        tiny().fit(IMAGES, batch_size=16, verbose=0, **options)


def test_evaluate_refuses_weights_of_rows():
    with pytest.raises(ValueError, match="sample_weight"):
        tiny().evaluate(IMAGES, sample_weight=np.ones(48))


# Callbacks.


@pytest.mark.parametrize("monitor", ["vae_loss", "val_vae_loss"])
def test_losses_of_players_fall(monitor, tmp_path):
    stop = keras.callbacks.EarlyStopping(monitor)
    best = keras.callbacks.ModelCheckpoint(
        tmp_path / "best.keras", save_best_only=True, monitor=monitor
    )
    options = {"validation_split": 0.5, "callbacks": [stop, best], "verbose": 0}
    tiny("vae").fit(IMAGES, batch_size=16, **options)
    assert stop.mode == best.mode == "min"
    assert stop.monitor_op(1.0, 2.0) and not stop.monitor_op(2.0, 1.0)
    assert (tmp_path / "best.keras").exists()


@pytest.mark.parametrize(
    ("monitor", "message"),
    [
        ("val_loss", "monitor of"),
        ("vae_los", "monitor of"),
        ("val_vae_loss", "validation data"),
    ],
)
def test_what_callbacks_cannot_monitor_is_refused_before_the_first_epoch(
    monitor, message
):
    with pytest.raises(ValueError, match=message):
        stop = keras.callbacks.EarlyStopping(monitor)
        tiny("vae").fit(IMAGES, callbacks=[stop], verbose=0)


def test_figures_need_a_mode():
    with pytest.raises(ValueError, match="mode='min' or mode='max'"):
        guards.check_monitors(
            [keras.callbacks.EarlyStopping("d_real")], ["d_real"], True
        )


def test_a_checkpoint_of_every_epoch_monitors_nothing(tmp_path):
    save = keras.callbacks.ModelCheckpoint(tmp_path / "x.keras")
    guards.check_monitors([save], ["vae_loss"], False)


def test_a_checkpoint_has_the_last_epochs(tmp_path):
    path = tmp_path / "x.keras"
    times = []
    for epochs in (3, 4):
        model = tiny("vae")
        checkpoint = keras_gen.callbacks.Checkpoint(path, every=2)
        options = {"callbacks": [checkpoint], "verbose": 0, "batch_size": 24}
        model.fit(IMAGES, epochs=epochs, **options)
        times.append(path.stat().st_mtime_ns)
        saved = tiny("vae")
        saved.load_weights(path)
        assert int(saved.epoch.numpy()) == epochs
    assert times[0] < times[1]


def test_a_time_limit_says_that_it_cuts_an_epoch(capsys):
    limit = keras_gen.callbacks.TimeLimit(minutes=0)
    options = {"callbacks": [limit], "verbose": 0}
    tiny("vae").fit(IMAGES, batch_size=16, **options)
    assert "step 1 of 3" in capsys.readouterr().out
    tiny("vae").fit(IMAGES, batch_size=48, **options)
    assert not capsys.readouterr().out


# Optimizers.


def test_every_player_has_an_optimizer_of_its_own():
    shared = keras.optimizers.SGD(0.1)
    with pytest.raises(ValueError, match="of its own"):
        Line().compile({"line": shared, "other": shared})
    model = Line()
    model.compile({"line": shared})
    model.compile({"line": shared})
    with pytest.raises(ValueError, match="other weights"):
        Line().compile({"line": shared})


def test_an_optimizer_made_outside_of_the_scope_is_refused(two_replicas):
    outside = keras.optimizers.SGD(0.1)
    with two_replicas.scope():
        model = Line()
        model.compile({"line": keras.optimizers.SGD(0.1)})
        model.compile({"line": "sgd"})
    with pytest.raises(ValueError, match=r"strategy\.scope"):
        model.compile({"line": outside})


def test_optimizers_that_keep_averages_are_refused():
    with pytest.raises(ValueError, match="average=0.999"):
        Line().compile({"line": keras.optimizers.SGD(0.1, use_ema=True)})


@pytest.mark.parametrize("clip_norm", [None, 0.5])
def test_a_scale_of_losses_changes_no_step(clip_norm):
    weights = []
    for scale in (None, 8.0):
        model = Line()
        optimizer = keras.optimizers.SGD(0.1, loss_scale_factor=scale)
        model.compile({"line": optimizer}, clip_norm=clip_norm, seed=0)
        model.train_on_batch(points(1.0, 3.0))
        weights.append(model.weight)
    assert weights[1] == pytest.approx(weights[0]) and weights[0] > 0


def test_weights_decay_in_the_steps_of_their_player():
    model = Line()
    optimizer = keras.optimizers.SGD(0.0, weight_decay=0.5)
    other = keras.optimizers.SGD(0.1, weight_decay=0.5)
    model.compile({"line": optimizer, "other": other}, seed=0)
    model.train_on_batch(points(1.0, 3.0))
    # The output is 0, and so is the gradient: 1 - 0.1 * 0.5 = 0.95.
    assert float(model.other.weights[0].numpy()[0, 0]) == pytest.approx(0.95)


def test_the_compiled_learning_rate_wins_over_that_of_a_checkpoint(tmp_path, capsys):
    path = tmp_path / "run.keras"
    for epochs, rate in ((1, 0.1), (2, 0.01)):
        model = Line()
        model.compile({"line": keras.optimizers.SGD(rate)}, seed=0)
        before = keras_gen.callbacks.Checkpoint(path)
        model.fit(
            points(1.0, 3.0),
            batch_size=2,
            epochs=epochs,
            callbacks=[before],
            verbose=0,
        )
    # 0.2 after one step at a rate of 0.1; 0.2 + 0.01 * (2 - 0.2) after the other.
    assert model.weight == pytest.approx(0.218)
    assert "0.01 as compiled, not 0.1" in capsys.readouterr().out


# Evaluation.


@pytest.mark.parametrize("rows", [1, 16, 17, 19])
def test_evaluation_weighs_by_rows(rows, two_replicas):
    data = {"point": np.random.default_rng(0).normal(size=(rows, 3)).astype("float32")}
    with two_replicas.scope():
        double = Normed()
        double.compile(seed=0)
    single = Normed()
    single.compile(seed=0)
    single.set_weights(double.get_weights())
    whole = single.evaluate(data, batch_size=rows, verbose=0, return_dict=True)
    for model in (single, double):
        got = model.evaluate(data, batch_size=16, verbose=0, return_dict=True)
        # Sums of float32 in another order.
        assert got["network_loss"] == pytest.approx(whole["network_loss"], rel=1e-5)


# Abilities.


def test_abilities_refuse_no_rows_and_too_many():
    model = tiny()
    with pytest.raises(ValueError, match="at least one row"):
        model.decode(np.zeros((0, 4), np.float32))
    with pytest.raises(ValueError, match="fits in"):
        model.sample(10**15)
    with pytest.raises(ValueError, match="float32"):
        model.decode(np.full((1, 4), 1e300))
    checks.fits_memory(1000, 1000)


def _sample(model, answers):
    try:
        model.sample(1, seed=0)
    except RuntimeError as error:
        answers.put(str(error))


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*fork:RuntimeWarning")
def test_a_forked_process_is_refused():
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(target=_sample, args=(tiny(), answers))
    child.start()
    child.join(60)
    is_running = child.is_alive()
    child.kill()
    assert not is_running and "spawn" in answers.get()


# Networks of users.


def own(activation):
    class Mine(AdversarialModel):
        def __init__(self, image_shape=(16, 16, 1), latent_dim=4, **options):
            generator = keras.Sequential(
                [
                    layers.Input((latent_dim,)),
                    layers.Dense(256, "tanh"),
                    layers.Reshape(image_shape),
                ],
                name="generator",
            )
            discriminator = keras.Sequential(
                [
                    layers.Input(image_shape),
                    layers.Flatten(),
                    *activation(),
                    layers.Dense(1),
                ],
                name="discriminator",
            )
            super().__init__(
                generator=generator,
                discriminator=discriminator,
                latent_dim=latent_dim,
                **options,
            )

    return Mine()


@pytest.mark.parametrize(
    "activation",
    [
        lambda: [layers.Dense(8, "relu")],
        lambda: [layers.Dense(8), layers.Activation("gelu")],
        lambda: [layers.Dense(8), layers.PReLU()],
        lambda: [layers.Dense(8)],
    ],
)
def test_features_of_an_own_discriminator(activation):
    model = own(activation)
    assert model.features(IMAGES[:2]).shape == (2, 8)


def test_a_model_of_own_networks_is_exported(tmp_path):
    model = own(lambda: [layers.Dense(8, "relu")])
    model.compile(seed=0)
    model.fit(IMAGES, batch_size=16, verbose=0)
    folder = keras_gen.export.save(model, tmp_path)
    assert "features" in keras_gen.export.read_card(folder)["signatures"]


def test_a_network_that_is_replaced_is_used_from_then_on(tmp_path):
    model = tiny("dcgan", average=0.9)
    model.compile(seed=0)
    model.fit(IMAGES[:16], batch_size=16, verbose=0)
    before, layers_before = model.sample(2, seed=0), len(model.networks())
    new = keras.models.clone_model(model.generator)
    for variable in new.trainable_variables:
        variable.assign(0.5 * keras.ops.ones_like(variable))
    model.generator = new
    after = model.sample(2, seed=0)
    assert not np.allclose(before, after)
    assert len(model.networks()) == layers_before
    with pytest.raises(ValueError, match="compile"):
        model.fit(IMAGES[:16], batch_size=16, verbose=0)
    model.compile(seed=0)
    old = values(new.trainable_variables)
    model.fit(IMAGES[:16], batch_size=16, verbose=0)
    pairs = zip(old, values(new.trainable_variables), strict=True)
    assert not all(np.array_equal(a, b) for a, b in pairs)
    model.save(tmp_path / "x.keras")
    loaded = keras.saving.load_model(tmp_path / "x.keras")
    np.testing.assert_allclose(
        loaded.sample(2, seed=0), model.sample(2, seed=0), atol=1e-5
    )


def test_another_kind_of_optimizer_than_that_of_a_checkpoint_is_refused(tmp_path):
    saved = keras_gen.callbacks.Checkpoint(tmp_path / "run.keras")
    options = {"batch_size": 2, "callbacks": [saved], "verbose": 0}
    for optimizer in (keras.optimizers.SGD(0.1), keras.optimizers.Adam(0.1)):
        model = Line()
        model.compile({"line": optimizer}, seed=0)
        if isinstance(optimizer, keras.optimizers.Adam):
            with pytest.raises(ValueError, match="Expected SGD for 'line'"):
                model.fit(points(1.0, 3.0), epochs=2, **options)
        else:
            model.fit(points(1.0, 3.0), **options)


def test_arrays_come_in_batches_of_the_preset():
    model = AAE((8, 8, 1), 2, (8,))
    model.compile(seed=0, run_eagerly=True)
    model.fit(np.zeros((150, 8, 8, 1), np.float32), verbose=0)
    assert int(model.step.numpy()) == 2  # Of 100 images and 50.
    own = type("Own", (CycleGAN,), {})
    assert [batch_size_of(cls) for cls in (CycleGAN, own, GAN)] == [4, 4, 64]
