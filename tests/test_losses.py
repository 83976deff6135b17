"""Losses against numbers computed by hand."""

import math

import numpy as np
import pytest
import tensorflow as tf

from keras_gen import losses

REAL = tf.constant([[1.0], [3.0]])
FAKE = tf.constant([[-2.0], [0.0]])


def softplus(x):
    return math.log1p(math.exp(x))


def sides(name, label_smoothing=0.0):
    pair = losses.adversarial(name)
    return (
        float(pair.discriminator(REAL, FAKE, label_smoothing)),
        float(pair.generator(FAKE)),
    )


def test_binary_losses():
    critic = (softplus(-1) + softplus(-3)) / 2 + (softplus(-2) + softplus(0)) / 2
    saturating = -(softplus(-2) + softplus(0)) / 2
    assert sides("minimax") == pytest.approx((critic, saturating))
    strong = (softplus(2) + softplus(0)) / 2
    assert sides("non_saturating") == pytest.approx((critic, strong))


def test_the_loss_of_an_undecided_discriminator_is_two_log_two():
    zero = tf.zeros((4, 1))
    loss = losses.binary_discriminator_loss(zero, zero)
    assert float(loss) == pytest.approx(2 * math.log(2))


def test_label_smoothing_changes_the_real_target_alone():
    loss = losses.binary_discriminator_loss(REAL, FAKE, 0.1)
    real = [0.9 * softplus(-x) + 0.1 * softplus(x) for x in (1, 3)]
    fake = (softplus(-2) + softplus(0)) / 2
    assert float(loss) == pytest.approx(sum(real) / 2 + fake)
    # The best probability for real images is the smoothed target.
    logits = tf.Variable([[2.0]])
    with tf.GradientTape() as tape:
        target = math.log(0.9 / 0.1)
        loss = losses.binary_discriminator_loss(logits - 2 + target, FAKE, 0.1)
    assert float(tape.gradient(loss, logits)[0, 0]) == pytest.approx(0, abs=1e-6)


def test_least_squares():
    assert sides("least_squares") == pytest.approx((0.5 * (2 + 2), 0.5 * (9 + 1) / 2))
    assert sides("least_squares", 0.5)[0] == pytest.approx(
        0.5 * ((0.25 + 6.25) / 2 + 2)
    )


def test_hinge():
    # The margin holds for real 1 and 3 and for fake -2; fake 0 falls short by 1.
    assert sides("hinge") == pytest.approx((0.5, 1.0))
    loss = losses.hinge_discriminator_loss(tf.constant([[0.5]]), FAKE)
    assert float(loss) == pytest.approx(0.5 + 0.5)


def test_wasserstein():
    assert sides("wasserstein") == pytest.approx((-1 - 2, 1.0))
    with pytest.raises(ValueError, match="label_smoothing=0"):
        sides("wasserstein", 0.1)


def test_the_error_for_an_unknown_loss_names_the_known_ones():
    with pytest.raises(ValueError, match="non_saturating"):
        losses.adversarial("nonsaturating")


def test_gradient_penalty_of_a_linear_critic_by_hand():
    slope = tf.reshape(tf.constant([3.0, 4.0, 0.0, 0.0]), (1, 2, 2, 1))

    def critic(images):
        return tf.reduce_sum(images * slope, axis=(1, 2, 3))

    real, fake = tf.ones((5, 2, 2, 1)), tf.zeros((5, 2, 2, 1))
    penalty = losses.gradient_penalty(critic, real, fake, tf.linspace(0.0, 1.0, 5))
    assert float(penalty) == pytest.approx((5 - 1) ** 2)
    assert float(losses.r1_penalty(critic, real)) == pytest.approx(25 / 2)


