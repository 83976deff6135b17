"""Priors over latents: Keras layers that own their weights and return distributions.

`prior.distribution()` is a `tfp.distributions` object over single
latents, event shape (latent_dim,), in float32.

1. Tomczak and Welling, "VAE with a VampPrior", 2018.
2. Makhzani et al., "Adversarial Autoencoders", 2016.
"""

import math

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops

from keras_gen.core.noise import for_each_row
from keras_gen.layers.flow import Flow as FlowLayer

tfd = tfp.distributions


def gaussian(means, deviations):
    """Independent Gaussians over the last axis.

    `tfd.MultivariateNormalDiag` holds every graph that drew from it for as long as the
    process lives, in a cache that all bijectors share; a model that grows has many.

    Args:
        means: float32 (..., latent_dim).
        deviations: The same.

    Returns:
        `tfd.Independent` over `tfd.Normal`, event shape (latent_dim,).
    """
    return tfd.Independent(tfd.Normal(means, deviations), reinterpreted_batch_ndims=1)


class Normal(keras.layers.Layer):
    """The standard normal distribution: no weights."""

    def __init__(self, latent_dim, **kwargs):
        super().__init__(**kwargs)
        self.latent_dim = latent_dim
        self.built = True

    def distribution(self):
        """`gaussian` with mean 0 and deviation 1."""
        return gaussian(tf.zeros(self.latent_dim), tf.ones(self.latent_dim))


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


