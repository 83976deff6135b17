"""How alike samples are, and how far their patches are from the data's.

1. Wang, Simoncelli and Bovik, "Multi-scale Structural Similarity for Image Quality
   Assessment", 2003.
2. Odena, Olah and Shlens, "Conditional Image Synthesis with Auxiliary Classifier GANs",
   2017 (MS-SSIM between samples as a measure of variety).
3. Karras et al., "Progressive Growing of GANs", 2018 (sliced Wasserstein distance,
   section 5 and appendix F).
"""

import numpy as np
import scipy.ndimage
import tensorflow as tf

from keras_gen.metrics.features import check_images

WINDOW = 11  # Pixels of [1]'s Gaussian window, of deviation 1.5.
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # [1], section 3.2.
PATCH = 7  # Pixels a side of [3]'s descriptors.


def num_scales(image_shape):
    """Scales of [1], at most 5, whose smallest image still holds the window."""
    side = min(image_shape[:2])
    if side < WINDOW:
        raise ValueError(
            f"Expected images of at least {WINDOW} pixels a side, got {image_shape}."
        )
    return min(len(SCALE_WEIGHTS), int(np.log2(side / WINDOW)) + 1)


def ms_ssim(a, b):
    """Multi-scale structural similarity of pairs of images ([1], equation 7).

    Small images have fewer scales than the 5 of [1]; the weights of those left are
    scaled to sum to 1, so that figures compare between images of one size alone.

    Args:
        a: float32 (batch, height, width, channels), in [-1, 1].
        b: The same.

    Returns:
        float32 (batch,), 1 for equal images.
    """
    a, b = check_images(a), check_images(b)
    weights = np.array(SCALE_WEIGHTS[: num_scales(a.shape[1:])])
    return tf.image.ssim_multiscale(
        (a + 1.0) / 2.0,
        (b + 1.0) / 2.0,
        max_val=1.0,
        power_factors=(weights / weights.sum()).tolist(),
        filter_size=WINDOW,
    ).numpy()


def sample_similarity(images, num_pairs=2000, seed=0):
    """Mean MS-SSIM between random pairs of different images of a set ([2]).

    Args:
        images: float32 (count, height, width, channels), in [-1, 1], at least 2.
        num_pairs: [3] takes 10,000.
        seed: Of the pairs.

    Returns:
        The mean and its standard error: lower is more varied; compare with the data's.
    """
    images = check_images(images)
    if len(images) < 2:
        raise ValueError(f"Expected at least 2 images, got {len(images)}.")
    random = np.random.default_rng(seed)
    first = random.integers(0, len(images), num_pairs)
    second = (first + random.integers(1, len(images), num_pairs)) % len(images)
    values = np.concatenate(
        [
            ms_ssim(images[first[i : i + 250]], images[second[i : i + 250]])
            for i in range(0, num_pairs, 250)
        ]
    )
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(num_pairs))


def laplacian_pyramid(images, smallest=16):
    """Bands of detail, the finest first, and at last what is left, of 16 pixels or so.

    Args:
        images: float32 (batch, height, width, channels).
        smallest: The pyramid ends before a side falls below it.

    Returns:
        A list of arrays that `images` is the sum of, brought to its size.
    """
    levels = [np.asarray(images, np.float32)]
    while min(levels[-1].shape[1:3]) // 2 >= smallest and not any(
        side % 2 for side in levels[-1].shape[1:3]
    ):
        levels.append(_blur(levels[-1])[:, ::2, ::2])
    for i in range(len(levels) - 1):
        levels[i] = levels[i] - _enlarge(levels[i + 1])
    return levels


_BINOMIAL = np.array([1, 4, 6, 4, 1]) / 16


def _blur(images):
    for axis in (1, 2):
        images = scipy.ndimage.convolve1d(images, _BINOMIAL, axis=axis, mode="mirror")
    return images


def _enlarge(images):
    batch, height, width, channels = images.shape
    apart = np.zeros((batch, 2 * height, 2 * width, channels), np.float32)
    apart[:, ::2, ::2] = images
    return 4 * _blur(apart)


def sliced_wasserstein(
    generated, real, *, patches=64, projections=128, smallest=16, seed=0
) -> dict:
    """Distance of patches of either set, level by level of a pyramid ([3], appendix F).

    Args:
        generated: float32 (count, height, width, channels), in [-1, 1].
        real: As many, of the same shape; more of either are left out.
        patches: Of an image, 7x7; [3] takes 128.
        projections: Directions that patches are projected on; [3] takes 512.
        smallest: See `laplacian_pyramid`.
        seed: Of patches and directions.

    Returns:
        Side of the level to distance, times 1000 as in [3], the finest first.
    """
    generated, real = check_images(generated), check_images(real)
    if generated.shape[1:] != real.shape[1:]:
        raise ValueError(
            f"Expected images of one shape, got {generated.shape} and {real.shape}."
        )
    count = min(len(generated), len(real))
    random = np.random.default_rng(seed)
    distances = {}
    for ours, theirs in zip(
        laplacian_pyramid(generated[:count], smallest),
        laplacian_pyramid(real[:count], smallest),
        strict=True,
    ):
        first, second = (
            _descriptors(level, patches, random) for level in (ours, theirs)
        )
        directions = random.normal(size=(first.shape[1], projections))
        directions = (directions / np.linalg.norm(directions, axis=0)).astype(
            np.float32
        )
        gaps = np.sort(first @ directions, axis=0) - np.sort(
            second @ directions, axis=0
        )
        distances[min(ours.shape[1:3])] = float(1000 * np.abs(gaps).mean())
    return distances


def _descriptors(level, patches, random):
    """Random patches, (count * patches, 49 * channels), each channel normalised."""
    count, height, width, channels = level.shape
    windows = np.lib.stride_tricks.sliding_window_view(level, (PATCH, PATCH), (1, 2))
    image = np.repeat(np.arange(count), patches)
    top = random.integers(0, height - PATCH + 1, len(image))
    left = random.integers(0, width - PATCH + 1, len(image))
    found = windows[image, top, left]  # (rows, channels, 7, 7)
    mean = found.mean(axis=(0, 2, 3), keepdims=True)
    deviation = found.std(axis=(0, 2, 3), keepdims=True)
    return ((found - mean) / np.maximum(deviation, 1e-8)).reshape(len(image), -1)