def test_gradient_penalty_is_taken_between_real_and_fake():
    inputs = []

    def critic(images):
        inputs.append(images.numpy().ravel().tolist())
        return tf.reduce_sum(images**2, axis=(1, 2, 3))

    real, fake = tf.fill((2, 1, 1, 1), 4.0), tf.fill((2, 1, 1, 1), 2.0)
    penalty = losses.gradient_penalty(critic, real, fake, tf.constant([0.0, 0.75]))
    assert inputs == [[2.0, 3.5]]
    assert float(penalty) == pytest.approx(((4 - 1) ** 2 + (7 - 1) ** 2) / 2)


def test_penalties_have_gradients_with_respect_to_the_weights():
    weight = tf.Variable(2.0)
    images = tf.ones((3, 2, 2, 1))
    with tf.GradientTape() as tape:
        penalty = losses.r1_penalty(
            lambda x: weight * tf.reduce_sum(x, axis=(1, 2, 3)), images
        )
    # w^2 * 4 pixels / 2; its derivative is 4 w.
    assert float(penalty) == pytest.approx(8.0)
    assert float(tape.gradient(penalty, weight)) == pytest.approx(8.0)


def test_losses_are_float32_for_half_precision_logits():
    for pair in losses.ADVERSARIAL.values():
        half = tf.cast(REAL, tf.float16)
        assert pair.discriminator(half, half, 0.0).dtype == tf.float32
        assert pair.generator(half).dtype == tf.float32
    assert np.isfinite(sides("minimax")).all()


def test_jaccard_distance_is_one_minus_the_intersection_over_union():
    true = np.zeros((3, 2, 4, 1), "float32")
    true[:, :, :2] = 1
    predicted = np.zeros_like(true)
    predicted[1, :, 1:3] = 1
    predicted[2, :, :2] = 0.5
    found = losses.jaccard_distance(predicted, true)
    np.testing.assert_allclose(found, [1, 1 - 2 / 6, 0.5], rtol=1e-6)
    assert float(losses.jaccard_distance(true, true)[0]) == 0


def test_matching_loss_counts_images_whose_nearest_caption_is_right():
    images = tf.constant([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    texts = tf.constant([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    keys = tf.constant([7, 7, 2])  # Of "cat", "cat" and "dog".
    loss, right = losses.matching_loss(images, texts, keys, 0.5)
    # Nearest are "dog", "cat" and "cat": the second image is right.
    assert float(right) == pytest.approx(1 / 3)
    same = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]], bool)
    expected = losses.contrastive_loss(images, texts, same, 0.5)
    assert float(loss) == pytest.approx(float(expected))


# Means over chosen rows.


def test_the_mean_over_chosen_rows_by_hand():
    values = tf.constant([[1.0, 3.0], [9.0, 9.0], [4.0, 8.0]])
    chosen = tf.constant([True, False, True])
    assert float(losses.mean_of(values, chosen)) == pytest.approx(4.0)
    assert bool(losses.any_of(chosen))
    none = tf.zeros(3, bool)
    assert float(losses.mean_of(values, none)) == 0 and not bool(losses.any_of(none))
    # A row that is left out may be infinite.
    values = tf.constant([1.0, np.inf, 3.0])
    assert float(losses.mean_of(values, chosen)) == pytest.approx(2.0)


@pytest.mark.parametrize(
    "rows", [[True, True, True, False], [False, False, True, False]]
)
def test_the_mean_over_chosen_rows_is_that_of_the_batch_of_all_replicas(
    rows, two_replicas
):
    values = np.array([1.0, 2.0, 6.0, 50.0], np.float32)

    def step():
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        part = tf.range(2) + 2 * replica
        chosen = tf.gather(tf.constant(rows), part)
        mean = losses.mean_of(tf.gather(tf.constant(values), part), chosen)
        return mean, tf.cast(losses.any_of(chosen), tf.float32)

    means, found = two_replicas.run(tf.function(step))
    # A step takes the mean of the losses of replicas.
    mean = two_replicas.reduce("MEAN", means, axis=None)
    assert float(mean) == pytest.approx(values[rows].mean(), rel=1e-6)
    assert two_replicas.experimental_local_results(found) == (1.0, 1.0)
