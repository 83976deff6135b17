"""Stabilisers of adversarial training, and the specific features of each model."""

import runpy

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import make_batch, train

import keras_gen
from keras_gen.core import augmentation, averages
from keras_gen.core.abilities import default_conditions
from keras_gen.core.registry import PRESETS
from keras_gen.layers import MinibatchStdDev, SpectralConv2D, SpectralDense
from keras_gen.layers.spectral import spectral_norm
from keras_gen.layers.spectral_embedding import SpectralEmbedding
from keras_gen.models import DCGAN, GAN, WGANGP, ConditionalGAN, InfoGAN, StarGAN
from keras_gen.models.adversarial import cgan

RANDOM = np.random.default_rng(0)
SEED = tf.constant([1, 2])


# Layers.


def test_spectral_norm_equals_numpys():
    for shape in ((6, 40), (50, 3), (4, 4, 3, 8)):
        kernel = RANDOM.normal(size=shape).astype(np.float32)
        exact = np.linalg.norm(kernel.reshape(-1, shape[-1]), 2)
        assert float(spectral_norm(kernel, 50)) == pytest.approx(exact, rel=1e-3)
        # With the few iterations of the layers it is a close lower bound.
        assert 0.9 * exact < float(spectral_norm(kernel)) <= exact * 1.0001


@pytest.mark.parametrize(
    "layer, shape",
    [
        (SpectralDense(5), (None, 7)),
        (SpectralConv2D(5, 4, strides=2, padding="same"), (None, 8, 8, 2)),
    ],
)
def test_spectral_layers_use_a_kernel_of_norm_one_and_save_the_original(layer, shape):
    inputs = keras.Input(shape[1:])
    model = keras.Model(inputs, layer(inputs))
    kernel = np.random.default_rng(1).normal(size=layer._kernel.shape)
    layer._kernel.assign(30.0 * kernel)
    used = np.array(layer.kernel)
    assert np.linalg.norm(used.reshape(-1, 5), 2) == pytest.approx(1, abs=0.1)
    again = keras.Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    images = RANDOM.normal(size=(2, *shape[1:])).astype(np.float32)
    np.testing.assert_allclose(model(images), again(images), atol=1e-6)
    assert len(model.trainable_weights) == 2
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(images) ** 2)
    assert all(g is not None for g in tape.gradient(loss, model.trainable_weights))


def test_a_spectral_embedding_uses_a_matrix_of_norm_one_and_saves_the_original():
    layer = SpectralEmbedding(3, 5)
    layer.build()
    layer.set_weights([30.0 * RANDOM.normal(size=(3, 5))])
    used = layer(np.arange(3)).numpy()
    assert np.linalg.norm(used, 2) == pytest.approx(1, abs=0.05)
    matrix = layer.get_weights()[0]
    np.testing.assert_allclose(used, matrix / spectral_norm(matrix), rtol=1e-5)


@pytest.mark.parametrize("network", ["conv", "mlp"])
def test_spectral_normalization_includes_the_embedding_of_a_projection(network):
    options = {"network": network, "image_shape": (16, 16, 1)}
    plain, normalized = (
        ConditionalGAN(
            **{**ConditionalGAN.tiny, **options}, spectral_normalization=spectral
        ).discriminator
        for spectral in (False, True)
    )
    (layer,) = (x for x in normalized.layers if isinstance(x, keras.layers.Embedding))
    assert isinstance(layer, SpectralEmbedding)
    assert not any(isinstance(x, SpectralEmbedding) for x in plain.layers)
    # An embedding that is ten times as large changes nothing.
    images = RANDOM.uniform(-1, 1, (3, 16, 16, 1)).astype(np.float32)
    inputs = [images, np.arange(3)]
    before = normalized(inputs).numpy()
    layer.set_weights([10.0 * layer.get_weights()[0]])
    np.testing.assert_allclose(normalized(inputs), before, atol=1e-5)


