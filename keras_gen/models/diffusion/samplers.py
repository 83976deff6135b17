"""Samplers: from noise to data, with a denoiser and a list of noise levels.

A forward process mixes data x0 with standard normal noise e: x = alpha x0 + sigma e. A
`Path` lists alpha and sigma from noise to data. A denoiser, `denoise(x, i)`, estimates
x0 from x at the i-th point of the path: for all samplers but `consistency`, it is the
mean of x0 given x. Samplers are pure functions of both, work on any process, and run in
one graph:

    x = ddim(denoise, noise, path)                 # [2], equation 12 with eta 0
    x = dpm_solver(denoise, noise, path)           # [4], DPM-Solver++(2M)
    x = heun(denoise, noise, path)                 # [3], algorithm 1 without churn
    x = ancestral(denoise, noise, path, draw)      # [1], algorithm 2

The deterministic ones solve the same differential equation ([3], equation 1), of which
`ddim` is Euler's method: along a step, x0 and e are constant, whatever the process and
the variable of integration. So "euler" and "ddim" with eta 0 are one sampler.

1. Ho, Jain and Abbeel, "Denoising Diffusion Probabilistic Models", 2020.
2. Song, Meng and Ermon, "Denoising Diffusion Implicit Models", 2021.
3. Karras et al., "Elucidating the Design Space of Diffusion-Based Generative Models",
   2022.
4. Lu et al., "DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Probabilistic
   Models", 2022, algorithm 2.
5. Lugmayr et al., "RePaint: Inpainting using Denoising Diffusion Probabilistic Models",
   2022.
6. Song et al., "Consistency Models", 2023.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

# From x, (batch, ...), and the index of a point, an int32 scalar, to the estimate of
# x0, which has the shape of x. `ancestral` may get a pair; the others use its first.
Denoiser = Callable[[tf.Tensor, tf.Tensor], tf.Tensor | tuple[tf.Tensor, tf.Tensor]]
# From the index of a draw, an int32 scalar, to standard normal numbers in x's shape.
Draw = Callable[[tf.Tensor], tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Path:
    """Points of a forward process, from noise to data.

    Attributes:
        time: Time of each point, float64 (points,), as the network takes it.
        alpha: Factor of the data at each point, float64 (points,).
        sigma: Standard deviation of the noise at each point, float64 (points,),
            decreasing. The last may be 0.
        straight: Boolean, whether `heun` takes its slopes along x / (alpha + sigma),
            in which paths of one pair (x0, e) are straight lines; else along x / alpha
            over sigma / alpha, as [3] does.
    """

    time: np.ndarray
    alpha: np.ndarray
    sigma: np.ndarray
    straight: bool = True

    @property
    def steps(self) -> int:
        """Number of steps between the points."""
        return len(self.time) - 1

    def reversed(self) -> "Path":
        """The same points, from data to noise."""
        return dataclasses.replace(
            self,
            time=self.time[::-1],
            alpha=self.alpha[::-1],
            sigma=self.sigma[::-1],
        )


# Samplers whose steps are linear in x, the last two estimates of x0, and noise.


@dataclasses.dataclass(frozen=True)
class Steps:
    """Coefficients of steps x' = a x + b x0 + c (x0 before) + s noise.

    Attributes:
        of_x: Coefficients a, float64 (steps,).
        of_data: Coefficients b of the estimates of x0.
        of_last: Coefficients c of the estimates one step earlier; 0 at the first step.
        of_noise: Standard deviations s.
    """

    of_x: np.ndarray
    of_data: np.ndarray
    of_last: np.ndarray
    of_noise: np.ndarray


def ddim_steps(path: Path, eta: float = 0.0) -> Steps:
    """The steps of DDIM ([2], equations 12 and 16).

    Args:
        path: Points, from noise to data.
        eta: Share of the noise of ancestral sampling, from 0 (deterministic) to 1.
    """
    alpha, sigma = path.alpha, path.sigma
    spread = eta * np.sqrt(posterior_variances(path)[0]) if eta else 0.0 * sigma[1:]
    of_x = np.sqrt(np.maximum(sigma[1:] ** 2 - spread**2, 0.0)) / sigma[:-1]
    of_data = alpha[1:] - of_x * alpha[:-1]
    return Steps(of_x, of_data, np.zeros_like(of_x), spread)


def dpm_solver_steps(path: Path) -> Steps:
    """The steps of DPM-Solver++(2M), in the logarithm of alpha / sigma ([4]).

    The first step, the second of a path that begins at alpha = 0, such as straight
    ones, and a last one to sigma = 0 are of first order: they are DDIM's.
    """
    first = ddim_steps(path)
    with np.errstate(divide="ignore"):
        ratio = np.log(path.alpha) - np.log(path.sigma)
    sizes = np.diff(ratio)
    share = np.zeros_like(sizes)
    is_finite = np.isfinite(sizes)
    inner = is_finite[1:] & is_finite[:-1]
    share[1:][inner] = sizes[1:][inner] / (2.0 * sizes[:-1][inner])
    return Steps(
        first.of_x,
        first.of_data * (1.0 + share),
        -first.of_data * share,
        first.of_noise,
    )


def posterior_variances(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Variances of x at the next point, given x at this one.

    Returns:
        The variance given x0 too ([1], equation 7), and that of the forward process
        between the two points: the bounds of [1], section 3.2. Both are (steps,), in
        the units of x at the next point.
    """
    alpha, sigma = path.alpha, path.sigma
    ratio = alpha[:-1] / alpha[1:]
    forward = np.maximum(sigma[:-1] ** 2 - (ratio * sigma[1:]) ** 2, 0.0)
    return forward * (sigma[1:] / sigma[:-1]) ** 2, forward


