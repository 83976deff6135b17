"""Diffusion and flow matching: processes, samplers, networks and models."""

import functools
import itertools
import json
import math

import keras
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from conftest import make_batch

import keras_gen
from keras_gen import latent, metrics, pictures
from keras_gen.core.noise import row_seeds, seeds_of_values
from keras_gen.core.registry import preset
from keras_gen.layers import ModulatedGroupNorm, TimeEmbedding
from keras_gen.metrics.figures import likelihood
from keras_gen.models.diffusion import base, flow_matching, processes, samplers
from keras_gen.models.diffusion.ddpm import _log_bytes
from keras_gen.networks import denoisers

MEAN, DEVIATION = 0.7, 0.5  # Of the Gaussian data whose exact denoiser is known.
PROCESSES = {
    "straight": processes.Straight(),
    "exploding": processes.VarianceExploding(),
    "cosine": processes.VariancePreserving("cosine", 100_000),
    "linear": processes.VariancePreserving("linear", 100_000),
}
# A transformer has far fewer layers than a U-Net, and is traced quickly.
TINY = {
    "network": "dit",
    "settings": {"width": 8, "depth": 1, "heads": 2},
    "steps": 3,
}


def exact_denoiser(path):
    """E[x0 | x] for Gaussian data: linear in x."""
    alpha, sigma = tf.constant(path.alpha), tf.constant(path.sigma)

    def denoise(x, i):
        a, s = tf.cast(alpha[i], x.dtype), tf.cast(sigma[i], x.dtype)
        gain = a * DEVIATION**2 / (a**2 * DEVIATION**2 + s**2)
        return MEAN + gain * (x - a * MEAN)

    return denoise


def exact_solution(x, path):
    """The end of the differential equation's path from x, for Gaussian data."""
    alpha, sigma = path.alpha, path.sigma
    spread = np.sqrt(alpha**2 * DEVIATION**2 + sigma**2)
    return alpha[-1] * MEAN + spread[-1] / spread[0] * (x - alpha[0] * MEAN)


def inner_path(process, steps):
    """A path at even times without the ends, where slopes of sigma may be infinite."""
    position = np.linspace(0.95, 0.05, steps + 1)
    if isinstance(process, processes.VariancePreserving):
        position = np.rint(position * process.num_timesteps).astype(int)
    elif isinstance(process, processes.VarianceExploding):
        position = position[::-1]
    return process._at(position)


# Samplers.


@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)
@pytest.mark.parametrize(("name", "order"), [("ddim", 1), ("heun", 2), ("dpm++", 2)])
def test_the_error_of_a_sampler_falls_with_its_order(process, name, order):
    # In float64, from fixed points: the errors are those of the method alone.
    start = np.linspace(-2.0, 2.0, 9)[:, None]
    errors = []
    for steps in (64, 128, 256):
        path = inner_path(process, steps)
        x = path.sigma[0] * start
        denoise, sampler = exact_denoiser(path), samplers.SAMPLERS[name]
        run = tf.function(lambda x: sampler(denoise, x, path, None), autograph=False)  # noqa: B023
        end = run(tf.constant(x)).numpy()
        errors.append(np.abs(end - exact_solution(x, path)).max())
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    # Rates approach the order from one side or the other; a sampler of another order
    # is off by 1.
    assert (np.abs(orders - order) < 0.35).all(), (errors, orders)


def test_euler_is_ddim_without_noise_on_straight_paths():
    path = processes.Straight().path(5)
    x = tf.constant(np.linspace(-1.0, 1.0, 4)[:, None])
    denoise, t = exact_denoiser(path), path.time
    got = samplers.ddim(denoise, x, path).numpy()
    for i in range(5):
        velocity = (x - denoise(x, i)) / t[i]  # e - x0, as x = (1 - t) x0 + t e.
        x += (t[i + 1] - t[i]) * velocity
    np.testing.assert_allclose(got, x, atol=1e-12)


def test_ancestral_steps_are_those_of_ddpm():
    """Equation 7 of Ho et al.: the mean of x at a step, given x0 and x one later."""
    process = processes.VariancePreserving("linear", 1000)
    path = process.path(1000)
    steps = samplers.ddim_steps(path, eta=1.0)
    level = process.signal_levels()[::-1]
    before = np.append(level[1:], 1.0)
    beta = 1 - level / before
    np.testing.assert_allclose(
        steps.of_data, np.sqrt(before) * beta / (1 - level), rtol=1e-6
    )
    np.testing.assert_allclose(
        steps.of_x,
        np.sqrt(1 - beta) * (1 - before) / (1 - level),
        rtol=1e-6,
        atol=1e-12,
    )
    np.testing.assert_allclose(
        steps.of_noise**2, beta * (1 - before) / (1 - level), rtol=1e-6, atol=1e-12
    )
    lower, upper = samplers.posterior_variances(path)
    np.testing.assert_allclose(upper, beta, rtol=1e-6)
    np.testing.assert_allclose(lower, steps.of_noise**2, rtol=1e-6)


@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)
def test_ancestral_samples_have_the_moments_of_the_data(process):
    path = process.path(500)

    def draw(i):
        return tf.random.stateless_normal((4000, 1), (0, i), dtype=tf.float64)

    @functools.partial(tf.function, autograph=False)
    def run():
        start = path.sigma[0] * draw(-1)
        return samplers.ancestral(exact_denoiser(path), start, path, draw)

    drawn = run().numpy()
    # The mean of 4000 rows has a deviation of 0.01; 500 steps leave a few percent.
    assert abs(drawn.mean() - MEAN) < 0.04 and abs(drawn.std() - DEVIATION) < 0.03