def test_a_file_from_before_embeddings_were_normalized_loads(tmp_path, monkeypatch):
    options = {**ConditionalGAN.tiny, "spectral_normalization": True}
    with monkeypatch.context() as patch:
        patch.setattr(cgan, "SpectralEmbedding", keras.layers.Embedding)
        old = ConditionalGAN(**options)
        old.compile(seed=0)
    old.save(tmp_path / "old.keras")
    new = keras.saving.load_model(tmp_path / "old.keras")
    assert [v.name for v in new.weights] == [v.name for v in old.weights]
    for layers in zip(new.discriminator.layers, old.discriminator.layers, strict=True):
        if isinstance(layers[0], SpectralEmbedding):
            np.testing.assert_array_equal(*(layer.get_weights()[0] for layer in layers))


def test_minibatch_standard_deviation_by_hand():
    x = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 4.0], [1.0, 5.0]], np.float32)
    # Groups of two: rows 0 and 2 (standard deviations 1 and 2), rows 1 and 3 (0 and 2).
    layer = MinibatchStdDev(group_size=2)
    expected = np.array([1.5, 1.0, 1.5, 1.0])
    np.testing.assert_allclose(layer(x, training=True)[:, -1], expected, atol=1e-3)
    np.testing.assert_array_equal(layer(x, training=True)[:, :2], x)
    whole = MinibatchStdDev(group_size=3)(x, training=True)[:, -1]
    np.testing.assert_allclose(whole, x.std(axis=0).mean(), rtol=1e-5)
    np.testing.assert_array_equal(layer(x, training=False)[:, -1], 0)
    maps = RANDOM.normal(size=(4, 3, 3, 5)).astype(np.float32)
    out = MinibatchStdDev()(maps, training=True)
    assert out.shape == (4, 3, 3, 6)
    np.testing.assert_allclose(out[..., -1], maps.std(axis=0).mean(), rtol=1e-4)


# Augmentation.


@pytest.mark.parametrize("kind", list(augmentation.AUGMENTATIONS))
def test_augmentation_changes_rows_differently_and_lets_gradients_through(kind):
    image = RANDOM.uniform(-1, 1, (1, 16, 16, 3)).astype(np.float32)
    images = tf.constant(np.repeat(image, 8, axis=0))
    with tf.GradientTape() as tape:
        tape.watch(images)
        changed = augmentation.augment(images, SEED, [kind])
        loss = tf.reduce_sum(changed**2)
    rows = changed.numpy().reshape(8, -1)
    assert len(np.unique(rows.round(4), axis=0)) > 4
    assert np.abs(tape.gradient(loss, images)).sum() > 0
    again = augmentation.augment(images, SEED, [kind])
    np.testing.assert_array_equal(changed, again)


def test_translation_shifts_whole_pixels_and_cutout_clears_a_square():
    image = np.zeros((1, 16, 16, 1), np.float32)
    image[0, 8, 8] = 1.0
    shifted = augmentation.translation(np.repeat(image, 200, 0), SEED).numpy()
    positions = np.argwhere(shifted > 0)
    assert len(positions) == 200
    assert {tuple(p) for p in positions[:, 1:3]} == {
        (8 + i, 8 + j) for i in range(-2, 3) for j in range(-2, 3)
    }
    ones = np.ones((100, 16, 16, 1), np.float32)
    cleared = (augmentation.cutout(ones, SEED).numpy() == 0).sum(axis=(1, 2, 3))
    assert cleared.max() == 64 and cleared.min() >= 16


def test_color_keeps_grey_images_grey():
    grey = np.repeat(RANDOM.uniform(-1, 1, (4, 8, 8, 1)), 3, -1).astype(np.float32)
    changed = augmentation.color(grey, SEED).numpy()
    np.testing.assert_allclose(changed[..., 0], changed[..., 2], atol=1e-6)
    assert np.abs(changed - grey).max() > 0.1


