"""Forward processes: how data and noise are mixed at each time.

At time t, x = alpha(t) x0 + sigma(t) e, with data x0 and standard normal noise e. A
process says which times are trained on, what alpha and sigma are at a time, and which
times samplers visit.

1. Ho, Jain and Abbeel, "Denoising Diffusion Probabilistic Models", 2020.
2. Nichol and Dhariwal, "Improved Denoising Diffusion Probabilistic Models", 2021.
3. Karras et al., "Elucidating the Design Space of Diffusion-Based Generative Models",
   2022.
4. Liu, Gong and Liu, "Flow Straight and Fast: Learning to Generate and Transfer Data
   with Rectified Flow", 2023.
5. Lin et al., "Common Diffusion Noise Schedules and Sample Steps are Flawed", 2024.
"""

import dataclasses
from typing import Literal

import numpy as np
import tensorflow as tf

from keras_gen.models.diffusion.samplers import Path


def signal_levels(schedule: Literal["linear", "cosine"], count: int) -> np.ndarray:
    """The squared factors of the data after each of a number of noising steps.

    Args:
        schedule: Growth of the variances: "linear" ([1], section 4, for 1000 steps, and
            in proportion for other numbers), or "cosine" ([2], equation 17), whose
            variances are at most 0.999.
        count: Number of steps.

    Returns:
        The cumulative products of 1 - beta, float64 (count,), decreasing.
    """
    if schedule == "linear":
        betas = np.linspace(1e-4, 0.02, count) * (1000.0 / count)
    else:
        position = np.linspace(0.0, 1.0, count + 1)
        level = np.cos((position + 0.008) / 1.008 * np.pi / 2) ** 2
        betas = 1.0 - level[1:] / level[:-1]
    return np.cumprod(1.0 - np.minimum(betas, 0.999))


