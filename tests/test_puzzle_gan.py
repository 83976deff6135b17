"""Puzzle-GAN, and how it finds the key parts of images."""

import keras
import numpy as np
import pytest
import skimage.filters
import tensorflow as tf
from conftest import make_batch, train

import keras_gen
from keras_gen.models import PuzzleGAN
from keras_gen.models.parts import proposals
from keras_gen.models.parts.puzzle_gan import in_order

RANDOM = np.random.default_rng(0)


def built(**options):
    model = PuzzleGAN(**{**PuzzleGAN.tiny, **options})
    model.compile(seed=0)
    return model


def tensors(model, size=4):
    return {key: tf.constant(value) for key, value in make_batch(model, size).items()}


# Proposals.


def test_edge_strength_is_the_norm_of_sobel_gradients():
    images = RANDOM.uniform(-1, 1, (2, 16, 16, 3)).astype("float32")
    ours = proposals.edges(tf.constant(images)).numpy()
    for image, found in zip(images, ours, strict=True):
        grey = image.mean(axis=-1)
        # scikit-image normalizes kernels to a sum of 1, and divides by sqrt(2).
        theirs = skimage.filters.sobel(grey, mode="mirror") * 4 * np.sqrt(2)
        np.testing.assert_allclose(found[1:-1, 1:-1], theirs[1:-1, 1:-1], rtol=1e-3)


def test_scores_are_edges_inside_minus_those_on_the_border():
    images = RANDOM.uniform(-1, 1, (1, 32, 16, 3)).astype("float32")
    strength = proposals.edges(tf.constant(images)).numpy()[0]
    found = proposals.scores(tf.constant(images)).numpy()[0]
    boxes = proposals.candidates(32, 16)
    assert len(found) == len(boxes) == 13**2 + 12**2 + 11**2
    for index in (0, 5, 200, len(boxes) - 1):
        top, left, bottom, right = boxes[index]
        inner = strength[top + 1 : bottom - 1, left + 1 : right - 1].sum()
        border = strength[top:bottom, left:right].sum() - inner
        expected = (inner - border) / (bottom - top + right - left) ** 1.5
        assert found[index] == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_key_boxes_enclose_the_shapes_and_hardly_overlap():
    image = np.ones((1, 32, 32, 3), "float32")
    for top, left in ((4, 4), (20, 4), (12, 22)):
        image[0, top : top + 6, left : left + 6] = RANDOM.uniform(-1, 1, 3)
    boxes = proposals.key_boxes(tf.constant(image), 3).numpy()[0]
    mask = proposals.union(tf.constant(boxes[None]), 32, 32).numpy()[0]
    assert mask[(image[0] != 1).any(axis=-1)].all()
    assert proposals._overlaps(boxes)[np.triu_indices(3, 1)].max() <= 0.1
    with pytest.raises(ValueError, match="multiples of 16"):
        proposals.candidates(28, 28)


def test_parts_are_the_pixels_inside_boxes_resized():
    images = RANDOM.uniform(-1, 1, (2, 16, 16, 3)).astype("float32")
    boxes = np.array([[[0, 0, 16, 16], [4, 8, 8, 12]], [[8, 0, 16, 8], [0, 0, 4, 4]]])
    parts = proposals.cut(tf.constant(images), tf.constant(boxes, tf.int32)).numpy()
    assert parts.shape == (2, 2, 16, 16, 3)
    np.testing.assert_allclose(parts[0, 0], images[0], atol=1e-5)
    corners = parts[0, 1][[0, 0, -1, -1], [0, -1, 0, -1]]
    np.testing.assert_allclose(
        corners, images[0][[4, 4, 7, 7], [8, 11, 8, 11]], atol=1e-5
    )
    mask = proposals.union(tf.constant(boxes, tf.int32), 16, 16).numpy()[..., 0]
    assert mask[0].all() and mask[1].sum() == 64 + 16
    assert mask[1, 8:, :8].all() and mask[1, :4, :4].all()


# The model.