class Mixture(keras.layers.Layer):
    """A mixture of Gaussians with weights, means and deviations of their own.

    Args:
        latent_dim: Numbers in a latent.
        num_components: Gaussians.
        **kwargs: Of the layer.
    """

    def __init__(self, latent_dim, num_components=10, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        check_components(num_components)
        shape = (num_components, latent_dim)
        self.logits = self.add_weight(
            name="logits", shape=shape[:1], initializer="zeros"
        )
        self.means = self.add_weight(
            name="means",
            shape=shape,
            initializer=keras.initializers.RandomNormal(stddev=1.0),
        )
        self.log_deviations = self.add_weight(
            name="log_deviations", shape=shape, initializer="zeros"
        )
        self.built = True

    def distribution(self):
        """A `tfd.MixtureSameFamily`."""
        deviations = ops.exp(ops.convert_to_tensor(self.log_deviations))
        means = ops.convert_to_tensor(self.means)
        return GaussianMixture(
            tfd.Categorical(logits=ops.convert_to_tensor(self.logits)),
            gaussian(means, deviations),
        )


class Vamp(keras.layers.Layer):
    """VampPrior ([1], equation 9): the even mixture of posteriors at pseudo-inputs.

    It owns the pseudo-inputs alone. The encoder is borrowed as a function, so that its
    weights stay the encoder's.

    Args:
        posterior: `posterior(images)`, a `gaussian` over latents.
        image_shape: (height, width, channels).
        num_components: Pseudo-inputs.
        **kwargs: Of the layer.
    """

    def __init__(self, posterior, image_shape, num_components=500, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        check_components(num_components)
        self.posterior = posterior
        self.num_components = num_components
        self.pixels = self.add_weight(
            name="pixels",
            shape=(num_components, *image_shape),
            initializer=keras.initializers.RandomNormal(stddev=0.1),
        )
        self.initialized = self.add_weight(
            name="initialized", shape=(), initializer="zeros", trainable=False
        )
        self.built = True

    def initialize(self, batches):
        """Takes the first images of batches, a little greyer, as pseudo-inputs; once.

        Args:
            batches: An iterable of float32 (batch, height, width, channels).
        """
        if self.initialized.numpy():
            return
        images = []
        for batch in batches:
            images.extend(np.asarray(batch))
            if len(images) >= self.num_components:
                break
        self.pixels.assign(0.9 * np.resize(images, self.pixels.shape))
        self.initialized.assign(1.0)

    def pseudo_inputs(self):
        """float32 (num_components, height, width, channels), in [-1, 1]."""
        return ops.clip(self.pixels, -1.0, 1.0)

    def distribution(self):
        """A `tfd.MixtureSameFamily`, after one pass of the encoder."""
        return GaussianMixture(
            tfd.Categorical(logits=tf.zeros(self.num_components)),
            self.posterior(self.pseudo_inputs()),
        )


class Flow(keras.layers.Layer):
    """The standard normal distribution, bent by a normalizing flow.

    Args:
        latent_dim: Numbers in a latent.
        kind: "realnvp" or "maf"; see `keras_gen.layers.flow.Flow`.
        num_steps: Of the flow.
        widths: Of its networks.
        **kwargs: Of the layer.
    """

    def __init__(
        self, latent_dim, kind="realnvp", num_steps=8, widths=(128, 128), **kwargs
    ):
        super().__init__(dtype="float32", **kwargs)
        self.base = Normal(latent_dim)
        self.flow = FlowLayer(latent_dim, kind, num_steps, widths)
        self.built = True

    def distribution(self):
        """A `tfd.TransformedDistribution`."""
        return tfd.TransformedDistribution(
            self.base.distribution(), self.flow.bijector()
        )


class GaussianMixture(tfd.MixtureSameFamily):
    """Diagonal Gaussians whose log-density is two matrix products.

    `tfd.MixtureSameFamily` holds (batch, components, latent_dim) numbers, which for
    thousands of samples and 500 components is gigabytes.
    """

    def _log_prob(self, x):
        gaussians = self.components_distribution
        means, precisions = gaussians.mean(), 1.0 / gaussians.variance()
        product = "...d,kd->...k"
        # (x - m)^2 p = x^2 p - 2 x m p + m^2 p.
        distances = (
            tf.einsum(product, x**2, precisions)
            - 2.0 * tf.einsum(product, x, means * precisions)
            + tf.reduce_sum(means**2 * precisions, axis=-1)
        )
        log_scales = tf.math.log(precisions) - math.log(2.0 * math.pi)
        log_probs = 0.5 * (tf.reduce_sum(log_scales, axis=-1) - distances)
        weights = tf.math.log_softmax(self.mixture_distribution.logits_parameter())
        return tf.reduce_logsumexp(log_probs + weights, axis=-1)


def check_components(num_components):
    """ValueError for a mixture of nothing."""
    if num_components < 1:
        raise ValueError(f"Expected num_components >= 1, got {num_components}.")


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


class ClassMixture(keras.layers.Layer):
    """A fixed mixture of Gaussians whose components belong to classes, in order.

    Args:
        means: (num_components, latent_dim).
        factors: Cholesky factors of the covariances, (num_components, latent_dim,
            latent_dim).
        num_classes: Among which components are shared out evenly.
        **kwargs: Of the layer.
    """

    def __init__(self, means, factors, num_classes, **kwargs):
        super().__init__(**kwargs)
        self.means = np.asarray(means, np.float32)
        self.factors = np.asarray(factors, np.float32)
        classes = np.arange(len(means)) * num_classes // len(means)
        ours = classes == np.arange(num_classes)[:, None]
        every = np.ones((1, len(means)), bool)
        # Row i for class i, the last one for a label of -1.
        self.logits = np.where(np.concatenate([ours, every]), 0.0, -1e9)
        self.built = True

    def distribution(self):
        """A `tfd.MixtureSameFamily` of all components."""
        return self._mixture(self.logits[-1])

    def given(self, labels):
        """The mixtures of labels' components; label -1 has all of them.

        Args:
            labels: int (batch,).

        Returns:
            A distribution of batch shape (batch,).
        """
        return self._mixture(tf.gather(np.roll(self.logits, 1, axis=0), labels + 1))

    def _mixture(self, logits):
        return tfd.MixtureSameFamily(
            tfd.Categorical(logits=tf.cast(logits, tf.float32)),
            tfd.MultivariateNormalTriL(
                tf.constant(self.means), tf.constant(self.factors)
            ),
        )


def gaussian_petals(num_classes=10, **kwargs):
    """Gaussians around a circle in the plane, long towards its centre ([2], figure 4).

    Args:
        num_classes: Gaussians, one a class.
        **kwargs: Of the layer.
    """
    angles = 2 * np.pi * np.arange(num_classes) / num_classes
    outwards = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    along = np.stack([-outwards[:, 1], outwards[:, 0]], axis=-1)
    covariances = sum(
        deviation**2 * axis[:, :, None] * axis[:, None]
        for axis, deviation in ((outwards, 0.8), (along, 0.25))
    )
    return ClassMixture(
        3 * outwards, np.linalg.cholesky(covariances), num_classes, **kwargs
    )


def swiss_roll(num_classes=10, **kwargs):
    """A spiral in the plane, cut into a piece a class ([2], figure 4).

    Args:
        num_classes: Pieces.
        **kwargs: Of the layer.
    """
    count = 40 * num_classes  # Gaussians so near to each other that none is seen.
    angles = 1.5 * np.pi + 3 * np.pi * np.sqrt((np.arange(count) + 0.5) / count)
    points = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    means = 4 * (angles / angles[-1])[:, None] * points
    factors = np.tile(0.1 * np.eye(2), (count, 1, 1))
    return ClassMixture(means, factors, num_classes, **kwargs)


class Named(keras.layers.Layer):
    """Any distribution of `tfp.distributions`, by the name of its class.

    Args:
        latent_dim: Numbers in a latent.
        kind: "Laplace", "StudentT", "MultivariateNormalTriL", ...
        arguments: Of the class: numbers, or lists of them. Where the distribution is
            of single numbers, all latents are drawn alike.
        **kwargs: Of the layer.

    Raises:
        ValueError: For another name, or a distribution over something else.
    """

    def __init__(self, latent_dim, kind, arguments, **kwargs):
        super().__init__(**kwargs)
        cls = getattr(tfd, str(kind), None)
        if not isinstance(cls, type) or not issubclass(cls, tfd.Distribution):
            raise ValueError(f"Expected a class of tfp.distributions, got {kind!r}.")
        self.latent_dim, self.kind, self.arguments = latent_dim, kind, arguments
        self.built = True
        shape = self.distribution().event_shape
        if shape != (latent_dim,):
            raise ValueError(
                f"Expected a distribution over ({latent_dim},), got {kind} over "
                f"{shape}."
            )

    def distribution(self):
        """The distribution, over (latent_dim,)."""
        made = getattr(tfd, self.kind)(**self.arguments)
        if made.event_shape.rank == 0 and made.batch_shape.rank == 0:
            made = tfd.Sample(made, self.latent_dim)
        elif made.event_shape.rank == 0:
            made = tfd.Independent(made, 1)
        return made


class Codes(keras.layers.Layer):
    """InfoGAN's latents: noise, one-hot categories, and numbers in [-1, 1].

    Args:
        noise_dim: Numbers of standard normal noise.
        categories: Values of each category, all as likely.
        continuous: Numbers that are uniform on [-1, 1].
        **kwargs: Of the layer.
    """

    def __init__(self, noise_dim, categories, continuous, **kwargs):
        super().__init__(**kwargs)
        self.noise_dim = noise_dim
        self.categories, self.continuous = tuple(categories), continuous
        self.built = True

    def distribution(self):
        """A `tfd.Blockwise` over all of them, side by side."""
        parts = [gaussian(tf.zeros(self.noise_dim), tf.ones(self.noise_dim))]
        for count in self.categories:
            logits = tf.zeros(count)
            parts.append(tfd.OneHotCategorical(logits=logits, dtype=tf.float32))
        if self.continuous:
            high = tf.ones(self.continuous)
            parts.append(tfd.Independent(tfd.Uniform(-high, high), 1))
        return tfd.Blockwise(parts)


def sample_rows(distribution, seed):
    """One draw a row, each from its own seed, whoever shares the batch.

    Args:
        distribution: A `tfd.Distribution` with batch shape ().
        seed: int64 (batch,).

    Returns:
        float32 (batch, *event shape).
    """
    if type(distribution) is tfd.TransformedDistribution:  # All rows through a flow.
        base = sample_rows(distribution.distribution, seed)
        return distribution.bijector.forward(base)
    return for_each_row(
        lambda key: distribution.sample(seed=key), seed, distribution.event_shape
    )
