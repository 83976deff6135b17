"""Entropy, divergences and likelihoods, in nats unless the name says otherwise.

1. Lin, "Divergence Measures Based on the Shannon Entropy", 1991.
2. Goodfellow et al., "Generative Adversarial Networks", 2014.
3. Breuleux, Bengio and Vincent, "Quickly Generating Representative Samples from an
   RBM-Derived Process", 2011 (Parzen-window log-likelihood).
"""

from __future__ import annotations  # `help` shows ArrayLike by its name.

import math

import numpy as np
import scipy.special
import tensorflow as tf
import tensorflow_probability as tfp
from numpy.typing import ArrayLike

from keras_gen.metrics.neighbours import squared_distances

Distribution = tfp.distributions.Distribution

# Histograms.


def _histogram(p):
    p = np.asarray(p, np.float64)
    if p.ndim != 1 or not len(p) or not np.isfinite(p).all() or (p < 0).any():
        raise ValueError("Expected a histogram of numbers of at least 0.")
    if p.sum() == 0:
        raise ValueError("Expected a histogram that is not empty.")
    return p / p.sum()


def entropy(p: ArrayLike) -> float:
    """Entropy, -sum p log p, of a histogram of counts or probabilities."""
    return float(scipy.special.entr(_histogram(p)).sum())


def kl_divergence(p: ArrayLike, q: ArrayLike) -> float:
    """KL(p || q) = sum p log(p / q) of histograms; infinite where only q is 0.

    >>> round(kl_divergence([1, 0], [1, 1]), 4)
    0.6931
    """
    return float(scipy.special.rel_entr(_histogram(p), _histogram(q)).sum())


def js_divergence(p: ArrayLike, q: ArrayLike) -> float:
    """Jensen-Shannon divergence of histograms ([1]), between 0 and log 2."""
    p, q = _histogram(p), _histogram(q)
    middle = (p + q) / 2
    return (kl_divergence(p, middle) + kl_divergence(q, middle)) / 2


# Distributions of TensorFlow Probability.