def ddim(
    denoise: Denoiser,
    x: tf.Tensor,
    path: Path,
    draw: Draw | None = None,
    eta: float = 0.0,
    start: tf.Tensor | None = None,
) -> tf.Tensor:
    """DDIM: deterministic, of first order, with eta 0; random with eta above 0.

    Args:
        denoise: Denoiser.
        x: Noise at the first point of the path, (batch, ...).
        path: Points, from noise to data.
        draw: Noise of each step, needed if eta is above 0.
        eta: Share of the noise of ancestral sampling, in [0, 1].
        start: Index of the first step of each row, int32 (batch,), of which `x` is at
            that point; None starts all rows at the first point.

    Returns:
        x at the last point.
    """
    return run(denoise, x, ddim_steps(path, eta), draw if eta else None, start=start)


def trajectory(denoise: Denoiser, x: tf.Tensor, path: Path) -> tf.Tensor:
    """The points through which deterministic DDIM goes.

    Args:
        denoise: Denoiser.
        x: Noise at the first point of the path, (batch, ...).
        path: Points, from noise to data.

    Returns:
        x / (alpha + sigma) at all points, (points, batch, ...). In these coordinates,
        the path of one pair of data and noise is a straight line in all processes.
    """
    steps, scale = ddim_steps(path), tf.constant(path.alpha + path.sigma, x.dtype)
    of_x, of_data = (tf.constant(t, x.dtype) for t in (steps.of_x, steps.of_data))
    places = tf.TensorArray(x.dtype, path.steps + 1, element_shape=x.shape)

    def step(i, x, places):
        data, _ = _pair(denoise(x, i))
        x = of_x[i] * x + of_data[i] * data
        return i + 1, x, places.write(i + 1, x / scale[i + 1])

    _, _, places = tf.while_loop(
        lambda i, *_: i < path.steps,
        step,
        (tf.constant(0), x, places.write(0, x / scale[0])),
        parallel_iterations=1,
    )
    return places.stack()


def curvature(places: np.ndarray) -> float:
    """The mean length of paths over that of their chords: 1 for straight paths.

    >>> around_a_corner = np.array([[[0.0, 0.0]], [[1.0, 0.0]], [[1.0, 1.0]]])
    >>> round(curvature(around_a_corner), 3)
    1.414

    Args:
        places: Points of each path in their order, (points, batch, ...).
    """
    places = np.reshape(places, (*np.shape(places)[:2], -1))
    lengths = np.linalg.norm(np.diff(places, axis=0), axis=-1).sum(axis=0)
    return float(np.mean(lengths / np.linalg.norm(places[-1] - places[0], axis=-1)))


def dpm_solver(denoise: Denoiser, x: tf.Tensor, path: Path) -> tf.Tensor:
    """DPM-Solver++(2M): deterministic, of second order, one evaluation a step.

    Args:
        denoise: Denoiser.
        x: Noise at the first point of the path, (batch, ...).
        path: Points, from noise to data.

    Returns:
        x at the last point.
    """
    return run(denoise, x, dpm_solver_steps(path))


