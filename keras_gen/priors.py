"""Priors over latents: Keras layers that own their weights and return distributions.

`prior.distribution()` is a `tfp.distributions` object over single
latents, event shape (latent_dim,), in float32.
"""

import keras
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


class Normal(keras.layers.Layer):
    """The standard normal distribution: no weights."""

    def __init__(self, latent_dim, **kwargs):
        super().__init__(**kwargs)
        self.latent_dim = latent_dim
        self.built = True

    def distribution(self):
        """`tfd.MultivariateNormalDiag` with mean 0 and deviation 1."""
        return tfd.MultivariateNormalDiag(
            loc=tf.zeros(self.latent_dim), scale_diag=tf.ones(self.latent_dim)
        )


class Uniform(keras.layers.Layer):
    """Independent uniform distributions on [-1, 1]: no weights."""

    def __init__(self, latent_dim, **kwargs):
        super().__init__(**kwargs)
        self.latent_dim = latent_dim
        self.built = True

    def distribution(self):
        """`tfd.Independent` over `tfd.Uniform`."""
        low = -tf.ones(self.latent_dim)
        return tfd.Independent(tfd.Uniform(low, -low), reinterpreted_batch_ndims=1)


class CodeDensity(keras.layers.Layer):
    """A mixture of Gaussians over codes, fitted to them and not trained by players.

    Args:
        latent_dim: Numbers in a code.
        num_components: Gaussians, each with a mean and a covariance of its own.
        **kwargs: Of the layer.
    """

    def __init__(self, latent_dim, num_components, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        shape = (num_components, latent_dim, latent_dim)
        fixed = {"trainable": False, "initializer": "zeros"}
        self.logits = self.add_weight(name="logits", shape=shape[:1], **fixed)
        self.means = self.add_weight(name="means", shape=shape[:2], **fixed)
        self.scales = self.add_weight(name="scales", shape=shape, **fixed)
        self.scales.assign(tf.eye(latent_dim, batch_shape=[num_components]))
        self.built = True

    def assign(self, weights, means, covariances):
        """Takes a mixture: weights (k,), means (k, d) and covariances (k, d, d)."""
        self.logits.assign(tf.math.log(weights))
        self.means.assign(means)
        self.scales.assign(tf.linalg.cholesky(covariances))

    def distribution(self):
        """`tfd.MixtureSameFamily` of `tfd.MultivariateNormalTriL`."""
        return tfd.MixtureSameFamily(
            tfd.Categorical(logits=tf.convert_to_tensor(self.logits)),
            tfd.MultivariateNormalTriL(
                tf.convert_to_tensor(self.means), tf.convert_to_tensor(self.scales)
            ),
        )


def sample_rows(distribution, seed):
    """One draw a row, each from its own seed, whoever shares the batch.

    Args:
        distribution: A `tfd.Distribution` with batch shape ().
        seed: int64 (batch,).

    Returns:
        float32 (batch, *event shape).
    """
    return tf.map_fn(
        lambda row: distribution.sample(seed=tf.bitcast(row, tf.int32)),
        seed,
        fn_output_signature=tf.TensorSpec(distribution.event_shape, tf.float32),
    )