@pytest.mark.parametrize("position", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("is_learned", [False, True])
def test_ancestral_steps_have_the_variance_between_the_bounds(position, is_learned):
    """Ho et al., algorithm 2, whose noise has a variance from beta~ to beta."""
    process = processes.VariancePreserving("linear", 1000)
    path = process.path(1000)
    level = process.signal_levels()[::-1]
    before = np.append(level[1:], 1.0)
    beta = 1 - level / before
    noise = np.random.default_rng(0).normal(size=(1000, 3, 2))
    denoise = exact_denoiser(path)

    def pair(x, i):
        learned = tf.fill(tf.shape(x), tf.cast(position, x.dtype))
        return (denoise(x, i), learned) if is_learned else denoise(x, i)

    def run(x):
        draws, fixed = tf.constant(noise), 0.5 if is_learned else position
        return samplers.ancestral(pair, x, path, lambda i: draws[i], variance=fixed)

    start = np.linspace(-1, 1, 6).reshape(3, 2)
    got = tf.function(run, autograph=False)(tf.constant(start)).numpy()
    x = start
    for i in range(1000):
        data = denoise(tf.constant(x), i).numpy()
        of_data = np.sqrt(before[i]) * beta[i] / (1 - level[i])
        of_x = np.sqrt(1 - beta[i]) * (1 - before[i]) / (1 - level[i])
        x = of_data * data + of_x * x
        if i < 999:  # The last step has no noise.
            lower = beta[i] * (1 - before[i]) / (1 - level[i])
            variance = lower ** (1 - position) * beta[i] ** position
            x = x + np.sqrt(variance) * noise[i]
    np.testing.assert_allclose(got, x, atol=1e-6)


def test_rows_may_start_at_different_points():
    path = processes.Straight().path(4)
    x = tf.constant([[1.0], [1.0], [1.0]], tf.float64)
    start = tf.constant([0, 2, 4])
    end = samplers.ddim(exact_denoiser(path), x, path, start=start).numpy()
    np.testing.assert_allclose(end[0], samplers.ddim(exact_denoiser(path), x, path)[0])
    half = processes.Straight()._at(path.time[2:])
    np.testing.assert_allclose(end[1], samplers.ddim(exact_denoiser(half), x, half)[1])
    assert end[2] == 1.0


@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_paths_go_from_noise_to_data(process, steps):
    path = process.path(steps)
    assert path.steps == steps
    assert path.sigma[-1] == 0 and path.alpha[-1] == 1
    assert (np.diff(path.sigma) < 0).all()
    assert path.sigma[0] > 100 * path.alpha[0] or path.sigma[0] == 80.0
    back = process.way_back(steps)
    assert back.steps == steps and (np.diff(back.sigma) > 0).all()
    assert 0 < back.sigma[0] < 0.02
    alpha, sigma = process.levels(tf.constant(back.time, tf.float32))
    np.testing.assert_allclose(alpha, back.alpha, atol=1e-5)
    np.testing.assert_allclose(sigma, back.sigma, rtol=1e-4)


def test_schedules_are_those_of_the_papers():
    linear = processes.signal_levels("linear", 1000)
    betas = 1 - linear[1:] / linear[:-1]
    np.testing.assert_allclose(betas[[0, -1]], [1e-4 + 0.0199 / 999, 0.02], rtol=1e-6)
    cosine = processes.signal_levels("cosine", 1000)
    assert abs(cosine[499] - 0.5) < 0.01 and cosine[-1] < 1e-4
    assert (1 - cosine[1:] / cosine[:-1]).max() <= 0.999 + 1e-9


@pytest.mark.parametrize("first", [0, 1, 5])
def test_repaint_goes_back_and_repeats(first):
    order, back = samplers.repaint_order(5, jump=2, repeats=3, first=first)
    position, counts = 0, np.zeros(5, int)
    for step, jump in zip(order, back, strict=True):
        assert step == position
        counts[step] += 1
        position += 1 - jump
        assert position >= min(first, step + 1)
    assert position == 5 and counts.tolist() == [1] * first + [3] * (5 - first)


@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)
def test_repaint_draws_unknown_pixels_given_the_known_ones(process):
    """Two pixels with a correlation of 0.9, of which one is known."""
    correlation, known, rows = 0.9, 0.8, 400
    path = process.path(50)
    alpha, sigma = (tf.constant(t, tf.float64) for t in (path.alpha, path.sigma))
    covariance = tf.constant([[1.0, correlation], [correlation, 1.0]], tf.float64)
    unit = tf.eye(2, dtype=tf.float64)

    def denoise(x, i):
        total = alpha[i] ** 2 * covariance + sigma[i] ** 2 * unit
        gain = alpha[i] * tf.linalg.solve(total, covariance)
        return tf.reshape(tf.reshape(x, (rows, 2)) @ gain, x.shape)

    def draw(i):
        return tf.random.stateless_normal((rows, 1, 2, 1), (0, i), dtype=tf.float64)

    images = tf.constant([[[[known], [9.0]]]], tf.float64)
    mask = tf.constant([[[[1.0], [0.0]]]], tf.float64)

    @functools.partial(tf.function, autograph=False)
    def run(repeats):
        start = sigma[0] * draw(-1)
        return samplers.repaint(denoise, start, path, draw, images, mask, None, repeats)

    once, done = (run(repeats).numpy()[:, 0, :, 0] for repeats in (1, 10))
    np.testing.assert_array_equal(done[:, 0], known)
    mean, deviation = correlation * known, math.sqrt(1 - correlation**2)
    # The mean of 400 rows has a deviation of 0.02.
    assert abs(done[:, 1].mean() - mean) < 0.1
    # 50 steps with the lower bound of the variance give rows that vary less.
    assert 0.75 * deviation < done[:, 1].std() < 1.1 * deviation
    # Without repetitions, the pixels agree less.
    assert once[:, 1].mean() < mean - 0.15


# Models.


def model_of(name="flow_matching", **config):
    shape = {} if "point_dim" in config else {"image_shape": (8, 8, 1)}
    if config.get("image_shape", True) is None:
        shape = {}
    keras.utils.set_random_seed(0)
    if config.get("image_shape", True) is None:
        config = {"network": "mlp", **config}
    return keras_gen.zoo.load(name, **{**shape, **TINY, **config})


def perturbed(model):
    """The model with all weights moved, since networks start with an output of 0."""
    random = np.random.default_rng(0)
    weights = [0.1 * random.normal(size=w.shape) for w in model.network.get_weights()]
    for network in (model.network, model.averaged(model.network)):
        network.set_weights(weights)
    return model


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("flow_matching", {}),
        ("edm", {}),
        ("ddpm", {"prediction": "noise", "clip": False}),
        ("ddpm", {"prediction": "data", "clip": False}),
        ("ddpm", {"prediction": "v", "clip": False}),
        ("ddpm", {"variance": "learned", "clip": False}),
    ],
)
def test_the_output_that_training_asks_for_gives_the_data(name, config):
    model = model_of(name, **config)
    random = np.random.default_rng(0)
    data = tf.constant(random.uniform(-1, 1, (5, 8, 8, 1)), tf.float32)
    time = model.process.times(tf.constant([0.1, 0.3, 0.5, 0.7, 0.9]))
    alpha, sigma = (level[:, None, None, None] for level in model.process.levels(time))
    x = alpha * data + sigma * random.normal(size=data.shape).astype(np.float32)
    skip, out, _ = (
        number[:, None, None, None]
        for number in model.precondition(alpha[:, 0, 0, 0], sigma[:, 0, 0, 0])
    )
    output = (data - skip * x) / out
    if model.network.output_shape[-1] == 2:
        output = tf.concat([output, tf.zeros_like(output)], axis=-1)
    flat = alpha[:, 0, 0, 0], sigma[:, 0, 0, 0]
    estimate, position = model.estimate_of_output(
        output, x, *(v[:, None, None, None] for v in flat)
    )
    np.testing.assert_allclose(estimate, data, atol=1e-3)
    assert (position is None) == (config.get("variance") != "learned")
    loss = model.loss_of_output(output, data, x, time)
    loss = loss[0] if isinstance(loss, tuple) else loss
    assert abs(float(loss)) < (0.1 if position is not None else 1e-6)


def test_edm_scales_inputs_and_targets_to_a_variance_of_one():
    model = model_of("edm", data_deviation=0.3)
    sigma = tf.constant([0.01, 0.3, 5.0, 80.0])
    skip, out, factor = model.precondition(tf.ones(4), sigma)
    np.testing.assert_allclose(factor**2 * (0.09 + sigma**2), 1.0, rtol=1e-5)
    # The target is (x0 - skip (x0 + sigma e)) / out.
    variance = ((1 - skip) ** 2 * 0.09 + skip**2 * sigma**2) / out**2
    np.testing.assert_allclose(variance, 1.0, rtol=1e-3)


@pytest.mark.parametrize("prediction", ["noise", "data", "v"])
def test_min_snr_limits_the_weight_of_errors_of_the_data(prediction):
    model = model_of("ddpm", prediction=prediction, min_snr=5.0)
    alpha, sigma = model.process.levels(tf.constant([0.0, 0.2, 0.5, 0.8]))
    _, out, _ = model.precondition(alpha, sigma)
    ratio = (alpha / sigma) ** 2
    of_data = model.weight(alpha, sigma) / out**2  # The error of x0 is out times F's.
    np.testing.assert_allclose(of_data, np.minimum(ratio, 5.0), rtol=1e-5)