def ancestral(
    denoise: Denoiser,
    x: tf.Tensor,
    path: Path,
    draw: Draw,
    variance: float = 0.0,
) -> tf.Tensor:
    """Ancestral sampling ([1], algorithm 2): x is drawn anew at every point.

    Args:
        denoise: Denoiser. It may return a pair of x0 and the position, in the shape of
            x, of the logarithm of the variance between its two bounds, for networks
            that learn it.
        x: Noise at the first point of the path, (batch, ...).
        path: Points, from noise to data.
        draw: Noise of each step.
        variance: Position of the variance's logarithm between the bounds of
            `posterior_variances`, from 0 (the lower) to 1.

    Returns:
        x at the last point.
    """
    steps, bounds = ddim_steps(path, 1.0), posterior_variances(path)
    with np.errstate(divide="ignore"):
        low, high = (0.5 * np.log(bound) for bound in bounds)
    # The last step to sigma = 0 is without noise, whatever the position.
    low, high = (np.where(np.isfinite(b), b, -np.inf) for b in (low, high))
    high = np.where(np.isfinite(low), high, -np.inf)

    def deviation(position, i):
        bottom, top = (tf.gather(tf.constant(b, x.dtype), i) for b in (low, high))
        inside = tf.exp(bottom + position * (top - bottom))
        return tf.where(tf.math.is_finite(bottom), inside, tf.zeros_like(inside))

    return run(denoise, x, steps, draw, deviation, variance)


def consistency(denoise: Denoiser, x: tf.Tensor, path: Path, draw: Draw) -> tf.Tensor:
    """Sampling of consistency models ([6], algorithm 1): new noise at every point.

    Args:
        denoise: Denoiser that returns the end of the path through x.
        x: Noise at the first point of the path, (batch, ...).
        path: Points, from noise to data.
        draw: Noise of each step.

    Returns:
        x at the last point.
    """
    zeros = np.zeros(path.steps)
    return run(denoise, x, Steps(zeros, path.alpha[1:], zeros, path.sigma[1:]), draw)


def run(
    denoise: Denoiser,
    x: tf.Tensor,
    steps: Steps,
    draw: Draw | None = None,
    deviation: Callable | None = None,
    position: float = 0.0,
    start: tf.Tensor | None = None,
) -> tf.Tensor:
    """Runs linear steps in a loop within the graph.

    Args:
        denoise: Denoiser, which may return a pair as for `ancestral`.
        x: Noise at the first point, (batch, ...).
        steps: Coefficients.
        draw: Noise of each step; None for steps without noise.
        deviation: Function from the position of the variance and the index of a step to
            the standard deviation of its noise; None uses that of `steps`.
        position: Position of the variance for denoisers that do not return it.
        start: Index of the first step of each row, int32 (batch,), for steps that do
            not depend on the estimate before; None starts all rows at the first.

    Returns:
        x after the last step.
    """
    tables = [
        tf.constant(table, x.dtype)
        for table in (steps.of_x, steps.of_data, steps.of_last, steps.of_noise)
    ]

    def step(i, x, last):
        of_x, of_data, of_last, spread = (table[i] for table in tables)
        before = x
        data, place = _pair(denoise(x, i), position)
        x = of_x * x + of_data * data + of_last * last
        if draw is not None:
            if deviation is not None:
                spread = deviation(tf.cast(place, x.dtype), i)
            x += spread * draw(i)
        if start is not None:
            has_begun = tf.reshape(i >= start, [-1] + [1] * (x.shape.rank - 1))
            x = tf.where(has_begun, x, before)
        return i + 1, x, data

    return _loop(len(steps.of_x), step, x, tf.zeros_like(x))


def _pair(estimate, position=0.0):
    return estimate if isinstance(estimate, tuple) else (estimate, position)


def _loop(count, step, x, *state):
    """The x after `count` calls of `step(i, x, *state)`, in a loop within the graph."""
    _, x, *_ = tf.while_loop(
        lambda i, *_: i < count,
        step,
        (tf.constant(0), x, *state),
        parallel_iterations=1,
    )
    return x


# Heun's method.


def traced_once(function: Callable) -> Callable:
    """A function of tensors that a graph calls in several places, as a graph itself.

    Tracing a network takes seconds.
    """
    return tf.function(function, autograph=False)


def heun(denoise: Denoiser, x: tf.Tensor, path: Path) -> tf.Tensor:
    """Heun's method ([3], algorithm 1 with no churn), of second order.

    It evaluates the denoiser twice a step, but once in a step to sigma = 0, which is
    Euler's.

    Args:
        denoise: Denoiser.
        x: Noise at the first point of the path, (batch, ...).
        path: Points, from noise to data or back.

    Returns:
        x at the last point.
    """
    share = 1.0 if path.straight else 0.0
    scale = path.alpha + share * path.sigma
    alpha, sigma, scale = (
        tf.constant(table, x.dtype) for table in (path.alpha, path.sigma, scale)
    )
    position = sigma / scale

    @traced_once
    def slope(x, i):
        """Of x / scale over the position: e - share x0."""
        data, _ = _pair(denoise(x, i))
        noise = (x - alpha[i] * data) / sigma[i]
        return noise - share * data

    def step(i, x):
        size = position[i + 1] - position[i]
        start, first = x / scale[i], slope(x, i)
        end = (start + size * first) * scale[i + 1]

        def corrected():
            second = slope(end, i + 1)
            return (start + size * (first + second) / 2.0) * scale[i + 1]

        return i + 1, tf.cond(sigma[i + 1] > 0, corrected, lambda: end)

    return _loop(path.steps, step, x)


