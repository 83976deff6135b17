"""Priors over latents: Keras layers that own their weights and return distributions.

`prior.distribution()` returns a `tfp.distributions` object over single latents with
event shape (latent_dim,), batch shape () and float32 draws. (It is not `call` because a
Keras layer cannot be called without inputs.) `sample_rows` draws from it with a seed
for each row.

1. Tomczak and Welling, "VAE with a VampPrior", 2018.
2. Makhzani et al., "Adversarial Autoencoders", 2016.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops

from keras_gen.core.arguments import checked
from keras_gen.core.noise import for_each_row
from keras_gen.core.types import Classes, Count, ImageShape, Natural
from keras_gen.data.draws import draw_images
from keras_gen.layers.flow import Flow as FlowLayer

tfd = tfp.distributions


def sample_rows(distribution: tfd.Distribution, seed):
    """Draws a value for each row from its own seed, independently of the batch.

    Args:
        distribution: Distribution with batch shape ().
        seed: Seeds of the rows, int64 (batch,).

    Returns:
        float32 (batch, *event shape).
    """
    if type(distribution) is tfd.TransformedDistribution:
        # The base is drawn row by row, but the flow transforms all rows together.
        base = sample_rows(distribution.distribution, seed)
        return distribution.bijector.forward(base)
    return for_each_row(
        lambda key: distribution.sample(seed=key), seed, distribution.event_shape
    )


def gaussian(means, deviations) -> tfd.Independent:
    """Independent Gaussians over the last axis.

    `tfd.MultivariateNormalDiag` is the same distribution, but a cache that all
    bijectors share keeps every graph that drew from it until the process ends, and a
    growing model has many graphs.

    Args:
        means: Means, float32 (..., latent_dim).
        deviations: Standard deviations, float32 (..., latent_dim).

    Returns:
        `tfd.Independent` over `tfd.Normal`, event shape (latent_dim,).
    """
    return tfd.Independent(tfd.Normal(means, deviations), reinterpreted_batch_ndims=1)


class Normal(keras.layers.Layer):
    """The standard normal distribution, without weights.

    Args:
        latent_dim: Dimension of a latent.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    @checked
    def __init__(self, latent_dim: Count, **kwargs):
        super().__init__(**kwargs)
        self.latent_dim = latent_dim
        self.built = True

    def distribution(self) -> tfd.Distribution:
        """`gaussian` with mean 0 and standard deviation 1."""
        return gaussian(tf.zeros(self.latent_dim), tf.ones(self.latent_dim))


class Uniform(keras.layers.Layer):
    """Independent uniform distributions on [-1, 1], without weights.

    Args:
        latent_dim: Dimension of a latent.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    @checked
    def __init__(self, latent_dim: Count, **kwargs):
        super().__init__(**kwargs)
        self.latent_dim = latent_dim
        self.built = True

    def distribution(self) -> tfd.Distribution:
        """`tfd.Independent` over `tfd.Uniform`."""
        low = -tf.ones(self.latent_dim)
        return tfd.Independent(tfd.Uniform(low, -low), reinterpreted_batch_ndims=1)


class Mixture(keras.layers.Layer):
    """A mixture of Gaussians with learned weights, means and standard deviations.

    Args:
        latent_dim: Dimension of a latent.
        num_components: Number of Gaussians.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    @checked
    def __init__(self, latent_dim: Count, num_components: Count = 10, **kwargs):
        super().__init__(dtype="float32", **kwargs)
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

    def distribution(self) -> tfd.Distribution:
        """A `GaussianMixture`."""
        deviations = ops.exp(ops.convert_to_tensor(self.log_deviations))
        means = ops.convert_to_tensor(self.means)
        return GaussianMixture(
            tfd.Categorical(logits=ops.convert_to_tensor(self.logits)),
            gaussian(means, deviations),
        )


