"""Mixture of Gaussians over pixels, trained by gradient descent from a k-means start.

Its likelihood is exact, so it is a baseline for models that only have bounds. With
"low_rank" covariances it is a mixture of factor analysers [1]. What differs from the
usual fit: gradient steps on mini-batches instead of expectation-maximisation. They
start from the centres of k-means, and from the covariance within clusters, which is the
same for all components.

1. Ghahramani and Hinton, "The EM Algorithm for Mixtures of Factor Analyzers", 1996.
"""

from typing import Literal

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops
from sklearn.cluster import KMeans

from keras_gen.core import checks, schedules
from keras_gen.core.abilities import draws, transforms
from keras_gen.core.game import Player
from keras_gen.core.model import GenerativeModel
from keras_gen.core.registry import register
from keras_gen.distributions import priors

tfd = tfp.distributions

COVARIANCES = ("diagonal", "full", "low_rank")
START_ROWS = 10_000  # Number of images that the initial weights are fitted to.


class Gaussians(keras.layers.Layer):
    """Weights, means and covariances of components over vectors, in float32.

    Args:
        dimensions: Dimension of a vector.
        num_components: Number of Gaussians.
        covariance: Form of the covariances: "diagonal"; "full", by a Cholesky factor;
            or "low_rank", a diagonal plus F F^T for a (dimensions, rank) matrix F.
        rank: Rank of "low_rank".
        min_deviation: Lower bound of standard deviations (of the diagonal of the
            Cholesky factor if "full").
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(
        self,
        dimensions: int,
        num_components: int,
        covariance: str,
        rank: int,
        min_deviation: float,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.covariance, self.rank = covariance, rank
        self.min_deviation = min_deviation
        shape = (num_components, dimensions)
        columns = {"full": dimensions, "low_rank": rank}
        random = keras.initializers.RandomNormal(stddev=0.5)
        self.logits = self.add_weight(name="logits", shape=shape[:1])
        self.means = self.add_weight(name="means", shape=shape, initializer=random)
        self.raw_deviations = self.add_weight(
            name="raw_deviations", shape=shape, initializer="zeros"
        )
        self.factors = None
        if covariance in columns:
            self.factors = self.add_weight(
                name="factors", shape=(*shape, columns[covariance]), initializer=random
            )
        self.initialized = self.add_weight(
            name="initialized", shape=(), initializer="zeros", trainable=False
        )
        self.built = True

    def distribution(self) -> tfd.Distribution:
        """A `tfd.MixtureSameFamily` with event shape (dimensions,)."""
        logits, means = map(ops.convert_to_tensor, (self.logits, self.means))
        raw = ops.convert_to_tensor(self.raw_deviations)
        deviations = self.min_deviation + ops.softplus(raw)
        if self.covariance == "diagonal":
            components = priors.gaussian(means, deviations)
        elif self.covariance == "full":
            lower = tf.linalg.band_part(ops.convert_to_tensor(self.factors), -1, 0)
            factor = tf.linalg.set_diag(lower, deviations)
            components = tfd.MultivariateNormalTriL(means, factor)
        else:
            components = tfd.MultivariateNormalDiagPlusLowRankCovariance(
                means, deviations**2, ops.convert_to_tensor(self.factors)
            )
        return tfd.MixtureSameFamily(tfd.Categorical(logits=logits), components)

    def initialize(self, rows: np.ndarray, seed: int) -> None:
        """Sets the weights from k-means and the covariance within its clusters.

        Args:
            rows: float32 (batch, dimensions), at least as many as components.
            seed: Seed of k-means.
        """
        count = self.means.shape[0]
        clusters = KMeans(count, n_init=1, random_state=seed).fit(rows)
        sizes = np.bincount(clusters.labels_, minlength=count)
        residuals = rows - clusters.cluster_centers_[clusters.labels_]
        covariance = residuals.T @ residuals / len(rows)
        deviations, factors = self._factorise(covariance)
        excess = np.maximum(deviations - self.min_deviation, 1e-4)
        self.logits.assign(np.log(np.maximum(sizes, 1) / len(rows)))
        self.means.assign(clusters.cluster_centers_)
        raw = excess + np.log(-np.expm1(-excess))  # The inverse of softplus.
        self.raw_deviations.assign(np.tile(raw, (count, 1)))
        if self.factors is not None:
            self.factors.assign(np.tile(factors, (count, 1, 1)))
        self.initialized.assign(1.0)

    def _factorise(self, covariance):
        """Deviations (dimensions,) and factors, or None, that give a covariance."""
        variances = np.diag(covariance)
        if self.covariance == "diagonal":
            return np.sqrt(variances), None
        if self.covariance == "full":
            floor = self.min_deviation**2 * np.eye(len(covariance))
            factor = np.linalg.cholesky(covariance + floor)
            return np.diag(factor), factor
        values, vectors = np.linalg.eigh(covariance)
        noise = values[: -self.rank].mean()
        scales = np.sqrt(np.maximum(values[-self.rank :] - noise, 0.0))
        factors = vectors[:, -self.rank :] * scales
        rest = np.maximum(variances - np.sum(factors**2, axis=1), 0.0)
        return np.sqrt(rest), factors


@register("gmm", image_shape=(28, 28, 1), covariance="low_rank")
class GMM(GenerativeModel):
    """Mixture of Gaussians with an exact likelihood.

    The loss is the batch mean of -log p(x) in nats per image. It is a density over
    pixels in [-1, 1], which `min_deviation` keeps finite where pixels are constant.

    Args:
        image_shape: (height, width, channels).
        num_components: Number of Gaussians; 1 gives the multivariate normal
            distribution.
        covariance: Form of the covariances: "diagonal", "full" or "low_rank".
        rank: Rank of "low_rank", below the number of pixels.
        min_deviation: Lower bound of a pixel's standard deviation, in units of [-1, 1].
        learning_rate: Initial learning rate of Adam.
        decay_steps: Steps in which the learning rate falls to 0 along a cosine; None
            keeps it constant.
        **kwargs: Arguments of `GenerativeModel`: `name`.
    """

    tiny = {"image_shape": (8, 8, 1), "num_components": 2, "rank": 2}
    is_density = True

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (28, 28, 1),
        num_components: int = 20,
        covariance: Literal["diagonal", "full", "low_rank"] = "diagonal",
        rank: int = 10,
        min_deviation: float = 0.01,
        learning_rate: float = 1e-3,
        decay_steps: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        checks.one_of(COVARIANCES, covariance=covariance)
        checks.at_least(1, num_components=num_components)
        checks.positive(min_deviation=min_deviation)
        self.image_shape = tuple(image_shape)
        dimensions = int(np.prod(self.image_shape))
        if covariance == "low_rank" and not 1 <= rank < dimensions:
            raise ValueError(f"Expected 1 <= rank < {dimensions}, got {rank}.")
        self.num_components = num_components
        self.learning_rate, self.decay_steps = learning_rate, decay_steps
        self.gaussians = Gaussians(
            dimensions,
            num_components,
            covariance,
            rank,
            min_deviation,
            name="gaussians",
        )

    def initialize(self, batches):
        """Sets the initial weights once, by k-means on the first images of the data."""
        if self.gaussians.initialized.numpy():
            return
        rows = []
        for batch in batches:
            rows.extend(np.reshape(batch["image"], (len(batch["image"]), -1)))
            if len(rows) >= START_ROWS:
                break
        if len(rows) < self.num_components:
            raise ValueError(
                f"Expected at least {self.num_components} images, one for each "
                f"component, got {len(rows)}."
            )
        self.gaussians.initialize(np.stack(rows[:START_ROWS]), int(self.seed.numpy()))

    def players(self):
        """One player trains all components."""
        return {"gmm": Player([self.gaussians], self.gmm_loss)}

    def default_optimizers(self):
        """Adam, by default at 1e-3, with an epsilon of 1e-3.

        After k-means some gradients are only rounding errors. Adam would scale them to
        steps of full size; a large epsilon prevents this.
        """
        rate = schedules.cosine(self.learning_rate, self.decay_steps)
        return {"gmm": keras.optimizers.Adam(rate, epsilon=1e-3)}

    def gmm_loss(self, batch, shared, training):
        """Mean of -log p(x), in nats per image."""
        rows = self.rows(batch["image"])
        return -ops.mean(self.gaussians.distribution().log_prob(rows))

    def rows(self, images):
        """Images as vectors, (batch, dimensions)."""
        return ops.reshape(images, (-1, int(np.prod(self.image_shape))))

    @draws("images")
    def sample(self, seed):
        """Draws images, float32 (n, height, width, channels), clipped to [-1, 1]."""
        rows = priors.sample_rows(self.gaussians.distribution(), seed)
        return ops.clip(ops.reshape(rows, (-1, *self.image_shape)), -1.0, 1.0)

    @transforms("log_prob")
    def log_prob(self, images):
        """Log p(x), a density: float32 (batch,), in nats, of images in [-1, 1]."""
        return self.gaussians.distribution().log_prob(self.rows(images))

    @transforms("probabilities")
    def responsibilities(self, images):
        """p(component | x), float32 (batch, num_components), of images in [-1, 1]."""
        mixture = self.gaussians.distribution()
        return tf.nn.softmax(
            mixture.components_distribution.log_prob(self.rows(images)[:, None])
            + tf.nn.log_softmax(mixture.mixture_distribution.logits)
        )
