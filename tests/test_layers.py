"""Layers in raster order: which pixels they depend on, and drawing pixel by pixel."""

import itertools
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops
from tensorflow.python.grappler import tf_optimizer

import keras_gen
from keras_gen.layers import (
    DiagonalBiLSTM,
    GatedStacks,
    LeakyReLU,
    MaskedConv2D,
    PixelHead,
    RowLSTM,
)
from keras_gen.layers.masked_convolution import mask_grid

tfd = tfp.distributions

FEATURES = 6


def dependence(function, shape):
    """Whether output pixels depend on input pixels: bool (outputs, inputs)."""
    x = tf.random.stateless_normal((1, *shape), (1, 2))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        pixels = tf.reshape(tf.reduce_sum(function(x), axis=-1), (-1,))
    jacobian = tape.jacobian(pixels, x, experimental_use_pfor=False)
    return np.abs(jacobian.numpy()).sum(-1).reshape(pixels.shape[0], -1) > 0


@pytest.mark.parametrize(
    "mask, stack, rows",
    [
        ("A", "raster", ["111", "100", "000"]),
        ("B", "raster", ["111", "110", "000"]),
        ("A", "vertical", ["111", "000", "000"]),
        ("B", "vertical", ["111", "111", "000"]),
        ("A", "horizontal", ["000", "100", "000"]),
        ("B", "horizontal", ["000", "110", "000"]),
    ],
)
def test_masked_convolution_depends_on_the_pixels_of_its_mask(mask, stack, rows):
    grid = np.array([[int(one) for one in row] for row in rows])
    np.testing.assert_array_equal(mask_grid(3, mask, stack), grid)
    layer = MaskedConv2D(4, 3, mask, stack)
    window = dependence(layer, (5, 5, 2)).reshape(5, 5, 5, 5)[2, 2, 1:4, 1:4]
    np.testing.assert_array_equal(window, grid)
    # Equal to an ordinary convolution whose kernel is 0 where the mask is 0.
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 2)).astype(np.float32)
    kernel = np.zeros((3, 3, 2, 4), np.float32)
    kernel[np.ix_(layer.rows, layer.columns)] = layer.kernel.numpy()
    kernel *= grid[..., None, None]
    expected = ops.conv(x, kernel, padding="same")
    np.testing.assert_allclose(layer(x), expected, atol=1e-5)


def test_a_mask_is_fixed_and_not_a_weight():
    layer = MaskedConv2D(4, 3, "A")
    before = layer(tf.ones((1, 4, 4, 2))).numpy()
    assert [w.path.split("/")[-1] for w in layer.weights] == ["kernel", "bias"]
    hidden = np.ones(layer.kernel.shape, np.float32)
    hidden *= 1 - layer.grid[..., None, None]
    assert hidden.sum() == 4 * 2 * 2  # Two masked entries of the second of two rows.
    layer.kernel.assign_add(100 * hidden)
    np.testing.assert_array_equal(layer(tf.ones((1, 4, 4, 2))), before)


def drawn_by_pixels(layer, x, shift):
    """The layer's outputs on maps x, by `start`, `row` and `pixel`.

    Args:
        layer: A `RasterLayer`.
        x: Maps, (batch, height, width, features).
        shift: Offset of the input pixel: 0 for layers that get the current pixel, 1 for
            layers that get the previous one.
    """
    _, height, width, _ = x.shape
    padded = np.pad(x, [(0, 0), (shift, 0), (shift, 0), (0, 0)])
    cache, rows = layer.start(x.shape[0], width), []
    for row in range(height):
        _, cache = layer.row(padded[:, row, shift:], row, cache)
        pixels = []
        for column in range(width):
            newest = padded[:, row + shift, column]
            pixel, cache = layer.pixel(newest, column, cache)
            pixels.append(pixel)
        rows.append(np.stack(pixels, axis=1))
    return np.stack(rows, axis=1)


