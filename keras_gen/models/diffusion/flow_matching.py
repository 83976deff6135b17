"""Flow matching [1] with straight paths, also known as rectified flow [2].

The network predicts the velocity e - x0 of the straight path from data x0 to noise e,
and samples are solutions of dx/dt = velocity from noise (t = 1) to data (t = 0). Since
the solution is an invertible map, the log-density of data is known up to the error of
its integral [3].

Options: pairs of data and noise by optimal transport within the batch [4], which make
the paths less curved, and times that are more frequent in the middle [5].

1. Lipman et al., "Flow Matching for Generative Modeling", 2023.
2. Liu, Gong and Liu, "Flow Straight and Fast: Learning to Generate and Transfer Data
   with Rectified Flow", 2023.
3. Chen et al., "Neural Ordinary Differential Equations", 2018, theorem 1; Grathwohl et
   al., "FFJORD", 2019 (Hutchinson's estimate of the trace).
4. Tong et al., "Improving and Generalizing Flow-Based Generative Models with Minibatch
   Optimal Transport", 2024.
5. Esser et al., "Scaling Rectified Flow Transformers for High-Resolution Image
   Synthesis", 2024, section 3.1.
"""

import math
from typing import Literal

import numpy as np
import scipy.optimize
import scipy.spatial
import tensorflow as tf

from keras_gen.core.abilities import transforms
from keras_gen.core.noise import for_each_row, seeds_of_values
from keras_gen.core.registry import register
from keras_gen.core.types import Count, ImageShape
from keras_gen.models.diffusion import samplers
from keras_gen.models.diffusion.denoising import DenoisingModel
from keras_gen.models.diffusion.processes import Straight

Emphasis = Literal["uniform", "logit_normal"]
EXACT_DIMENSIONS = 4  # Up to this dimension, `log_prob` computes traces exactly.
LEVEL = 2.0 / 255.0  # Distance of two grey levels of bytes in [-1, 1].


