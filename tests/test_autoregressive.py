"""Autoregressive models: dependencies of pixels, likelihoods, cached drawing."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import make_batch, train

import keras_gen
from keras_gen.core.abilities import default_conditions
from keras_gen.core.noise import row_seeds
from keras_gen.models import PixelCNN, PixelRNN

SHAPES = {"bernoulli": (5, 5, 1), "categorical": (3, 4, 3)}
SHAPES["logistic_mixture"] = SHAPES["categorical"]
KINDS = [
    (PixelCNN, {}),
    (PixelCNN, {"num_classes": 3}),
    (PixelRNN, {"cell": "row_lstm"}),
    (PixelRNN, {"cell": "diagonal_bilstm"}),
]
every_kind = pytest.mark.parametrize("cls, options", KINDS)
every_output = pytest.mark.parametrize("output", SHAPES)


@every_kind
def test_log_prob_is_that_of_float32(cls, options):
    wide, narrow = (
        keras_gen.zoo.load(cls.__name__.lower(), **{**cls.tiny, **options}, dtype=dtype)
        for dtype in ("float32", "mixed_bfloat16")
    )
    narrow.set_weights(wide.get_weights())
    batch = make_batch(wide, 2)
    images, labels = np.sign(batch["image"] + 0.1), batch.get("label")
    given = {} if labels is None else {"labels": labels}
    found, wanted = (model.log_prob(images, **given) for model in (narrow, wide))
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def build(cls, output="bernoulli", shape=None, scale=0.3, **options):
    """A small model with weights far from their initial values, as after training."""
    size = {"num_blocks": 2, "filters": 8} if cls is PixelCNN else {"hidden": 8}
    if cls is PixelRNN:
        size["num_layers"] = 2
    shape = shape or SHAPES[output]
    model = cls(image_shape=shape, output=output, average=None, **size, **options)
    model.compile(seed=0)
    random = np.random.default_rng(0)
    for weight in model.network.trainable_variables:
        weight.assign(weight + scale * random.normal(size=weight.shape))
    return model


def labels_of(model, rows):
    """Labels as keyword arguments, if the model takes them."""
    return {} if model.num_classes is None else {"labels": np.arange(rows) % 3}


def network_of(model):
    labels = None if model.num_classes is None else tf.constant([0, 1, 2])
    return lambda x: model.network(x if labels is None else [x, labels])


@every_output
@every_kind
def test_outputs_depend_on_all_earlier_subpixels_and_nothing_else(cls, options, output):
    """The Jacobian is lower triangular with a diagonal of zeros."""
    model = build(cls, output, **options)
    count = int(np.prod(model.image_shape))
    images = tf.random.stateless_uniform((3, *model.image_shape), (1, 2), -1, 1)

    @tf.function
    def jacobian():
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(images)
            parameters = tf.tanh(network_of(model)(images))
            weights = tf.random.stateless_normal(parameters.shape[-1:], (3, 4))
            each = tf.reduce_sum(parameters * weights, axis=(0, -1))
            each = tf.reshape(each, (-1,))
        return tape.jacobian(each, images, experimental_use_pfor=False)

    gradients = tf.reshape(jacobian(), (count, 3, count)).numpy()
    depends = np.abs(gradients).sum(axis=1) > 0
    np.testing.assert_array_equal(depends, np.tri(count, k=-1, dtype=bool))


@every_output
@every_kind
def test_cached_drawing_gives_the_naive_images_bit_for_bit(cls, options, output):
    model = build(cls, output, **options)
    labels = labels_of(model, 6)
    uniforms = model.uniforms(tf.constant(row_seeds(6, 1)))
    naive = tf.function(model.draw_naively, autograph=False)
    naive = naive(uniforms, *map(tf.constant, labels.values())).numpy()
    np.testing.assert_array_equal(model.sample(6, seed=1, **labels), naive)
    assert len(np.unique(naive.reshape(6, -1), axis=0)) == 6
    assert (naive.std(axis=0) > 0).mean() > 0.5


def binary_images():
    """All 16 binary images of 2x2 pixels."""
    pixels = list(itertools.product([-1.0, 1.0], repeat=4))
    return np.array(pixels, np.float32).reshape(16, 2, 2, 1)


@every_kind
def test_probabilities_of_all_images_sum_to_one(cls, options):
    model = build(cls, shape=(2, 2, 1), **options)
    images = binary_images()
    for label in range(model.num_classes or 1):
        labels = {"labels": np.full(16, label)} if model.num_classes else {}
        log_prob = model.log_prob(images, **labels)
        assert log_prob.shape == (16,) and log_prob.dtype == np.float32
        assert np.exp(log_prob).sum() == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("cls", [PixelCNN, PixelRNN])
def test_frequencies_of_samples_and_completions_are_their_probabilities(cls):
    model = build(cls, shape=(2, 2, 1))
    images, count = binary_images(), 4000
    shares = np.exp(model.log_prob(images))

    def frequencies(drawn):
        same = (drawn[:, None] == images[None]).all(axis=(2, 3, 4))
        assert same.any(axis=1).all()
        return same.mean(axis=0)

    drawn = model.sample(count, seed=0)
    np.testing.assert_allclose(frequencies(drawn), shares, atol=0.03)
    # Given the upper half, the lower half follows its conditional distribution.
    mask = np.zeros((count, 2, 2, 1), np.float32)
    mask[:, 0] = 1
    given = images[5]
    completed = model.complete(np.repeat(given[None], count, 0), mask, seed=1)
    fits = (images[:, 0] == given[0]).all(axis=(1, 2))
    conditional = np.where(fits, shares, 0) / shares[fits].sum()
    np.testing.assert_allclose(frequencies(completed), conditional, atol=0.03)


def test_diagonal_lstms_learn_with_xla_what_they_learn_without():
    """Batches of `fit` have no static size, and XLA needs that of a loop's states."""
    images = np.sign(np.random.default_rng(1).normal(size=(4, 6, 8, 1)))

    def learned(jit_compile):
        model = PixelRNN((6, 8, 1), num_layers=2, hidden=4, average=None)
        random = np.random.default_rng(0)
        for weight in model.network.trainable_variables:
            weight.assign(0.3 * random.normal(size=weight.shape))
        model.compile({"pixelrnn": keras.optimizers.SGD(0.01)}, jit_compile=jit_compile)
        model.fit({"image": images}, batch_size=4, epochs=2, verbose=0)
        return model.network.get_weights()

    for one, other in zip(learned(True), learned(False), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


@every_kind
def test_complete_keeps_observed_pixels_and_draws_the_others(cls, options):
    model = build(cls, **options)
    images = make_batch(model, 4)["image"]
    labels = labels_of(model, 4)
    mask = np.zeros((4, 5, 5, 1), np.float32)
    mask[:, 1:3, 2:] = 1
    completed = model.complete(images, mask, seed=3, **labels)
    kept = np.broadcast_to(mask > 0, images.shape)
    np.testing.assert_array_equal(completed[kept], images[kept])
    assert set(np.unique(completed[~kept])) == {-1.0, 1.0}
    again = model.complete(images, mask, seed=3, **labels)
    np.testing.assert_array_equal(again, completed)
    other = model.complete(images, mask, seed=4, **labels)
    assert (other != completed).any()
    # With no pixel observed it samples; with all observed it returns the images.
    blank = model.complete(images, 0 * mask, seed=3, **labels)
    np.testing.assert_array_equal(blank, model.sample(4, seed=3, **labels))
    whole = model.complete(images, 0 * mask + 1, seed=3, **labels)
    np.testing.assert_array_equal(whole, images)


def test_completed_rows_depend_on_observed_rows_before_them():
    """A model that has learned to repeat the upper row repeats an observed one."""
    model = PixelCNN((4, 4, 1), num_blocks=1, filters=8, average=None)
    model.compile({"pixelcnn": "adam"}, seed=0)
    model.optimizers["pixelcnn"].learning_rate = 0.02
    images = np.repeat(np.eye(4, dtype=np.float32)[:, None], 4, 1)[..., None] * 2 - 1
    train(model, {"image": np.tile(images, (8, 1, 1, 1))}, count=150)
    mask = np.zeros((4, 4, 4, 1), np.float32)
    mask[:, 0] = 1
    completed = model.complete(images * mask, mask, seed=0)
    np.testing.assert_array_equal(completed, images)
    assert model.log_prob(images) == pytest.approx(-np.log(4), abs=0.3)


def test_the_loss_is_in_nats_per_image_of_binary_pixels_drawn_in_every_step():
    model = PixelCNN((6, 6, 1), num_blocks=1, filters=4)
    model.compile(seed=0)
    for weight in [*model.network.weights, *model.averaged(model.network).weights]:
        weight.assign(tf.zeros_like(weight))
    batch = make_batch(model, 4)
    result = model.evaluate(batch, verbose=0, return_dict=True)
    assert result["pixelcnn_loss"] == pytest.approx(36 * np.log(2), rel=1e-5)
    # The model has probability 3/4 for white; the data have black, white and grey.
    bias = model.averaged(model.network).get_layer("head").bias
    bias.assign([[np.log(3.0)]])
    for grey, share in ((-1.0, 0.0), (1.0, 1.0), (0.5, 0.75)):
        images = np.full((400, 6, 6, 1), grey, np.float32)
        result = model.evaluate(images, verbose=0, return_dict=True)
        expected = -36 * (share * np.log(0.75) + (1 - share) * np.log(0.25))
        assert result["pixelcnn_loss"] == pytest.approx(expected, rel=0.01)


def test_classes_are_learned_and_drawn():
    model = PixelCNN((4, 4, 1), num_blocks=1, filters=8, num_classes=2, average=None)
    model.compile({"pixelcnn": "adam"}, seed=0)
    model.optimizers["pixelcnn"].learning_rate = 0.02
    labels = np.arange(32) % 2
    images = np.where(labels == 1, 1.0, -1.0)[:, None, None, None] * np.ones((4, 4, 1))
    train(model, {"image": images.astype(np.float32), "label": labels}, count=100)
    drawn = model.sample(6, seed=0, labels=[0, 1, 0, 1, 1, 1])
    np.testing.assert_allclose(drawn.mean(axis=(1, 2, 3)), [-1, 1, -1, 1, 1, 1], 0.1)


def test_grids_of_samples_go_through_all_classes(tmp_path):
    model = build(PixelCNN, num_classes=3)
    callback = keras_gen.callbacks.SampleGrid(tmp_path, n=4)
    callback.set_model(model)
    callback.write(tmp_path / "grid.png")
    drawn = model.sample(4, seed=0, labels=[0, 1, 2, 0])
    keras_gen.images.save_grid(drawn, tmp_path / "expected.png")
    expected = (tmp_path / "expected.png").read_bytes()
    assert (tmp_path / "grid.png").read_bytes() == expected


def test_conditional_models_need_labels_and_draw_their_own_for_samples():
    model = PixelCNN(**PixelCNN.tiny, num_classes=3)
    drawn = default_conditions(model.inputs(), row_seeds(2, 0))["labels"]
    np.testing.assert_array_equal(
        model.sample(2, seed=0), model.sample(2, seed=0, labels=drawn)
    )
    with pytest.raises(ValueError, match="labels"):
        model.log_prob(model.sample(2, seed=0))
    with pytest.raises(ValueError, match="labels from 0 to 2, got values from 0 to 3"):
        model.sample(2, seed=0, labels=[0, 3])
    with pytest.raises(ValueError, match="labels"):
        PixelCNN(**PixelCNN.tiny).sample(2, seed=0, labels=[0, 1])
    with pytest.raises(ValueError, match="equal numbers of rows"):
        model.sample(2, seed=0, labels=[0, 1, 2])


def test_conditional_models_serve_with_labels(tmp_path):
    model = build(PixelCNN, num_classes=3)
    path = keras_gen.export.save(model, tmp_path)
    signatures = tf.saved_model.load(str(path)).signatures
    seed, labels = row_seeds(3, 0), np.array([0, 1, 2])
    answer = signatures["sample"](seed=tf.constant(seed), labels=tf.constant(labels))
    expected = model.sample(3, seed=0, labels=labels)
    np.testing.assert_array_equal(answer["images"], expected)
    answer = signatures["log_prob"](
        images=tf.constant(expected), labels=tf.constant(labels)
    )
    np.testing.assert_allclose(
        answer["log_prob"], model.log_prob(expected, labels), rtol=1e-5
    )


@pytest.mark.parametrize("cls", [PixelCNN, PixelRNN])
def test_the_default_output_suits_the_channels(cls):
    options = {key: value for key, value in cls.tiny.items() if key != "output"}
    for channels, output in ((1, "bernoulli"), (3, "logistic_mixture")):
        model = cls(**{**options, "image_shape": (4, 4, channels)})
        assert model.head.kind == output
        assert cls.from_config(model.get_config()).head.kind == output


@pytest.mark.parametrize("cls", [PixelCNN, PixelRNN])
def test_the_learning_rate_is_an_argument_and_lasts_as_long_as_the_run(cls):
    def rates(steps, **options):
        model = cls(**cls.tiny, **options)
        model.compile()
        optimizer = model.optimizers[model.network.name]
        found = []
        for step in steps:
            optimizer.iterations.assign(step)
            found.append(float(optimizer.learning_rate))
        return found

    np.testing.assert_allclose(rates([0, 500_000]), 2e-3)
    cosine = rates([0, 50_000, 100_000], learning_rate=1e-3, decay_steps=100_000)
    np.testing.assert_allclose(cosine, [1e-3, 5e-4, 0], atol=1e-9)
    for wrong in ({"learning_rate": 0.0}, {"decay_steps": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            cls(**cls.tiny, **wrong)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: PixelCNN(output="gaussian"), "'categorical'"),
        (
            lambda: PixelCNN(**PixelCNN.tiny, num_classes=1),
            "num_classes, a whole number of at least 2",
        ),
        (lambda: PixelCNN(**PixelCNN.tiny, kernel_size=4), "odd kernel_size"),
        (lambda: PixelRNN(**PixelRNN.tiny, cell="gru"), "'row_lstm'"),
    ],
)
def test_wrong_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
