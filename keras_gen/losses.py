"""Losses as pure functions: logits and images in, a float32 batch mean out.

Adversarial losses come in pairs, one for each side of the game, under the names that
models take as `loss=`. Logits are a discriminator's or critic's last layer without
activation, any shape.

1. Goodfellow et al., "Generative Adversarial Networks", 2014.
2. Mao et al., "Least Squares Generative Adversarial Networks", 2017.
3. Lim and Ye, "Geometric GAN", 2017 (hinge).
4. Arjovsky et al., "Wasserstein GAN", 2017.
5. Gulrajani et al., "Improved Training of Wasserstein GANs", 2017.
6. Mescheder et al., "Which Training Methods for GANs do actually Converge?", 2018.
7. Salimans et al., "Improved Techniques for Training GANs", 2016 (label smoothing).
8. Reed et al., "Learning Deep Representations of Fine-grained Visual Descriptions",
   2016; Radford et al., "Learning Transferable Visual Models From Natural Language
   Supervision", 2021 (images and texts).
9. Rahman and Wang, "Optimizing Intersection-Over-Union in Deep Neural Networks for
   Image Segmentation", 2016.
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf
from keras import ops


def _mean(values):
    return ops.mean(ops.cast(values, "float32"))


def binary_discriminator_loss(real_logits, fake_logits, label_smoothing=0.0):
    """Binary cross-entropy of real against fake ([1], equation 1, negated).

    Args:
        real_logits: Logits of real images.
        fake_logits: Logits of generated images.
        label_smoothing: What the target of real images lies below 1 ([7], one-sided:
            fakes keep target 0).

    Returns:
        Scalar, at least 0 and 2 log 2 where the discriminator is undecided.
    """
    target = 1.0 - label_smoothing
    real = target * ops.softplus(-real_logits) + (1 - target) * ops.softplus(
        real_logits
    )
    return _mean(real) + _mean(ops.softplus(fake_logits))


def minimax_generator_loss(fake_logits):
    """E[log(1 - D(G(z)))] ([1], equation 1): weak gradients while D wins."""
    return -_mean(ops.softplus(fake_logits))


def non_saturating_generator_loss(fake_logits):
    """E[-log D(G(z))] ([1], section 3): strong gradients while D wins."""
    return _mean(ops.softplus(-fake_logits))


def least_squares_discriminator_loss(real_logits, fake_logits, label_smoothing=0.0):
    """Half the squared distance to 1 for real and 0 for fake ([2], equation 9)."""
    real = ops.square(real_logits - (1.0 - label_smoothing))
    return 0.5 * (_mean(real) + _mean(ops.square(fake_logits)))


def least_squares_generator_loss(fake_logits):
    """Half the squared distance to 1 ([2], equation 9)."""
    return 0.5 * _mean(ops.square(fake_logits - 1.0))


def hinge_discriminator_loss(real_logits, fake_logits, label_smoothing=0.0):
    """Margin of 1 on either side ([3], equation 14), `1 - label_smoothing` for real."""
    real = ops.relu(1.0 - label_smoothing - real_logits)
    return _mean(real) + _mean(ops.relu(1.0 + fake_logits))


def wasserstein_critic_loss(real_logits, fake_logits, label_smoothing=0.0):
    """E[C(fake)] - E[C(real)]: minus the estimated distance ([4], equation 2).

    Raises:
        ValueError: With label smoothing, which has no meaning for a critic.
    """
    if label_smoothing:
        raise ValueError(
            "Expected label_smoothing=0 with loss='wasserstein' (a critic has no "
            f"labels), got {label_smoothing}."
        )
    return _mean(fake_logits) - _mean(real_logits)


def critic_generator_loss(fake_logits):
    """-E[C(G(z))] ([3], equation 15; [4], equation 3)."""
    return -_mean(fake_logits)


@dataclasses.dataclass(frozen=True)
class AdversarialLoss:
    """Both sides of the game, and how to read the discriminator's logits."""

    discriminator: Callable  # (real_logits, fake_logits, label_smoothing): scalar.
    generator: Callable  # (fake_logits): scalar.
    verdict: Callable  # What logs show as D(x): 1/2 is undecided where bounded.