@pytest.mark.parametrize("labels", [None, [0, 1, 0, 1, 1, 2]])
def test_optimal_pairs_have_the_least_distance_within_a_class(labels):
    model = model_of(
        image_shape=None, point_dim=2, settings={"width": 8}, pairing="optimal"
    )
    labels = None if labels is None else np.array(labels)
    data = tf.constant(np.random.default_rng(0).normal(size=(6, 2)), tf.float32)
    noise = model.paired_noise(data, labels).numpy()
    model.pairing = "random"
    drawn = model.paired_noise(data).numpy()
    assert sorted(map(tuple, noise)) == sorted(map(tuple, drawn))
    orders = [
        list(order)
        for order in itertools.permutations(range(6))
        if labels is None or (labels[list(order)] == labels).all()
    ]
    costs = [np.square(data.numpy() - drawn[order]).sum() for order in orders]
    assert min(costs) < costs[0] - 0.1  # That of the order in which noise is drawn.
    best = drawn[orders[int(np.argmin(costs))]]
    np.testing.assert_array_equal(noise, best)


def gaussian_velocity(x, time, deviation=DEVIATION):
    """The exact velocity of flow matching for Gaussian data."""
    a, s = 1.0 - time, time
    gain = a * deviation**2 / (a**2 * deviation**2 + s**2)
    data = MEAN + gain * (x - a * MEAN)
    return (x - data) / s


def with_exact_velocity(monkeypatch, dimension, deviation=DEVIATION):
    """A flow of points with the exact velocity for Gaussian data."""
    model = model_of(image_shape=None, point_dim=dimension, settings={"width": 8})
    monkeypatch.setattr(
        model,
        "_velocity",
        lambda x, time, condition: gaussian_velocity(x, time, deviation),
    )
    return model


@pytest.mark.parametrize("dimension", [2, 6])
def test_log_prob_of_flows_is_exact_for_the_exact_velocity(dimension, monkeypatch):
    # The derivative is diagonal, for which the estimate of the trace is exact too.
    model = with_exact_velocity(monkeypatch, dimension)
    points = np.random.default_rng(0).normal(size=(4, dimension))
    points = (MEAN + DEVIATION * points).astype(np.float32)
    errors = []
    for steps in (20, 40):
        got = model.log_prob_of_points(points, steps=steps)
        z = (points - MEAN) / DEVIATION
        exact = -0.5 * np.square(z).sum(1) - dimension * np.log(
            DEVIATION * np.sqrt(2 * np.pi)
        )
        errors.append(np.abs(got - exact).max())
    assert errors[1] < 0.02 * dimension and errors[1] < errors[0] / 2.5


@pytest.mark.parametrize("name", ["flow_matching", "ddpm"])
def test_log_prob_is_that_of_float32(name):
    images = np.random.default_rng(0).uniform(-1, 1, (2, 8, 8, 1)).astype("float32")
    tiny = preset(name).model.tiny
    wide = keras_gen.zoo.load(name, **tiny)
    narrow = keras_gen.zoo.load(name, **tiny, dtype="mixed_bfloat16")
    weights = [w + 0.1 for w in wide.network.get_weights()]  # Outputs start at 0.
    for model in (wide, narrow):
        for network in (model.network, model.averaged(model.network)):
            network.set_weights(weights)
    found, wanted = narrow.log_prob(images), wide.log_prob(images)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


@pytest.mark.parametrize("name", ["flow_matching", "ddpm"])
def test_estimates_of_log_prob_have_noise_of_their_own(name):
    """An image has the same noise in any batch, and each image has another."""
    model = model_of(name, **preset(name).model.tiny)
    images = np.random.default_rng(0).uniform(-1, 1, (3, 8, 8, 1)).astype("float32")
    images[2] = images[0] + 1e-4  # The same levels.
    levels = np.rint((images + 1) / flow_matching.LEVEL).astype(np.int64)
    seeds = seeds_of_values(tf.constant(levels)).numpy()
    assert seeds[0] == seeds[2] != seeds[1] and (seeds >= 0).all()
    found = model.log_prob(images)
    np.testing.assert_allclose(found[0], found[2], rtol=1e-5)
    np.testing.assert_allclose(model.log_prob(images[1:2])[0], found[1], rtol=1e-5)


def test_the_last_term_of_the_bound_of_points_is_that_of_a_gaussian():
    config = {"image_shape": None, "point_dim": 2, "settings": {"width": 8}}
    model = model_of("ddpm", **config, variance="learned")
    points = np.array([[5.0, -3.0]], np.float32)
    noisy = tf.constant(points + 0.01)
    terms = model.bound_terms(points, noisy, points, tf.ones((1, 2)), tf.constant([0]))
    of_data, of_x, _, high = (table[0] for table in model._step_tables())
    mean = of_data * points + of_x * (points + 0.01)
    normal = tfp.distributions.Normal(mean, np.exp(0.5 * high))
    wanted = -np.sum(normal.log_prob(points))
    np.testing.assert_allclose(terms, [wanted], rtol=1e-3)


def test_points_have_no_augmentation():
    with pytest.raises(ValueError, match="no augmentation of points"):
        keras_gen.models.GAN(
            image_shape=None, point_dim=2, augmentation=["translation"]
        )


def test_consistency_refuses_dropout_in_training():
    settings = {"width": 8, "depth": 1, "heads": 2, "dropout": 0.1}
    config = {**keras_gen.models.Consistency.tiny, "settings": settings}
    model = keras_gen.models.Consistency(**config)
    model.compile(seed=0)
    with pytest.raises(ValueError, match="dropout=0, got 0.1"):
        model.fit(np.zeros((4, 8, 8, 1), np.float32), batch_size=2, verbose=0)
    flow = {**keras_gen.models.FlowMatching.tiny, "settings": settings}
    flow = keras_gen.models.FlowMatching(**flow)
    started = keras_gen.models.Consistency.from_flow(flow)
    assert started.get_config()["settings"]["dropout"] == 0


def test_log_prob_of_flows_fits_numbers_that_hardly_vary(monkeypatch):
    """Pixels of a background have the deviation of the noise of one level."""
    deviation = 0.0023
    model = with_exact_velocity(monkeypatch, 1, deviation)
    points = np.array([[MEAN], [MEAN + deviation]], np.float32)
    got = model.log_prob_of_points(points, steps=50)
    exact = -0.5 * np.array([0.0, 1.0]) - math.log(deviation * math.sqrt(2 * math.pi))
    # The noise at the first time, 0.001, leaves an error of 0.08 with any number of
    # steps. Equal steps are 0.28 too high for the second point.
    np.testing.assert_allclose(got, exact, atol=0.1)