class Vamp(keras.layers.Layer):
    """VampPrior ([1], equation 9): the equal mixture of posteriors at pseudo-inputs.

    The layer owns the pseudo-inputs only. It gets the posterior as a function, so that
    the encoder's weights are not tracked here too.

    Args:
        posterior: Function of images that returns a `gaussian` over latents.
        image_shape: (height, width, channels).
        num_components: Number of pseudo-inputs.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    @checked
    def __init__(
        self,
        posterior: Callable,
        image_shape: ImageShape,
        num_components: Count = 500,
        **kwargs,
    ):
        super().__init__(dtype="float32", **kwargs)
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

    def initialize(self, batches: Iterable, seed: int = 0) -> None:
        """Sets the pseudo-inputs to 0.9 times images that are drawn, once.

        Args:
            batches: Batches of images, float32 (batch, height, width, channels).
            seed: Seed of the draw, which does not depend on the order of the images.
        """
        if self.initialized.numpy():
            return
        images = draw_images(batches, self.num_components, seed)
        self.pixels.assign(0.9 * np.resize(images, self.pixels.shape))
        self.initialized.assign(1.0)

    def pseudo_inputs(self):
        """Images, float32 (num_components, height, width, channels), in [-1, 1]."""
        return ops.clip(self.pixels, -1.0, 1.0)

    def distribution(self, **options) -> tfd.Distribution:
        """A `GaussianMixture`; each call encodes all pseudo-inputs.

        Args:
            **options: Further arguments of the posterior.
        """
        return GaussianMixture(
            tfd.Categorical(logits=tf.zeros(self.num_components)),
            self.posterior(self.pseudo_inputs(), **options),
        )


class Flow(keras.layers.Layer):
    """The standard normal distribution, transformed by a normalizing flow.

    Args:
        latent_dim: Dimension of a latent.
        kind: Kind of the flow, "realnvp" or "maf"; see `keras_gen.layers.flow.Flow`.
        num_steps: Number of the flow's steps.
        widths: Widths of the hidden layers in a step's network.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    @checked
    def __init__(
        self,
        latent_dim: Count,
        kind: Literal["realnvp", "maf"] = "realnvp",
        num_steps: Count = 8,
        widths: Sequence[Count] = (128, 128),
        **kwargs,
    ):
        super().__init__(dtype="float32", **kwargs)
        self.base = Normal(latent_dim)
        self.flow = FlowLayer(latent_dim, kind, num_steps, widths)
        self.built = True

    def distribution(self) -> tfd.Distribution:
        """A `tfd.TransformedDistribution`."""
        return tfd.TransformedDistribution(
            self.base.distribution(), self.flow.bijector()
        )


class GaussianMixture(tfd.MixtureSameFamily):
    """Diagonal Gaussians whose log-density is computed by two matrix products.

    `tfd.MixtureSameFamily` computes (batch, components, latent_dim) numbers, which need
    gigabytes for thousands of samples and 500 components. The products need
    (batch, components); but if deviations are small compared with the means, a distance
    is then a small difference of large squares. All is therefore computed in float64,
    and the float32 result is correctly rounded.
    """

    def _log_prob(self, x):
        gaussians = self.components_distribution
        x, means, deviations = (
            tf.cast(value, tf.float64)
            for value in (x, gaussians.mean(), gaussians.stddev())
        )
        precisions = deviations**-2
        product = "...d,kd->...k"
        # (x - m)^2 p = x^2 p - 2 x m p + m^2 p.
        distances = (
            tf.einsum(product, x**2, precisions)
            - 2.0 * tf.einsum(product, x, means * precisions)
            + tf.reduce_sum(means**2 * precisions, axis=-1)
        )
        log_scales = tf.math.log(precisions) - math.log(2.0 * math.pi)
        log_probs = 0.5 * (tf.reduce_sum(log_scales, axis=-1) - distances)
        logits = self.mixture_distribution.logits_parameter()
        weights = tf.math.log_softmax(tf.cast(logits, tf.float64))
        return tf.cast(tf.reduce_logsumexp(log_probs + weights, axis=-1), self.dtype)