@pytest.mark.parametrize(
    "make, shift",
    [
        (lambda: MaskedConv2D(FEATURES, 5, "A"), 1),
        (lambda: GatedStacks(FEATURES, 5, "A"), 1),
        (lambda: GatedStacks(FEATURES, 3, "B"), 0),
        (lambda: RowLSTM(FEATURES // 2), 0),
        (lambda: DiagonalBiLSTM(FEATURES // 2), 0),
    ],
)
def test_drawing_pixel_by_pixel_computes_what_whole_maps_do(make, shift):
    layer = make()
    x = np.random.default_rng(0).normal(size=(3, 4, 5, FEATURES)).astype(np.float32)
    inputs = (x, x) if isinstance(layer, GatedStacks) else (x,)
    layer(*inputs)
    for weight in layer.weights:  # Biases, which start at 0, too.
        weight.assign(weight + 0.1 * keras.random.normal(weight.shape, seed=1))
    whole = layer(*inputs)
    whole = whole[1] if isinstance(layer, GatedStacks) else whole
    np.testing.assert_allclose(drawn_by_pixels(layer, x, shift), whole, atol=1e-5)


def test_gated_stacks_have_no_blind_spot():
    """Three 3x3 blocks depend on all earlier pixels within 3 rows and columns."""

    def network(x):
        down = right = x
        for layer in blocks:
            down, right = layer(down, right)
        return right

    blocks = [GatedStacks(8, 3, mask) for mask in "ABB"]
    network(tf.zeros((1, 7, 7, 2)))
    window = dependence(network, (7, 7, 2)).reshape(7, 7, 7, 7)[3, 3]
    expected = np.zeros((7, 7), bool)
    expected[:3] = True
    expected[3, :3] = True
    np.testing.assert_array_equal(window, expected)


def test_row_lstm_depends_on_the_papers_triangle_and_by_the_mean_on_all_above():
    layer = RowLSTM(4)
    layer(tf.zeros((1, 4, 9, 8)))
    assert dependence(layer, (4, 9, 8)).reshape(4, 9, 4, 9)[3, 4, :3].all()
    layer.mean_to_state.kernel.assign(tf.zeros_like(layer.mean_to_state.kernel))
    window = dependence(layer, (4, 9, 8)).reshape(4, 9, 4, 9)[3, 4]
    triangle = ["111111110", "011111100", "001111000", "000110000"]
    expected = [[one == "1" for one in row] for row in triangle]
    np.testing.assert_array_equal(window[1:], expected[1:])
    assert not window[0, 8] and window[0, :8].all()


def test_one_diagonal_bilstm_depends_on_its_own_pixel_and_all_before_it():
    layer = DiagonalBiLSTM(4)
    layer(tf.zeros((1, 4, 5, 8)))
    np.testing.assert_array_equal(dependence(layer, (4, 5, 8)), np.tri(20, dtype=bool))


def diagonal_bilstm_by_pixels(layer, x):
    """What a `DiagonalBiLSTM` computes, by the paper's equation 3 for each pixel."""
    _, height, width, _ = x.shape
    arguments = ops.split(layer.input_to_state(x), 2, axis=-1)
    zeros = ops.zeros_like(x[:, 0, 0, : layer.hidden])

    def states(lstm, columns, step):
        found = {}
        for i, j in itertools.product(range(height), columns):
            beside, cell = found.get((i, j - step), (zeros, zeros))
            above, _ = found.get((i - 1, j), (zeros, zeros))
            inputs = ops.concatenate([beside, above], axis=-1)
            gates = arguments[lstm][:, i, j] + inputs @ layer.state_to_state[lstm]
            out, forget, new, content = ops.split(gates, 4, axis=-1)
            cell = ops.sigmoid(forget + 1) * cell + ops.sigmoid(new) * ops.tanh(content)
            found[i, j] = ops.sigmoid(out) * ops.tanh(cell), cell
        return {pixel: state for pixel, (state, _) in found.items()}

    left, right = states(0, range(width), 1), states(1, range(width)[::-1], -1)
    rows = [
        ops.stack([left[i, j] + right.get((i - 1, j), zeros) for j in range(width)], 1)
        for i in range(height)
    ]
    return x + layer.mix(ops.stack(rows, axis=1))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (1, 20), (20, 1), (4, 3), (19, 4), (5, 13)])
def test_diagonal_bilstm_is_the_papers_lstm_with_its_gradients(shape, training):
    """Outputs and all gradients are those of a loop over pixels, in float64.

    The largest maps have more diagonals than one band.
    """
    layer = DiagonalBiLSTM(FEATURES // 2, dtype="float64")
    random = np.random.default_rng(0)
    x = tf.constant(random.normal(size=(2, *shape, FEATURES)))
    layer(x)
    for weight in layer.weights:
        weight.assign(random.normal(size=weight.shape))
    upstream = random.normal(size=x.shape)

    def outputs_and_gradients(function):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = function(x)
            loss = tf.reduce_sum(outputs * upstream)
        variables = [weight.value for weight in layer.trainable_weights]
        return [outputs, *tape.gradient(loss, [x, *variables])]

    found = outputs_and_gradients(lambda x: layer(x, training=training))
    expected = outputs_and_gradients(lambda x: diagonal_bilstm_by_pixels(layer, x))
    for one, other in zip(found, expected, strict=True):
        # A sum of a few hundred terms of either sign, each with an error near 1e-16.
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-11)


def test_second_derivatives_of_diagonal_bilstms_are_refused():
    layer = DiagonalBiLSTM(4)
    x = tf.random.stateless_normal((1, 4, 5, 8), (1, 2))
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            outputs = layer(x) ** 2
        first = inner.gradient(outputs, x)
    with pytest.raises(LookupError, match="first derivatives only"):
        outer.gradient(first, x)


@pytest.mark.parametrize("kind", ["categorical", "logistic_mixture"])
def test_probabilities_of_all_levels_add_up_to_one(kind):
    head = PixelHead(kind, 1, 8, num_components=3)
    parameters = head(tf.random.stateless_normal((5, 4), (1, 2)), tf.zeros((5, 1)))
    levels = np.linspace(-1, 1, 256, dtype=np.float32)
    each = head.log_prob(parameters[:, None], levels[None, :, None])
    assert each.shape == (5, 256, 1)
    np.testing.assert_allclose(np.exp(each).sum(1), 1.0, rtol=1e-4)


def test_logistic_mixture_is_the_logistic_between_levels():
    head = PixelHead("logistic_mixture", 1, 8, num_components=2)
    weights, means, log_scales = [0.5, -0.2], [-0.3, 0.6], [-2.0, -1.0]
    parameters = tf.constant([[*weights, *means, *log_scales]])
    pixels = np.array([-1.0, -0.2, 1.0], np.float32)
    logistic = tfd.Logistic(np.float64(means), np.exp(log_scales))
    nearest = np.round((pixels + 1) * 127.5) / 127.5 - 1
    high = np.where(pixels == 1, np.inf, nearest + 1 / 255)[:, None]
    low = np.where(pixels == -1, -np.inf, nearest - 1 / 255)[:, None]
    mass = (logistic.cdf(high) - logistic.cdf(low)).numpy()
    expected = np.log(mass @ np.exp(weights) / np.exp(weights).sum())
    np.testing.assert_allclose(
        head.distribution.log_prob(parameters, pixels), expected, rtol=1e-3
    )
    # Nothing underflows or overflows far from all components.
    parameters = tf.constant([[0.0, 0.0, -1.0, -1.0, -9.0, -9.0]])
    assert np.isfinite(head.distribution.log_prob(parameters, np.float32([1.0]))).all()


@pytest.mark.parametrize("kind", ["bernoulli", "categorical", "logistic_mixture"])
def test_draws_are_as_frequent_as_their_probabilities(kind):
    head = PixelHead(kind, 1, 8, num_components=2)
    count, numbers = 4000, head.distribution.num_uniforms
    features = 3 * tf.random.stateless_normal((1, 4), (3, 4))
    uniforms = tf.random.stateless_uniform((count, 1, numbers), (5, 6))
    drawn = head.draw(tf.repeat(features, count, axis=0), uniforms).numpy()
    values = np.float32([-1, 1] if kind == "bernoulli" else np.linspace(-1, 1, 256))
    assert np.abs(drawn - values).min(-1).max() < 1e-6
    parameters = head(features, tf.zeros((1, 1)))
    shares = np.exp(head.log_prob(parameters[:, None], values[None, :, None]))[0, :, 0]
    cdf = (drawn <= values + 1e-6).mean(0)
    np.testing.assert_allclose(cdf, np.cumsum(shares), atol=0.03)


def test_a_channels_parameters_depend_on_the_channels_before_it():
    head = PixelHead("categorical", 3, 8)
    features = tf.random.stateless_normal((1, 4), (1, 2))
    pixels = tf.random.stateless_normal((1, 3), (3, 4))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(pixels)
        channels = tf.reduce_sum(tf.tanh(head(features, pixels)), axis=(0, 2))
    jacobian = tape.jacobian(channels, pixels, experimental_use_pfor=False)
    np.testing.assert_array_equal(jacobian[:, 0] != 0, np.tri(3, k=-1, dtype=bool))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: MaskedConv2D(4, 3, "C"), "mask, 'A' or 'B'"),
        (lambda: MaskedConv2D(4, 4, "A"), "odd kernel_size"),
        (lambda: MaskedConv2D(4, 1, "A"), "kernel_size >= 3"),
        (lambda: MaskedConv2D(4, 3, "A", "diagonal"), "'vertical'"),
        (lambda: MaskedConv2D(4, 3, "B").start(1, 4), "Expected mask A"),
        (lambda: PixelHead("gaussian", 1, 8), "'categorical'"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def optimized(function, *arguments):
    """Runs TensorFlow's optimizer of graphs; unlike training, it raises its errors."""
    graph = tf.function(function).get_concrete_function(*arguments).graph
    definition = graph.as_graph_def()
    for node in definition.node:
        node.device = "/job:localhost/replica:0/task:0/device:CPU:0"
    with tf.Graph().as_default() as copy:
        tf.graph_util.import_graph_def(definition, name="")
        meta_graph = tf.compat.v1.train.export_meta_graph(
            graph_def=definition, graph=copy
        )
    targets = meta_graph.collection_def["train_op"].node_list.value
    targets.extend(tensor.name for tensor in graph.outputs)
    config = tf.compat.v1.ConfigProto()
    config.graph_options.rewrite_options.fail_on_optimizer_errors = True
    config.graph_options.rewrite_options.min_graph_nodes = -1
    return tf_optimizer.OptimizeGraph(config, meta_graph)


def test_leaky_relu_behind_a_convolution_lets_tensorflow_fuse_the_rest():
    """Keras's own layer raises an error where TensorFlow fuses with oneDNN."""
    convolution, activation = keras.layers.Conv2D(4, 3), LeakyReLU(0.2)
    images = tf.reshape(tf.range(200.0), (2, 10, 10, 1))
    convolution.build(images.shape)
    weights = [variable.value for variable in convolution.trainable_variables]

    def step(batch):
        with tf.GradientTape() as tape:
            outputs = activation(convolution(batch), training=True)
            loss = tf.reduce_mean(outputs)
        return [loss, *tape.gradient(loss, weights)]

    fused = [node.op for node in optimized(step, images).node]
    assert "_FusedConv2D" in fused and "LeakyReluGrad" in fused


def test_leaky_relu_has_the_values_and_gradients_of_that_of_keras():
    inputs = tf.constant([[-2.0, -0.0, 0.0, 3.0]])
    results = []
    for layer in (LeakyReLU(0.2), keras.layers.LeakyReLU(0.2)):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, training=True)
        results.append([outputs, tape.gradient(outputs, inputs)])
        np.testing.assert_array_equal(outputs, layer(inputs, training=False))
    np.testing.assert_array_equal(*results)


def test_networks_have_no_other_leaky_relu():
    package = pathlib.Path(keras_gen.__file__).parent
    users = [
        p.name for p in package.rglob("*.py") if "layers.LeakyReLU(" in p.read_text()
    ]
    assert not users
