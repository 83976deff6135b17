"""Posteriors over latents: drawn from noise, compared with priors, summed over samples.

1. Burda, Grosse and Salakhutdinov, "Importance Weighted Autoencoders", 2016.
2. Kingma et al., "Improving Variational Inference with Inverse Autoregressive Flow",
   2016.
"""

import math

import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops

tfd = tfp.distributions

CHUNK = 20  # Importance samples that are held at once.


def from_noise(posterior, noise):
    """Latents that standard normal noise becomes, and log q(z | x) of them.

    Args:
        posterior: A `priors.gaussian`, or one bent by a bijector.
        noise: float32 (..., latent_dim), to broadcast against (batch, latent_dim).

    Returns:
        Latents, and float32 (..., batch).
    """
    if isinstance(posterior, tfd.Independent):
        latents = posterior.mean() + posterior.stddev() * noise
        return latents, posterior.log_prob(latents)
    latents, log_q = from_noise(posterior.distribution, noise)
    bijector = posterior.bijector
    volume = bijector.forward_log_det_jacobian(latents, event_ndims=1)
    return bijector.forward(latents), log_q - volume


def kl_divergence(posterior, prior, latents, log_q, closed_form=True):
    """KL(q || p) in nats, in closed form where tfp has it.

    Args:
        posterior: A distribution of batch shape (batch,).
        prior: Of batch shape ().
        latents: Draws of the posterior, (samples, batch, latent_dim).
        log_q: Their log q(z | x), (samples, batch).
        closed_form: False goes by the draws in any case.

    Returns:
        (batch, latent_dim), in closed form, latent by latent; or (samples, batch, 1),
        log q - log p of the draws.
    """
    if closed_form:
        try:
            return tfd.kl_divergence(_by_latent(posterior), _by_latent(prior))
        except NotImplementedError:
            pass
    return (log_q - prior.log_prob(latents))[..., None]


def _by_latent(distribution):
    """A factorised Gaussian as one `tfd.Normal` a latent; others as they are."""
    if isinstance(distribution, tfd.Independent):
        return distribution.distribution
    return distribution


def less_free_nats(kl, free):
    """The KL term as a loss counts it, less what is free ([2], equation 15).

    Args:
        kl: (..., groups of latents), as of `kl_divergence`.
        free: Nats that all latents may use at no cost; each group has an even share,
            against which its mean stands.

    Returns:
        The sum over groups, (...); where nats are free, of their means: ().
    """
    if not free:
        return ops.sum(kl, axis=-1)
    groups = ops.mean(ops.reshape(kl, (-1, kl.shape[-1])), axis=0)
    return ops.sum(ops.maximum(groups, free / kl.shape[-1]))


def active_units(means):
    """Latents whose posterior mean has a variance above 0.01 ([1], section 5.2).

    Args:
        means: float32 (batch, latent_dim).
    """
    return ops.sum(ops.cast(ops.var(means, axis=0) > 0.01, "float32"))


def log_mean_weight(log_weights, num_samples, latent_dim, batch):
    """The logarithm of the mean importance weight, float32 (batch,).

    The noise is fixed and the same for all rows. Weights are summed some samples at a
    time, so that memory does not grow with their number.

    Args:
        log_weights: From noise, float32 (samples, 1, latent_dim), to (samples, batch).
        num_samples: At least 1.
        latent_dim: Numbers in a latent.
        batch: Rows, a scalar tensor.

    Raises:
        ValueError: For less than one sample.
    """
    if num_samples < 1:
        raise ValueError(f"Expected num_samples >= 1, got {num_samples}.")
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
