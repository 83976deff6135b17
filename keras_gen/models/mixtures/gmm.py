"""Mixture of Gaussians over pixels, trained by gradient descent from a k-means start.

Its likelihood is exact, so it is a baseline for models that only have bounds. With
"low_rank" covariances it is a mixture of factor analysers [1]. `fit` takes gradient
steps on mini-batches, which start from the centres of k-means and from the covariance
within clusters, the same for all components. `fit_em` is the usual fit by
expectation-maximisation [2].

1. Ghahramani and Hinton, "The EM Algorithm for Mixtures of Factor Analyzers", 1996.
2. Dempster, Laird and Rubin, "Maximum Likelihood from Incomplete Data via the EM
   Algorithm", 1977.
"""

import math
from typing import Literal

import keras
import numpy as np
import scipy.linalg
import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture

from keras_gen import data
from keras_gen.core import arguments, checks, schedules
from keras_gen.core.abilities import draws, transforms
from keras_gen.core.game import Player
from keras_gen.core.model import GenerativeModel
from keras_gen.core.registry import register
from keras_gen.core.types import Count, ImageShape, Rate, Weight
from keras_gen.data.draws import draw_images
from keras_gen.distributions import priors

tfd = tfp.distributions

START_ROWS = 10_000  # Number of images that the initial weights are fitted to.
START_VALUES = 2**28  # Number of their pixels, at most: 1 GiB.


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
        deviations, factors = self._factorise(residuals)
        if factors is not None:
            factors = np.tile(factors, (count, 1, 1))
        self.assign(
            np.maximum(sizes, 1) / len(rows),
            clusters.cluster_centers_,
            np.tile(deviations, (count, 1)),
            factors,
            least_excess=1e-4,
        )

    def assign(self, weights, means, deviations, factors, least_excess: float) -> None:
        """Sets all weights of the layer.

        Args:
            weights: Weights of the components, (components,), of any sum.
            means: Means, (components, dimensions).
            deviations: Standard deviations (components, dimensions); the diagonals of
                the Cholesky factors if "full".
            factors: Factors, (components, dimensions, columns); None for "diagonal".
            least_excess: Smallest difference of a deviation from `min_deviation`, above
                0. Smaller differences are raised to it.
        """
        excess = np.maximum(deviations - self.min_deviation, least_excess)
        self.logits.assign(np.log(weights))
        self.means.assign(means)
        # The inverse of softplus.
        self.raw_deviations.assign(excess + np.log(-np.expm1(-excess)))
        if self.factors is not None:
            self.factors.assign(factors)
        self.initialized.assign(1.0)

    def moments(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Weights, means and covariances of the components, for "diagonal" and "full".

        Returns:
            float64 (components,), which sum to 1; (components, dimensions); and the
            variances (components, dimensions) if "diagonal", the covariances
            (components, dimensions, dimensions) if "full".
        """
        logits, means, raw = (
            variable.numpy().astype(np.float64)
            for variable in (self.logits, self.means, self.raw_deviations)
        )
        weights = np.exp(logits - logits.max())
        deviations = self.min_deviation + np.logaddexp(0.0, raw)
        if self.covariance == "diagonal":
            covariances = deviations**2
        else:
            factors = np.tril(self.factors.numpy().astype(np.float64), -1)
            diagonal = np.arange(factors.shape[1])
            factors[:, diagonal, diagonal] = deviations
            covariances = factors @ factors.transpose(0, 2, 1)
        return weights / weights.sum(), means, covariances

    def _factorise(self, residuals):
        """Deviations (dimensions,) and factors, or None, that give a covariance.

        Args:
            residuals: Rows of mean 0 with that covariance, (batch, dimensions).
        """
        count, dimensions = residuals.shape
        variances = np.mean(residuals**2, axis=0)
        if self.covariance == "diagonal":
            return np.sqrt(variances), None
        if self.covariance == "full":
            floor = self.min_deviation**2 * np.eye(dimensions)
            covariance = residuals.T @ residuals / count
            factor = np.linalg.cholesky(covariance + floor)
            return np.diag(factor), factor
        values, vectors = principal_axes(residuals, self.rank)
        noise = (variances.sum() - values.sum()) / (dimensions - self.rank)
        factors = vectors * np.sqrt(np.maximum(values - noise, 0.0))
        rest = np.maximum(variances - np.sum(factors**2, axis=1), 0.0)
        return np.sqrt(rest), factors


def principal_axes(rows: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """The greatest eigenvalues of rows^T rows / batch, ascending, and their vectors.

    With fewer rows than dimensions they are found from the matrix of the rows' inner
    products, which has the same eigenvalues except for zeros: no matrix is larger than
    (dimensions, dimensions) or (batch, batch), whichever is smaller.

    Args:
        rows: Rows (batch, dimensions).
        rank: Number of eigenvalues, at most the dimensions. There are no more than rows
            that differ from 0.

    Returns:
        Eigenvalues (rank,), and vectors of length 1 (dimensions, rank); both are 0
        where the rows have no further axis.
    """
    count, dimensions = rows.shape
    is_wide = count < dimensions
    size = min(count, dimensions)
    taken = min(rank, size)
    matrix = (rows @ rows.T if is_wide else rows.T @ rows) / count
    values, vectors = scipy.linalg.eigh(
        matrix, subset_by_index=[size - taken, size - 1]
    )
    if is_wide:
        exists = values > size * np.finfo(values.dtype).eps * values.max(initial=0.0)
        lengths = np.sqrt(np.where(exists, count * values, 1.0))
        values = np.where(exists, values, 0.0)
        vectors = np.where(exists, rows.T @ vectors / lengths, 0.0)
    missing = rank - taken
    return np.pad(values, (missing, 0)), np.pad(vectors, ((0, 0), (missing, 0)))


@register("gmm", image_shape=(28, 28, 1), covariance="low_rank", min_deviation=0.1)
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
        image_shape: ImageShape = (28, 28, 1),
        num_components: Count = 20,
        covariance: Literal["diagonal", "full", "low_rank"] = "diagonal",
        rank: Count = 10,
        min_deviation: Rate = 0.01,
        learning_rate: Rate = 1e-3,
        decay_steps: Count | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
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
        """Sets the initial weights once, by k-means on images drawn by the seed."""
        if not self.gaussians.initialized.numpy():
            self._initialize(batch["image"] for batch in batches)

    def _initialize(self, batches):
        """Sets the weights from k-means of images that are drawn from batches."""
        fitting = START_VALUES // math.prod(self.image_shape)
        count = max(min(START_ROWS, fitting), self.num_components)
        images = draw_images(batches, count, int(self.seed.numpy()))
        rows = images.reshape(len(images), -1)
        if len(rows) < self.num_components:
            raise ValueError(
                f"Expected at least {self.num_components} images, one for each "
                f"component, got {len(rows)}."
            )
        self.gaussians.initialize(rows, int(self.seed.numpy()))

    @arguments.checked(unchecked=("x",))
    def fit_em(
        self,
        x: tf.data.Dataset | np.ndarray | dict,
        *,
        max_iterations: Count = 100,
        tolerance: Weight = 1e-3,
        min_variance: Weight | None = None,
    ) -> float:
        """Fits the mixture by expectation-maximisation ([2]), in place of `fit`.

        It starts from the model's weights; those of a new model come from k-means, as
        for `fit`. The result is that of `sklearn.mixture.GaussianMixture`, which runs
        here, from the same start. All images are in memory as float64, and each
        iteration uses them all.

        >>> model = keras_gen.zoo.load("gmm", image_shape=(2, 2, 1), num_components=2,
        ...                            covariance="full")
        >>> random = np.random.default_rng(0)
        >>> images = random.uniform(-1, 1, (500, 2, 2, 1)).astype("float32")
        >>> nats = model.fit_em(images)
        >>> bool(abs(nats - model.log_prob(images).mean()) < 0.01)
        True

        Args:
            x: Data as for `fit`: images, or a `tf.data.Dataset` of batches.
            max_iterations: Largest number of iterations.
            tolerance: Gain of the mean log-likelihood, in nats, below which the fit
                ends.
            min_variance: Variance that is added to every pixel of every component,
                scikit-learn's `reg_covar`. None uses the square of `min_deviation`,
                below which the model cannot represent a variance.

        Returns:
            The mean log-likelihood of the images, in nats.

        Raises:
            ValueError: For "low_rank" covariances, fewer images than components, a
                variance below the square of `min_deviation`, or no iterations.
        """
        layer = self.gaussians
        if layer.covariance == "low_rank":
            raise ValueError(
                "Expected covariance='diagonal' or 'full' for fit_em, got 'low_rank', "
                "which fit() trains by gradient descent."
            )
        least = layer.min_deviation**2
        if min_variance is None:
            min_variance = least
        checks.at_least(least, min_variance=min_variance)
        batches = data.batches(x, None, self.batch_shapes(), None, shuffle=False)
        images = np.concatenate([batch["image"].numpy() for batch in batches])
        rows = images.reshape(len(images), -1)
        if not layer.initialized.numpy():
            self._initialize([images])
        weights, means, covariances = layer.moments()
        is_full = layer.covariance == "full"
        mixture = GaussianMixture(
            self.num_components,
            covariance_type="full" if is_full else "diag",
            tol=tolerance,
            reg_covar=min_variance,
            max_iter=max_iterations,
            weights_init=weights,
            means_init=means,
            precisions_init=np.linalg.inv(covariances) if is_full else 1 / covariances,
        )
        rows = rows.astype(np.float64)
        mixture.fit(rows)
        if is_full:
            factors = np.linalg.cholesky(mixture.covariances_)
            deviations = np.diagonal(factors, axis1=1, axis2=2)
        else:
            deviations, factors = np.sqrt(mixture.covariances_), None
        layer.assign(
            mixture.weights_,
            mixture.means_,
            deviations,
            factors,
            least_excess=1e-4 * layer.min_deviation,
        )
        return float(mixture.score(rows))

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
