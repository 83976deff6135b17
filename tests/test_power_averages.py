"""Averages of weights whose width is chosen after training."""

import keras
import numpy as np
import pytest
import scipy.integrate
import tensorflow as tf

import keras_gen
from keras_gen.callbacks import Checkpoint, PowerAverages, power_averages, reconstruct

POINTS = np.random.default_rng(0).normal(size=(256, 2)).astype(np.float32)


def plain_steps():
    return {"network": keras.optimizers.SGD(0.05)}


def model_of(**config):
    keras.utils.set_random_seed(0)
    config = {"average": 0.9, "settings": {"width": 8, "depth": 1}, **config}
    model = keras_gen.zoo.load("flow_matching", image_shape=None, point_dim=2, **config)
    model.compile(optimizers=plain_steps(), seed=0)
    return model


class Recorder(keras.callbacks.Callback):
    """Keeps the weights after every step."""

    def __init__(self):
        super().__init__()
        self.weights = []

    def on_train_batch_end(self, batch, logs=None):
        sources = power_averages.sources_of(self.model)
        self.weights.append({n: v.numpy() for n, v in sources.items()})


def trained(folder, epochs=6, widths=(0.05, 0.1), **options):
    model, recorder = model_of(), Recorder()
    averages = PowerAverages(folder, widths, **options)
    model.fit(
        {"point": POINTS},
        batch_size=8,
        epochs=epochs,
        verbose=0,
        callbacks=[averages, recorder],
    )  # 32 steps an epoch
    return model, recorder.weights


