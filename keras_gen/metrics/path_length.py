"""Perceptual path length: how much images change for a small step in latent space.

1. Karras, Laine and Aila, "A Style-Based Generator Architecture for Generative
   Adversarial Networks", 2019, section 4.1.
"""

from __future__ import annotations  # `help` shows ArrayLike by its name.

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from keras_gen import latent
from keras_gen.metrics.features import extractor

PATHS = {"linear": latent.lerp, "spherical": latent.slerp}
MIN_PATHS = 100


def perceptual_path_length(
    decode: Callable,
    first: ArrayLike,
    second: ArrayLike,
    *,
    interpolation: Literal["spherical", "linear"] = "spherical",
    epsilon: float = 1e-4,
    ends: bool = False,
    features="mnist",
    seed: int = 0,
) -> tuple[float, float]:
    """E[d(G(path(t)), G(path(t + epsilon))) / epsilon^2] ([1], equation 2).

    The distance d is the squared distance between features. [1] uses features of VGG,
    weighted to fit human judgements: compare only values of the same extractor. As in
    [1], the pairs below the first and above the 99th percentile are left out.

    Args:
        decode: Function of latents (batch, latent_dim) to images in [-1, 1].
        first: Latents at the start of each path, (num_paths, latent_dim).
        second: Latents at the end of each path, (num_paths, latent_dim).
        interpolation: Shape of the paths: "spherical" for Gaussian latents, "linear"
            for others and for StyleGAN's w.
        epsilon: Length of the step, as a share of the path.
        ends: Boolean, whether t is 0 for all paths (the figures "end" of [1]);
            otherwise it is drawn uniformly from [0, 1) ("full").
        features: Feature extractor, or an argument for `keras_gen.metrics.extractor`.
        seed: Seed of the draw of t.

    Returns:
        The mean over paths and its standard error: lower is smoother.

    Raises:
        ValueError: For another interpolation, latents of different shapes, or fewer
            than 100 paths.
    """
    if interpolation not in PATHS:
        raise ValueError(f"Expected one of {list(PATHS)}, got {interpolation!r}.")
    first, second = np.asarray(first), np.asarray(second)
    if first.shape != second.shape or first.ndim != 2 or len(first) < MIN_PATHS:
        raise ValueError(
            f"Expected at least {MIN_PATHS} paths between latents (num_paths, "
            f"latent_dim), got {first.shape} and {second.shape}."
        )
    extract, path = extractor(features), PATHS[interpolation]
    t = np.random.default_rng(seed).uniform(size=len(first)) * (not ends)
    before, after = (
        extract.features(decode(path(first, second, position).astype(np.float32)))
        for position in (t, t + epsilon)
    )
    speeds = np.sum((after.astype(np.float64) - before) ** 2, axis=1) / epsilon**2
    low, high = np.quantile(speeds, [0.01, 0.99])
    kept = speeds[(speeds >= low) & (speeds <= high)]
    return float(kept.mean()), float(kept.std(ddof=1) / np.sqrt(len(kept)))
