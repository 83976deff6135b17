"""Entropy, divergences and likelihoods, in nats unless the name says otherwise.

1. Lin, "Divergence Measures Based on the Shannon Entropy", 1991.
2. Goodfellow et al., "Generative Adversarial Networks", 2014.
3. Breuleux, Bengio and Vincent, "Quickly Generating Representative Samples from an
   RBM-Derived Process", 2011 (Parzen-window log-likelihood).
"""

import math

import numpy as np
import scipy.special
import tensorflow as tf

from keras_gen.metrics.neighbours import squared_distances

# Histograms.


def _histogram(p):
    p = np.asarray(p, np.float64)
    if p.ndim != 1 or not len(p) or not np.isfinite(p).all() or (p < 0).any():
        raise ValueError("Expected a histogram of numbers of at least 0.")
    if p.sum() == 0:
        raise ValueError("Expected a histogram that is not empty.")
    return p / p.sum()


def entropy(p) -> float:
    """-sum p log p of a histogram (counts or probabilities)."""
    return float(scipy.special.entr(_histogram(p)).sum())


def kl_divergence(p, q) -> float:
    """Sum p log(p / q) of histograms; infinite where p is and q is not."""
    return float(scipy.special.rel_entr(_histogram(p), _histogram(q)).sum())


def js_divergence(p, q) -> float:
    """Jensen-Shannon divergence ([1]), between 0 and log 2."""
    p, q = _histogram(p), _histogram(q)
    middle = (p + q) / 2
    return (kl_divergence(p, middle) + kl_divergence(q, middle)) / 2


# Distributions of tfp.


def monte_carlo_kl(p, q, num_samples=10_000, seed=0):
    """KL(p || q) between `tfp` distributions, by samples of p.

    Args:
        p: A scalar-batch distribution.
        q: Another with the same event shape.
        num_samples: More give a smaller error.
        seed: Of the samples.

    Returns:
        The estimate and its standard error.
    """
    points = p.sample(num_samples, seed=tf.constant([seed, 0]))
    return _mean_error(p.log_prob(points) - q.log_prob(points))


def monte_carlo_js(p, q, num_samples=10_000, seed=0):
    """The Jensen-Shannon divergence between `tfp` distributions; see `monte_carlo_kl`.

    Half of KL(p || m) and of KL(q || m), m the even mixture.
    """
    from_p = p.sample(num_samples, seed=tf.constant([seed, 0]))
    from_q = q.sample(num_samples, seed=tf.constant([seed, 1]))
    first, first_error = _mean_error(_log_share(p, q, from_p))
    second, second_error = _mean_error(_log_share(q, p, from_q))
    return (first + second) / 2, math.hypot(first_error, second_error) / 2


def _log_share(p, q, points):
    """The logarithm of p / ((p + q) / 2), log 2 + log D*."""
    return math.log(2) + tf.math.log_sigmoid(p.log_prob(points) - q.log_prob(points))


def _mean_error(values):
    values = np.asarray(values, np.float64)
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def optimal_discriminator(p, q, points):
    """D*(x) = p(x) / (p(x) + q(x)) ([2], equation 2), float32 (batch,)."""
    return tf.sigmoid(p.log_prob(points) - q.log_prob(points)).numpy()


def discriminator_js(real_logits, fake_logits):
    """The Jensen-Shannon divergence that a discriminator has found ([2], theorem 1).

    V(D) = E[log D(x)] + E[log(1 - D(G(z)))] is at most 2 JSD - log 4, and reaches it
    with the optimal discriminator: (V + log 4) / 2 is a lower bound.

    Args:
        real_logits: Of real data, any shape.
        fake_logits: Of generated data.

    Returns:
        The estimate and its standard error.
    """
    real = -np.logaddexp(0, -np.ravel(np.asarray(real_logits, np.float64)))
    fake = -np.logaddexp(0, np.ravel(np.asarray(fake_logits, np.float64)))
    (first, first_error), (second, second_error) = _mean_error(real), _mean_error(fake)
    value = first + second
    return (value + math.log(4)) / 2, math.hypot(first_error, second_error) / 2


# Likelihoods.


def parzen_log_likelihood(samples, points, bandwidth, block=500):
    """Log-density of points under Gaussians around samples ([3]).

    Args:
        samples: (num_samples, dimensions), generated.
        points: (batch, dimensions), real.
        bandwidth: Deviation of the Gaussians.
        block: Points whose distances to all samples are held at once.

    Returns:
        float64 (batch,), nats.
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


def parzen(samples, points, validation, bandwidths=None):
    """Mean Parzen log-likelihood of points, bandwidth chosen on validation data ([3]).

    Args:
        samples: (num_samples, ...), generated.
        points: (batch, ...), real, to be scored.
        validation: (batch, ...), real, not among the points.
        bandwidths: To choose from; None tries 10 from 0.1 to 1, on a log scale.

    Returns:
        Mean, its standard error, and the bandwidth.
    """
    bandwidths = np.logspace(-1, 0, 10) if bandwidths is None else bandwidths
    scores = [parzen_log_likelihood(samples, validation, b).mean() for b in bandwidths]
    best = float(bandwidths[int(np.argmax(scores))])
    mean, error = _mean_error(parzen_log_likelihood(samples, points, best))
    return mean, error, best


def bits_per_dim(nats, dimensions, levels=None) -> float:
    """Negative log-likelihood in nats an image as bits a dimension.

    Args:
        nats: -log p of an image.
        dimensions: Numbers in it: height * width * channels.
        levels: None for a probability of discrete values. For a density over [-1, 1]
            of values that have so many levels, such as 256: the width of a level,
            2 / levels, turns the density into a probability.
    """
    bits = nats / (dimensions * math.log(2))
    return bits if levels is None else bits + math.log2(levels / 2)
