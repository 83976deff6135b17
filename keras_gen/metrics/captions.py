"""How well images match their captions.

1. Xu et al., "AttnGAN: Fine-Grained Text to Image Generation with Attentional
   Generative Adversarial Networks", 2018, section 4.1.
"""

from __future__ import annotations  # `help` shows ArrayLike by its name.

import numpy as np
from numpy.typing import ArrayLike


def r_precision(
    images: ArrayLike, captions: ArrayLike, seed: int = 0, candidates: int = 10
) -> float:
    """Share of images whose nearest caption is their own ([1]), in [0, 1].

    Where other candidates are as near, the image counts as a share of one.

    Args:
        images: Features of images, (count, numbers), of length 1.
        captions: Features of their captions, (count, numbers), of length 1. The other
            candidates of a row are drawn from the other rows.
        seed: Seed of that draw.
        candidates: Number of captions that an image is compared with, including its
            own. The chance level is 1 / candidates.

    Raises:
        ValueError: For numbers of images and captions that differ, or fewer rows than
            candidates.
    """
    count = len(images)
    if count < candidates or len(captions) != count:
        raise ValueError(
            f"Expected as many images as captions, at least {candidates}, got {count} "
            f"and {len(captions)}."
        )
    scores = np.asarray(images) @ np.asarray(captions).T
    random, hits = np.random.default_rng(seed), 0.0
    for row in range(count):
        others = random.choice(count - 1, candidates - 1, replace=False)
        others += others >= row  # Skips the row itself.
        own, rest = scores[row, row], scores[row, others]
        if own >= rest.max():
            hits += 1.0 / (1 + np.sum(rest == own))
    return hits / count