def test_the_order_of_parts_changes_nothing_at_all():
    model = built(num_parts=3)
    train(model, make_batch(model, 4), count=2)
    parts = model.cut(make_batch(model, 5)["image"])
    image, mask = model.assemble(parts, seed=0), model.predict_mask(parts)
    for order in ([2, 0, 1], [1, 0, 2], [2, 1, 0]):
        np.testing.assert_array_equal(model.assemble(parts[:, order], seed=0), image)
        np.testing.assert_array_equal(model.predict_mask(parts[:, order]), mask)
    assert not np.allclose(image, model.assemble(parts, seed=1))
    assert not np.allclose(image[0], image[1], atol=1e-4)
    with pytest.raises(ValueError, match=r"parts of shape \(batch, 3, 16, 16, 3\)"):
        model.assemble(parts[:, :2])


def test_parts_are_sorted_by_their_content():
    parts = RANDOM.normal(size=(2, 3, 4, 4, 1)).astype("float32")
    ordered = in_order(tf.constant(parts)).numpy()
    for row, sorted_row in zip(parts, ordered, strict=True):
        assert {p.tobytes() for p in row} == {p.tobytes() for p in sorted_row}
    shuffled = parts[:, [1, 2, 0]]
    np.testing.assert_array_equal(ordered, in_order(tf.constant(shuffled)))


def test_features_of_parts_are_summed_at_every_scale():
    model = built()
    parts = RANDOM.uniform(-1, 1, (2, 3, 16, 16, 3)).astype("float32")
    noise = np.zeros((2, 3), "float32")
    each = [model.part_encoder(parts[:, i]) for i in range(3)]
    sums = [sum(x.numpy() for x in maps) for maps in zip(*each, strict=True)]
    mask, *maps = model.mask_network([tf.constant(x) for x in sums])
    image = model.image_network([tf.constant(sums[-1]), tf.constant(noise), *maps])
    found = model.generate(model.painters, tf.constant(parts), tf.constant(noise))
    np.testing.assert_allclose(found[0], mask, atol=1e-5)
    np.testing.assert_allclose(found[1], image, atol=1e-5)


def test_losses_by_hand():
    model = built(fade_from=0.5, fade_to=0.5)
    batch = tensors(model)
    shared = model.forward(batch, training=False)
    discriminator_loss, _ = model.discriminator_loss(batch, shared, training=False)
    loss, figures = model.generator_loss(batch, shared, training=False)
    images, fake = batch["image"].numpy(), shared["fake"].numpy()
    mask, fake_mask = shared["mask"].numpy(), shared["fake_mask"].numpy()
    others = np.roll(images, 1, axis=0)

    def entropy(x, real=False):
        logits = model.discriminator(x).numpy()
        return np.log1p(np.exp(-logits if real else logits)).mean()

    expected = entropy(images, real=True) + entropy(fake)
    expected += entropy(mask * images + (1 - mask) * others)
    expected += entropy(mask * others + (1 - mask) * images)
    assert float(discriminator_loss) == pytest.approx(expected, rel=1e-4)
    distance = np.abs(fake_mask - mask).sum(axis=(1, 2, 3))
    shares = distance / np.maximum(fake_mask, mask).sum(axis=(1, 2, 3))
    errors = mask * np.abs(fake - images)
    sums = 16 * 16 * shares.sum() + errors.sum()
    # Sums over as many pixels as 64x64 images have.
    expected = entropy(fake, real=True) + 0.5 * 16 * sums / 4
    assert float(loss) == pytest.approx(expected, rel=1e-4)
    assert float(figures["mask"]) == pytest.approx(shares.mean(), rel=1e-4)
    parts = errors[np.broadcast_to(mask > 0, errors.shape)].mean()
    assert float(figures["parts"]) == pytest.approx(parts, rel=1e-4)