def _identity(logits):
    return logits


ADVERSARIAL = {
    "minimax": AdversarialLoss(
        binary_discriminator_loss, minimax_generator_loss, ops.sigmoid
    ),
    "non_saturating": AdversarialLoss(
        binary_discriminator_loss, non_saturating_generator_loss, ops.sigmoid
    ),
    "least_squares": AdversarialLoss(
        least_squares_discriminator_loss, least_squares_generator_loss, _identity
    ),
    "hinge": AdversarialLoss(
        hinge_discriminator_loss, critic_generator_loss, _identity
    ),
    "wasserstein": AdversarialLoss(
        wasserstein_critic_loss, critic_generator_loss, _identity
    ),
}


def adversarial(name):
    """The `AdversarialLoss` of a name; ValueError with the names that there are."""
    if name not in ADVERSARIAL:
        raise ValueError(f"Expected a loss of {list(ADVERSARIAL)}, got {name!r}.")
    return ADVERSARIAL[name]


def _input_gradient_norms(network, images):
    """Squared L2 norm of d network / d image for each image, float32 (batch,)."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = ops.sum(ops.cast(network(images), "float32"))
    gradients = ops.cast(tape.gradient(outputs, images), "float32")
    return ops.sum(ops.square(gradients), axis=tuple(range(1, len(images.shape))))


def gradient_penalty(critic, real, fake, mix):
    """E[(|grad C(x)| - 1)^2] on lines between real and fake ([5], equation 3).

    Args:
        critic: Function of images, called with gradients recorded.
        real: float32 (batch, ...), real images.
        fake: float32 (batch, ...), generated images.
        mix: float32 (batch,), uniform in [0, 1]: the place of x on each line.

    Returns:
        Scalar, unweighted; [5] weighs it by 10.
    """
    mix = ops.reshape(mix, (-1,) + (1,) * (len(real.shape) - 1))
    between = tf.stop_gradient(mix * real + (1.0 - mix) * fake)
    squares = _input_gradient_norms(critic, between)
    # The root has no derivative at 0.
    return _mean(ops.square(ops.sqrt(squares + 1e-12) - 1.0))


def r1_penalty(discriminator, real):
    """E[|grad D(x)|^2] / 2 on real images ([6], equation 9), unweighted."""
    return 0.5 * _mean(_input_gradient_norms(discriminator, real))


def contrastive_loss(first, second, same, temperature):
    """How hard it is to find each one's partner among the batch's, both ways ([8]).

    Args:
        first: float32 (batch, numbers), of length 1: an image each.
        second: The same, of their texts.
        same: Boolean (batch, batch): whether i and j are partners, as equal texts are.
        temperature: That cosines are divided by.

    Returns:
        Scalar, the mean of two cross-entropies in nats.
    """
    logits = ops.matmul(first, ops.transpose(second)) / temperature
    right = ops.cast(same, "float32")
    total = 0.0
    for scores, hits in (
        (logits, right),
        (ops.transpose(logits), ops.transpose(right)),
    ):
        targets = hits / ops.sum(hits, axis=-1, keepdims=True)
        total += -_mean(ops.sum(targets * ops.log_softmax(scores), axis=-1))
    return 0.5 * total


def jaccard_distance(predicted, true):
    """1 less the intersection over union of masks ([9], equation 4), by row.

    Where `true` is 0 or 1 that is their L1 distance, as a share of their union.

    Args:
        predicted: float32 (batch, height, width, 1), in [0, 1].
        true: The same; no row is empty.

    Returns:
        float32 (batch,), in [0, 1].
    """
    distance = ops.sum(ops.abs(predicted - true), axis=(1, 2, 3))
    return distance / ops.sum(ops.maximum(predicted, true), axis=(1, 2, 3))


def diagonal_gaussian_divergence(mean, log_variance):
    """KL(N(mean, variance) || N(0, 1)) in nats: summed over numbers, batch mean."""
    terms = ops.square(mean) + ops.exp(log_variance) - 1.0 - log_variance
    return _mean(0.5 * ops.sum(terms, axis=-1))
