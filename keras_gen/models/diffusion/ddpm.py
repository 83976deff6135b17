"""DDPM [1] with the improvements of [2]: diffusion in discrete steps.

The network predicts the noise, the data, or v [3]; schedule, variance and the weights
of noise levels [4] are options. `log_prob` is the bound on the likelihood of bytes,
over all steps.

1. Ho, Jain and Abbeel, "Denoising Diffusion Probabilistic Models", 2020.
2. Nichol and Dhariwal, "Improved Denoising Diffusion Probabilistic Models", 2021.
3. Salimans and Ho, "Progressive Distillation for Fast Sampling of Diffusion Models",
   2022.
4. Hang et al., "Efficient Diffusion Training via Min-SNR Weighting Strategy", 2023.
"""

import math
from typing import Annotated, Literal

import numpy as np
import tensorflow as tf
from annotated_types import Ge
from keras import ops

from keras_gen.core.abilities import transforms
from keras_gen.core.noise import seeds_of_values
from keras_gen.core.registry import register
from keras_gen.core.types import ImageShape, Rate
from keras_gen.models.diffusion import samplers
from keras_gen.models.diffusion.base import rows_of
from keras_gen.models.diffusion.denoising import DenoisingModel
from keras_gen.models.diffusion.processes import VariancePreserving

HALF_LEVEL = 1.0 / 255.0  # Half of the distance of two grey levels in [-1, 1].