def monte_carlo_kl(
    p: Distribution, q: Distribution, num_samples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """KL(p || q) between `tfp` distributions, estimated from samples of p.

    Args:
        p: Distribution with a scalar batch.
        q: Distribution with a scalar batch and the event shape of p.
        num_samples: Number of samples; more give a smaller error.
        seed: Seed of the samples.

    Returns:
        The estimate and its standard error.
    """
    points = p.sample(num_samples, seed=tf.constant([seed, 0]))
    return _mean_error(p.log_prob(points) - q.log_prob(points))


def monte_carlo_js(
    p: Distribution, q: Distribution, num_samples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """Jensen-Shannon divergence between `tfp` distributions, estimated from samples.

    The mean of KL(p || m) and KL(q || m), where m is the even mixture of p and q.

    Args:
        p: Distribution with a scalar batch.
        q: Distribution with a scalar batch and the event shape of p.
        num_samples: Number of samples of each; more give a smaller error.
        seed: Seed of the samples.

    Returns:
        The estimate and its standard error.
    """
    from_p = p.sample(num_samples, seed=tf.constant([seed, 0]))
    from_q = q.sample(num_samples, seed=tf.constant([seed, 1]))
    first, first_error = _mean_error(_log_share(p, q, from_p))
    second, second_error = _mean_error(_log_share(q, p, from_q))
    return (first + second) / 2, math.hypot(first_error, second_error) / 2


def _log_share(p, q, points):
    """The logarithm of p / ((p + q) / 2), which is log 2 + log D*."""
    return math.log(2) + tf.math.log_sigmoid(p.log_prob(points) - q.log_prob(points))


def _mean_error(values):
    values = np.asarray(values, np.float64)
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def optimal_discriminator(
    p: Distribution, q: Distribution, points: ArrayLike
) -> np.ndarray:
    """D*(x) = p(x) / (p(x) + q(x)) at points ([2], equation 2), float32 (batch,)."""
    return tf.sigmoid(p.log_prob(points) - q.log_prob(points)).numpy()


def discriminator_js(
    real_logits: ArrayLike, fake_logits: ArrayLike
) -> tuple[float, float]:
    """The Jensen-Shannon divergence that a discriminator has found ([2], theorem 1).

    V(D) = E[log D(x)] + E[log(1 - D(G(z)))] is at most 2 JSD - log 4, and reaches it
    with the optimal discriminator: (V + log 4) / 2 is a lower bound.

    Args:
        real_logits: Logits of real data, of any shape.
        fake_logits: Logits of generated data, of any shape.

    Returns:
        The estimate and its standard error.
    """
    real = -np.logaddexp(0, -np.ravel(np.asarray(real_logits, np.float64)))
    fake = -np.logaddexp(0, np.ravel(np.asarray(fake_logits, np.float64)))
    (first, first_error), (second, second_error) = _mean_error(real), _mean_error(fake)
    value = first + second
    return (value + math.log(4)) / 2, math.hypot(first_error, second_error) / 2


# Likelihoods.


def parzen_log_likelihood(
    samples: ArrayLike, points: ArrayLike, bandwidth: float, block: int = 500
) -> np.ndarray:
    """Log-density of points under a mixture of Gaussians around samples ([3]).

    Args:
        samples: Generated rows, (num_samples, ...).
        points: Real rows, (batch, ...), with as many numbers each.
        bandwidth: Standard deviation of the Gaussians.
        block: Number of points whose distances to all samples are in memory at once.

    Returns:
        float64 (batch,), nats.

    Raises:
        ValueError: For rows of different sizes, or a bandwidth that is not above 0.
    """
    samples = np.reshape(np.asarray(samples, np.float64), (len(samples), -1))
    points = np.reshape(np.asarray(points, np.float64), (len(points), -1))
    if samples.shape[1] != points.shape[1]:
        raise ValueError(
            f"Expected points of {samples.shape[1]} numbers, got {points.shape[1]}."
        )
    if not bandwidth > 0:
        raise ValueError(f"Expected bandwidth > 0, got {bandwidth}.")
    scale = math.log(len(samples)) + samples.shape[1] * math.log(
        bandwidth * math.sqrt(2 * math.pi)
    )
    return np.concatenate(
        [
            scipy.special.logsumexp(
                -squared_distances(points[start : start + block], samples)
                / (2 * bandwidth**2),
                axis=1,
            )
            - scale
            for start in range(0, len(points), block)
        ]
    )


def parzen(
    samples: ArrayLike,
    points: ArrayLike,
    validation: ArrayLike,
    bandwidths: ArrayLike | None = None,
) -> tuple[float, float, float]:
    """Mean Parzen log-likelihood, with a bandwidth chosen on validation data ([3]).

    Args:
        samples: Generated rows, (num_samples, ...).
        points: Real rows that are scored, (batch, ...).
        validation: Other real rows, (batch, ...), for the choice of the bandwidth.
        bandwidths: Bandwidths to choose from; None tries 10 from 0.1 to 1, on a log
            scale.

    Returns:
        The mean in nats, its standard error, and the bandwidth.
    """
    bandwidths = np.logspace(-1, 0, 10) if bandwidths is None else bandwidths
    scores = [parzen_log_likelihood(samples, validation, b).mean() for b in bandwidths]
    best = float(bandwidths[int(np.argmax(scores))])
    mean, error = _mean_error(parzen_log_likelihood(samples, points, best))
    return mean, error, best


def bits_per_dim(nats: float, dimensions: int, levels: int | None = None) -> float:
    """Negative log-likelihood in bits per dimension, from nats per image.

    >>> round(bits_per_dim(784 * math.log(2), 784), 6)  # One bit for each pixel.
    1.0

    Args:
        nats: Negative log-likelihood of an image, -log p.
        dimensions: Numbers in an image: height * width * channels.
        levels: Number of levels of a value, such as 256, if p is a density over
            [-1, 1]: the distance of two levels, 2 / (levels - 1), turns it into a
            probability. None if p is a probability of discrete values.
    """
    bits = nats / (dimensions * math.log(2))
    return bits if levels is None else bits + math.log2((levels - 1) / 2)
