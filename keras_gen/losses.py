"""Losses as pure functions of logits, images or vectors; batch means in float32.

Adversarial losses come in pairs, one for the discriminator and one for the generator,
under the names that models take as `loss=`. Logits are the outputs of a discriminator's
or critic's last layer, without activation, of any shape.

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
from typing import Literal

import tensorflow as tf
from keras import ops

from keras_gen.distribute import mean_over_replicas


def _mean(values):
    return ops.mean(ops.cast(values, "float32"))


def mean_of(values, chosen) -> tf.Tensor:
    """The mean over the chosen rows, in float32; 0 if no row is chosen.

    With several replicas, the mean of their results is the mean over the chosen rows of
    the whole batch, however many of them a replica has.

    >>> values = ops.convert_to_tensor([[1.0], [2.0], [6.0]])
    >>> float(mean_of(values, ops.convert_to_tensor([True, False, True])))
    3.5

    Args:
        values: Values of rows, (batch, ...).
        chosen: Boolean (batch,), whether a row is in the mean.
    """
    values = ops.cast(values, "float32")
    rows = ops.mean(ops.reshape(values, (ops.shape(values)[0], -1)), axis=-1)
    count = mean_over_replicas(ops.sum(ops.cast(chosen, "float32")))
    # With several replicas, a count that is not 0 may be below 1.
    return ops.sum(ops.where(chosen, rows, 0.0)) / ops.maximum(count, 1e-6)


def any_of(chosen) -> tf.Tensor:
    """True if a row of the whole batch is chosen, in any replica.

    >>> bool(any_of(ops.convert_to_tensor([False, True])))
    True

    Args:
        chosen: Boolean (batch,), whether a row is chosen.
    """
    return mean_over_replicas(ops.mean(ops.cast(chosen, "float32"))) > 0


# Adversarial losses.


def binary_discriminator_loss(
    real_logits, fake_logits, label_smoothing: float = 0.0
) -> tf.Tensor:
    """Binary cross-entropy of real against generated images ([1], equation 1, negated).

    >>> loss = binary_discriminator_loss(ops.zeros((4, 1)), ops.zeros((4, 1)))
    >>> round(float(loss), 4)
    1.3863

    Args:
        real_logits: Logits of real images.
        fake_logits: Logits of generated images.
        label_smoothing: Amount subtracted from the real-image target of 1. The target
            of generated images stays 0 ([7], one-sided).

    Returns:
        Scalar, at least 0; 2 log 2 if the discriminator is undecided.
    """
    target = 1.0 - label_smoothing
    real = target * ops.softplus(-real_logits) + (1 - target) * ops.softplus(
        real_logits
    )
    return _mean(real) + _mean(ops.softplus(fake_logits))


def minimax_generator_loss(fake_logits) -> tf.Tensor:
    """E[log(1 - D(G(z)))] ([1], equation 1): weak gradients while D wins."""
    return -_mean(ops.softplus(fake_logits))


def non_saturating_generator_loss(fake_logits) -> tf.Tensor:
    """E[-log D(G(z))] ([1], section 3): strong gradients while D wins."""
    return _mean(ops.softplus(-fake_logits))


def least_squares_discriminator_loss(
    real_logits, fake_logits, label_smoothing: float = 0.0
) -> tf.Tensor:
    """Half the squared distances of outputs from 1 (real) and 0 (fake) ([2], eq. 9).

    Args:
        real_logits: Outputs for real images.
        fake_logits: Outputs for generated images.
        label_smoothing: Amount subtracted from the real-image target of 1.
    """
    real = ops.square(real_logits - (1.0 - label_smoothing))
    return 0.5 * (_mean(real) + _mean(ops.square(fake_logits)))


def least_squares_generator_loss(fake_logits) -> tf.Tensor:
    """Half the squared distance of outputs from 1 ([2], equation 9)."""
    return 0.5 * _mean(ops.square(fake_logits - 1.0))


def hinge_discriminator_loss(
    real_logits, fake_logits, label_smoothing: float = 0.0
) -> tf.Tensor:
    """Shortfall of logits from a margin of 1 on either side of 0 ([3], equation 14).

    Args:
        real_logits: Logits of real images.
        fake_logits: Logits of generated images.
        label_smoothing: Amount subtracted from the margin of real images.
    """
    real = ops.relu(1.0 - label_smoothing - real_logits)
    return _mean(real) + _mean(ops.relu(1.0 + fake_logits))


def wasserstein_critic_loss(
    real_logits, fake_logits, label_smoothing: float = 0.0
) -> tf.Tensor:
    """E[C(fake)] - E[C(real)]: minus the estimated distance ([4], equation 2).

    Args:
        real_logits: The critic's outputs for real images.
        fake_logits: The critic's outputs for generated images.
        label_smoothing: Must be 0, since a critic's outputs have no target.

    Raises:
        ValueError: If there is label smoothing.
    """
    if label_smoothing:
        raise ValueError(
            "Expected label_smoothing=0 with loss='wasserstein' (a critic has no "
            f"labels), got {label_smoothing}."
        )
    return _mean(fake_logits) - _mean(real_logits)


def critic_generator_loss(fake_logits) -> tf.Tensor:
    """-E[C(G(z))] ([3], equation 15; [4], equation 3)."""
    return -_mean(fake_logits)


@dataclasses.dataclass(frozen=True)
class AdversarialLoss:
    """The losses of both players, and the meaning of the discriminator's logits.

    Attributes:
        discriminator: Function `discriminator(real_logits, fake_logits,
            label_smoothing)` to a scalar.
        generator: Function `generator(fake_logits)` to a scalar.
        verdict: Function from logits to the D(x) in the logs: probabilities if the loss
            defines them, so that 1/2 is undecided, else the logits.
    """

    discriminator: Callable
    generator: Callable
    verdict: Callable


def _identity(logits):
    return logits


AdversarialName = Literal[
    "minimax", "non_saturating", "least_squares", "hinge", "wasserstein"
]
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


def adversarial(name: str) -> AdversarialLoss:
    """The pair of losses with the given name.

    >>> pair = adversarial("hinge")
    >>> float(pair.generator(ops.convert_to_tensor([[2.0], [0.0]])))
    -1.0

    Args:
        name: One of "minimax", "non_saturating", "least_squares", "hinge" and
            "wasserstein".

    Raises:
        ValueError: For another name.
    """
    if name not in ADVERSARIAL:
        raise ValueError(f"Expected a loss of {list(ADVERSARIAL)}, got {name!r}.")
    return ADVERSARIAL[name]


# Penalties on the discriminator's gradient.


def _squared_gradient_norms(network, images):
    """Squared L2 norm of d network / d image for each image, float32 (batch,)."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = ops.sum(ops.cast(network(images), "float32"))
    gradients = ops.cast(tape.gradient(outputs, images), "float32")
    return ops.sum(ops.square(gradients), axis=tuple(range(1, len(images.shape))))