@pytest.mark.parametrize("variance", ["lower", "upper", "learned"])
def test_samples_of_ddpm_have_the_variance_that_it_says(variance, monkeypatch):
    """With the exact denoiser, a step maps a Gaussian to a Gaussian."""
    model = model_of(
        "ddpm",
        image_shape=None,
        point_dim=1,
        settings={"width": 8},
        num_timesteps=20,
        variance=variance,
    )
    position = {"lower": 0.0, "upper": 1.0, "learned": 0.5}[variance]

    def estimate(x, time, alpha, sigma, condition):
        gain = alpha * DEVIATION**2 / (alpha**2 * DEVIATION**2 + sigma**2)
        data = MEAN + gain * (x - alpha * MEAN)
        learned = tf.fill(tf.shape(x), position) if variance == "learned" else None
        return data, learned

    monkeypatch.setattr(model, "estimate", estimate)
    drawn = model.sample_points(4000, seed=0, steps=20, sampler="ancestral")
    level = model.process.signal_levels()[::-1]
    before = np.append(level[1:], 1.0)
    beta = 1 - level / before
    spread = 1 - level[0]
    for now, then, b in zip(level, before, beta, strict=True):
        total = now * DEVIATION**2 + 1 - now
        slope = np.sqrt(1 - b) * (1 - then) / (1 - now)
        slope += np.sqrt(then) * b / (1 - now) * np.sqrt(now) * DEVIATION**2 / total
        lower = b * (1 - then) / (1 - now)
        added = lower ** (1 - position) * b**position if then < 1 else 0.0
        spread = slope**2 * spread + added
    # The deviation of 4000 rows is known to 1.1 %.
    np.testing.assert_allclose(drawn.std(), np.sqrt(spread), rtol=0.03)


def test_the_bound_trains_a_learned_variance_alone():
    model = model_of("ddpm", num_timesteps=20, variance="learned")
    random = np.random.default_rng(0)
    data, x = tf.constant(random.uniform(-1, 1, (2, 2, 8, 8, 1)), tf.float32)
    output = tf.constant(random.normal(size=(2, 8, 8, 2)), tf.float32)
    time, gradients = tf.constant([0.25, 0.5]), []
    for model.bound_weight in (0.001, 0.002):
        with tf.GradientTape() as tape:
            tape.watch(output)
            loss, _ = model.loss_of_output(output, data, x, time)
        gradients.append(tape.gradient(loss, output).numpy())
    first, second = gradients
    np.testing.assert_array_equal(first[..., 0], second[..., 0])
    assert np.abs(first).min(axis=(0, 1, 2)).min() > 0
    np.testing.assert_allclose(2 * first[..., 1], second[..., 1], rtol=1e-5)


def test_byte_probabilities_sum_to_one():
    levels = tf.cast(tf.range(256), tf.float32) / 127.5 - 1.0
    for mean, deviation in ((0.2, 0.05), (-1.1, 0.3), (0.97, 0.01)):
        logarithms = _log_bytes(levels, mean, math.log(deviation))
        total = tf.reduce_sum(tf.exp(logarithms))
        np.testing.assert_allclose(total, 1.0, atol=1e-4)


def test_the_bound_of_a_perfect_denoiser_is_that_of_its_last_step(monkeypatch):
    """A model that knows the image has only the errors of the first and last terms."""
    model = model_of("ddpm", num_timesteps=50)
    image = np.random.default_rng(0).integers(1, 255, (1, 8, 8, 1)) / 127.5 - 1.0
    image = image.astype(np.float32)
    monkeypatch.setattr(
        model, "estimate_of_output", lambda output, x, *_: (tf.constant(image), None)
    )
    deviation = np.exp(0.5 * model._step_tables()[2][0])
    # The byte's share of a Gaussian around it.
    last = 64 * math.log(math.erf(1.0 / 255.0 / deviation / math.sqrt(2.0)))
    first = float(model._last_divergence(tf.constant(image))[0])
    assert 0 < first < 1e-3
    np.testing.assert_allclose(model.log_prob(image), last - first, rtol=1e-4)


def test_the_bound_is_the_divergence_of_gaussians():
    model = model_of("ddpm", num_timesteps=20, variance="learned")
    random = np.random.default_rng(0)
    data, x, guess = (
        tf.constant(random.uniform(-1, 1, (2, 8, 8, 1)), tf.float32) for _ in range(3)
    )
    index = tf.constant([7, 7])
    position = tf.fill(data.shape, 0.25)
    got = model.bound_terms(data, x, guess, position, index)
    of_data, of_x, low, high = (float(table[7]) for table in model._step_tables())
    p = tfp.distributions.Normal(of_data * data + of_x * x, math.exp(0.5 * low))
    q = tfp.distributions.Normal(
        of_data * guess + of_x * x, math.exp(0.5 * (low + 0.25 * (high - low)))
    )
    want = tf.reduce_sum(tfp.distributions.kl_divergence(p, q), axis=(1, 2, 3))
    np.testing.assert_allclose(got, want, rtol=1e-4)


# Abilities.


@pytest.fixture(scope="module")
def conditional():
    return perturbed(model_of(num_classes=3))


def test_guidance_moves_from_no_condition_to_the_condition(conditional):
    path = conditional.path_of(3)
    x = tf.constant(np.random.default_rng(0).normal(size=(4, 8, 8, 1)), tf.float32)
    labels = tf.constant([0, 1, 2, 2])

    def estimate(labels, guidance):
        guidance = tf.constant(guidance, tf.float32)
        return conditional.denoiser(path, labels, guidance)(x, 1).numpy()

    free = estimate(tf.fill([4], 3), [1.0] * 4)
    bound = estimate(labels, [1.0] * 4)
    assert np.abs(free - bound).max() > 1e-4
    np.testing.assert_allclose(estimate(labels, [0.0] * 4), free, atol=1e-6)
    mixed = estimate(labels, [0.0, 1.0, 2.0, 3.0])
    factor = np.array([0.0, 1.0, 2.0, 3.0])[:, None, None, None]
    np.testing.assert_allclose(mixed, free + factor * (bound - free), atol=1e-5)


@pytest.mark.parametrize(
    ("ability", "options"),
    [
        ("sample", {"sampler": "dpm++"}),
        ("sample", {"sampler": "heun"}),
        ("decode", {}),
        ("encode", {}),
        ("complete", {}),
        ("edit", {}),
        ("log_prob", {}),
    ],
)
def test_a_graph_traces_the_network_once(ability, options, monkeypatch):
    """Since that takes seconds: for guided and plain rows, and for steps in two."""
    model = model_of(num_classes=3)
    predict, calls = model.predict_output, []

    def counted(*args, **kwargs):
        calls.append(ability)
        return predict(*args, **kwargs)

    monkeypatch.setattr(model, "predict_output", counted)
    declared = model.abilities()[ability].declared(model)
    specs = {name: entry.spec for name, entry in declared.items()}
    assert ability == "log_prob" or "guidance" in specs
    graph = tf.function(
        lambda **rows: model.abilities()[ability].function(model, **rows, **options),
        autograph=False,
    )
    graph.get_concrete_function(**specs)
    assert len(calls) == 1


def test_guided_estimates_are_clipped_as_a_whole(monkeypatch):
    model = model_of("ddpm", num_classes=3, clip=True)
    labels, free = tf.constant([0, 1]), 3

    def estimate(x, time, alpha, sigma, condition):
        is_free = tf.reshape(condition == free, (-1, 1, 1, 1))
        return tf.where(is_free, tf.fill(x.shape, 1.5), tf.fill(x.shape, 1.2)), None

    monkeypatch.setattr(model, "estimate", estimate)
    denoise = model.denoiser(model.path_of(3), labels, tf.constant([1.0, 3.0]))
    got = denoise(tf.zeros((2, 8, 8, 1)), 0).numpy()
    # 1.5 + 3 (1.2 - 1.5) = 0.6. Of estimates that were clipped first, it would be 1.
    np.testing.assert_allclose(got[:, 0, 0, 0], [1.0, 0.6], atol=1e-6)


