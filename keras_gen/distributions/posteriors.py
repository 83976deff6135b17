"""Posteriors over latents: draws, divergences from priors, importance weights.

1. Burda, Grosse and Salakhutdinov, "Importance Weighted Autoencoders", 2016.
2. Kingma et al., "Improving Variational Inference with Inverse Autoregressive Flow",
   2016.
"""

import math
from collections.abc import Callable

import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops

from keras_gen.core import checks
from keras_gen.distribute import mean_over_replicas

tfd = tfp.distributions

CHUNK = 20  # Number of importance samples that are in memory at once.


def from_noise(posterior: tfd.Distribution, noise):
    """Draws of a posterior from standard normal noise, and log q(z | x) of them.

    Args:
        posterior: Distribution from `priors.gaussian`, perhaps transformed by a
            bijector.
        noise: float32 (..., latent_dim), which broadcasts with (batch, latent_dim).

    Returns:
        Latents (..., batch, latent_dim), and their log q, float32 (..., batch).
    """
    if isinstance(posterior, tfd.Independent):
        latents = posterior.mean() + posterior.stddev() * noise
        return latents, posterior.log_prob(latents)
    latents, log_q = from_noise(posterior.distribution, noise)
    bijector = posterior.bijector
    volume = bijector.forward_log_det_jacobian(latents, event_ndims=1)
    return bijector.forward(latents), log_q - volume


def kl_divergence(
    posterior: tfd.Distribution,
    prior: tfd.Distribution,
    latents,
    log_q,
    closed_form: bool = True,
):
    """KL(q || p) in nats, in closed form if TFP has one.

    Args:
        posterior: Distribution with batch shape (batch,).
        prior: Distribution with batch shape ().
        latents: Draws of the posterior, (samples, batch, latent_dim).
        log_q: log q(z | x) of the draws, (samples, batch).
        closed_form: Boolean, whether a closed form may be used; False estimates from
            the draws.

    Returns:
        In closed form (batch, latent_dim), one value for each latent; otherwise
        log q - log p of each draw, (samples, batch, 1).
    """
    if closed_form:
        try:
            return tfd.kl_divergence(_by_latent(posterior), _by_latent(prior))
        except NotImplementedError:
            pass
    return (log_q - prior.log_prob(latents))[..., None]


def _by_latent(distribution):
    """A factorised Gaussian as a `tfd.Normal` for each latent; others unchanged."""
    if isinstance(distribution, tfd.Independent):
        return distribution.distribution
    return distribution


def with_free_nats(kl, free: float):
    """The KL term of the loss, with a number of free nats ([2], equation 15).

    A group of latents whose mean KL over the batch is below its share of the free nats
    counts as this share, so that the loss cannot gain by reducing it further. With
    several replicas, the mean is over the batch of all replicas.

    Args:
        kl: KL divergences (..., groups of latents), from `kl_divergence`, of this
            replica's rows.
        free: Free nats of all latents together, shared equally among the groups.

    Returns:
        The sum over groups, (...); if nats are free, the sum of the groups' costs, ().
    """
    if not free:
        return ops.sum(kl, axis=-1)
    groups = ops.mean(ops.reshape(kl, (-1, kl.shape[-1])), axis=0)
    groups = mean_over_replicas(groups)
    return ops.sum(ops.maximum(groups, free / kl.shape[-1]))


def active_units(means):
    """Number of latents whose posterior mean varies over the batch ([1], section 5.2).

    Args:
        means: Posterior means, float32 (batch, latent_dim), of this replica's rows. A
            latent counts if its variance over the batch of all replicas is above 0.01.

    Returns:
        A float32 scalar.
    """
    centre = mean_over_replicas(ops.mean(means, axis=0))
    variances = mean_over_replicas(ops.mean(ops.square(means - centre), axis=0))
    return ops.sum(ops.cast(variances > 0.01, "float32"))


def log_mean_weight(log_weights: Callable, num_samples: int, latent_dim: int, batch):
    """The logarithm of the mean importance weight, float32 (batch,).

    The noise is fixed and the same for all rows. Samples are drawn and summed in
    chunks, so that memory does not grow with their number.

    Args:
        log_weights: Function of noise, float32 (samples, 1, latent_dim), to log-weights
            (samples, batch).
        num_samples: Number of samples, at least 1.
        latent_dim: Dimension of a latent.
        batch: Number of rows, a scalar tensor.

    Raises:
        ValueError: For fewer samples than 1.
    """
    checks.at_least(1, num_samples=num_samples)
    chunk = min(CHUNK, num_samples)

    def add(start, total):
        shape = (chunk, 1, latent_dim)
        noise = tf.random.stateless_normal(shape, tf.stack([start, 0]))
        is_wanted = (start + tf.range(chunk) < num_samples)[:, None]
        values = tf.where(is_wanted, log_weights(noise), -math.inf)
        everything = tf.concat([total[None], values], axis=0)
        return start + chunk, tf.reduce_logsumexp(everything, axis=0)

    _, total = tf.while_loop(
        lambda start, _: start < num_samples,
        add,
        (0, tf.fill([batch], -math.inf)),
        parallel_iterations=1,
    )
    return total - math.log(num_samples)
