"""How well images fit their captions.

1. Xu et al., "AttnGAN: Fine-Grained Text to Image Generation with Attentional
   Generative Adversarial Networks", 2018, section 4.1.
"""

import numpy as np


def r_precision(images, captions, seed=0, candidates=10):
    """How often the true caption is the nearest of a few ([1]), from 0 to 1.

    Args:
        images: Features of images, (count, numbers), of length 1.
        captions: Features of their captions, the same; the others of a row's
            candidates are drawn from the other rows.
        seed: Of that draw.
        candidates: Captions that an image is held against, its own among them: chance
            is one by their number.

    Raises:
        ValueError: For fewer rows than candidates.
    """
    count = len(images)
    if count < candidates or len(captions) != count:
        raise ValueError(
            f"Expected as many images as captions, at least {candidates}, got {count} "
            f"and {len(captions)}."
        )
    scores = np.asarray(images) @ np.asarray(captions).T
    random, hits = np.random.default_rng(seed), 0
    for row in range(count):
        others = random.choice(count - 1, candidates - 1, replace=False)
        others += others >= row  # All but the row itself.
        hits += scores[row, row] > scores[row, others].max()
    return hits / count