@pytest.mark.parametrize("sampler", list(samplers.SAMPLERS))
def test_rows_do_not_depend_on_the_batch(conditional, sampler):
    options = {"sampler": sampler, "seed": 5}
    many = conditional.sample(labels=[0, 1, 2], **options)
    one = conditional.sample(labels=[0], **options)
    np.testing.assert_allclose(many[:1], one, atol=1e-5)
    assert np.abs(many[0] - many[1]).max() > 1e-3


def test_trajectories_go_from_noise_to_the_samples_of_ddim(conditional):
    labels = {"labels": [0, 1, 2]}
    places = conditional.trajectory(3, seed=5, steps=4, **labels)
    assert places.shape == (5, 3, 8, 8, 1) and places.dtype == np.float32
    drawn = conditional.sample(seed=5, steps=4, sampler="ddim", **labels)
    np.testing.assert_allclose(np.clip(places[-1], -1, 1), drawn, atol=1e-5)
    noise = conditional.latents(tf.constant(row_seeds(3, 5))).numpy()
    np.testing.assert_allclose(places[0], noise.reshape(3, 8, 8, 1), atol=1e-6)
    default = conditional.trajectory(2, seed=5, steps=4)
    drawn = conditional.sample(2, seed=5, steps=4, sampler="ddim")
    np.testing.assert_allclose(np.clip(default[-1], -1, 1), drawn, atol=1e-5)
    with pytest.raises(ValueError, match="conditions among .*'labels'"):
        conditional.trajectory(2, captions=["a", "b"])


def test_the_path_of_one_pair_is_straight_in_the_coordinates_of_trajectories():
    data, start = tf.constant([[1.0, -2.0]]), tf.constant([[0.3, 0.4]])
    for process in PROCESSES.values():
        path = process.path(7)
        first = float(path.alpha[0]) * data + float(path.sigma[0]) * start
        places = samplers.trajectory(lambda x, i: data, first, path).numpy()
        # One part in ten thousand: rounding errors of float32, in lengths up to 80.
        assert samplers.curvature(places) == pytest.approx(1.0, abs=1e-4)
        np.testing.assert_allclose(places[-1], data, atol=0.03)


@pytest.mark.parametrize("name", ["flow_matching", "ddpm"])
def test_eta_goes_from_ddim_to_ancestral_sampling(name):
    model = perturbed(model_of(name))
    options = {"seed": 0, "steps": 4}
    none, half, whole = (
        model.sample(3, sampler="ddim", eta=eta, **options) for eta in (0.0, 0.5, 1.0)
    )
    np.testing.assert_array_equal(none, model.sample(3, sampler="ddim", **options))
    assert np.abs(half - none).max() > 0.01 and np.abs(half - whole).max() > 0.01
    if name == "flow_matching":  # DDPM chooses the variance of its steps.
        drawn = model.sample(3, sampler="ancestral", **options)
        np.testing.assert_allclose(whole, drawn, atol=1e-5)
    with pytest.raises(ValueError, match=r"eta in \[0, 1\], got 2"):
        model.sample(1, sampler="ddim", eta=2)
    with pytest.raises(ValueError, match="sampler='ddim' with eta above 0, got 'heun'"):
        model.sample(1, sampler="heun", eta=0.5)


def test_cards_of_models_that_complete_show_noise_and_completions(tmp_path):
    model = model_of(image_shape=(16, 16, 1))
    pictures.draw(model, "mnist", tmp_path / "samples.png")
    with PIL.Image.open(tmp_path / "noise.gif") as animation:
        assert animation.n_frames == 21  # 20 steps, and the noise
    with PIL.Image.open(tmp_path / "completions.png") as completions:
        assert completions.size == (6 * 18 - 2, 8 * 18 - 2)  # Tiles with gaps of 2
        tiles = np.asarray(completions).astype(int)
    upper, real = tiles[:8, 18:34], tiles[:8, :16]
    np.testing.assert_array_equal(upper, real)
    for column in range(2, 6):
        tile = tiles[:16, 18 * column : 18 * column + 16]
        np.testing.assert_array_equal(tile[:8], real)
        assert np.abs(tile[8:] - tiles[8:16, :16]).max() > 10


def test_completion_keeps_the_observed_pixels(conditional):
    images = np.random.default_rng(0).uniform(-1, 1, (2, 8, 8, 1)).astype(np.float32)
    mask = np.zeros((2, 8, 8, 1), np.float32)
    mask[:, :4] = 1
    done = conditional.complete(images, mask, seed=0, labels=[0, 1], steps=2)
    np.testing.assert_array_equal(done[:, :4], images[:, :4])
    assert np.abs(done[:, 4:] - images[:, 4:]).min(axis=(1, 2, 3)).max() > 0


def test_edits_range_from_the_image_to_another_sample(conditional):
    images = np.random.default_rng(0).uniform(-1, 1, (3, 8, 8, 1)).astype(np.float32)
    edited = conditional.edit(
        images, [0.0, 0.5, 1.0], seed=0, labels=[0, 1, 2], steps=4
    )
    np.testing.assert_allclose(edited[0], images[0], atol=1e-6)
    assert np.abs(edited[1] - images[1]).max() > 0.01
    drawn = conditional.sample(labels=[0, 1, 2], seed=0, steps=4, sampler="ddim")
    np.testing.assert_allclose(edited[2], drawn[2], atol=1e-5)


def test_decoding_reverses_encoding():
    model = perturbed(model_of())
    images = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 8, 8, 1))
    images = images.astype(np.float32)
    latents = model.encode(images, steps=20)
    assert latents.shape == (2, 64)
    decoded = model.decode(latents, steps=20, sampler="heun")
    # The way back begins at time 0.001, where an image is mixed with a thousandth of
    # noise; the rest is the error of two times 20 steps.
    np.testing.assert_allclose(decoded, images, atol=0.01)
    assert np.abs(latents.reshape(images.shape) - images).max() > 0.03


def test_images_of_a_class_are_interpolated_on_an_arc(conditional):
    images = np.random.default_rng(0).uniform(-0.5, 0.5, (4, 8, 8, 1))
    images = images.astype(np.float32)
    labels = [0, 2]
    walk = latent.interpolate(conditional, images[:2], images[2:], 3, labels=labels)
    start, end = (conditional.encode(part, labels) for part in (images[:2], images[2:]))
    middle = conditional.decode(latent.slerp(start, end, 0.5), labels)
    np.testing.assert_allclose(walk[:, 1], middle, atol=1e-5)
    with pytest.raises(ValueError, match="'labels'"):
        latent.interpolate(conditional, images[:2], images[2:], 3)


def test_flow_matching_learns_two_points():
    points = np.tile([[-1.0], [1.0]], (512, 1)).astype(np.float32)
    model = model_of(
        image_shape=None,
        point_dim=1,
        settings={"width": 32, "depth": 2},
        learning_rate=3e-3,
        average=None,
        steps=20,
    )
    model.compile(seed=0)
    model.fit({"point": points}, batch_size=128, epochs=40, verbose=0)
    drawn = model.sample_points(200, seed=0)[:, 0]
    near = np.abs(np.abs(drawn) - 1.0) < 0.2
    # A model that ignores x would draw noise, of which 0.23 is as near.
    assert near.mean() > 0.8 and 0.3 < (drawn > 0).mean() < 0.7