@dataclasses.dataclass(frozen=True)
class VariancePreserving:
    """Diffusion in discrete steps, alpha^2 + sigma^2 = 1 ([1], equation 4).

    Time is the index of a step over the number of steps, from 0 (least noise).

    Attributes:
        schedule: Growth of the variances: "linear" or "cosine".
        num_timesteps: Number of noising steps.
    """

    schedule: str = "cosine"
    num_timesteps: int = 1000

    def times(self, uniform: tf.Tensor) -> tf.Tensor:
        """Times from uniform numbers in [0, 1), float32 (batch,)."""
        return tf.floor(uniform * self.num_timesteps) / self.num_timesteps

    def levels(self, time: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Alpha and sigma at times (batch,)."""
        index = tf.cast(tf.round(time * self.num_timesteps), tf.int32)
        alpha, sigma = self._tables()
        return tf.gather(alpha, index), tf.gather(sigma, index)

    def signal_levels(self) -> np.ndarray:
        """The squared alphas of all steps, float64 (num_timesteps,)."""
        return signal_levels(self.schedule, self.num_timesteps)

    def _tables(self):
        level = self.signal_levels()
        tables = np.sqrt(level), np.sqrt(1.0 - level)
        return [tf.constant(table, tf.float32) for table in tables]

    def path(self, steps: int) -> Path:
        """The points of a sampler, which ends at sigma = 0.

        The times are equally spaced from the last one ("trailing" in [5], table 2).

        Args:
            steps: Number of steps, at most `num_timesteps`.

        Raises:
            ValueError: For more steps.
        """
        self._check(steps)
        count = self.num_timesteps
        index = np.rint(count * (1.0 - np.arange(steps) / steps)).astype(int) - 1
        return _ending_with_data(self._at(index))

    def way_back(self, steps: int) -> Path:
        """The points from data, at the least noise, to noise.

        Args:
            steps: Number of steps, at most `num_timesteps`.

        Raises:
            ValueError: For more steps.
        """
        self._check(steps)
        last = self.num_timesteps - 1
        return self._at(np.rint(np.linspace(0, last, steps + 1)).astype(int))

    def _check(self, steps):
        if steps > self.num_timesteps:
            raise ValueError(
                f"Expected steps up to num_timesteps={self.num_timesteps}, got {steps}."
            )

    def _at(self, index):
        level = self.signal_levels()[index]
        return Path(index / self.num_timesteps, np.sqrt(level), np.sqrt(1.0 - level))


@dataclasses.dataclass(frozen=True)
class VarianceExploding:
    """Diffusion by growing noise, alpha = 1 ([3]). Time is log(sigma) / 4.

    Attributes:
        smallest: Least sigma, but for 0, that samplers visit.
        largest: Sigma at which they start.
        rho: Exponent of their spacing ([3], equation 5).
        mean: Mean of log sigma in training.
        deviation: Standard deviation of log sigma in training.
    """

    smallest: float = 0.002
    largest: float = 80.0
    rho: float = 7.0
    mean: float = -1.2
    deviation: float = 1.2

    def times(self, uniform: tf.Tensor) -> tf.Tensor:
        """Times from uniform numbers in [0, 1), float32 (batch,)."""
        inside = tf.clip_by_value(uniform, 1e-6, 1.0 - 1e-6)
        return (self.mean + self.deviation * tf.math.ndtri(inside)) / 4.0

    def levels(self, time: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Alpha and sigma at times (batch,)."""
        return tf.ones_like(time), tf.exp(4.0 * time)

    def path(self, steps: int) -> Path:
        """The points of a sampler ([3], equation 5), which ends at sigma = 0.

        Args:
            steps: Number of steps.
        """
        return _ending_with_data(self._at(np.linspace(0.0, 1.0, steps)))

    def way_back(self, steps: int) -> Path:
        """The points from data, at the least noise, to noise."""
        return self._at(np.linspace(1.0, 0.0, steps + 1))

    def _at(self, position):
        high, low = self.largest ** (1 / self.rho), self.smallest ** (1 / self.rho)
        sigma = (high + position * (low - high)) ** self.rho
        return Path(np.log(sigma) / 4.0, np.ones_like(sigma), sigma, straight=False)


@dataclasses.dataclass(frozen=True)
class Straight:
    """Straight paths, alpha = 1 - t and sigma = t ([4]), in continuous time.

    Attributes:
        emphasis: Distribution of times in training: "uniform", or "logit_normal", which
            has more times in the middle.
        smallest: Time that stands for data on the way back.
    """

    emphasis: str = "uniform"
    smallest: float = 1e-3

    def times(self, uniform: tf.Tensor) -> tf.Tensor:
        """Times from uniform numbers in [0, 1), float32 (batch,)."""
        if self.emphasis == "uniform":
            return uniform
        inside = tf.clip_by_value(uniform, 1e-6, 1.0 - 1e-6)
        return tf.sigmoid(tf.math.ndtri(inside))

    def levels(self, time: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Alpha and sigma at times (batch,)."""
        return 1.0 - time, time

    def path(self, steps: int) -> Path:
        """The points of a sampler, at equal times.

        Args:
            steps: Number of steps.
        """
        return self._at(np.linspace(1.0, 0.0, steps + 1))

    def way_back(self, steps: int) -> Path:
        """The points from data to noise, at times in a geometric sequence.

        Numbers of the data that hardly vary, such as pixels of a uniform background,
        change fastest at times near their standard deviation.
        """
        return self._at(np.geomspace(self.smallest, 1.0, steps + 1))

    def _at(self, time):
        return Path(time, 1.0 - time, time)


def _ending_with_data(path):
    """A path with a last point of alpha 1 and sigma 0; its time is not used."""
    return dataclasses.replace(
        path,
        time=np.append(path.time, path.time[-1]),
        alpha=np.append(path.alpha, 1.0),
        sigma=np.append(path.sigma, 0.0),
    )