def gradient_penalty(critic: Callable, real, fake, mix) -> tf.Tensor:
    """E[(|grad C(x)| - 1)^2] on lines between real and fake ([5], equation 3).

    Args:
        critic: Function from images to outputs, called with gradients recorded.
        real: Real images, float32 (batch, ...).
        fake: Generated images, float32 (batch, ...).
        mix: Share of the real image in x, float32 (batch,), uniform in [0, 1].

    Returns:
        Scalar, unweighted; the weight in [5] is 10.
    """
    mix = ops.reshape(mix, (-1,) + (1,) * (len(real.shape) - 1))
    between = tf.stop_gradient(mix * real + (1.0 - mix) * fake)
    squares = _squared_gradient_norms(critic, between)
    # The root has no derivative at 0.
    return _mean(ops.square(ops.sqrt(squares + 1e-12) - 1.0))


def r1_penalty(discriminator: Callable, real) -> tf.Tensor:
    """E[|grad D(x)|^2] / 2 on real images ([6], equation 9).

    Args:
        discriminator: Function from images to logits, called with gradients recorded.
        real: Real images, float32 (batch, ...).

    Returns:
        Scalar, unweighted.
    """
    return 0.5 * _mean(_squared_gradient_norms(discriminator, real))


# Classes.


def cross_entropy(logits, labels) -> tf.Tensor:
    """Cross-entropy of class logits, in nats for each row.

    Args:
        logits: Logits of the classes, float32 (batch, num_classes).
        labels: The true classes, int (batch,); -1 if unknown.

    Returns:
        float32 (batch,); 0 where the class is unknown.
    """
    targets = ops.one_hot(labels, logits.shape[-1], dtype="float32")
    return -ops.sum(targets * ops.log_softmax(logits), axis=-1)