def test_random_samplers_do_not_decode(conditional):
    latents = np.zeros((1, 64), np.float32)
    with pytest.raises(ValueError, match="sampler"):
        conditional.decode(latents, labels=[0], sampler="ancestral")
    with pytest.raises(ValueError, match="sampler"):
        conditional.sample(1, sampler="quick")
    with pytest.raises(ValueError, match="steps"):
        conditional.sample(1, steps=0)


def test_numbers_of_steps_are_checked_by_all_abilities(conditional):
    images, labels = np.zeros((1, 8, 8, 1), np.float32), [0]
    for ability in (conditional.encode, conditional.log_prob):
        with pytest.raises(ValueError, match="steps that is an int >= 1, got 0"):
            ability(images, labels, steps=0)
    ddpm = perturbed(model_of("ddpm", num_timesteps=5))
    for call in (ddpm.encode, lambda _, steps: ddpm.sample(1, steps=steps)):
        with pytest.raises(ValueError, match="steps up to num_timesteps=5, got 6"):
            call(images, steps=6)
    assert np.isfinite(ddpm.encode(images, steps=5)).all()


def test_consistency_models_imitate_an_earlier_time():
    flow = perturbed(model_of())
    model = keras_gen.models.Consistency.from_flow(
        flow, first_stage=2, stage_steps=3, last_stage=4, average=0.9
    )
    # One step of the flow's Euler method and of the consistency model are the same.
    drawn = flow.sample(2, seed=0, steps=1, sampler="euler")
    np.testing.assert_allclose(model.sample(2, seed=0), drawn, atol=1e-6)
    gaps = []
    for step in range(12):
        model.step.assign(step)
        gaps.append(float(model.gap()))
    assert gaps == [0.25] * 3 + [0.125] * 3 + [0.0625] * 6


def test_stages_fit_the_run(capsys):
    model = model_of("consistency")
    model.compile(seed=0)
    images = np.zeros((18 * 8, 8, 8, 1), np.float32)
    model.fit({"image": images}, batch_size=8, verbose=0)  # Nine stages of two steps.
    assert [float(model.gap()), int(model.step.numpy())] == [2.0**-8, 18]
    model.step.assign(17)
    assert float(model.gap()) == 2.0**-8
    model.step.assign(2)
    assert float(model.gap()) == 0.5
    model.prepare_run(8, 1_000_000)
    model.step.assign(1999)
    assert float(model.gap()) == 1.0
    assert "Stages" not in capsys.readouterr().out
    model = model_of("consistency", stage_steps=5)
    model.prepare_run(8, 41)
    assert "Stages" not in capsys.readouterr().out
    model.prepare_run(8, 40)
    assert "the run ends in stage 7 of 8" in capsys.readouterr().out


@pytest.mark.parametrize(
    "name, dtype", [("ddpm", "mixed_float16"), ("flow_matching", "mixed_bfloat16")]
)
def test_a_unet_trains_and_samples_in_mixed_precision(name, dtype, tmp_path):
    settings = {"width": 4, "multipliers": (1, 2), "num_blocks": 1, "heads": 1}
    options = {"image_shape": (8, 8, 1), "settings": settings, "steps": 2}
    model = keras_gen.zoo.load(name, dtype=dtype, **options)
    model.compile(seed=0)
    batch = make_batch(model, 4)
    losses = model.fit(batch, batch_size=4, epochs=2, verbose=0).history
    assert np.isfinite(list(losses.values())).all()
    assert model.network.output.dtype == "float32"
    norms = [x for x in model.network.layers if isinstance(x, ModulatedGroupNorm)]
    assert norms and {layer.compute_dtype for layer in norms} == {dtype[6:]}
    samples = model.sample(2, seed=0)
    assert samples.dtype == np.float32 and np.isfinite(samples).all()


