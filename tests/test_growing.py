"""Growing models: layers by hand-computed values, the schedule, StyleGAN's styles."""

import gc
import math
import pathlib
import resource
import weakref
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import make_batch, train, values

import keras_gen
from keras_gen.callbacks import Checkpoint, Grow, Phase
from keras_gen.core.game import Lazy
from keras_gen.layers import (
    AdaIN,
    AddNoise,
    Blur,
    EqualizedConv2D,
    EqualizedDense,
    Fade,
    Learned,
    MinibatchStdDev,
    PixelNorm,
    blur,
)
from keras_gen.models import ProGAN, StyleGAN
from keras_gen.networks.growing import chosen_maps, num_maps

RANDOM = np.random.default_rng(0)
SMALL = {
    "image_shape": (8, 8, 1),
    "start": 4,
    "latent_dim": 3,
    "base_maps": 16,
    "max_maps": 4,
    "phase_images": 10**9,
}
STYLED = {**SMALL, "style_dim": 5, "mapping_depth": 2}


def normal(*shape):
    return RANDOM.normal(size=shape).astype(np.float32)


def grown(side, alpha=1.0, model=ProGAN, **settings):
    """A small model at the level with the given side."""
    model = model(**{**(STYLED if model is StyleGAN else SMALL), **settings})
    model.compile(seed=0)
    model.enter(Phase(side, 0, 1))
    model.growth.alpha.assign(alpha)
    return model


# Layers.


def test_pixel_norm_by_hand():
    x = np.array([[[[3.0, 4.0]], [[0.0, 0.0]]]], np.float32)
    expected = np.array([3.0, 4.0]) / np.sqrt(12.5)
    np.testing.assert_allclose(PixelNorm()(x)[0, 0, 0], expected, rtol=1e-5)
    np.testing.assert_array_equal(PixelNorm()(x)[0, 1, 0], 0)
    half = PixelNorm(dtype="mixed_float16")(np.full((1, 4), 300.0))  # 300^2 overflows.
    np.testing.assert_allclose(half, 1, rtol=1e-3)


@pytest.mark.parametrize(
    "layer, shape, fan_in",
    [
        (EqualizedDense(50), (None, 80), 80),
        (EqualizedConv2D(50, 3), (None, 5, 5, 20), 180),
        (EqualizedConv2D(50, 3, gain=1.0, rate=0.01), (None, 5, 5, 20), 180),
    ],
)
def test_equalized_kernels_are_scaled_at_run_time(layer, shape, fan_in):
    layer.build(shape)
    scale = layer.gain / np.sqrt(fan_in)
    used = layer.scaled_kernel()
    np.testing.assert_allclose(used, layer.kernel * (scale * layer.rate), rtol=1e-6)
    # Scaled kernels have He's standard deviation; stored kernels are large.
    assert np.std(used) == pytest.approx(scale, rel=0.03)
    assert np.std(layer.kernel) == pytest.approx(1 / layer.rate, rel=0.03)
    x = normal(2, *shape[1:])
    if len(shape) == 4:
        plain = keras.ops.conv(x, used, padding="same")
    else:
        plain = keras.ops.matmul(x, used)
    layer.bias.assign(np.full(50, 2.0))
    np.testing.assert_allclose(layer(x), plain + 2.0 * layer.rate, atol=1e-4)


def test_a_learning_rate_multiplier_slows_a_layer_by_it():
    def moved(rate):
        keras.utils.set_random_seed(1)
        layer = EqualizedDense(4, rate=rate)
        layer.build((None, 6))
        before = np.array(layer.scaled_kernel())
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(np.ones((2, 6))) ** 2)
        adam = keras.optimizers.Adam(0.01)
        weights = layer.trainable_variables
        adam.apply(tape.gradient(loss, weights), weights)
        return np.abs(np.array(layer.scaled_kernel()) - before).mean()

    assert moved(0.1) == pytest.approx(0.1 * moved(1.0), rel=1e-3)


def test_adain_gives_maps_the_styles_mean_and_deviation():
    layer, x, style = AdaIN(), 5 + 3 * normal(2, 8, 8, 3), normal(2, 6)
    out = np.array(layer(x, style))
    deviation, mean = layer.deviation(style), layer.mean(style)
    np.testing.assert_allclose(out.mean(axis=(1, 2)), mean, atol=1e-4)
    np.testing.assert_allclose(out.std(axis=(1, 2)), np.abs(deviation), rtol=1e-4)
    none = np.array(layer(x, np.zeros((2, 6))))
    np.testing.assert_allclose(none.std(axis=(1, 2)), 1, rtol=1e-4)
    np.testing.assert_allclose(none.mean(axis=(1, 2)), 0, atol=1e-5)


def test_blur_of_large_maps_is_that_of_small_ones(monkeypatch):
    maps = normal(2, 6, 10, 3)
    wanted = Blur()(maps)
    monkeypatch.setattr(blur, "LARGEST_PRODUCT", 4)
    np.testing.assert_allclose(Blur()(maps), wanted, atol=1e-6)


def test_blur_keeps_a_constant_image_and_spreads_a_point():
    constant = np.full((1, 4, 6, 2), 0.3, np.float32)
    np.testing.assert_allclose(Blur()(constant), constant, rtol=1e-6)
    point = np.zeros((1, 5, 5, 1), np.float32)
    point[0, 2, 2] = 16
    expected = np.outer([1, 2, 1], [1, 2, 1])
    np.testing.assert_allclose(Blur()(point)[0, 1:4, 1:4, 0], expected)


def test_one_map_of_noise_is_added_to_each_map_by_its_strength():
    layer, x, noise = AddNoise(), normal(2, 4, 4, 3), normal(2, 4, 4, 1)
    np.testing.assert_array_equal(layer(x, noise), x)
    layer.strength.assign([0.0, 1.0, -2.0])
    expected = x + noise * np.array([0.0, 1.0, -2.0])
    np.testing.assert_allclose(layer(x, noise), expected, rtol=1e-5)