@register("flow_matching", batch_size=64, image_shape=(32, 32, 1))
class FlowMatching(DenoisingModel):
    """Flow matching: a velocity that carries noise to data on nearly straight paths.

    >>> model = keras_gen.zoo.load(
    ...     "flow_matching", image_shape=(8, 8, 1), settings={"width": 4}
    ... )
    >>> model.sample(2, seed=0, steps=4, sampler="heun").shape
    (2, 8, 8, 1)

    Args:
        image_shape: Shape of an image, (height, width, channels); None for points.
        pairing: Pairs of data and noise within a batch: "random", or "optimal", with
            the least total squared distance ([4]), for models with classes within each
            class. The latter is computed by SciPy and takes time that grows with the
            cube of the batch size; models of captions do not take it.
        times: Distribution of times in training: "uniform", or "logit_normal" ([5]).
        probes: Number of random vectors with which `log_prob` estimates the trace of
            the velocity's derivative, for each image and step.
        **options: Options of `DenoisingModel`, such as `network`, `settings`, `steps`
            or `num_classes`.
    """

    tiny = {
        "image_shape": (8, 8, 1),
        "network": "dit",
        "settings": {"width": 8, "depth": 1, "heads": 2},
        "steps": 2,
        "learning_rate": 0.01,
    }
    fixed_options = ("outputs",)
    is_density = True
    likelihood_images = 1_000  # The network and its derivative run for many steps.

    def __init__(
        self,
        image_shape: ImageShape | None = (32, 32, 1),
        pairing: Literal["random", "optimal"] = "random",
        times: Emphasis = "uniform",
        probes: Count = 1,
        **options,
    ):
        if pairing == "optimal" and options.get("text_units") is not None:
            raise ValueError("Expected pairing='random' with captions, got 'optimal'.")
        super().__init__(process=Straight(times), image_shape=image_shape, **options)
        self.pairing, self.probes = pairing, probes

    def precondition(self, alpha, sigma):
        """The network predicts e - x0: x0 = x - t (e - x0) ([2], equation 1)."""
        return tf.ones_like(sigma), -sigma, tf.ones_like(sigma)

    def data_of(self, batch):
        """The batch's data; bytes of images get uniform noise of one level.

        Grey levels have no density. With the noise they have, and its mean is a lower
        bound on the log-probability of the bytes.
        """
        data = batch[self.feature]
        if self.image_shape is None:
            return data
        noise = self.noise("levels", tf.shape(data), "uniform")
        return data + LEVEL * (noise - 0.5)

    def paired_noise(self, data, labels=None):
        """Noise, in the order that `pairing` asks for.

        Noise changes places within a class only: in each class it must be normal.
        """
        noise = super().paired_noise(data)
        if self.pairing == "random":
            return noise
        if labels is None:
            labels = tf.zeros(tf.shape(data)[:1], tf.int64)
        order = tf.numpy_function(_assignment, [data, noise, labels], tf.int64)
        return tf.ensure_shape(tf.gather(noise, order), data.shape)

    # Likelihood.

    @transforms("log_prob", needs="image_shape")
    def log_prob(self, images, labels=None, captions=None, *, steps: int | None = None):
        """Log-density of images with noise of one level, float32 (batch,), in nats.

        It is the log-density of the noise at the end of the way, plus the integral of
        the trace of the velocity's derivative ([3], equation 8). Errors: the integral
        is a sum over Heun's steps, exact as their number grows; the trace is estimated
        by `probes` random vectors, without bias. These and the noise follow from the
        levels of the image, so that it gets the same estimate in every call, and errors
        of different images are independent.

        Args:
            images: Images, float32 (batch, height, width, channels), in [-1, 1], which
                are rounded to the nearest of 256 levels.
            labels: Classes, int (batch,), if the model has classes.
            captions: Captions, strings (batch,), if the model takes captions.
            steps: Number of steps; None uses the model's.
        """
        levels = tf.round((images + 1.0) / LEVEL)
        seeds = seeds_of_values(tf.cast(levels, tf.int64))
        noise = for_each_row(
            lambda key: tf.random.stateless_uniform(self.shape, key), seeds, self.shape
        )
        data = levels * LEVEL - 1.0 + LEVEL * (noise - 0.5)
        condition = self.condition_of(labels, captions, precise=True)
        return self._log_density(data, condition, steps, seeds)

    @transforms("log_prob", needs="point_dim")
    def log_prob_of_points(
        self, points, labels=None, captions=None, *, steps: int | None = None
    ):
        """Log-density of points, float32 (batch,), in nats; see `log_prob`.

        Up to 4 dimensions, the trace is exact.

        Args:
            points: Points, float32 (batch, point_dim).
            labels: Classes, int (batch,), if the model has classes.
            captions: Captions, strings (batch,), if the model takes captions.
            steps: Number of steps; None uses the model's.
        """
        seeds = seeds_of_values(tf.cast(tf.bitcast(points, tf.int32), tf.int64))
        condition = self.condition_of(labels, captions, precise=True)
        return self._log_density(points, condition, steps, seeds)

    def _log_density(self, x, condition, steps, seeds):
        steps = self.steps_or_default(steps)
        time = tf.constant(self.process.way_back(steps).time, tf.float32)
        probes = self._probes(x, seeds)

        @samplers.traced_once
        def slopes(x, time):
            """The velocity at a time, and the trace of its derivative."""
            with tf.GradientTape(persistent=True) as tape:
                tape.watch(x)
                velocity = self._velocity(x, time, condition)
                projected = [
                    tf.reduce_sum(velocity * probe, axis=range(1, x.shape.rank))
                    for probe in probes
                ]
            traces = [
                tf.reduce_sum(
                    tape.gradient(value, x) * probe, axis=range(1, x.shape.rank)
                )
                for value, probe in zip(projected, probes, strict=True)
            ]
            return velocity, tf.add_n(traces) * self._trace_share()

        def step(i, x, integral):
            size = time[i + 1] - time[i]
            first, trace = slopes(x, time[i])
            second, next_trace = slopes(x + size * first, time[i + 1])
            x += size * (first + second) / 2.0
            return i + 1, x, integral + size * (trace + next_trace) / 2.0

        # At the first time, data are mixed with a little noise: x = (1 - t) x0.
        start = (1.0 - time[0]) * x
        zeros = tf.zeros(tf.shape(x)[0])
        _, noise, integral = tf.while_loop(
            lambda i, *_: i < steps,
            step,
            (tf.constant(0), start, zeros),
            parallel_iterations=1,
        )
        squares = tf.reduce_sum(tf.square(noise), axis=range(1, x.shape.rank))
        constant = self.latent_dim * math.log(2.0 * math.pi)
        scaling = self.latent_dim * tf.math.log(1.0 - time[0])
        return -0.5 * (squares + constant) + integral + scaling

    def _velocity(self, x, time, condition):
        time = tf.repeat(time, tf.shape(x)[0])
        alpha, sigma = self.process.levels(time)
        # In bfloat16, images near 1 have steps as large as the distance of grey levels.
        network = self.in_float32(self.averaged(self.network))
        return self.predict_output(network, x, time, alpha, sigma, condition)

    def _probes(self, x, seeds):
        """Vectors whose products with the derivative estimate its trace, or give it."""
        if self.latent_dim <= EXACT_DIMENSIONS:
            axes = tf.reshape(tf.eye(self.latent_dim), (-1, 1, *self.shape))
            return [tf.broadcast_to(axis, tf.shape(x)) for axis in tf.unstack(axes)]

        def signs(key):
            uniform = tf.random.stateless_uniform(self.shape, key)
            return tf.where(uniform < 0.5, -1.0, 1.0)

        return [
            for_each_row(signs, seeds, self.shape, stream=1 + i)
            for i in range(self.probes)
        ]

    def _trace_share(self):
        is_exact = self.latent_dim <= EXACT_DIMENSIONS
        return 1.0 if is_exact else 1.0 / self.probes


def _assignment(data, noise, labels):
    """The order of the noise with the least total squared distance from the data.

    The noise of a row goes to a row with the same label.
    """
    rows = len(data)
    costs = scipy.spatial.distance.cdist(
        data.reshape(rows, -1), noise.reshape(rows, -1), "sqeuclidean"
    )
    costs += costs.sum() * (labels[:, None] != labels)
    return scipy.optimize.linear_sum_assignment(costs)[1].astype(np.int64)