def test_patches_suit_the_size_and_files_keep_theirs():
    for side, patch in ((28, 1), (64, 2), (100, 1)):
        settings = {"width": 4, "num_blocks": 1}
        model = model_of(image_shape=(side, side, 1), network="unet", settings=settings)
        assert model.get_config()["settings"]["patch"] == patch
        old = model.get_config()
        old["settings"] = {**old["settings"], "patch": 1, "attention": [side // 4]}
        assert type(model).from_config(old).get_config()["settings"]["patch"] == 1
    settings = {"width": 4, "depth": 1, "heads": 1}
    for side, patch in ((50, 2), (64, 4), (128, 8)):
        model = model_of(image_shape=(side, side, 1), settings=settings)
        assert model.get_config()["settings"]["patch"] == patch


@pytest.mark.parametrize("stage", [0, 2])
def test_consistency_losses_are_distances_from_the_value_at_the_earlier_time(stage):
    model = perturbed(model_of("consistency", first_stage=stage))
    random = np.random.default_rng(0)
    data, noise = random.normal(size=(2, 3, 8, 8, 1)).astype(np.float32)
    time = np.float32([0.2, 0.5, 0.9])

    def value(time):
        t = time[:, None, None, None]
        x = (1 - t) * data + t * noise
        return x - t * model.network([x, time]).numpy()

    earlier = time * (1 - 0.5**stage)
    imitated = data if stage == 0 else value(earlier)
    squares = np.square(value(time) - imitated).sum(axis=(1, 2, 3))
    margin = 0.00054 * 8  # Song and Dhariwal, section 3.3, for 64 dimensions.
    distance = np.sqrt(squares + margin**2) - margin
    tensors = map(tf.constant, (data, noise, time))
    loss, figures = model.loss_at(*tensors, None, training=True)
    np.testing.assert_allclose(
        loss, np.mean(distance / (time - earlier)) / 8, rtol=1e-4
    )
    assert float(figures["gap"]) == 0.5**stage


@pytest.fixture(scope="module")
def consistency():
    return perturbed(model_of("consistency", num_classes=2, steps=1))


def test_consistency_models_have_one_sampler_and_do_not_encode(consistency):
    assert "encode" not in consistency.abilities()
    with pytest.raises(ValueError, match="'sampler'"):
        model_of("consistency", sampler="heun")
    latents = consistency.latents(tf.constant([3, 4], tf.int64)).numpy()
    options = {"labels": [0, 1], "guidance": [1.0, 2.0]}
    drawn = consistency.sample(seed=[3, 4], **options)
    np.testing.assert_allclose(consistency.decode(latents, **options), drawn, atol=1e-6)
    again = consistency.sample(seed=[3, 4], steps=2, **options)
    assert np.abs(again - drawn).max() > 1e-3


def test_times_are_equally_spread_and_do_not_follow_the_order_of_the_rows():
    time = model_of().spread(64).numpy()
    np.testing.assert_allclose(np.diff(np.sort(time)), 1 / 64, atol=1e-6)
    assert time.min() >= 0 and time.max() < 1
    # Of equally spread times in the order of the rows, all neighbours but one pair
    # differ by 1/64.
    neighbours = np.abs(np.diff(time)) < 1.5 / 64
    assert neighbours.sum() < 8


@pytest.mark.parametrize("times", ["uniform", "logit_normal"])
def test_consistency_models_train_a_share_of_the_rows_at_pure_noise(times):
    model = model_of("consistency", times=times, at_end=0.25)
    time = np.sort(model.training_times(64).numpy())
    assert (time == 1.0).sum() == 16 and time[0] >= 0
    if times == "uniform":  # The others are equally spread.
        np.testing.assert_allclose(np.diff(time[:48]), 1 / 48, atol=1e-5)


def test_consistency_models_edit_in_one_step(consistency):
    images = np.random.default_rng(0).uniform(-1, 1, (3, 8, 8, 1)).astype(np.float32)
    strength, labels = np.float32([0.0, 0.4, 1.0]), np.array([0, 1, 1])
    seeds = np.array([3, 4, 5])
    edited = consistency.edit(images, strength, seed=seeds, labels=labels)
    noise = consistency.latents(tf.constant(seeds, tf.int64)).numpy()
    noise, t = noise.reshape(images.shape), strength[:, None, None, None]
    x = (1 - t) * images + t * noise
    network = consistency.averaged(consistency.network)
    end = x - t * network([x, strength, labels]).numpy()
    np.testing.assert_allclose(edited, np.clip(end, -1, 1), atol=1e-5)
    np.testing.assert_array_equal(edited[0], images[0])


def test_consistency_models_complete_according_to_the_observed_pixels(monkeypatch):
    """Data are images of one grey, N(0, 1/4), with noise: f(x, t) is linear."""
    model = model_of("consistency")

    def exact(x, time, alpha, sigma, condition):
        mean = tf.reduce_mean(x, axis=(1, 2, 3), keepdims=True)
        of_mean, of_rest = (
            math.sqrt(variance) * tf.math.rsqrt(alpha**2 * variance + sigma**2)
            for variance in (64 / 4, 1e-4)
        )
        return of_mean * mean + of_rest * (x - mean), None

    monkeypatch.setattr(model, "estimate", exact)
    images = np.full((2, 8, 8, 1), [[[[0.5]]], [[[-0.5]]]], np.float32)
    mask = np.zeros(images.shape, np.float32)
    mask[:, :4] = 1
    done = model.complete(images, mask, seed=5)
    np.testing.assert_array_equal(done[:, :4], images[:, :4])
    # Steps with little noise halve the difference from the observed half.
    np.testing.assert_allclose(done[:, 4:], images[:, 4:], atol=0.15)
    hidden = model.complete(np.where(mask, images, 0), mask, seed=5)
    np.testing.assert_array_equal(hidden, done)


def test_captions_condition_images():
    model = perturbed(
        keras_gen.zoo.load(
            "text_to_image_diffusion",
            image_shape=(8, 8, 3),
            text_units=4,
            buckets=16,
            **TINY,
        )
    )
    images = np.random.default_rng(0).uniform(-1, 1, (8, 8, 8, 3)).astype(np.float32)
    captions = np.array(["a cat", "a dog"] * 4)
    model.fit({"image": images, "caption": captions}, batch_size=4, verbose=0)
    drawn = model.sample(captions=["a cat", "a dog"], seed=[3, 3], guidance=2.0)
    assert np.abs(drawn[0] - drawn[1]).max() > 1e-6
    with pytest.raises(ValueError, match="a flow without captions"):
        keras_gen.models.Consistency.from_flow(model)


def test_captions_are_encoded_by_averaged_weights_except_in_training():
    model = model_of(text_units=4, buckets=16, average=0.9, dropped=0.0)
    for encoder, value in (
        (model.text_encoder, 0.1),
        (model.averaged(model.text_encoder), 0.2),
    ):
        encoder.set_weights([np.full(w.shape, value) for w in encoder.get_weights()])
    captions = tf.constant(["a cat", "a dog"])
    trained = model.condition({"caption": captions}, training=True)
    used = model.condition({"caption": captions}, training=False)
    np.testing.assert_allclose(trained, model.text_encoder(captions))
    np.testing.assert_array_equal(used, model.condition_of(None, captions))
    assert (used.numpy() > 1.5 * trained.numpy()).all()
    # The first step moves the average by 0.9 of the way.
    images = np.zeros((2, 8, 8, 1), np.float32)
    model.compile({"network": keras.optimizers.SGD(0.0)}, seed=0)
    model.fit({"image": images, "caption": captions.numpy()}, batch_size=2, verbose=0)
    moved = model.averaged(model.text_encoder).get_weights()[0]
    np.testing.assert_allclose(moved, 0.9 * 0.1 + 0.1 * 0.2, rtol=1e-5)


# Networks and layers.


def test_dropout_trains_beside_an_average():
    """The state of a seed is a whole number, which has no average."""
    settings = {"width": 4, "patch": 2, "dropout": 0.5}
    options = {"image_shape": (8, 8, 1), "network": "unet", "average": 0.9}
    model = keras_gen.models.FlowMatching(settings=settings, **options)
    model.compile({"network": keras.optimizers.SGD(1.0)}, seed=0)
    before = model.averaged(model.network).get_weights()
    model.train_step({k: tf.constant(v) for k, v in make_batch(model, 4).items()})
    after = model.averaged(model.network).get_weights()
    assert any(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("build", "settings"),
    [
        (denoisers.unet, {"width": 4, "attention": (8, 4), "heads": 2}),
        (denoisers.unet, {"width": 4, "patch": 2, "dropout": 0.1}),
        (denoisers.transformer, {"width": 8, "depth": 1, "heads": 2}),
    ],
)
def test_networks_start_near_zero_and_depend_on_all_inputs(build, settings):
    keras.utils.set_random_seed(0)
    network = build((16, 16, 3), 3, num_classes=2, **settings)
    random = np.random.default_rng(0)
    x = random.normal(size=(2, 16, 16, 3)).astype(np.float32)
    time, labels = np.array([0.3, 0.3], np.float32), np.array([0, 0])
    assert np.abs(network([x, time, labels]).numpy()).max() < 0.1
    network.set_weights([0.2 * random.normal(size=w.shape) for w in network.weights])
    base = network([x, time, labels]).numpy()
    assert base.shape == x.shape
    for other in ([-x, time, labels], [x, time + 0.1, labels], [x, time, labels + 1]):
        assert np.abs(network(other).numpy() - base).max() > 1e-4
    again = type(network).from_config(network.get_config())
    again.set_weights(network.get_weights())
    np.testing.assert_allclose(again([x, time, labels]), base, atol=1e-6)


@pytest.mark.parametrize(
    ("attention", "heights"), [(None, [4, 4, 4]), ([16, 8], [16, 8, 8, 16]), ([], [])]
)
def test_attention_is_at_the_smallest_maps_or_where_it_is_asked_for(attention, heights):
    network = denoisers.unet((16, 16, 1), 1, width=4, attention=attention)
    rows = [
        round(layer.output.shape[1] ** 0.5)
        for layer in network.layers
        if isinstance(layer, keras.layers.MultiHeadAttention)
    ]
    assert rows == heights  # On the way down, in the middle and on the way up.


def test_saved_settings_do_not_depend_on_later_defaults(monkeypatch):
    model = keras_gen.zoo.load("flow_matching", image_shape=None, point_dim=2)
    config = json.loads(json.dumps(model.get_config()))
    assert config["network"] == "mlp"
    assert config["settings"] == {"width": 128, "depth": 3, "dropout": 0.0}
    later = functools.partial(denoisers.residual_mlp, width=8, depth=1)
    monkeypatch.setitem(base.NETWORKS, "mlp", later)
    again = type(model).from_config(config)
    shapes = [weight.shape for weight in model.weights]
    assert [weight.shape for weight in again.weights] == shapes
    unet = model_of(network="unet", settings={"width": 4, "num_blocks": 1})
    settings = unet.get_config()["settings"]
    assert settings["multipliers"] == [1, 2, 2] and settings["num_blocks"] == 1
    assert settings["attention"] == [2]
    assert type(unet).from_config(unet.get_config()).get_config() == unet.get_config()


def test_patches_come_back_in_their_places():
    x = np.arange(2 * 8 * 12 * 3, dtype=np.float32).reshape(2, 8, 12, 3)
    inputs = keras.Input((8, 12, 3))
    middle = denoisers._to_patches(inputs, 4)
    model = keras.Model(inputs, [middle, denoisers._from_patches(middle, 4)])
    patches, back = model(x)
    np.testing.assert_array_equal(back, x)
    np.testing.assert_array_equal(
        patches[0, 1, 2].numpy().reshape(4, 4, 3), x[0, 4:8, 8:12]
    )


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"image_shape": (10, 10, 1), "network": "unet", "settings": {}}, "4 divides"),
        ({"settings": {"wide": 3}}, "'wide'"),
        ({"settings": {"width": 0}}, "Expected width"),
        ({"network": "unet", "settings": {"attention": 8}}, "Expected attention"),
        ({"network": "mlp"}, "'mlp'"),
        ({"image_shape": None, "point_dim": 2, "network": "unet"}, "'unet'"),
        (
            {"network": "unet", "settings": {"width": 4, "attention": [3]}},
            r"among \[8, 4, 2\], got \[3\]",
        ),
        ({"steps": 0}, "steps"),
        ({"sampler": "fast"}, "sampler"),
        ({"dropped": 1.0}, "dropped"),
        ({"num_classes": 2, "text_units": 3}, "got both"),
        ({"pairing": "optimal", "text_units": 3}, "pairing='random' with captions"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(config, message):
    with pytest.raises(ValueError, match=message):
        model_of(**config)


def test_group_normalization_is_that_of_keras_before_modulation():
    x = np.random.default_rng(0).normal(3.0, 2.0, (2, 4, 6, 12)).astype(np.float32)
    condition = np.random.default_rng(1).normal(size=(2, 5)).astype(np.float32)
    layer = ModulatedGroupNorm(groups=4)
    plain = keras.layers.GroupNormalization(groups=4, epsilon=1e-5)
    layer.build([x.shape, condition.shape])
    layer.projection.kernel.assign(np.zeros((5, 24)))
    np.testing.assert_allclose(layer([x, condition]), plain(x), atol=1e-5)
    # Nothing is lost where means are much larger than deviations.
    far = x + 3000
    np.testing.assert_allclose(layer([far, condition]), plain(far), atol=5e-3)
    random = np.random.default_rng(2)
    layer.projection.kernel.assign(random.normal(size=(5, 24)))
    scale, shift = np.split(condition @ layer.projection.kernel.numpy(), 2, axis=-1)
    want = plain(x) * (1 + scale[:, None, None]) + shift[:, None, None]
    np.testing.assert_allclose(layer([x, condition]), want, atol=1e-4)
    assert ModulatedGroupNorm(groups=32)([x[..., :9], condition]).shape == (2, 4, 6, 9)


def test_time_embedding_is_cosines_and_sines():
    layer = TimeEmbedding(4, scale=10.0)
    got = layer(np.array([0.5], np.float32))[0]
    angles = 5.0 * np.array([1.0, 0.01])
    np.testing.assert_allclose(
        got, np.concatenate([np.cos(angles), np.sin(angles)]), atol=1e-6
    )


# Export and figures.


def test_numbers_of_steps_are_chosen_at_export(tmp_path):
    model = perturbed(model_of())
    folder = keras_gen.export.save(
        model, tmp_path, abilities=["sample"], steps=[1, 4], sampler="euler"
    )
    card = keras_gen.export.read_card(folder)
    names = ["sample", "sample_steps_1", "sample_steps_4"]
    assert sorted(card["signatures"]) == names
    served = tf.saved_model.load(folder).signatures
    seeds = tf.constant([3, 4], tf.int64)
    for name, steps in zip(names, (3, 1, 4), strict=True):
        expected = model.sample(seed=seeds.numpy(), steps=steps, sampler="euler", n=2)
        found = served[name](seed=seeds)["images"]
        # The same operations; graphs may fuse them otherwise.
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_servers_walk_on_arcs_between_latents_as_large_as_images(tmp_path):
    model = perturbed(model_of())
    folder = keras_gen.export.save(model, tmp_path, abilities=["interpolate"])
    served = tf.saved_model.load(folder).signatures["interpolate"]
    start, end = np.random.default_rng(0).normal(size=(2, 4, 64)).astype(np.float32)
    end[3] = start[3]  # On no arc.
    position = np.float32([0.0, 0.5, 0.8, 0.5])
    between = latent.slerp(start, end, position)
    arrays = {"start": start, "end": end, "position": position}
    got = served(**{name: tf.constant(rows) for name, rows in arrays.items()})
    np.testing.assert_allclose(got["images"], model.decode(between), atol=1e-5)
    line = model.decode(latent.lerp(start, end, position))
    assert np.abs(line[1:3] - got["images"][1:3]).max(axis=(1, 2, 3)).min() > 0.01


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stepz": 3}, "an argument of save, got 'stepz'. Nearest: steps"),
        ({"steps": []}, "steps with at least one value"),
        ({"steps": 0}, "steps"),
        ({"steps": [2, 0]}, "steps"),
        ({"sampler": "magic"}, "sampler"),
    ],
)
def test_wrong_options_are_refused_before_an_export(options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        keras_gen.export.save(model_of(), tmp_path / "a", **options)
    assert not (tmp_path / "a" / "1").exists()


def test_figures_leave_out_latents_as_large_as_images(monkeypatch):
    """Encoding thousands of images would take hours, and has no features to read."""
    monkeypatch.setattr(keras_gen.models.FlowMatching, "likelihood_images", 4)
    images = np.random.default_rng(0).uniform(-1, 1, (40, 8, 8, 1)).astype(np.float32)
    data = (images, np.arange(40) % 2)
    context = metrics.figures.Context(perturbed(model_of()), data, num_images=8)
    applying = {
        type(figure).__name__
        for figure in metrics.figures.FIGURES
        if figure.applies(context)
    }
    assert {"Samples", "Distances", "Likelihood"} <= applying
    assert not applying & {"Codes", "PathLength"}
    assert likelihood.Likelihood().measure(context)["nll_images"] == 4


def test_the_likelihood_of_a_model_with_classes_is_given_the_classes(monkeypatch):
    monkeypatch.setattr(keras_gen.models.FlowMatching, "likelihood_images", 4)
    images = np.random.default_rng(0).uniform(-1, 1, (40, 8, 8, 1)).astype(np.float32)
    model = perturbed(model_of(num_classes=2))
    context = metrics.figures.Context(model, (images, np.arange(40) % 2), num_images=8)
    drawn = [*context.draw("test", count=4)]
    nats = [
        model.log_prob(batch["image"].numpy(), batch["label"].numpy())
        for batch in drawn
    ]
    figure = likelihood.Likelihood()
    assert figure.applies(context)
    got, nats = figure.measure(context), np.concatenate(nats)
    np.testing.assert_allclose(got["nll_nats"], -np.mean(nats), rtol=1e-5)
    error = np.std(nats) / 2  # Of the mean of four.
    np.testing.assert_allclose(got["nll_nats_error"], error, rtol=1e-4)
    without = metrics.figures.Context(model, images, num_images=8)
    assert not figure.applies(without)