def test_fading_is_exact_at_both_ends():
    old, new = normal(3, 2, 2, 1), normal(3, 2, 2, 1)
    out = Fade()(old, new, np.array([0.0, 1.0, 0.25], np.float32))
    np.testing.assert_array_equal(out[0], old[0])
    np.testing.assert_array_equal(out[1], new[1])
    np.testing.assert_allclose(out[2], 0.75 * old[2] + 0.25 * new[2], rtol=1e-6)


def test_a_learned_tensor_is_the_same_for_each_row():
    layer = Learned((2, 3), deviation=1.0)
    rows = layer(np.zeros((4, 7)))
    assert rows.shape == (4, 2, 3)
    np.testing.assert_array_equal(rows, np.broadcast_to(layer.value, (4, 2, 3)))
    assert layer.trainable_variables == [layer.value]
    state = Learned((2, 3), trainable=False, aggregation="mean")
    state = Learned.from_config(state.get_config())
    state.build(None)
    assert state.trainable_variables == []
    assert (state.value.trainable, state.value.aggregation) == (False, "mean")


# Levels.


@pytest.mark.parametrize(
    ("side", "maps"),
    [
        (1024, [512, 512, 512, 512, 256, 128, 64, 32, 16]),  # Of the paper's table 2.
        (128, [512, 512, 512, 512, 256, 128]),
        (64, [256, 256, 256, 256, 128]),
        (32, [128, 128, 128, 64]),
    ],
)
def test_maps_are_those_of_the_paper_from_128_pixels_on(side, maps):
    numbers = chosen_maps(side, None, None).values()
    assert [num_maps(level, *numbers) for level in range(len(maps))] == maps
    assert chosen_maps(side, 16, 4) == {"base_maps": 16, "max_maps": 4}


@pytest.mark.parametrize("cls", [ProGAN, StyleGAN])
def test_what_follows_from_the_size_is_in_the_configuration(cls):
    model = cls((8, 8, 1), latent_dim=3, start=4)
    config = model.get_config()
    assert (config["base_maps"], config["max_maps"]) == (64, 32)
    for level, maps in enumerate([32, 16]):
        assert model.generator.get_layer(f"level_{level}_b").units == maps
    assert config["phase_images"] is None
    assert cls.from_config(config).get_config() == config


def test_configurations_of_version_0_1_keep_their_meaning():
    before = {"base_maps": 1024, "max_maps": 128, "phase_images": 600_000}
    pro = {**before, "first_gain": math.sqrt(2)}
    style = {**before, "r1": 10.0, "downsampling": "pooled"}
    for cls, values_then in ((ProGAN, pro), (StyleGAN, style)):
        assert cls.upgrade_config({"start": 4}) == {"start": 4, **values_then}
        saved = {**values_then, "max_maps": 7}
        del saved["first_gain" if cls is ProGAN else "downsampling"]
        assert cls.upgrade_config(saved) == {**values_then, "max_maps": 7}
        now = cls(**(SMALL if cls is ProGAN else STYLED)).get_config()
        assert cls.upgrade_config(now) == now


def blurred(x):
    """The binomial filter along both sides, with repeated edges, in NumPy."""
    x = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)], "edge")
    x = (x[:, :-2] + 2 * x[:, 1:-1] + x[:, 2:]) / 4
    return (x[:, :, :-2] + 2 * x[:, :, 1:-1] + x[:, :, 2:]) / 4