def average_of(weights, width, name):
    """The average with the weights of the steps written out."""
    exponent, steps = power_averages.exponent_of(width), len(weights)
    cumulative = (np.arange(steps + 1) / steps) ** (exponent + 1)
    shares = np.diff(cumulative)
    return sum(
        share * values[name] for share, values in zip(shares, weights, strict=True)
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("averages")
    return folder, *trained(folder)


@pytest.mark.parametrize("width", [0.03, 0.05, 0.1, 0.25])
def test_exponents_have_the_asked_width(width):
    g = power_averages.exponent_of(width)
    mean = (g + 1) / (g + 2)
    square = scipy.integrate.quad(lambda s: (g + 1) * s**g * (s - mean) ** 2, 0, 1)[0]
    assert g > 0 and np.sqrt(square) == pytest.approx(width, rel=1e-6)


def test_combinations_are_the_nearest_to_the_wanted_profile():
    parts = [(s, g) for s in (40, 70, 100) for g in (4.0, 15.0)]
    factors, error = power_averages.combination(parts, (100, 8.0))
    place = np.linspace(0, 100, 200_001)

    def profile(length, g):
        return np.where(place <= length, (g + 1) * place**g / length ** (g + 1.0), 0)

    basis, wanted = np.array([profile(*part) for part in parts]), profile(100, 8.0)
    rest = factors @ basis - wanted
    assert np.sqrt((rest**2).sum() / (wanted**2).sum()) == pytest.approx(error, 1e-3)
    # No direction that keeps the sum of the factors lowers the distance.
    assert factors.sum() == pytest.approx(1)
    slopes = basis @ rest / np.sum(wanted**2)
    np.testing.assert_allclose(slopes, slopes.mean(), atol=1e-4)
    assert 0 < error < 0.1


def test_averages_weight_steps_by_a_power_of_their_number(run):
    folder, model, weights = run
    for width in (0.05, 0.1):
        error = reconstruct(model, folder, width)
        assert error < 1e-6  # The average is among the snapshots.
        for name, target in power_averages.targets_of(model).items():
            want = average_of(weights, width, name)
            np.testing.assert_allclose(target.numpy(), want, atol=1e-5)


@pytest.mark.parametrize("width", [0.07, 0.15])
def test_snapshots_give_averages_of_other_widths(run, width):
    folder, model, weights = run
    assert 0 < reconstruct(model, folder, width) < 0.1
    for name, target in power_averages.targets_of(model).items():
        want = average_of(weights, width, name)
        near = average_of(weights, 0.05, name)
        # Above the profile's error, since weights do not change evenly.
        distance = np.abs(target.numpy() - want).max()
        assert distance < 0.3 * np.abs(near - want).max() + 1e-6


def test_averages_end_at_an_earlier_step(run):
    folder, model, weights = run
    reconstruct(model, folder, 0.1, step=96)
    for name, target in power_averages.targets_of(model).items():
        want = average_of(weights[:96], 0.1, name)
        np.testing.assert_allclose(target.numpy(), want, atol=1e-5)


def test_steps_in_one_call_count_as_such(tmp_path):
    model = model_of()
    model.compile(optimizers=plain_steps(), seed=0, steps_per_execution=4)
    averages = PowerAverages(tmp_path)
    model.fit(
        {"point": POINTS}, batch_size=8, epochs=1, verbose=0, callbacks=[averages]
    )
    assert list(power_averages.snapshots(tmp_path)) == [32]


def test_resumed_training_has_the_averages_of_one_without_interruption(tmp_path):
    data = tf.data.Dataset.from_tensor_slices({"point": POINTS[:40]}).batch(8)
    # As if the script were started twice, and once without interruption.
    for name, ends in {"whole": [3], "parts": [2, 3]}.items():
        for epochs in ends:
            callbacks = [
                Checkpoint(tmp_path / f"{name}.keras"),
                PowerAverages(tmp_path / name),
            ]
            model_of().fit(data, epochs=epochs, verbose=0, callbacks=callbacks)
    whole = power_averages.snapshots(tmp_path / "whole")
    parts = power_averages.snapshots(tmp_path / "parts")
    assert sorted(whole) == sorted(parts) == [5, 10, 15]
    for step, path in whole.items():
        assert path.read_bytes() == parts[step].read_bytes()


def test_training_goes_on_after_a_stop_between_snapshot_and_checkpoint(tmp_path):
    """At any epoch, the snapshot of the last checkpoint is there."""
    data = tf.data.Dataset.from_tensor_slices({"point": POINTS[:40]}).batch(8)

    def stop(epoch, logs):
        if epoch == 2:
            raise KeyboardInterrupt

    def fit(*between, epochs=5):
        averages = PowerAverages(tmp_path / "averages", every=4)
        last = Checkpoint(tmp_path / "last.keras")
        model_of().fit(
            data, epochs=epochs, verbose=0, callbacks=[averages, *between, last]
        )

    with pytest.raises(KeyboardInterrupt):
        fit(keras.callbacks.LambdaCallback(on_epoch_end=stop))
    fit()
    assert sorted(power_averages.snapshots(tmp_path / "averages")) == [20, 25]


def test_snapshots_between_those_that_are_kept_are_removed(tmp_path):
    trained(tmp_path, epochs=5, every=2)
    # The last one is needed to resume.
    assert sorted(power_averages.snapshots(tmp_path)) == [64, 128, 160]


def test_what_does_not_fit_is_refused(tmp_path, run):
    folder, model, _ = run
    with pytest.raises(ValueError, match="two or more widths, got"):
        PowerAverages(tmp_path, widths=[0.1])
    for width in (0, 0.289, -1):
        with pytest.raises(ValueError, match="width above 0 and below 0.288"):
            PowerAverages(tmp_path, widths=[0.1, width])
        with pytest.raises(ValueError, match="width above 0 and below 0.288"):
            reconstruct(model, folder, width)
    with pytest.raises(ValueError, match=r"averages of step 5 in .* \[32, 64"):
        reconstruct(model, folder, 0.1, step=5)
    with pytest.raises(ValueError, match="those of steps none"):
        reconstruct(model, tmp_path / "nothing", 0.1)
    with pytest.raises(ValueError, match="of the model's networks"):
        reconstruct(model_of(settings={"width": 4, "depth": 1}), folder, 0.1)
    data = {"x": {"point": POINTS}, "batch_size": 8, "verbose": 0}
    with pytest.raises(ValueError, match="that keeps no average"):
        model_of(average=None).fit(**data, callbacks=[PowerAverages(tmp_path)])
    with pytest.raises(ValueError, match="no averages of another training"):
        model_of().fit(**data, callbacks=[PowerAverages(folder)])
    growing = keras_gen.zoo.load("progan", image_shape=(8, 8, 1), base_maps=8)
    pixels = np.zeros((8, 8, 8, 1), np.uint8)
    with pytest.raises(ValueError, match="do not grow, got a ProGAN"):
        growing.fit(pixels, verbose=0, callbacks=[PowerAverages(tmp_path)])
    late = model_of()
    late.fit(**data)
    with pytest.raises(ValueError, match="averages of step 32 in .* none"):
        late.fit(**data, epochs=2, callbacks=[PowerAverages(tmp_path)])