def test_distorted_images_have_exact_gradients_at_edges_too():
    images = tf.constant(RANDOM.uniform(-1, 1, (3, 6, 5, 2)), tf.float32)
    weights = tf.constant(RANDOM.normal(size=images.shape), tf.float32)

    def value(images):
        distorted = augmentation.distort(images, SEED, turn=0.5, scale=0.2, shift=2.0)
        return tf.reduce_sum(weights * distorted)

    with tf.GradientTape() as tape:
        tape.watch(images)
        total = value(images)
    found = tape.gradient(total, images).numpy()
    # The values are linear in the images, so that differences of 1 are exact.
    for index in np.ndindex(*images.shape):
        moved = images.numpy()
        moved[index] += 1.0
        difference = float(value(tf.constant(moved)) - total)
        assert found[index] == pytest.approx(difference, abs=1e-4)
    # The sum of all weights: each value is a mean of pixels, the repeated edges too.
    assert found.sum() == pytest.approx(float(tf.reduce_sum(weights)), abs=1e-4)


def test_distorted_images_are_those_of_a_projective_transform():
    images = tf.constant(RANDOM.uniform(-1, 1, (4, 9, 12, 3)), tf.float32)
    options = {"turn": 0.5, "scale": 0.2, "shift": 3.0}
    draws = tf.random.stateless_uniform((4, 4), SEED, -1.0, 1.0).numpy()
    rows = []
    for turn, scale, right, down in draws.T:
        size = 1 + 0.2 * scale
        c, s = np.cos(0.5 * turn) / size, np.sin(0.5 * turn) / size
        y, x = 4.0, 5.5
        first = [c, -s, x - c * x + s * y + 3 * right]
        rows.append([*first, s, c, y - s * x - c * y + 3 * down, 0.0, 0.0])
    expected = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.constant(rows, tf.float32),
        output_shape=(9, 12),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )
    found = augmentation.distort(images, SEED, **options)
    np.testing.assert_allclose(found, expected, atol=2e-5)


# Options.


@pytest.mark.parametrize(
    "options",
    [
        {"spectral_normalization": True, "loss": "hinge"},
        {"minibatch_stddev": True},
        {"packing": 2, "r1": 1.0},
        {"augmentation": ["color", "translation", "cutout"]},
        {"generator_rate": 1e-3, "discriminator_rate": 4e-4, "r1": 0.0},
    ],
)
@pytest.mark.parametrize("name", ["gan", "dcgan"])
def test_models_with_stabilisers_train_and_keep_rows_independent(name, options):
    model = keras_gen.zoo.load(name, **{**PRESETS[name].model.tiny, **options})
    batch = make_batch(model, 8)
    losses = train(model, batch, count=2).history
    assert np.isfinite([value for (value,) in losses.values()]).all()
    images = batch["image"]
    together = model.discriminate(images)
    assert together.shape == (8, 1)
    np.testing.assert_allclose(together[:2], model.discriminate(images[:2]), rtol=1e-3)
    if "generator_rate" in options:
        rates = {k: float(o.learning_rate) for k, o in model.optimizers.items()}
        assert rates["generator"] == pytest.approx(1e-3)
        assert rates["discriminator"] == pytest.approx(4e-4)


def test_a_pack_holds_images_side_by_side_in_the_channels():
    model = GAN(image_shape=(4, 4, 1), widths=(4,), latent_dim=2, packing=3)
    images = np.arange(6 * 16, dtype=np.float32).reshape(6, 4, 4, 1)
    packed = model.packed(images).numpy()
    assert packed.shape == (2, 4, 4, 3)
    np.testing.assert_array_equal(packed[1, ..., 2], images[5, ..., 0])
    filled = model.packed(images[:4]).numpy()
    np.testing.assert_array_equal(filled[1, ..., 2], images[1, ..., 0])
    model.compile(seed=0)  # `fit` fills up the last batch of 20 rows, which has two.
    images = np.zeros((20, 4, 4, 1), np.float32)
    with pytest.raises(ValueError, match="of a multiple of 3 rows, for packing, got 4"):
        model.fit(images, batch_size=4, verbose=0)
    with pytest.raises(ValueError, match="of a multiple of 3 rows"):
        model.train_on_batch(images[:4])
    model.fit(images, validation_data=images, batch_size=6, verbose=0)
    assert int(model.step.numpy()) == 4
    assert np.isfinite(list(model.evaluate(images, return_dict=True).values())).all()


