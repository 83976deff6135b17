"""Walks through latent space: linear and spherical interpolation.

1. Shoemake, "Animating Rotation with Quaternion Curves", 1985.
2. White, "Sampling Generative Networks", 2016 (spherical, for Gaussian latents).
"""

import numpy as np


def lerp(a, b, t):
    """Points on the line from a to b.

    Args:
        a: Latents (batch, latent_dim).
        b: The same.
        t: Where on the way, 0 at a and 1 at b: a number, or (batch,).
    """
    t = np.asarray(t)[..., None]
    return (1 - t) * a + t * b


def slerp(a, b, t):
    """Points on the great arc from a to b ([1]), whose norm does not dip ([2]).

    The direction turns by t of the angle between a and b, the norm goes linearly; for
    a and b of one direction it is `lerp`.

    Args:
        a: Latents (batch, latent_dim), not zero.
        b: The same, not opposite to a.
        t: As for `lerp`.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    norm_a, norm_b = (np.linalg.norm(x, axis=-1, keepdims=True) for x in (a, b))
    first, second = a / norm_a, b / norm_b
    cosine = np.sum(first * second, axis=-1, keepdims=True)
    angle = np.arccos(np.clip(cosine, -1.0, 1.0))
    t = np.asarray(t)[..., None]
    flat = angle < 1e-6
    sine = np.where(flat, 1.0, np.sin(angle))
    arc = (np.sin((1 - t) * angle) * first + np.sin(t * angle) * second) / sine
    direction = np.where(flat, lerp(first, second, t[..., 0]), arc)
    return direction * ((1 - t) * norm_a + t * norm_b)
