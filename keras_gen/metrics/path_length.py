"""Perceptual path length: how far images move for a small step in latent space.

1. Karras, Laine and Aila, "A Style-Based Generator Architecture for Generative
   Adversarial Networks", 2019, section 4.1.
"""

import numpy as np

from keras_gen import latent
from keras_gen.metrics.features import extractor

PATHS = {"linear": latent.lerp, "spherical": latent.slerp}


def perceptual_path_length(
    decode,
    first,
    second,
    *,
    interpolation="spherical",
    epsilon=1e-4,
    ends=False,
    features="mnist",
    seed=0,
):
    """E[d(G(path(t)), G(path(t + epsilon))) / epsilon^2] ([1], equation 2).

    The distance d is the squared one between features; [1] takes VGG's, weighted to
    fit human judgements: figures compare within one extractor alone. As in [1], the
    lowest and highest hundredth of the pairs are left out.

    Args:
        decode: Latents (batch, latent_dim) to images in [-1, 1].
        first: Latents at one end of each path, (num_paths, latent_dim).
        second: At the other end.
        interpolation: "spherical" for Gaussian latents, "linear" for others and for
            StyleGAN's w.
        epsilon: Length of the step, as a share of the path.
        ends: Whether t is 0 everywhere ([1]'s figures "end"); it is drawn from all of
            [0, 1) otherwise ("full").
        features: See `keras_gen.metrics.extractor`.
        seed: Of t.

    Returns:
        The mean over paths and its standard error: lower is smoother.

    Raises:
        ValueError: For another interpolation, ends of other shapes, or under 100 paths.
    """
    if interpolation not in PATHS:
        raise ValueError(f"Expected one of {list(PATHS)}, got {interpolation!r}.")
    first, second = np.asarray(first), np.asarray(second)
    if first.shape != second.shape or first.ndim != 2 or len(first) < 100:
        raise ValueError(
            "Expected at least 100 paths between latents (num_paths, latent_dim), got "
            f"{first.shape} and {second.shape}."
        )
    extract, path = extractor(features), PATHS[interpolation]
    t = np.random.default_rng(seed).uniform(size=len(first)) * (not ends)
    before, after = (
        extract.features(decode(path(first, second, place).astype(np.float32)))
        for place in (t, t + epsilon)
    )
    moved = np.sum((after.astype(np.float64) - before) ** 2, axis=1) / epsilon**2
    low, high = np.quantile(moved, [0.01, 0.99])
    kept = moved[(moved >= low) & (moved <= high)]
    return float(kept.mean()), float(kept.std(ddof=1) / np.sqrt(len(kept)))
