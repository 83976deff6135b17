"""Captions: the text encoder, the matcher, and text to image."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import make_batch, train

import keras_gen
from keras_gen import losses
from keras_gen.core.noise import row_seeds
from keras_gen.layers import TextEncoder
from keras_gen.models import Matcher, TextToImage


def tensors(model, size=4):
    return {key: tf.constant(value) for key, value in make_batch(model, size).items()}


def built(cls, **options):
    model = cls(**{**cls.tiny, **options})
    model.compile(seed=0)
    return model


def test_words_and_their_trigrams_become_rows_of_the_table():
    encoder = TextEncoder(4, buckets=100_000)
    tokens = encoder.tokens(tf.constant(["A cat!", "", "…"]))

    def row(part):
        return int(tf.strings.to_hash_bucket_fast(part, 100_000))

    parts = ["a", "cat", "<a>", "<ca", "cat", "at>"]
    assert sorted(tokens[0].numpy()) == sorted(map(row, parts))
    assert tokens.row_lengths().numpy().tolist() == [6, 0, 0]


def test_case_order_and_punctuation_of_captions_do_not_matter():
    encoder = TextEncoder(4)
    first, second, other, empty = encoder(
        tf.constant(["Red HEART", "heart, red.", "blue heart", ""])
    )
    np.testing.assert_allclose(first, second, atol=1e-5)  # Sums in another order.
    assert not np.allclose(first, other, atol=1e-3)
    assert np.isfinite(empty).all()
    assert encoder(tf.constant(["", ""])).shape == (2, 4)


def test_vectors_of_captions_start_as_large_as_latents():
    # Means of many rows are small: they started at 0.005, beside latents of 1.
    captions = keras_gen.data.faces.load("test[:200]", "faces/personas")["caption"]
    keras.utils.set_random_seed(0)
    deviations = np.std(TextEncoder(128)(tf.constant(captions)), axis=0)
    assert 0.2 < np.mean(deviations) < 2.0


def test_long_captions_are_added_in_float32():
    caption = tf.constant([" ".join(f"word{i}" for i in range(60))])
    vectors = []
    for policy in ("float32", "mixed_bfloat16"):
        keras.utils.set_random_seed(0)
        encoder = TextEncoder(4, dtype=policy)
        encoder.hidden = lambda means: means
        encoder.outer = lambda means: means
        vectors.append(np.array(encoder(caption), np.float32))
    # Two roundings to 8 bits; sums of 60 words in bfloat16 were off by percents.
    np.testing.assert_allclose(vectors[1], vectors[0], rtol=2**-7, atol=1e-6)


def test_similar_words_share_the_rows_of_their_common_trigrams():
    encoder = TextEncoder(4, buckets=100_000)
    tokens = encoder.tokens(tf.constant(["smiling", "smilingly", "potato"]))
    smiling, smilingly, potato = (set(row.numpy()) for row in tokens)
    assert len(smiling & smilingly) == 6  # <sm, smi, mil, ili, lin, ing
    assert not smiling & potato


def test_contrastive_loss_by_hand():
    images = np.array([[1.0, 0.0], [0.6, 0.8]], "float32")
    texts = np.array([[0.0, 1.0], [0.8, 0.6]], "float32")
    scores = np.array([[0.0, 0.8], [0.8, 0.96]]) / 0.5
    rows = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    columns = scores - np.log(np.exp(scores).sum(axis=0, keepdims=True))
    alone = -(np.trace(rows) + np.trace(columns)) / 4
    found = losses.contrastive_loss(images, texts, np.eye(2, dtype=bool), 0.5)
    assert float(found) == pytest.approx(alone, rel=1e-5)
    both = -(rows.mean() + columns.mean()) / 2
    found = losses.contrastive_loss(images, texts, np.ones((2, 2), bool), 0.5)
    assert float(found) == pytest.approx(both, rel=1e-5)


def test_divergence_from_the_standard_gaussian_by_hand():
    mean, log_variance = np.array([[1.0, 0.0]]), np.log(np.array([[1.0, 4.0]]))
    expected = 0.5 + 0.5 * (4 - 1 - np.log(4))
    found = losses.diagonal_gaussian_divergence(mean, log_variance)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_the_matcher_learns_which_caption_belongs_to_which_image():
    model = built(Matcher, units=8, width=4, buckets=512, average=None, shift=0.0)
    levels = np.linspace(-1, 1, 4, dtype="float32")
    images = np.tile(levels[:, None, None, None], (1, 8, 8, 3))
    batch = {"image": images, "caption": np.array(["black", "coal", "ash", "snow"])}
    train(model, batch, count=150)
    scores = [model.match(images, captions=caption) for caption in batch["caption"]]
    assert np.argmax(scores, axis=0).tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(
        (model.features(images) * model.text_features(batch["caption"])).sum(axis=1),
        np.diag(scores),
        atol=1e-5,
    )


# Text to image.


def entropy(logits, real):
    """Mean binary cross-entropy."""
    return np.log1p(np.exp(-logits if real else logits)).mean()


def logits_of(model, images, texts):
    return model.head([model.trunk(images), tf.constant(texts)]).numpy()


def test_wrong_captions_count_half_of_the_negative_pairs():
    model = built(TextToImage, augmentation=())
    batch = tensors(model)
    batch["caption"] = tf.constant(["cat", "dog", "red heart", "hat"])
    loss, figures = model.discriminator_loss(batch, {}, training=False)
    texts = model.encode_captions(batch["caption"]).numpy()
    np.testing.assert_allclose(np.linalg.norm(texts, axis=1), 1, atol=1e-4)
    images, _ = model.draw(texts, training=False)  # The same name gives the same noise.
    right = logits_of(model, batch["image"], texts)
    wrong = logits_of(model, batch["image"], np.roll(texts, 1, axis=0))
    fake = logits_of(model, images, texts)
    negative = (entropy(wrong, False) + entropy(fake, False)) / 2
    assert float(loss) == pytest.approx(entropy(right, True) + negative, rel=1e-4)
    probability = (1 / (1 + np.exp(-wrong))).mean()
    figure, is_any = figures["d_wrong"]
    assert float(figure) == pytest.approx(probability, rel=1e-4)
    assert bool(is_any)


def test_equal_captions_are_never_wrong():
    model = built(TextToImage, augmentation=())
    batch = tensors(model)
    # Rolled by one, the second and the last row's captions have the words of their own,
    # which is all that the encoder sees.
    captions = ["a cat", "Cat, a.", "dog", "Dog!"]
    is_wrong = np.array([True, False, True, False])
    batch["caption"] = tf.constant(captions)
    loss, figures = model.discriminator_loss(batch, {}, training=False)
    texts = model.encode_captions(batch["caption"]).numpy()
    images, _ = model.draw(texts, training=False)
    right = logits_of(model, batch["image"], texts)
    wrong = logits_of(model, batch["image"], np.roll(texts, 1, axis=0))[is_wrong]
    fake = logits_of(model, images, texts)
    negative = (entropy(wrong, False) + entropy(fake, False)) / 2
    assert float(loss) == pytest.approx(entropy(right, True) + negative, rel=1e-4)
    figure, is_any = figures["d_wrong"]
    assert float(figure) == pytest.approx((1 / (1 + np.exp(-wrong))).mean(), rel=1e-4)


@pytest.mark.parametrize("captions", [["cat"], ["cat", "cat", "cat"]])
def test_a_batch_without_wrong_captions_trains_none_as_wrong(captions):
    model = built(TextToImage, augmentation=())
    batch = tensors(model, len(captions))
    batch["caption"] = tf.constant(captions)
    loss, figures = model.discriminator_loss(batch, {}, training=False)
    texts = model.encode_captions(batch["caption"]).numpy()
    images, _ = model.draw(texts, training=False)
    right, fake = (logits_of(model, x, texts) for x in (batch["image"], images))
    # Generated ones count in place of wrong ones.
    expected = entropy(right, True) + entropy(fake, False)
    assert float(loss) == pytest.approx(expected, rel=1e-4)
    assert not bool(figures["d_wrong"][1])


def test_a_batch_without_wrong_captions_does_not_count_in_the_logs():
    model = built(TextToImage, augmentation=())
    logs = []
    for captions in (["cat", "dog"], ["cat", "cat"]):
        batch = tensors(model, 2)
        batch["caption"] = tf.constant(captions)
        model.test_step(batch)
        logs.append(float(model._results()["d_wrong"]))
    assert logs[0] > 0 and logs[1] == pytest.approx(logs[0], rel=1e-6)


def test_the_generators_loss_includes_points_between_two_captions():
    model = built(
        TextToImage, augmentation=(), interpolation_weight=3.0, divergence_weight=0.5
    )
    batch = tensors(model)
    loss, figures = model.generator_loss(batch, {}, training=False)
    texts = model.encode_captions(batch["caption"]).numpy()
    between = texts + np.roll(texts, 2, axis=0)
    between /= np.linalg.norm(between, axis=1, keepdims=True)
    texts = np.concatenate([texts, between])
    images, divergence = model.draw(texts, training=False)
    assert float(figures["divergence"]) == pytest.approx(float(divergence), rel=1e-5)
    logits = logits_of(model, images, texts)
    expected = entropy(logits[:4], True) + 3 * entropy(logits[4:], True)
    expected += 0.5 * float(divergence)
    assert float(loss) == pytest.approx(expected, rel=1e-4)


def test_captions_reach_the_other_players_as_constants():
    model = built(TextToImage)
    batch = tensors(model)
    encoder = model.text_encoder.trainable_variables
    for player in ("discriminator", "generator"):
        with tf.GradientTape() as tape:
            loss, _ = model.players()[player].loss(batch, {}, training=True)
        assert tape.gradient(loss, encoder) == [None] * len(encoder)


def test_conditions_are_drawn_around_the_caption():
    model = built(TextToImage)
    noise = np.random.default_rng(0).normal(size=(5, 6)).astype("float32")
    mean, log_variance = np.full((5, 3), 2.0), np.full((5, 3), np.log(9.0))
    latents = model.latents(noise, mean.astype("float32"), log_variance)
    np.testing.assert_allclose(latents[:, :3], noise[:, :3])
    np.testing.assert_allclose(latents[:, 3:], 2 + 3 * noise[:, 3:], atol=1e-5)


def test_captions_are_sampled_by_string():
    model = built(TextToImage)
    captions = ["a red heart", "Grinning face!"]
    drawn = model.sample(captions=captions, seed=0)
    assert drawn.shape == (2, 16, 16, 3)
    np.testing.assert_allclose(drawn, model.sample(2, 0, captions=captions), atol=1e-6)
    same = model.sample(2, seed=[5, 5], captions="cat")
    np.testing.assert_allclose(same[0], same[1], atol=1e-6)
    assert not np.allclose(drawn, model.sample(captions=captions, seed=1))
    assert model.sample(3, seed=0).shape == (3, 16, 16, 3)  # From the prompts.
    with pytest.raises(ValueError, match="number of rows, or conditions"):
        model.sample(captions="cat")
    with pytest.raises(ValueError, match="equal numbers of rows"):
        model.sample(3, captions=captions)


def test_captions_go_through_files_and_servers_as_strings(tmp_path):
    model = built(TextToImage)
    train(model, make_batch(model, 4), count=2)
    captions = ["smiling cat", "ÜBER-heart", ""]
    drawn = model.sample(captions=captions, seed=3)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        drawn, loaded.sample(captions=captions, seed=3), atol=1e-5
    )
    path = keras_gen.export.save(model, tmp_path / "serving")
    served = tf.saved_model.load(str(path)).signatures["sample"]
    answer = served(
        captions=tf.constant(captions),
        seed=tf.constant(row_seeds(3, 3)),
    )
    np.testing.assert_allclose(drawn, answer["images"], atol=1e-5)


def test_pictures_show_an_image_and_drawings_of_its_caption():
    model = built(TextToImage)
    batch = make_batch(model, 3)
    rows = model.pictures(batch)
    assert rows.shape == (3, 6, 16, 16, 3)
    np.testing.assert_array_equal(rows[:, 0], batch["image"])