# By name, for models whose estimate is the mean of the data. Each is a function of
# (denoise, x, path, draw).

SAMPLERS = {
    "dpm++": lambda denoise, x, path, draw: dpm_solver(denoise, x, path),
    "heun": lambda denoise, x, path, draw: heun(denoise, x, path),
    "ddim": ddim,
    "euler": lambda denoise, x, path, draw: ddim(denoise, x, path),
    "ancestral": ancestral,
}
# Those that draw noise between steps.
RANDOM = ("ancestral",)


# Images of which a part is known.

# Ratio of alpha and sigma up to which a point is nearly pure noise.
NEARLY_NOISE = 0.02


def repaint(
    denoise: Denoiser,
    x: tf.Tensor,
    path: Path,
    draw: Draw,
    known: tf.Tensor,
    mask: tf.Tensor,
    jump: int | None = None,
    repeats: int = 10,
) -> tf.Tensor:
    """Draws the unknown pixels by ancestral sampling, with repetitions ([5]).

    After every `jump` steps, noise is added for as many steps back, `repeats` - 1
    times, so that unknown pixels come to agree with the known ones. Steps from points
    that are nearly pure noise are made once, since nothing of the image is left there.

    Args:
        denoise: Denoiser.
        x: Noise at the first point of the path, (batch, height, width, channels).
        path: Points, from noise to data.
        draw: Noise of each draw.
        known: Images whose pixels are kept where the mask is 1.
        mask: Mask, (batch, height, width, 1), of 0 and 1.
        jump: Number of steps that are repeated together; None repeats 10 of 250 steps,
            as [5] does, and in proportion of other numbers.
        repeats: Number of times that each step is made.

    Returns:
        Images, in which the known pixels are exactly those of `known`.
    """
    steps = ddim_steps(path, 1.0)
    jump = max(1, round(path.steps * 10 / 250)) if jump is None else jump
    first = int(np.argmax(path.alpha > NEARLY_NOISE * path.sigma))
    order, back = repaint_order(path.steps, jump, repeats, first)
    a, b, s, alpha, sigma = (
        tf.constant(table, x.dtype)
        for table in (
            steps.of_x,
            steps.of_data,
            steps.of_noise,
            path.alpha,
            path.sigma,
        )
    )
    # Factor and standard deviation of the noise that is added from a step's end.
    starts, ends = order - back + 1, order + 1
    factors = path.alpha[starts] / path.alpha[ends]
    spreads = np.sqrt(
        np.maximum(path.sigma[starts] ** 2 - (factors * path.sigma[ends]) ** 2, 0.0)
    )
    count, order = len(order), tf.constant(order, tf.int32)
    factors, spreads = tf.constant(factors, x.dtype), tf.constant(spreads, x.dtype)

    def step(k, x):
        i = order[k]
        data, _ = _pair(denoise(x, i))
        unknown = a[i] * x + b[i] * data + s[i] * draw(3 * k)
        given = alpha[i + 1] * known + sigma[i + 1] * draw(3 * k + 1)
        x = mask * given + (1.0 - mask) * unknown
        return k + 1, factors[k] * x + spreads[k] * draw(3 * k + 2)

    x = _loop(count, step, x)
    return mask * known + (1.0 - mask) * x


def repaint_order(
    steps: int, jump: int, repeats: int, first: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """The order of RePaint's steps.

    >>> [part.tolist() for part in repaint_order(4, jump=2, repeats=2)]
    [[0, 1, 0, 1, 2, 3, 2, 3], [0, 2, 0, 0, 0, 2, 0, 0]]

    Args:
        steps: Number of steps of the path.
        jump: Number of steps that are repeated together.
        repeats: Number of times that each step is made.
        first: Index of the first step that is repeated.

    Returns:
        The index of the step to make, and the number of steps back after it.
    """
    order, back = list(range(first)), [0] * first
    for start in range(first, steps, jump):
        block = list(range(start, min(start + jump, steps)))
        for repeat in range(repeats):
            order += block
            back += [0] * len(block)
            if repeat < repeats - 1:
                back[-1] = len(block)
    return np.array(order), np.array(back)