def quartered(x):
    """The means of four neighbouring pixels, in NumPy."""
    batch, height, width, maps = x.shape
    return x.reshape(batch, height // 2, 2, width // 2, 2, maps).mean(axis=(2, 4))


def leaky(x):
    return np.maximum(x, 0.2 * x)


def test_a_convolution_that_halves_returns_the_means_of_four_outputs():
    plain, halving = EqualizedConv2D(5, 3), EqualizedConv2D(5, 3, halves=True)
    x = normal(2, 6, 8, 4)
    expected = quartered(np.array(plain(x)))
    halving.build(x.shape)
    halving.set_weights([plain.kernel, np.full(5, 0.5)])
    np.testing.assert_allclose(halving(x), expected + 0.5, atol=1e-5)
    assert halving.compute_output_shape(x.shape) == (2, 3, 4, 5)
    assert EqualizedConv2D.from_config(halving.get_config()).halves


@pytest.mark.parametrize("downsampling", ["strided", "pooled"])
def test_stylegan_halves_blurred_maps_before_or_after_the_rectifier(downsampling):
    model = grown(8, model=StyleGAN, downsampling=downsampling)
    images = RANDOM.uniform(-1, 1, (2, 8, 8, 1)).astype(np.float32)
    layer = model.discriminator.get_layer
    for name in ("level_1_b", "level_0_a", "level_0_b"):
        layer(name).bias.assign(normal(*layer(name).bias.shape))
    x = leaky(
        np.array(layer("level_1_a")(leaky(np.array(layer("from_image_1")(images)))))
    )
    convolution = layer("level_1_b")
    kernel, bias = convolution.scaled_kernel(), np.array(convolution.scaled_bias())

    def convolved(maps):
        return np.array(keras.ops.conv(maps, kernel, padding="same"))

    if downsampling == "strided":  # The authors' order.
        activation = small = leaky(quartered(convolved(blurred(x))) + bias)
    else:
        activation = leaky(convolved(x) + bias)
        small = quartered(blurred(activation))
    first, second, last = (
        np.array(h) for h in model.hidden_features(tf.constant(images), None)
    )
    np.testing.assert_allclose(first, x, atol=1e-5)
    np.testing.assert_allclose(second, activation, atol=1e-5)
    with_deviation = MinibatchStdDev(4)(small)
    x = leaky(np.array(layer("level_0_a")(with_deviation))).reshape(2, -1)
    np.testing.assert_allclose(last, leaky(np.array(layer("level_0_b")(x))), atol=1e-5)


def test_an_unknown_downsampling_is_refused():
    with pytest.raises(ValueError, match="downsampling"):
        StyleGAN(**STYLED, downsampling="none")


def test_the_first_dense_layer_of_progan_has_a_quarter_of_hes_gain():
    layer = ProGAN(**SMALL).generator.get_layer("level_0_a")
    assert layer.scale == pytest.approx(math.sqrt(2) / 4 / math.sqrt(3))
    before = ProGAN(**SMALL, first_gain=math.sqrt(2))
    assert before.generator.get_layer("level_0_a").gain == math.sqrt(2)


@pytest.mark.parametrize("model", [ProGAN, StyleGAN])
def test_at_alpha_0_images_are_those_below_and_at_1_their_own(model):
    grown_model = grown(8, 0.0, model, average=None)
    latents = normal(2, 3)
    above = grown_model.decode(latents)
    shift_images(grown_model, 1)  # Only of the new level: no effect at alpha 0.
    np.testing.assert_array_equal(above, grown_model.decode(latents))
    grown_model.enter(Phase(4, 0, 1))
    grown_model.growth.alpha.assign(1.0)
    below = grown_model.decode(latents)
    doubled = below.repeat(2, axis=1).repeat(2, axis=2)  # Noise has strength 0.
    np.testing.assert_allclose(above, doubled, atol=1e-5)
    grown_model.enter(Phase(8, 0, 1))
    alone = grown_model.decode(latents)
    shift_images(grown_model, 0)
    np.testing.assert_array_equal(alone, grown_model.decode(latents))
    assert not np.allclose(alone, above)


def shift_images(model, level):
    """Adds 0.5 to the images that the generator makes from a level's features."""
    bias = model.generator.get_layer(f"to_image_{level}").bias
    bias.assign(bias + 0.5)


def test_at_alpha_0_logits_are_those_of_the_level_below():
    model = grown(8, 0.0)
    images = RANDOM.uniform(-1, 1, (3, 8, 8, 1)).astype(np.float32)
    above = model.discriminate(images)
    smaller = images.reshape(3, 4, 2, 4, 2, 1).mean(axis=(2, 4))
    model.enter(Phase(4, 0, 1))
    model.growth.alpha.assign(1.0)
    np.testing.assert_allclose(above, model.discriminate(smaller), atol=1e-5)
    model.enter(Phase(8, 0, 1))
    assert not np.allclose(above, model.discriminate(images))


def test_real_images_fade_as_the_generated_ones_do():
    images = RANDOM.uniform(-1, 1, (2, 16, 16, 1)).astype(np.float32)
    halves = images.reshape(2, 8, 2, 8, 2, 1).mean(axis=(2, 4))
    quarters = halves.reshape(2, 4, 2, 4, 2, 1).mean(axis=(2, 4))
    old = quarters.repeat(2, axis=1).repeat(2, axis=2)
    batch = {"image": images}
    model = grown(8, 0.25, image_shape=(16, 16, 1))
    expected = 0.75 * old + 0.25 * halves
    np.testing.assert_allclose(model.real_images(batch), expected, atol=1e-5)
    np.testing.assert_allclose(
        grown(4, image_shape=(16, 16, 1)).real_images(batch), quarters, atol=1e-5
    )
    whole = grown(16, image_shape=(16, 16, 1))
    np.testing.assert_array_equal(whole.real_images(batch), images)


def test_a_level_trains_no_weights_of_levels_above():
    model = grown(4)
    before = values(model.trainable_variables)
    train(model, make_batch(model, 8), count=2)
    for old, variable in zip(before, model.trainable_variables, strict=True):
        moved = not np.array_equal(old, variable)
        above = any(part in variable.path for part in ("level_1", "image_1"))
        assert moved != above, variable.path


def test_an_export_has_images_of_the_level_reached(tmp_path):
    model = grown(4)
    keras_gen.export.save(model, tmp_path)
    loaded = tf.saved_model.load(str(tmp_path / "1"))
    seeds = np.arange(2, dtype=np.int64)
    served = loaded.signatures["sample"](seed=tf.constant(seeds))["images"]
    np.testing.assert_allclose(served, model.sample(2, seed=seeds), atol=1e-5)
    assert served.shape == (2, 4, 4, 1)


@pytest.mark.parametrize(
    "settings",
    [
        {"image_shape": (16, 32, 1)},
        {"image_shape": (24, 24, 1)},
        {"image_shape": (4, 4, 1), "start": 8},
        {"start": 6},
        {"phase_images": 0},
        {"base_maps": 0},
        {"max_maps": 0},
        {"first_gain": 0.0},
        {"packing": 2},
    ],
)
def test_sizes_that_cannot_be_grown_are_refused(settings):
    with pytest.raises(ValueError, match="Expected"):
        ProGAN(**{**SMALL, **settings})


# The schedule.

SCHEDULE = [Phase(4, 0, 32, 8, 1e-3), Phase(8, 32, 16, None, 5e-4)]


def test_phase_and_alpha_follow_from_the_number_of_images():
    expected = {
        0: (4, 1.0),
        31: (4, 1.0),
        32: (8, 0.0),
        40: (8, 0.25),
        64: (8, 1.0),
        1000: (8, 1.0),
    }
    for images, (side, alpha) in expected.items():
        phase, found = Grow(SCHEDULE).place(images)
        assert (phase.side, found) == (side, alpha), images


@pytest.mark.parametrize(
    "phases",
    [
        [],
        [Phase(8, 0, 8), Phase(4, 0, 8)],
        [Phase(4, 0, 10**9), Phase(32, 0, 8)],
        [Phase(4, 0, 10**9), Phase(6, 0, 8)],
        [Phase(4, 0, 8, 5)],
        [Phase(4, 0, 10**9), Phase(8, 0, 8, 5)],
        [Phase(4, 0, 10**9), Phase(8, 0, 8, None, 1e-3)],
    ],
)
def test_schedules_that_do_not_fit_are_refused_before_a_step(phases):
    model = ProGAN(**SMALL)
    decay = keras.optimizers.schedules.ExponentialDecay(1e-3, 10, 0.5)
    optimizers = {player: keras.optimizers.Adam(decay) for player in model.players()}
    model.compile(optimizers, seed=0)
    with pytest.raises(ValueError, match="Expected"):
        model.fit(make_batch(model, 16), verbose=0, callbacks=[Grow(phases)])
    assert int(model.step.numpy()) == 0


@pytest.mark.parametrize(
    "wrong", [{"fade": -1}, {"stable": -1}, {"batch_size": 0}, {"learning_rate": 0.0}]
)
def test_phases_with_impossible_numbers_are_refused(wrong):
    with pytest.raises(ValueError, match="Expected"):
        Phase(**{"side": 4, "fade": 0, "stable": 8, **wrong})


# The length of a run.


def fitted(images, cls=ProGAN, side=32):
    """The phases that a model, 4x4 at first, gets for a number of images."""
    settings = {**(STYLED if cls is StyleGAN else SMALL), "phase_images": None}
    model = cls(**{**settings, "image_shape": (side, side, 1)})
    return [(p.side, p.fade, p.stable) for p in model.default_schedule(images)]


def test_half_of_all_images_are_for_growth():
    growing = [(4, 0, 10), (8, 10, 10), (16, 10, 10), (32, 10, 10)]
    assert fitted(120) == fitted(131) == growing
    assert fitted(3)[0] == (4, 0, 1)
    for cls, longest in ((ProGAN, 800_000), (StyleGAN, 600_000)):  # The papers' own.
        assert fitted(10**9, cls)[1] == (8, longest, longest)
    assert [side for side, *_ in fitted(None, side=4)] == [4]  # It does not grow.
    with pytest.raises(ValueError, match="phase_images"):
        fitted(None)


@pytest.mark.parametrize(
    "moves, accumulate_steps",
    [(1, 1), pytest.param(2, 1, marks=pytest.mark.slow), (1, 2)],
)
def test_a_run_of_any_length_reaches_full_size(moves, accumulate_steps, capsys):
    model = grown(4, phase_images=None, discriminator_moves=moves)
    model.compile(seed=0, accumulate_steps=accumulate_steps)
    states = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            growth = model.growth
            alpha = float(growth.alpha.numpy())
            states.append((int(growth.images.numpy()), model.image_shape[0], alpha))

    batch = make_batch(model, 32)
    batch_size = 8 // moves // accumulate_steps  # Steps have 8 images.
    options = {"batch_size": batch_size, "validation_data": batch, "verbose": 2}
    model.fit(batch, epochs=2, callbacks=[Watch()], **options)
    growing = [(8, 4, 1.0), (16, 4, 1.0), (24, 8, 0.0), (32, 8, 0.5)]
    assert states == growing + [(n, 8, 1.0) for n in (40, 48, 56, 64)]
    out = capsys.readouterr().out
    assert out.startswith(
        "Of 64 images, the first 32 are for growth from 4x4 to 8x8 pixels, in phases "
        "of 16 (phase_images)."
    )


def begin(model, steps, schedule=None, rows=8):
    """What training of a model prints before its first step."""
    model.prepare_run(rows, steps)
    grow = Grow(schedule)
    grow.set_model(model)
    grow.set_params({"verbose": 0})
    grow.on_train_begin()
    return grow


def test_a_run_that_is_too_short_says_so(capsys):
    model = grown(4, phase_images=16)
    begin(model, 5)  # The fifth step begins after 32 images, when growth is over.
    assert capsys.readouterr().out == ""
    begin(model, 4)
    assert capsys.readouterr().out == (
        "This run will not reach 8x8 pixels: it ends after 32 images, in the fade to "
        "8x8, and growth takes 32. Lower phase_images, which is 16, or set it to None, "
        "which fits it to the run; or train for more epochs.\n"
    )
    begin(model, 1)
    assert "it ends after 8 images, at 4x4, and" in capsys.readouterr().out
    begin(model, 4, [Phase(4, 0, 16), Phase(8, 16, 16)])
    assert "Shorten the phases of Grow" in capsys.readouterr().out
    begin(model, 100, [Phase(4, 0, 16)])
    assert "the schedule of Grow ends at 4x4" in capsys.readouterr().out
    model.growth.images.assign(24)  # Images of earlier runs count.
    begin(model, 2)
    assert capsys.readouterr().out == ""
    begin(grown(8, phase_images=16), 1)  # It has grown already.
    begin(grown(4, phase_images=None), 100)
    begin(grown(4), None)  # Of unknown length.
    assert capsys.readouterr().out == ""
    begin(grown(4, phase_images=None), 1)
    assert "Train for more steps" in capsys.readouterr().out


def test_it_says_so_before_the_first_step(capsys):
    model = grown(4)
    said = []

    class Listen(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            said.append(capsys.readouterr().out)

    options = {"batch_size": 8, "verbose": 0, "callbacks": [Listen()]}
    model.fit(make_batch(model, 16), **options)
    assert said[0].startswith("This run will not reach 8x8 pixels")
    assert said[1:] == [""]
    assert capsys.readouterr().out == ""


def test_a_run_that_was_stopped_early_says_at_which_size(capsys):
    model = grown(4, phase_images=None)
    callbacks = [keras_gen.callbacks.TimeLimit(minutes=0)]
    options = {"batch_size": 4, "verbose": 0, "callbacks": callbacks}
    model.fit(make_batch(model, 32), **options)
    *_, last = capsys.readouterr().out.splitlines()
    assert last == "Training ended at 4x4 pixels, before the schedule reached 8x8."


def test_data_of_unknown_size_need_a_schedule():
    model = grown(4, phase_images=None)
    data = tf.data.Dataset.from_tensors(make_batch(model, 8)).filter(lambda _: True)
    with pytest.raises(ValueError, match="phase_images .* or steps_per_epoch"):
        model.fit(data, verbose=0)
    assert int(model.step.numpy()) == 0
    begin(model, 5)


def test_a_run_that_is_made_longer_never_goes_back():
    model = grown(8, 0.5, phase_images=None)
    model.growth.images.assign(24)
    grow = begin(model, 5)  # 64 images in phases of 16: in the middle of the fade.
    grow.on_train_batch_begin(0)
    assert float(model.growth.alpha.numpy()) == 0.5
    model.growth.images.assign(24)
    grow = begin(model, 77)  # 640 images in phases of 160.
    for images, alpha in ((24, 0.5), (160, 0.5), (240, 0.5), (280, 0.75), (320, 1.0)):
        model.growth.images.assign(images)
        grow.on_train_batch_begin(0)
        assert (model.image_shape[0], float(model.growth.alpha.numpy())) == (8, alpha)


def test_a_callback_fits_its_schedule_to_every_run():
    model = grown(4, phase_images=None)
    grow = begin(model, 8)
    assert grow.schedule[0].stable == 16
    model.prepare_run(8, 80)
    grow.on_train_begin()
    assert grow.schedule[0].stable == 160


@pytest.mark.parametrize("images", [0, 110])  # The schedule is at 4x4, or in a fade.
def test_a_model_ahead_of_the_schedule_stays_as_it_is(images):
    model = grown(8, 1.0)
    model.growth.images.assign(images)
    adam = model.optimizers["generator"]
    adam.variables[0].assign(7)
    schedule = [Phase(4, 0, 100), Phase(8, 100, 100)]
    model.fit(make_batch(model, 8), verbose=0, callbacks=[Grow(schedule)])
    assert model.image_shape == (8, 8, 1)
    assert float(model.growth.alpha.numpy()) == 1.0
    assert int(adam.iterations) == 8


def test_a_phases_learning_rate_is_that_of_both_players():
    model = grown(4, model=StyleGAN, r1_every=2)
    model.enter(Phase(8, 0, 1, None, 0.25))
    rates = {n: float(o.learning_rate) for n, o in model.optimizers.items()}
    # With R1 in every second step, the discriminator's Adam is corrected.
    wanted = {"discriminator": 0.25 * 2 / 3, "generator": 0.25}
    assert rates == pytest.approx(wanted)


def test_averages_forget_at_a_new_level_what_was_below_it():
    model = grown(4)
    batch = {k: tf.constant(v) for k, v in make_batch(model, 4).items()}
    for _ in range(8):  # After which the decay by all steps would be 9 / 18.
        model.train_step(batch)
    model.enter(Phase(8, 0, 1))
    before = values(model.averaged(model.generator).variables)
    model.train_step(batch)
    after = values(model.averaged(model.generator).variables)
    now = values(model.generator.variables)
    # The first step at a level is step 0, or 1, of min(0.999, (1 + s) / (10 + s)).
    for old, new, source in zip(before, after, now, strict=True):
        close = [
            np.allclose(new, d * old + (1 - d) * source, atol=1e-6)
            for d in (1 / 10, 2 / 11)
        ]
        assert any(close)


@pytest.mark.parametrize(
    "moves, accumulate_steps", [(3, 1), pytest.param(1, 3, marks=pytest.mark.slow)]
)
def test_a_phases_batch_size_is_that_of_a_mini_batch(moves, accumulate_steps):
    model = grown(4, discriminator_moves=moves)
    model.compile(seed=0, accumulate_steps=accumulate_steps)
    phase = Phase(4, 0, 10**9, batch_size=2)
    model.fit(make_batch(model, 12), batch_size=4, verbose=0, callbacks=[Grow([phase])])
    # 12 images are 3 batches of the data, and 2 steps of 3 mini-batches of 2 images.
    assert int(model.step.numpy()) == 2
    assert int(model.growth.images.numpy()) == 12
    with pytest.raises(ValueError, match="divide 4 images"):
        odd = Grow([Phase(4, 0, 10**9, batch_size=3)])
        model.fit(make_batch(model, 12), batch_size=4, verbose=0, callbacks=[odd])


def test_a_batch_is_cut_into_steps_in_the_order_of_its_rows():
    model = grown(4)
    batch = make_batch(model, 6)
    model.batch_size = 2
    parts = model.steps_of({name: tf.constant(value) for name, value in batch.items()})
    assert len(parts) == 3
    joined = tf.concat([part["image"] for part in parts], axis=0)
    np.testing.assert_array_equal(joined, batch["image"])
    model.batch_size = None
    assert len(model.steps_of(batch)) == 1


def test_two_replicas_grow_together(two_replicas):
    with two_replicas.scope():
        model = ProGAN(**SMALL, average=0.9, loss="hinge", gradient_penalty=0.0)
        model.compile(seed=0)
    schedule = [Phase(4, 0, 16, 16, 1e-3), Phase(8, 16, 16, 8, 5e-4)]
    batch = make_batch(model, 48)
    model.fit(batch, batch_size=16, verbose=0, callbacks=[Grow(schedule)])
    assert int(model.growth.images.numpy()) == 48
    assert int(model.step.numpy()) == 1 + 2 + 2
    assert model.sample(2, seed=0).shape == (2, 8, 8, 1)
    assert all(np.isfinite(v).all() for v in values(model.trainable_variables))
    with pytest.raises(ValueError, match="replicas"):
        odd = Grow([Phase(8, 0, 1, batch_size=1)])
        model.fit(batch, batch_size=16, verbose=0, callbacks=[odd])


def test_real_images_and_penalties_are_float32_in_mixed_precision():
    keras.config.set_dtype_policy("mixed_float16")  # Steps build layers under it too.
    for cls in (ProGAN, StyleGAN):
        model = grown(8, 0.5, cls, augmentation=["color"])
        batch = make_batch(model, 4)
        assert model.real_images(batch).dtype == tf.float32
        shared = model.forward(batch, training=True)
        assert shared["fake"].dtype == tf.float32
        penalty = model.gradient_penalty_loss(batch, shared, training=True)
        assert penalty.dtype == tf.float32
        assert model.r1_loss(batch, shared, training=True).dtype == tf.float32
        logs = train(model, batch).history
        assert np.isfinite(logs["discriminator_loss"][0])


def test_losses_are_those_of_the_level_that_was_loaded(tmp_path):
    model, other = grown(4), grown(8)
    other.save_weights(tmp_path / "other.weights.h5")
    batch = make_batch(model, 8)
    options = {"verbose": 0, "return_dict": True}
    model.evaluate(batch, **options)
    model.load_weights(tmp_path / "other.weights.h5")
    wanted = other.evaluate(batch, **options)
    model.tested.assign(0)
    assert model.evaluate(batch, **options) == pytest.approx(wanted, rel=1e-4)


def test_figures_in_training_are_those_of_the_level_reached(monkeypatch):
    shapes = []

    class Scale:
        def __init__(self, data, image_shape, *others, **split):
            self.image_shape = tuple(image_shape)

        def check(self, split):
            assert split == "train"

        def draw(self, model):
            return model.sample(2, seed=0)

        def measure(self, images, floor):
            assert images.shape[1:] == self.image_shape
            shapes.append(self.image_shape)
            return {"frechet_distance": 1.0}

    monkeypatch.setattr(keras_gen.metrics, "Scale", Scale)
    model = grown(4)
    schedule = [Phase(4, 0, 16), Phase(8, 16, 16)]
    callbacks = [Grow(schedule), keras_gen.callbacks.Evaluate("mnist")]
    model.fit(make_batch(model, 16), verbose=0, epochs=2, callbacks=callbacks)
    assert shapes == [(4, 4, 1), (8, 8, 1)]


def test_one_fit_does_the_whole_schedule_and_no_graph_outlives_its_level():
    model = ProGAN(**SMALL)
    model.compile(seed=0, clip_norm=10.0)
    states, graphs = [], []
    train_step = model.train_step

    def traced(batch):
        graphs.append(weakref.ref(tf.compat.v1.get_default_graph()))
        return train_step(batch)

    model.train_step = traced

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            side, step = model.image_shape[0], int(model.step.numpy())
            alpha = float(model.growth.alpha.numpy())
            rate = float(model.optimizers["generator"].learning_rate)
            states.append((side, alpha, step, round(rate, 5)))

    model.fit(
        make_batch(model, 64),
        batch_size=16,
        verbose=0,
        callbacks=[Grow(SCHEDULE), Watch()],
    )
    assert states == [
        (4, 1.0, 2, 0.001),  # Two steps with 8 images each from a batch of 16.
        (4, 1.0, 4, 0.001),
        (8, 0.0, 5, 0.0005),
        (8, 0.5, 6, 0.0005),
    ]
    assert int(model.growth.images.numpy()) == 64
    assert model.sample(2, seed=0).shape == (2, 8, 8, 1)
    gc.collect()
    assert [graph() is not None for graph in graphs] == [False, True]


def test_optimizers_start_anew_at_a_level():
    model = grown(4)
    adam = model.optimizers["generator"]
    variables = model.players()["generator"].variables
    adam.apply([tf.ones_like(v) for v in variables], variables)
    adam.learning_rate = 0.5
    model.enter(Phase(4, 0, 1))
    assert all(np.any(v) for v in adam.variables[:2])
    model.enter(Phase(8, 0, 1))
    for variable in adam.variables:
        start = 0.5 if variable is adam.learning_rate else 0
        np.testing.assert_array_equal(variable, start)
    # The first step is as long as the learning rate, not ten times as long.
    variables = model.players()["generator"].variables  # Those of the new level.
    first = variables[0]
    before = first.numpy()
    adam.apply([tf.ones_like(v) for v in variables], variables)
    np.testing.assert_allclose(before - first.numpy(), 0.5, rtol=1e-4)


class Kill(keras.callbacks.Callback):
    """Interrupts a run when an epoch begins."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("cls", "schedule", "killed", "alpha"),
    [
        (ProGAN, SCHEDULE, 3, 0.5),
        pytest.param(StyleGAN, SCHEDULE, 3, 0.5, marks=pytest.mark.slow),
        # 64 images in phases of 16; the second epoch begins with the fade.
        (ProGAN, None, 1, 1.0),
    ],
)
def test_a_run_that_is_killed_goes_on_there(cls, schedule, killed, alpha, tmp_path):
    batch = make_batch(ProGAN(**SMALL), 16)
    settings = {**(SMALL if cls is ProGAN else STYLED), "phase_images": None}
    alphas = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            alphas.append(float(self.model.growth.alpha.numpy()))

    def run(path, *callbacks):
        keras.utils.set_random_seed(0)
        model = cls(**settings, average=0.9)
        model.compile(seed=0)
        callbacks = [Grow(schedule), Checkpoint(path), Watch(), *callbacks]
        dataset = tf.data.Dataset.from_tensors(batch).repeat()
        model.fit(dataset, steps_per_epoch=1, epochs=4, verbose=0, callbacks=callbacks)
        return model

    whole = run(tmp_path / "whole.keras")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed.keras", Kill(killed))
    resumed = run(tmp_path / "killed.keras")
    assert alphas[4:] == alphas[:4]
    assert resumed.image_shape == whole.image_shape == (8, 8, 1)
    assert float(resumed.growth.alpha.numpy()) == alpha
    assert int(resumed.growth.images.numpy()) == 64
    for ours, theirs in zip(whole.variables, resumed.variables, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    for name, optimizer in whole.optimizers.items():
        other = resumed.optimizers[name]
        for a, b in zip(
            values(optimizer.variables), values(other.variables), strict=True
        ):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "options", "parameters"),
    [
        (ProGAN, {}, 23.1e6),
        (StyleGAN, {"style_dim": 512}, 26.2e6),
    ],
)
def test_a_step_at_1024_pixels_with_the_papers_maps(model, options, parameters):
    sizes = {"latent_dim": 512, "base_maps": 8192, "max_maps": 512, **options}
    model = model((1024, 1024, 3), average=None, **sizes)
    networks = model.networks().values()
    count = sum(n.count_params() for n in networks if n is not model.discriminator)
    assert count == pytest.approx(parameters, rel=0.02)
    model.compile(seed=0)
    images = np.zeros((2, 1024, 1024, 3), np.float32)
    fade = [Phase(1024, 100, 0)]
    logs = model.fit({"image": images}, verbose=0, callbacks=[Grow(fade)]).history
    assert np.isfinite(logs["generator_loss"][0])
    assert model.sample(1, seed=0).shape == (1, 1024, 1024, 3)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    assert peak < 16, f"{peak:.1f} GiB"  # Peak of this process; Linux counts KiB.


# StyleGAN.


def test_truncation_moves_styles_towards_their_mean():
    model = grown(8, model=StyleGAN)
    model.mean_style.value.assign(normal(5))
    means = model.sample(3, seed=0, truncation=0.0)
    # The initial strengths of noise are 0, so that only styles change images.
    np.testing.assert_allclose(means[1:], means[:2], atol=1e-5)
    styles = np.broadcast_to(model.mean_style.value, (3, model.num_layers, 5))
    np.testing.assert_allclose(means, model.synthesize(styles, 0), atol=1e-5)
    free = model.sample(3, seed=0)
    np.testing.assert_allclose(free, model.sample(3, seed=0, truncation=1.0), atol=1e-5)
    rows = model.sample(3, seed=0, truncation=[0.0, 1.0, 0.5])
    np.testing.assert_allclose(rows[0], means[0], atol=1e-5)
    np.testing.assert_allclose(rows[1], free[1], atol=1e-5)
    assert not np.allclose(free[0], free[1])


def test_layers_beyond_the_cutoff_keep_their_styles():
    model = grown(8, model=StyleGAN, truncation_layers=2)
    images = model.sample(2, seed=0, truncation=0.0)
    assert not np.allclose(images[0], images[1])


def test_mixing_takes_layers_of_the_sources():
    model = grown(8, model=StyleGAN)
    sources, targets = (model.map(normal(2, 3)) for _ in range(2))
    everything = range(model.num_layers)
    images = model.mix(sources, targets, everything)
    np.testing.assert_allclose(images, model.synthesize(sources, 0), atol=1e-5)
    coarse = sources.copy()
    coarse[:, 2:] = targets[:, 2:]
    np.testing.assert_allclose(
        model.mix(sources, targets, [0, 1]), model.synthesize(coarse, 0), atol=1e-6
    )
    for wrong in ([], [-1], [model.num_layers]):
        with pytest.raises(ValueError, match="layers from 0"):
            model.mix(sources, targets, wrong)


def test_a_table_of_mixed_styles_has_sources_on_top_and_targets_on_the_left():
    model = grown(8, model=StyleGAN)
    sources, targets = normal(3, 3), normal(2, 3)
    last = [model.num_layers - 1]
    table = keras_gen.latent.mix_styles(model, sources, targets, last)
    assert table.shape == (3, 4, 8, 8, 1)
    np.testing.assert_array_equal(table[0, 0], 1)
    mixed = model.mix(model.map(sources)[2:], model.map(targets)[1:], last)
    np.testing.assert_allclose(table[2, 3], mixed[0], atol=1e-5)
    on_top = model.synthesize(model.map(sources), 0)
    np.testing.assert_allclose(table[0, 1:], on_top, atol=1e-5)


def test_labels_and_noise_of_a_table_of_mixed_styles():
    model = grown(8, model=StyleGAN, num_classes=3, average=None)
    give_noise_strength(model)
    sources, targets = normal(2, 3), normal(2, 3)
    labels = [0, 1], [2, 0]
    every = range(model.num_layers)
    table = keras_gen.latent.mix_styles(model, sources, targets, every, labels)
    for row in (1, 2):  # All styles are the sources', and all noise is the same.
        np.testing.assert_allclose(table[row, 1:], table[0, 1:], atol=1e-5)
    styles = model.map(targets, labels=labels[1])
    left = model.synthesize(styles, np.zeros(2, np.int64))
    np.testing.assert_allclose(table[1:, 0], left, atol=1e-5)


def give_noise_strength(model):
    for layer in model.generator.layers:
        if isinstance(layer, AddNoise):
            layer.strength.assign(layer.strength + 0.5)


@pytest.mark.parametrize("mixing", [0.0, 1.0])
def test_images_in_training_have_styles_of_two_latents(mixing, monkeypatch):
    model = grown(8, model=StyleGAN, mixing=mixing)
    found = []

    def record(synthesis, styles, noise, training=False):
        found.append(np.array(styles))
        return tf.zeros((len(styles), 8, 8, 1))

    monkeypatch.setattr(model, "_synthesize", record)
    batch = {"image": np.zeros((200, 8, 8, 1), np.float32)}
    shared = model.forward(batch, training=True)
    first = np.isclose(found[0], np.array(shared["style"])[:, None]).all(axis=-1)
    assert first[:, 0].all()
    if mixing == 0:
        assert first.all()
    else:  # Never at all layers; and the change occurs at each of them.
        assert not first[:, -1].any()
        assert set(first.sum(axis=1)) == set(range(1, model.num_layers))


def batch_mean_style(model, batch, index=0):
    """The mean over a mini-batch of the styles that the next step computes for it."""
    with model.noise_scope(f"forward/{index}"):
        return tf.reduce_mean(model.forward(batch, training=True)["style"], axis=0)


@pytest.mark.parametrize("clip_norm", [None, 0.01])
def test_the_mean_style_is_a_moving_average_that_is_not_clipped(clip_norm):
    model = grown(8, model=StyleGAN)
    model.compile(seed=0, clip_norm=clip_norm, run_eagerly=True)
    assert list(model.optimizers) == ["discriminator", "generator"]
    assert not any(v is model.mean_style.value for v in model.trainable_variables)
    batch = make_batch(model, 8)
    expected = 0.005 * np.array(batch_mean_style(model, batch))
    assert np.abs(expected).max() > 1e-4
    train(model, batch)
    np.testing.assert_allclose(model.mean_style.value, expected, rtol=1e-4)
    model.mean_style.value.assign(np.full(5, 100.0))
    expected = 99.5 + 0.005 * np.array(batch_mean_style(model, batch))
    train(model, batch)
    np.testing.assert_allclose(model.mean_style.value, expected, rtol=1e-6)


@pytest.mark.parametrize("clip_norm", [None, 0.01])
def test_the_mean_style_of_two_replicas_follows_the_mean_of_both(
    clip_norm, two_replicas
):
    with two_replicas.scope():
        model = StyleGAN(**STYLED)
        model.compile(seed=0, clip_norm=clip_norm, run_eagerly=bool(clip_norm))
    batch = make_batch(model, 8)
    halves = [{"image": part} for part in np.split(batch["image"], 2)]

    def mean_style():
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return batch_mean_style(model, halves[int(replica)])

    parts = two_replicas.experimental_local_results(two_replicas.run(mean_style))
    assert not np.allclose(*parts)  # Replicas draw different latents.
    expected = 0.005 * np.mean(parts, axis=0)
    train(model, batch)
    variable = model.mean_style.value.value
    for value in two_replicas.experimental_local_results(variable):
        np.testing.assert_allclose(value, expected, rtol=1e-4)


def test_the_mean_style_follows_all_mini_batches_of_an_accumulated_step():
    model = grown(4, model=StyleGAN)
    model.compile(seed=0, accumulate_steps=2)
    batch = make_batch(model, 8)
    halves = [{"image": part} for part in np.split(batch["image"], 2)]
    parts = [batch_mean_style(model, half, i) for i, half in enumerate(halves)]
    model.fit(batch, batch_size=4, verbose=0, callbacks=[Grow([Phase(4, 0, 10**9)])])
    assert int(model.step.numpy()) == 1
    expected = 0.005 * np.mean(parts, axis=0)
    np.testing.assert_allclose(model.mean_style.value, expected, rtol=1e-4)


def test_a_file_in_which_the_mean_style_had_an_optimizer_loads_and_trains(tmp_path):
    archive = pathlib.Path(__file__).parent / "data" / "keras_files_0_1.zip"
    with zipfile.ZipFile(archive) as files:
        files.extract("stylegan.keras", tmp_path)
    model = keras.models.load_model(tmp_path / "stylegan.keras")
    assert np.any(model.mean_style.value)
    assert list(model.optimizers) == ["discriminator", "generator"]
    for optimizer in model.optimizers.values():
        assert int(optimizer.iterations) == int(model.step.numpy()) == 2
        assert all(np.any(v) for v in optimizer.variables[2:4])
    before = values(model.trainable_variables)
    train(model, make_batch(model, 8))
    assert int(model.step.numpy()) == 3
    assert not np.array_equal(before[0], model.trainable_variables[0])


def test_noise_seeds_change_details_once_noise_has_strength():
    model = grown(8, model=StyleGAN, average=None)
    styles = model.map(normal(2, 3))
    plain = model.synthesize(styles, noise_seed=0)
    np.testing.assert_array_equal(plain, model.synthesize(styles, noise_seed=1))
    give_noise_strength(model)
    noisy = model.synthesize(styles, noise_seed=0)
    np.testing.assert_array_equal(noisy, model.synthesize(styles, noise_seed=0))
    assert not np.allclose(noisy, model.synthesize(styles, noise_seed=1))


def test_labels_choose_among_styles():
    model = grown(8, model=StyleGAN, num_classes=3)
    same = model.sample(3, seed=[7, 7, 7], labels=[0, 1, 1])
    assert not np.allclose(same[0], same[1])
    np.testing.assert_allclose(same[1], same[2], atol=1e-5)
    np.testing.assert_allclose(
        model.sample(2, seed=[7, 7], labels=1)[0], same[1], atol=1e-5
    )


def test_a_lazy_penalty_is_added_in_one_of_r1_every_steps_and_as_much_stronger(
    monkeypatch,
):
    model = grown(8, model=StyleGAN, r1=2.0, r1_every=4)
    monkeypatch.setattr(model, "r1_loss", lambda *_: tf.constant(3.0))
    (penalty,) = model.players()["discriminator"].regularizers
    assert isinstance(penalty, Lazy)
    for step, expected in ((0, 12.0), (1, 0.0), (3, 0.0), (4, 12.0)):
        assert float(penalty({}, {}, True, tf.constant(step))) == expected
        assert float(penalty({}, {}, False, tf.constant(step))) == 3.0