def test_recombined_images_that_equal_a_real_one_are_not_fake():
    model = built()
    images = RANDOM.uniform(-1, 1, (4, 16, 16, 3)).astype("float32")
    images[1] = images[0]  # The second row's neighbour is an equal image.
    batch = {"image": tf.constant(images)}
    shared = dict(model.forward(batch, training=False))
    mask = shared["mask"].numpy()
    # The parts of the third image are those of its neighbour: its parts on that
    # background give the neighbour, the neighbour's parts on its background itself.
    images[2] = np.where(mask[2] > 0, images[1], images[2])
    batch = {"image": tf.constant(images)}
    loss, figures = model.discriminator_loss(batch, shared, training=False)
    others, fake = np.roll(images, 1, axis=0), shared["fake"].numpy()

    def logits(x):
        return model.discriminator(x).numpy()

    is_new = [0, 3]
    swapped = [
        logits(mask * images + (1 - mask) * others)[is_new],
        logits(mask * others + (1 - mask) * images)[is_new],
    ]
    expected = np.log1p(np.exp(-logits(images))).mean()
    expected += sum(np.log1p(np.exp(x)).mean() for x in (logits(fake), *swapped))
    assert float(loss) == pytest.approx(expected, rel=1e-4)
    figure, is_any = figures["d_swapped"]
    probability = (1 / (1 + np.exp(-np.concatenate(swapped)))).mean()
    assert float(figure) == pytest.approx(probability, rel=1e-4) and bool(is_any)


def test_a_batch_of_one_image_has_no_recombined_ones():
    model = built()
    batch = tensors(model, 1)
    shared = model.forward(batch, training=False)
    loss, figures = model.discriminator_loss(batch, shared, training=False)
    real, fake = (
        float(model.discriminator(x)[0, 0]) for x in (batch["image"], shared["fake"])
    )
    expected = np.log1p(np.exp(-real)) + np.log1p(np.exp(fake))
    assert float(loss) == pytest.approx(expected, rel=1e-4)
    assert not bool(figures["d_swapped"][1])


def test_images_are_generated_from_their_own_key_parts():
    model = built()
    batch = tensors(model)
    shared = model.forward(batch, training=False)
    boxes = model.key_boxes(batch["image"])
    np.testing.assert_array_equal(shared["mask"], proposals.union(boxes, 16, 16))
    noise = 2 * model.noise("latents", (4, model.noise_dim), "uniform") - 1
    parts = proposals.cut(batch["image"], boxes)
    mask, image = model.generate(model.painters, parts, noise)
    np.testing.assert_allclose(shared["fake_mask"], mask, atol=1e-6)
    np.testing.assert_allclose(shared["fake"], image, atol=1e-6)


def test_the_weight_fades_exponentially_and_a_resumed_run_continues(tmp_path):
    model = built(fade_from=1e-2, fade_to=1e-4, fade_steps=4)
    weights = []
    for step in range(6):
        model.step.assign(step)
        weights.append(float(model.fading_weight()))
    assert weights == pytest.approx([1e-2, 10**-2.5, 1e-3, 10**-3.5, 1e-4, 1e-4])
    # Without `fade_steps`, the fade is as long as the run.
    own = built(fade_from=1e-2, fade_to=1e-4)
    own.prepare_run(4, 4)
    own.step.assign(2)
    assert float(own.fading_weight()) == pytest.approx(1e-3)
    model.step.assign(0)
    train(model, make_batch(model, 4), count=3)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert float(loaded.fading_weight()) == pytest.approx(10**-3.5)


def test_wrong_settings_are_refused():
    for wrong in (
        {"image_shape": (24, 24, 3)},
        {"num_parts": 0},
        {"part_sizes": (1, 4)},
        {"fade_to": 0.0},
        {"fade_steps": 0},
    ):
        with pytest.raises(ValueError, match="Expected"):
            built(**wrong)


def test_pictures_show_parts_masks_and_images():
    model = built()
    batch = make_batch(model, 2)
    rows = model.pictures(batch)
    assert rows.shape == (2, 7, 16, 16, 3)
    np.testing.assert_array_equal(rows[:, -1], batch["image"])
    assert set(np.unique(rows[:, 3])) == {-1, 1}
    assert keras_gen.images.grid(rows[0]).shape[-1] == 3