def test_no_batch_of_one_row_ruins_batch_normalization():
    """A row alone has a variance of 0, which half of the moving variance would be."""
    images = np.random.default_rng(0).uniform(-1, 1, (5, 4, 4, 1)).astype("float32")
    model = GAN(image_shape=(4, 4, 1), widths=(4,), latent_dim=2)
    sizes = []
    play = model.train_step
    model.train_step = lambda batch: (
        sizes.append(batch["image"].shape[0]) or play(batch)
    )
    model.compile(seed=0, run_eagerly=True)
    model.fit(images, batch_size=4, epochs=2, verbose=0)
    assert sizes == [4] * 4


@pytest.mark.parametrize(
    "options, message",
    [
        ({"packing": 0}, "packing, a whole number of at least 1"),
        ({"augmentation": "color"}, "list of"),
        ({"augmentation": ["blur"]}, "blur"),
        ({"image_shape": None}, "point_dim"),
        ({"point_dim": 2}, "point_dim"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        GAN(**{**GAN.tiny, **options})


def test_a_gan_without_images_generates_points():
    model = keras_gen.zoo.load(
        "gan", image_shape=None, point_dim=2, latent_dim=2, widths=[16]
    )
    assert sorted(model.abilities()) == ["sample_points"]
    model.fit(keras_gen.data.load("gaussian_ring", "train[:640]", seed=0), verbose=0)
    points = model.sample_points(5, seed=0)
    assert points.shape == (5, 2)
    np.testing.assert_allclose(points[:2], model.sample_points(2, seed=0), rtol=1e-5)
    with pytest.raises(ValueError, match="image_shape"):
        model.sample(3)


def test_features_are_the_pooled_outputs_of_hidden_layers():
    model = keras_gen.zoo.load("dcgan", image_shape=(32, 32, 1), width=4)
    images = make_batch(model, 3)["image"]
    # Maps of 16, 8 and 4 pixels a side, with 4, 8 and 16 features: 4x4 of each.
    assert model.features(images).shape == (3, 16 * (4 + 8 + 16))
    rows = model.features(images)
    np.testing.assert_allclose(rows[:1], model.features(images[:1]), rtol=1e-4)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize(
    "name, options",
    [
        ("dcgan", {"width": 16}),
        ("cgan", {"width": 16, "spectral_normalization": True}),
        ("infogan", {}),
        ("wgan_gp", {"width": 16}),
        ("progan", {"base_maps": 64, "max_maps": 16, "num_classes": 3}),
        ("stylegan", {"base_maps": 64, "max_maps": 16, "start": 8}),
        ("stargan", {"critic_width": 16}),
    ],
)
def test_penalties_in_mixed_precision_are_those_of_float32(
    name, options, dtype, tmp_path
):
    cls = PRESETS[name].model
    options = {**cls.tiny, **options}
    exact = cls(**options)
    keras.config.set_dtype_policy(dtype)
    mixed = cls(**options)
    mixed.set_weights(exact.get_weights())
    batch = {k: tf.constant(v) for k, v in make_batch(mixed, 16).items()}
    shape = mixed.forward(batch, training=False)["fake"].shape
    fake = tf.constant(RANDOM.uniform(-1, 1, shape), tf.float32)
    shared = {"fake": fake, "target": batch.get("domain"), "reference": fake[::-1]}
    kinds = ["gradient_penalty_loss"] + (["r1_loss"] if name != "stargan" else [])
    for model in (exact, mixed):
        model.compile(seed=0)
        model.r1 = model.gradient_penalty = 1.0
    for kind in kinds:
        found = []
        for model in (exact, mixed):
            network = model.critic if name == "stargan" else model.discriminator
            with tf.GradientTape() as tape:
                penalty = getattr(model, kind)(batch, shared, training=True)
            variables = network.trainable_variables
            slopes = [g for g in tape.gradient(penalty, variables) if g is not None]
            norm = tf.linalg.global_norm([tf.convert_to_tensor(g) for g in slopes])
            found.append((float(penalty), float(norm)))
        assert found[0][1] > 0
        np.testing.assert_allclose(found[1], found[0], rtol=0.01)
    # What computes in float32 is neither tracked nor saved.
    assert len(mixed.variables) == len(exact.variables)
    mixed.save(tmp_path / "mixed.keras")
    again = keras.saving.load_model(tmp_path / "mixed.keras")
    assert len(again.variables) == len(mixed.variables)


def test_a_penalty_in_mixed_precision_trains_on_two_replicas(two_replicas):
    keras.config.set_dtype_policy("mixed_bfloat16")
    with two_replicas.scope():
        model = DCGAN(**DCGAN.tiny, r1=1.0)
        model.compile(seed=0)
    history = model.fit(make_batch(model, 16), batch_size=8, verbose=0).history
    assert np.isfinite(history["discriminator_loss"]).all()


# Models.


def input_gradients(network, images):
    """Norms of the gradient of a network's first output, for each image."""
    images = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = network(images)
        first = outputs[0] if isinstance(outputs, list) else outputs
        total = tf.reduce_sum(first)
    return np.linalg.norm(tape.gradient(total, images).numpy().reshape(8, -1), axis=1)


@pytest.mark.parametrize(
    "side, channels, width", [(16, 1, 4), (32, 1, 16), (64, 3, 64)]
)
@pytest.mark.parametrize(
    "cls, option", [(WGANGP, "width"), (StarGAN, "critic_width"), (WGANGP, "widths")]
)
def test_gradients_of_a_fresh_critic_are_of_order_1(cls, option, side, channels, width):
    options = {"image_shape": (side, side, channels)}
    options[option] = (16 * width,) * 3 if option == "widths" else width
    if option == "widths":
        options["network"] = "mlp"
    model = cls(**{**cls.tiny, **options})
    critic = model.critic if cls is StarGAN else model.discriminator
    images = RANDOM.uniform(-1, 1, (8, side, side, channels)).astype(np.float32)
    assert 0.2 < input_gradients(critic, images).mean() < 5


@pytest.mark.parametrize("cls", [DCGAN, ConditionalGAN, InfoGAN])
def test_gradients_of_a_fresh_discriminator_with_a_penalty_are_of_order_1(cls):
    model = cls(**{**cls.tiny, "image_shape": (32, 32, 1), "width": 16}, r1=1.0)
    images = np.random.default_rng(0).uniform(-1, 1, (8, 32, 32, 1)).astype("float32")
    labels = tf.zeros(8, tf.int32)

    def network(images):
        return model.logits(images, labels if model.num_classes else None, True)[0]

    assert 0.2 < input_gradients(network, images).mean() < 5


@pytest.mark.parametrize("network", ["conv", "mlp"])
@pytest.mark.parametrize("conditioning", ["projection", "embedding"])
def test_spectral_normalization_leaves_out_no_layer_after_the_input(
    network, conditioning
):
    model = ConditionalGAN(
        **{**ConditionalGAN.tiny, "image_shape": (16, 16, 1), "network": network},
        conditioning=conditioning,
        spectral_normalization=True,
    )
    found = {
        type(layer)
        for layer in model.discriminator.layers
        if any(len(weight.shape) > 1 for weight in layer.weights)
    }
    expected = {SpectralDense} | ({SpectralConv2D} if network == "conv" else set())
    # The map of a label is part of the input.
    own = SpectralEmbedding if conditioning == "projection" else keras.layers.Embedding
    assert found == expected | {own}


@pytest.mark.parametrize("name", ["progan", "stylegan"])
def test_labels_of_growing_models_start_as_strong_as_latents(name):
    cls = PRESETS[name].model
    model = cls(**{**cls.tiny, "latent_dim": 64, "num_classes": 50})
    (matrix,) = (
        layer.get_weights()[0]
        for name, network in model.networks().items()
        if "discriminator" not in name and not name.startswith(averages.PREFIX)
        for layer in getattr(network, "layers", [])
        if isinstance(layer, keras.layers.Embedding)
    )
    assert np.std(matrix) == pytest.approx(1, abs=0.1)  # 3,200 numbers.


def test_labels_start_as_strong_as_latents():
    latents = RANDOM.normal(size=(200, 64)).astype(np.float32)
    for name in ("conv", "mlp"):
        model = ConditionalGAN(image_shape=(16, 16, 1), network=name, width=4)
        (layer,) = (
            x for x in model.generator.layers if isinstance(x, keras.layers.Embedding)
        )
        deviation = np.std(layer.get_weights()[0])
        assert deviation == pytest.approx(latents.std(), abs=0.15)
    model = ConditionalGAN(image_shape=(16, 16, 1), width=4, conditioning="embedding")
    (layer,) = (
        x for x in model.discriminator.layers if isinstance(x, keras.layers.Embedding)
    )
    assert np.std(layer.get_weights()[0]) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("network", ["conv", "mlp"])
@pytest.mark.parametrize("conditioning", ["projection", "embedding"])
def test_generator_and_discriminator_depend_on_labels(network, conditioning):
    model = ConditionalGAN(
        image_shape=(16, 16, 1),
        num_classes=3,
        latent_dim=2,
        network=network,
        width=4,
        widths=(8,),
        conditioning=conditioning,
    )
    drawn = [model.sample(2, seed=[5, 5], labels=[i, i]) for i in (0, 1)]
    np.testing.assert_array_equal(drawn[0][0], drawn[0][1])
    assert not np.allclose(drawn[0], drawn[1])
    logits = [model.discriminate(drawn[0], labels=[i, i]) for i in (0, 1)]
    assert not np.allclose(logits[0], logits[1])
    with pytest.raises(ValueError, match="labels from 0 to 2"):
        model.sample(2, seed=0, labels=[0, 3])
    # Missing labels are drawn with the rows' seeds.
    np.testing.assert_allclose(
        model.sample(2, seed=4), model.sample(6, seed=4)[:2], rtol=1e-4, atol=1e-6
    )


def test_the_logs_of_a_critic_show_the_wasserstein_estimate():
    model = WGANGP(**WGANGP.tiny)
    model.compile(seed=0)
    logs = train(model, make_batch(model, 8)).history
    difference = logs["d_real"][0] - logs["d_fake"][0]
    assert logs["wasserstein"][0] == pytest.approx(difference, abs=1e-5)
    assert not any("batch_norm" in layer.name for layer in model.discriminator.layers)


def test_log_probabilities_of_codes_by_hand():
    model = InfoGAN(
        image_shape=(16, 16, 1), noise_dim=2, categories=(3, 2), continuous=2, width=2
    )
    # Logits of a category of 3 values and of one of 2, then two means.
    parameters = np.array([[0.0, 0, 0, 0, 0, 0.5, -1.5]], np.float32)
    codes = np.array([[0.0, 1, 0, 1, 0, 1.5, -0.5]], np.float32)
    gaussian = -0.5 * (1.0 + 1.0 + 2 * np.log(2 * np.pi))
    found = model.code_log_prob(parameters, codes)
    assert float(found[0][0]) == pytest.approx(-np.log(3) - np.log(2), rel=1e-5)
    assert float(found[1][0]) == pytest.approx(gaussian, rel=1e-5)
    assert model.infer_codes(np.zeros((2, 16, 16, 1))).shape == (2, 7)


def test_categories_are_predicted_from_distorted_images_and_numbers_from_plain_ones(
    monkeypatch,
):
    def blank(images, seed, **distortion):
        assert distortion == {"turn": 0.2, "scale": 0.0, "shift": 0.0}
        return tf.zeros_like(images)

    monkeypatch.setattr("keras_gen.models.adversarial.infogan.distort", blank)
    images = tf.constant(RANDOM.normal(size=(6, 16, 16, 1)), tf.float32)
    codes = tf.constant(np.eye(4)[[0, 1, 2, 0, 1, 2]], tf.float32)

    def slope(training, **weights):
        model = InfoGAN(**InfoGAN.tiny, **weights)
        model.compile(seed=0)
        with tf.GradientTape() as tape:
            tape.watch(images)
            _, others = model.logits(images, None, training)
            shared = {"codes": codes}
            loss, _ = model.auxiliary_loss(shared, images, others, training)
        slope = tape.gradient(loss, images)
        return 0.0 if slope is None else float(tf.norm(slope))

    assert slope(True, mutual_weight=1.0, continuous_weight=0.0) == 0
    assert slope(True, mutual_weight=0.0, continuous_weight=1.0) > 0
    assert slope(False, mutual_weight=1.0, continuous_weight=0.0) > 0


def test_without_dense_layers_the_generator_is_that_of_dcgan():
    """So that `--weights dcgan:faces --networks generator` can start an InfoGAN."""
    sizes = {"image_shape": (16, 16, 3), "width": 4}
    model = InfoGAN(noise_dim=3, categories=(2,), continuous=1, hidden=None, **sizes)
    source = DCGAN(latent_dim=6, **sizes)
    model.generator.set_weights(source.generator.get_weights())
    latents = RANDOM.uniform(-1, 1, (2, 6)).astype("float32")
    np.testing.assert_allclose(model.decode(latents), source.decode(latents), atol=1e-6)
    assert np.isfinite(model.infer_codes(model.sample(2, seed=0))).all()


def test_given_codes_are_used_and_missing_ones_are_drawn_as_in_training():
    model = InfoGAN(**InfoGAN.tiny)
    codes = np.array([[1.0, 0, 0, 0.5]] * 2)
    same = model.sample(2, seed=[3, 3], codes=codes)
    np.testing.assert_array_equal(same[0], same[1])
    other = model.sample(2, seed=[3, 3], codes=[[0, 1, 0, 0.5], [1, 0, 0, 0.5]])
    assert not np.allclose(other[0], other[1])
    drawn = np.array(default_conditions(model.inputs(), range(300))["codes"])
    np.testing.assert_array_equal(drawn[:, :3].sum(axis=1), 1)
    assert 0.25 < drawn[:, 0].mean() < 0.42 and np.abs(drawn[:, 3]).max() <= 1
    latents = model.prior.distribution().sample(500, seed=SEED).numpy()
    assert latents.shape == (500, 7)
    np.testing.assert_array_equal(latents[:, 3:6].sum(axis=1), 1)
    assert np.abs(latents[:, 6]).max() <= 1 and np.abs(latents[:, :3]).max() > 1


# Theory.


def test_a_trained_discriminator_agrees_with_theory():
    example = runpy.run_path("examples/gan_theory.py")
    found = example["compare"](example["train_to_the_optimum"](steps=800))
    assert found["error_of_d"] < 0.015  # Untrained: 0.15.
    assert found["twice_jsd_error"] < found["value_error"] < 0.005
    error = abs(found["value"] - found["twice_jsd"])
    assert error < 0.01 + 4 * found["value_error"]


def test_codes_of_an_untrained_autoencoder_are_distinguished_from_the_prior():
    model = keras_gen.zoo.load("aae", widths=(8,), latent_dim=2)
    model.compile(seed=0)
    evaluation = keras_gen.metrics.Evaluation(model, "mnist", num_images=100)
    stages = dict(evaluation.stages())
    stages["codes against the prior"]()
    assert evaluation.figures["prior_two_sample_accuracy"] > 0.7
    stages["Parzen windows"]()
    assert evaluation.figures["parzen_nats"] < evaluation.figures["parzen_nats_floor"]


def test_evaluation_measures_how_often_samples_have_the_label_asked_for(monkeypatch):
    model = keras_gen.zoo.load("cgan", image_shape=(28, 28, 1), width=2)
    model.compile(seed=0)
    test = next(iter(keras_gen.data.load("mnist", "test", batch_size=200)))
    digits, labels = test["image"].numpy(), test["label"].numpy()

    def ones_instead_of_zeros(n, seed, known=labels, *, labels):
        chosen = np.where(labels == 0, 1, labels)
        return digits[[np.flatnonzero(known == label)[0] for label in chosen]]

    monkeypatch.setattr(model, "sample", ones_instead_of_zeros)
    evaluation = keras_gen.metrics.Evaluation(model, "mnist", num_images=100)
    dict(evaluation.stages())["labels asked for"]()
    assert evaluation.figures["label_agreement"] == pytest.approx(0.9, abs=0.02)