# Images and texts.


def contrastive_loss(first, second, same, temperature: float) -> tf.Tensor:
    """Cross-entropy of finding partners within the batch, in both directions ([8]).

    Args:
        first: Vectors of images, float32 (batch, numbers), of length 1.
        second: Vectors of their texts, float32 (batch, numbers), of length 1.
        same: Boolean, whether image i and text j are partners, boolean (batch, batch).
            Equal texts are partners of the same images.
        temperature: Divisor of cosines, above 0.

    Returns:
        Scalar, the mean of the cross-entropies of both directions, in nats.
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


def matching_loss(images, texts, keys, temperature: float) -> tuple:
    """The contrastive loss of images and their captions, and the share of matches.

    Args:
        images: Vectors of images, float32 (batch, numbers), of length 1.
        texts: Vectors of their captions, float32 (batch, numbers), of length 1.
        keys: Numbers of the captions, int (batch,). If several are equal, each of those
            captions is right. Of several replicas, each compares its own rows alone.
        temperature: Divisor of cosines, above 0.

    Returns:
        The loss, a scalar in nats; and the share of images whose nearest caption is
        right.
    """
    same = ops.equal(keys[:, None], keys[None])
    nearest = ops.argmax(ops.matmul(images, ops.transpose(texts)), axis=-1)
    right = tf.gather(same, nearest, axis=1, batch_dims=1)
    return contrastive_loss(images, texts, same, temperature), _mean(right)


# Masks and distributions.


def jaccard_distance(predicted, true) -> tf.Tensor:
    """1 minus the intersection over union of masks ([9], equation 4), for each row.

    If all values of `true` are 0 or 1, this is the masks' L1 distance divided by the
    area of their union.

    >>> predicted = ops.reshape(ops.convert_to_tensor([1.0, 1.0, 0.0]), (1, 1, 3, 1))
    >>> true = ops.reshape(ops.convert_to_tensor([0.0, 1.0, 1.0]), (1, 1, 3, 1))
    >>> round(float(jaccard_distance(predicted, true)[0]), 4)
    0.6667

    Args:
        predicted: Predicted masks, float32 (batch, height, width, 1), in [0, 1].
        true: True masks of the same shape and range, none of them empty.

    Returns:
        float32 (batch,), in [0, 1].
    """
    distance = ops.sum(ops.abs(predicted - true), axis=(1, 2, 3))
    return distance / ops.sum(ops.maximum(predicted, true), axis=(1, 2, 3))


def diagonal_gaussian_divergence(mean, log_variance) -> tf.Tensor:
    """KL(N(mean, variance) || N(0, 1)) in nats, summed over dimensions; batch mean.

    >>> float(diagonal_gaussian_divergence(ops.ones((5, 2)), ops.zeros((5, 2))))
    1.0

    Args:
        mean: Means, float32 (batch, numbers).
        log_variance: Logarithms of the variances, float32 (batch, numbers).
    """
    terms = ops.square(mean) + ops.exp(log_variance) - 1.0 - log_variance
    return _mean(0.5 * ops.sum(terms, axis=-1))


def mean_squared_error(outputs, images):
    """Mean squared error per pixel and image, in the units of the images.

    Args:
        outputs: Images of any float type, (batch, ...).
        images: Target images, float32, whose shape broadcasts to that of the outputs.
    """
    return ops.mean(ops.square(ops.cast(outputs, "float32") - images))