@register("ddpm", batch_size=64, image_shape=(32, 32, 1))
class DDPM(DenoisingModel):
    """Denoising diffusion: noise is added in many small steps, and taken away again.

    The logs show `bound` if the variance is learned: the terms of the bound on the
    likelihood at the drawn times, in nats, times their number.

    Args:
        image_shape: Shape of an image, (height, width, channels); None for points.
        schedule: Growth of the noise: "cosine" ([2]) or "linear" ([1]).
        num_timesteps: Number of noising steps.
        prediction: Output of the network: "noise" ([1]), "data", or "v" ([3]). From
            the noise at the last step of the cosine schedule, estimates of images have
            20,000 times its error.
        variance: Variance of a denoising step of the sampler "ancestral" and of
            `log_prob`: the "lower" or the "upper" bound ([1], section 3.2), or
            "learned" ([2], equation 15). Other samplers do not use it.
        min_snr: Largest weight of the squared error of the data, as a
            signal-to-noise ratio ([4]); None weighs all errors of the network the same.
        bound_weight: Weight of the bound on the likelihood in the loss, which trains a
            learned variance ([2], equation 16); others have no such term.
        clip: Boolean, whether estimates of images, after guidance, are clipped to
            [-1, 1] in sampling.
        **options: Options of `DenoisingModel`, such as `network`, `settings` or
            `num_classes`.
    """

    tiny = {
        "image_shape": (8, 8, 1),
        "network": "dit",
        "settings": {"width": 8, "depth": 1, "heads": 2},
        "steps": 2,
        "learning_rate": 0.01,
        "num_timesteps": 4,
    }
    fixed_options = ("outputs",)
    likelihood_images = 100  # The network runs for each of the noising steps.

    def __init__(
        self,
        image_shape: ImageShape | None = (32, 32, 1),
        schedule: Literal["cosine", "linear"] = "cosine",
        num_timesteps: Annotated[int, Ge(2)] = 1000,
        prediction: Literal["noise", "data", "v"] = "v",
        variance: Literal["lower", "upper", "learned"] = "lower",
        min_snr: Rate | None = None,
        bound_weight: Rate = 0.001,
        clip: bool = True,
        **options,
    ):
        if variance == "learned":
            options["outputs"] = 2
        super().__init__(
            process=VariancePreserving(schedule, num_timesteps),
            image_shape=image_shape,
            **options,
        )
        self.process.path(self.steps)  # Checks the number of steps.
        self.num_timesteps, self.prediction = num_timesteps, prediction
        self.variance, self.min_snr = variance, min_snr
        self.bound_weight, self.clip = bound_weight, clip
        self.figures = ("bound",) if variance == "learned" else ()

    def precondition(self, alpha, sigma):
        """From the noise, x0 = (x - sigma e) / alpha; from v, alpha x - sigma v."""
        one = tf.ones_like(sigma)
        return {
            "noise": (1.0 / alpha, -sigma / alpha, one),
            "data": (tf.zeros_like(sigma), one, one),
            "v": (alpha, -sigma, one),
        }[self.prediction]

    def weight(self, alpha, sigma):
        """1, or min(SNR, limit) for errors of the data ([4], equation 6)."""
        if self.min_snr is None:
            return tf.ones_like(sigma)
        ratio = tf.square(alpha / sigma)
        _, out, _ = self.precondition(alpha, sigma)
        return tf.minimum(ratio, self.min_snr) * tf.square(out)

    # The variance of steps.

    def estimate_of_output(self, output, x, alpha, sigma):
        """The estimate, and the position of a learned variance."""
        output, position = self._parts(output)
        return super().estimate_of_output(output, x, alpha, sigma)[0], position

    def bounded(self, estimate):
        """The estimate, clipped for images."""
        if self.clip and self.image_shape is not None:
            return tf.clip_by_value(estimate, -1.0, 1.0)
        return estimate

    def _parts(self, output):
        """The prediction, and the position of a learned variance, or None.

        Position 0 is the lower bound, and 1 the upper one; others are not excluded.
        """
        if self.variance != "learned":
            return output, None
        prediction, position = tf.split(output, 2, axis=-1)
        return prediction, (position + 1.0) / 2.0

    def draw_along(self, path, latents, seed, condition, guidance, sampler, eta=0.0):
        """Runs a sampler; the ancestral one uses the model's variance."""
        if sampler != "ancestral" or seed is None:
            arguments = path, latents, seed, condition, guidance, sampler, eta
            return super().draw_along(*arguments)
        return samplers.ancestral(
            self.denoiser(path, condition, guidance),
            self.start_of(path, latents),
            path,
            self.row_noise(seed),
            variance=1.0 if self.variance == "upper" else 0.0,
        )

    # The bound on the likelihood.

    def loss_of_output(self, output, data, x, time):
        """The weighted error and, if the variance is learned, a term of the bound.

        The term does not train the prediction ([2], section 3.1).
        """
        prediction, position = self._parts(output)
        loss = super().loss_of_output(prediction, data, x, time)
        if position is None:
            return loss
        index = tf.cast(tf.round(time * self.num_timesteps), tf.int32)
        estimate = self._estimate(tf.stop_gradient(prediction), x, time)
        terms = self.bound_terms(data, x, estimate, position, index)
        bound = self.num_timesteps * ops.mean(terms)
        # Per number, since errors of the network are means over the numbers too.
        return loss + self.bound_weight * bound / self.latent_dim, {"bound": bound}

    def _estimate(self, prediction, x, time):
        alpha, sigma = self.process.levels(time)
        skip, out, _ = self.precondition(alpha, sigma)
        return rows_of(skip, x) * x + rows_of(out, x) * prediction

    def bound_terms(self, data, x, estimate, position, index):
        """Terms of the bound at steps, float32 (batch,), in nats.

        For index 0 it is minus the log-probability of bytes under the discretised
        Gaussian of the last step ([1], section 3.3), or minus the log-density of points
        under the Gaussian itself; for others it is the divergence of the model's step
        from the true one ([1], equation 5).

        Args:
            data: Images, (batch, height, width, channels).
            x: Noisy images at the steps.
            estimate: Estimate of the images.
            position: Position of the variance's logarithm between its bounds.
            index: Indices of the steps, int32 (batch,), from 0 (least noise).
        """
        of_data, of_x, low, high = (
            rows_of(tf.gather(tf.constant(table, tf.float32), index), x)
            for table in self._step_tables()
        )
        log_variance = low + position * (high - low)
        mean = of_data * estimate + of_x * x
        gap = of_data * (estimate - data)
        divergence = 0.5 * (
            log_variance
            - low
            - 1.0
            + tf.exp(low - log_variance)
            + tf.square(gap) * tf.exp(-log_variance)
        )
        if self.image_shape is None:
            squares = tf.square(data - mean) * tf.exp(-log_variance)
            last = 0.5 * (math.log(2.0 * math.pi) + log_variance + squares)
        else:
            last = -_log_bytes(data, mean, 0.5 * log_variance)
        terms = tf.where(rows_of(index == 0, x), last, divergence)
        return tf.reduce_sum(terms, axis=list(range(1, x.shape.rank)))

    def _step_tables(self):
        """For each step: the mean's factors of data and x, and bounds of log variance.

        The lower bound of the last step is 0; that of the step before stands for it, as
        in [2].
        """
        level = self.process.signal_levels()
        before = np.append(1.0, level[:-1])
        beta = 1.0 - level / before
        of_data = np.sqrt(before) * beta / (1.0 - level)
        of_x = np.sqrt(1.0 - beta) * (1.0 - before) / (1.0 - level)
        lower = beta * (1.0 - before) / (1.0 - level)
        lower[0] = lower[1]
        return of_data, of_x, np.log(lower), np.log(beta)

    @transforms("log_prob", needs="image_shape")
    def log_prob(self, images, labels=None, captions=None):
        """A lower bound on log-probabilities of bytes, float32 (batch,), in nats.

        It is the sum over all steps, each with one draw of noise ([2], section 3): the
        network runs `num_timesteps` times. The noise follows from the levels of the
        image, so that it gets the same estimate in every call, and errors of different
        images are independent.

        Args:
            images: Images, float32 (batch, height, width, channels), in [-1, 1], which
                are rounded to the nearest of 256 levels.
            labels: Classes, int (batch,), if the model has classes.
            captions: Captions, strings (batch,), if the model takes captions.
        """
        levels = tf.round((images + 1.0) / (2.0 * HALF_LEVEL))
        data = levels * 2.0 * HALF_LEVEL - 1.0
        noise_of_step = self.row_noise(seeds_of_values(tf.cast(levels, tf.int64)))
        network = self.in_float32(self.averaged(self.network))
        condition = self.condition_of(labels, captions, precise=True)

        def add(i, total):
            index = tf.fill([tf.shape(data)[0]], i)
            time = tf.cast(index, tf.float32) / self.num_timesteps
            alpha, sigma = self.process.levels(time)
            noise = noise_of_step(i)
            x = rows_of(alpha, data) * data + rows_of(sigma, data) * noise
            output = self.predict_output(network, x, time, alpha, sigma, condition)
            estimate, position = self.estimate_of_output(output, x, alpha, sigma)
            if position is None:
                position = 1.0 if self.variance == "upper" else 0.0
            terms = self.bound_terms(data, x, self.bounded(estimate), position, index)
            return i + 1, total + terms

        _, total = tf.while_loop(
            lambda i, _: i < self.num_timesteps,
            add,
            (tf.constant(0), tf.zeros([tf.shape(data)[0]])),
            parallel_iterations=1,
        )
        return -total - self._last_divergence(data)

    def _last_divergence(self, data):
        """The divergence of the noisiest data from standard normal noise."""
        level = self.process.signal_levels()[-1]
        terms = 0.5 * (level * tf.square(data) - level - math.log(1.0 - level))
        return tf.reduce_sum(terms, axis=list(range(1, data.shape.rank)))


def _log_bytes(data, mean, log_deviation):
    """Log-probabilities of bytes under a Gaussian that is cut into levels."""
    scale = tf.exp(-log_deviation)

    def below(value):
        return 0.5 * tf.math.erfc(-(value - mean) * scale / math.sqrt(2.0))

    upper, lower = below(data + HALF_LEVEL), below(data - HALF_LEVEL)
    # The first and the last level take all that is beyond them.
    inside = tf.where(data > 0.999, 1.0 - lower, upper - lower)
    inside = tf.where(data < -0.999, upper, inside)
    return tf.math.log(tf.maximum(inside, 1e-12))