class CodeDensity(keras.layers.Layer):
    """A mixture of Gaussians over codes, which is fitted to them and not trained.

    Args:
        latent_dim: Dimension of a code.
        num_components: Number of Gaussians, each with its own mean and covariance.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    @checked
    def __init__(self, latent_dim: Count, num_components: Count, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        shape = (num_components, latent_dim, latent_dim)
        fixed = {"trainable": False, "initializer": "zeros"}
        self.logits = self.add_weight(name="logits", shape=shape[:1], **fixed)
        self.means = self.add_weight(name="means", shape=shape[:2], **fixed)
        self.scales = self.add_weight(name="scales", shape=shape, **fixed)
        self.scales.assign(tf.eye(latent_dim, batch_shape=[num_components]))
        self.built = True

    def assign(self, weights, means, covariances) -> None:
        """Sets the mixture's parameters.

        Args:
            weights: Weights of the Gaussians, (components,), which sum to 1.
            means: Means (components, latent_dim).
            covariances: Covariances (components, latent_dim, latent_dim).
        """
        self.logits.assign(tf.math.log(weights))
        self.means.assign(means)
        self.scales.assign(tf.linalg.cholesky(covariances))

    def distribution(self) -> tfd.Distribution:
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
        means: Means (num_components, latent_dim).
        factors: Cholesky factors of the covariances, (num_components, latent_dim,
            latent_dim).
        num_classes: Number of classes, which share the components equally.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    @checked(unchecked=("means", "factors"))
    def __init__(self, means, factors, num_classes: Count, **kwargs):
        super().__init__(**kwargs)
        self.means = np.asarray(means, np.float32)
        self.factors = np.asarray(factors, np.float32)
        classes = np.arange(len(means)) * num_classes // len(means)
        own = classes == np.arange(num_classes)[:, None]
        every = np.ones((1, len(means)), bool)
        # Row i holds the logits for label i, the last row those for label -1.
        self.logits = np.where(np.concatenate([own, every]), 0.0, -1e9)
        self.built = True

    def distribution(self) -> tfd.Distribution:
        """A `tfd.MixtureSameFamily` of all components."""
        return self._mixture(self.logits[-1])

    def given(self, labels) -> tfd.Distribution:
        """The mixture of each label's components; label -1 means all components.

        Args:
            labels: Labels, int (batch,).

        Returns:
            A distribution with batch shape (batch,).
        """
        return self._mixture(tf.gather(np.roll(self.logits, 1, axis=0), labels + 1))

    def _mixture(self, logits):
        return tfd.MixtureSameFamily(
            tfd.Categorical(logits=tf.cast(logits, tf.float32)),
            tfd.MultivariateNormalTriL(
                tf.constant(self.means), tf.constant(self.factors)
            ),
        )


def gaussian_petals(num_classes: int = 10, **kwargs) -> ClassMixture:
    """Gaussians around a circle in the plane, elongated radially ([2], figure 4).

    Args:
        num_classes: Number of Gaussians, one for each class.
        **kwargs: Arguments of `keras.layers.Layer`.
    """
    angles = 2 * np.pi * np.arange(num_classes) / num_classes
    radial = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    tangential = np.stack([-radial[:, 1], radial[:, 0]], axis=-1)
    covariances = sum(
        deviation**2 * axis[:, :, None] * axis[:, None]
        for axis, deviation in ((radial, 0.8), (tangential, 0.25))
    )
    return ClassMixture(
        3 * radial, np.linalg.cholesky(covariances), num_classes, **kwargs
    )


def swiss_roll(num_classes: int = 10, **kwargs) -> ClassMixture:
    """A spiral in the plane, cut into one piece for each class ([2], figure 4).

    Args:
        num_classes: Number of pieces.
        **kwargs: Arguments of `keras.layers.Layer`.
    """
    count = 40 * num_classes  # Enough Gaussians to overlap into a smooth band.
    angles = 1.5 * np.pi + 3 * np.pi * np.sqrt((np.arange(count) + 0.5) / count)
    points = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    means = 4 * (angles / angles[-1])[:, None] * points
    factors = np.tile(0.1 * np.eye(2), (count, 1, 1))
    return ClassMixture(means, factors, num_classes, **kwargs)


class Named(keras.layers.Layer):
    """Any distribution of `tfp.distributions`, by the name of its class.

    Args:
        latent_dim: Dimension of a latent.
        kind: Name of the class: "Laplace", "StudentT", "MultivariateNormalTriL", ...
        arguments: Arguments of the class: numbers, or lists of numbers. A distribution
            over scalars is used for each dimension of the latent independently.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: For an unknown name, or a distribution over another shape.
    """

    @checked
    def __init__(self, latent_dim: Count, kind: str, arguments: dict, **kwargs):
        super().__init__(**kwargs)
        cls = getattr(tfd, str(kind), None)
        if not isinstance(cls, type) or not issubclass(cls, tfd.Distribution):
            raise ValueError(f"Expected a class of tfp.distributions, got {kind!r}.")
        self.latent_dim, self.kind, self.arguments = latent_dim, kind, arguments
        self.built = True
        try:
            shape = self.distribution().event_shape
        except (TypeError, ValueError, tf.errors.OpError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(
                f"Expected arguments of tfp.distributions.{kind}, got {arguments!r}: "
                f"{reason}"
            ) from error
        if shape != (latent_dim,):
            raise ValueError(
                f"Expected a distribution over ({latent_dim},), got {kind} over "
                f"{shape}."
            )

    def distribution(self) -> tfd.Distribution:
        """The distribution, with event shape (latent_dim,)."""
        distribution = getattr(tfd, self.kind)(**self.arguments)
        if distribution.event_shape.rank > 0:
            return distribution
        if distribution.batch_shape.rank == 0:
            return tfd.Sample(distribution, self.latent_dim)
        return tfd.Independent(distribution, 1)


class Codes(keras.layers.Layer):
    """InfoGAN's latents: noise, one-hot categories, and numbers in [-1, 1].

    Args:
        noise_dim: Dimension of the standard normal noise.
        categories: Number of values of each category, which are equally likely.
        continuous: Number of codes that are uniform on [-1, 1].
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    @checked
    def __init__(
        self,
        noise_dim: Count,
        categories: Iterable[Classes],
        continuous: Natural,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.noise_dim = noise_dim
        self.categories, self.continuous = tuple(categories), continuous
        self.built = True

    def distribution(self) -> tfd.Distribution:
        """A `tfd.Blockwise` that concatenates the parts."""
        parts = [gaussian(tf.zeros(self.noise_dim), tf.ones(self.noise_dim))]
        for count in self.categories:
            logits = tf.zeros(count)
            parts.append(tfd.OneHotCategorical(logits=logits, dtype=tf.float32))
        if self.continuous:
            high = tf.ones(self.continuous)
            parts.append(tfd.Independent(tfd.Uniform(-high, high), 1))
        return tfd.Blockwise(parts)
