"""How similar samples are to each other, and how far their patches are from the data's.

1. Wang, Simoncelli and Bovik, "Multi-scale Structural Similarity for Image Quality
   Assessment", 2003.
2. Odena, Olah and Shlens, "Conditional Image Synthesis with Auxiliary Classifier GANs",
   2017 (MS-SSIM between samples as a measure of variety).
3. Karras et al., "Progressive Growing of GANs", 2018 (sliced Wasserstein distance,
   section 5 and appendix F).
"""

import functools

import numpy as np
import scipy.ndimage

from keras_gen.metrics.features import check_images

WINDOW = 11  # Side of the Gaussian window of [1] in pixels.
DEVIATION = 1.5  # Standard deviation of that window in pixels.
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # [1], section 3.2.
PATCH = 7  # Side of the patches of [3] in pixels.
PAIRS_AT_ONCE = 250


def num_scales(image_shape: tuple[int, int, int]) -> int:
    """Number of scales of [1], at most 5, whose smallest image still holds the window.

    Raises:
        ValueError: For images smaller than the window.
    """
    side = min(image_shape[:2])
    if side < WINDOW:
        raise ValueError(
            f"Expected images of at least {WINDOW} pixels a side, got {image_shape}."
        )
    return min(len(SCALE_WEIGHTS), int(np.log2(side / WINDOW)) + 1)


def ms_ssim(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Multi-scale structural similarity of pairs of images ([1], equation 7).

    Small images have fewer scales than the 5 of [1]; the weights of the remaining ones
    are scaled to sum to 1. Compare values only between images of one size.

    >>> images = np.zeros((1, 16, 16, 1), np.float32)
    >>> ms_ssim(images, images).round(3)
    array([1.], dtype=float32)

    Args:
        a: Images, float32 (batch, height, width, channels), in [-1, 1].
        b: Images of the same shape, compared with those of `a` row by row.

    Returns:
        float32 (batch,), 1 for equal images.

    Raises:
        ValueError: For images of different shapes, with a side below 11 pixels, or
            outside [-1, 1].
    """
    a, b = check_images(a), check_images(b)
    if a.shape != b.shape:
        raise ValueError(f"Expected images of one shape, got {a.shape} and {b.shape}.")
    weights = np.array(SCALE_WEIGHTS[: num_scales(a.shape[1:])], np.float32)
    # (batch, channels, height, width), in [0, 1].
    a, b = (np.ascontiguousarray(np.moveaxis(i, 3, 1) + 1) / 2 for i in (a, b))
    result = 1
    for i, weight in enumerate(weights / weights.sum()):
        if i:
            a, b = _halved(a), _halved(b)
        luminance, contrast_structure = _similarity(a, b)
        if i == len(weights) - 1:
            contrast_structure = luminance * contrast_structure
        means = contrast_structure.mean(axis=(2, 3))
        result = result * np.maximum(means, 0) ** weight
    return result.mean(axis=1)


def _similarity(a, b):
    """Maps of the luminance, and of contrast and structure ([1], equations 1 to 3)."""
    mean_a, mean_b = _window_means(a), _window_means(b)
    product, squares = mean_a * mean_b, mean_a**2 + mean_b**2
    covariance = _window_means(a * b) - product
    variances = _window_means(a**2 + b**2) - squares
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * product + c1) / (squares + c1)
    return luminance, (2 * covariance + c2) / (variances + c2)


def _window_means(maps):
    """Means weighted by the Gaussian window, wherever it lies inside the maps."""
    rows, columns = (_window_matrix(side) for side in maps.shape[2:])
    return rows @ maps @ columns.T


@functools.cache
def _window_matrix(side):
    """Matrix (places, side) that applies the window along an axis of length `side`."""
    window = np.exp(-((np.arange(WINDOW) - WINDOW // 2) ** 2) / (2 * DEVIATION**2))
    places = np.arange(side - WINDOW + 1)[:, None]
    matrix = np.zeros((len(places), side), np.float32)
    matrix[places, places + np.arange(WINDOW)] = window / window.sum()
    return matrix


def _halved(maps):
    """Means of 2x2 pixels; those at an odd edge are repeated."""
    odd = [(0, 0), (0, 0), *((0, side % 2) for side in maps.shape[2:])]
    maps = np.pad(maps, odd, mode="edge")
    rows = maps[:, :, ::2] + maps[:, :, 1::2]
    return (rows[..., ::2] + rows[..., 1::2]) / 4


def sample_similarity(
    images: np.ndarray, num_pairs: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Mean MS-SSIM between random pairs of different images of a set ([2]).

    Args:
        images: At least 2 images, float32 (count, height, width, channels), in [-1, 1].
        num_pairs: Number of pairs; 10,000 in [3].
        seed: Seed of the draw of pairs.

    Returns:
        The mean and its standard error. Lower is more varied; compare with the value
        of real images.

    Raises:
        ValueError: For fewer than 2 images, or images that `ms_ssim` refuses.
    """
    images = check_images(images)
    if len(images) < 2:
        raise ValueError(f"Expected at least 2 images, got {len(images)}.")
    random = np.random.default_rng(seed)
    first = random.integers(0, len(images), num_pairs)
    second = (first + random.integers(1, len(images), num_pairs)) % len(images)
    values = np.concatenate(
        [
            ms_ssim(
                images[first[start : start + PAIRS_AT_ONCE]],
                images[second[start : start + PAIRS_AT_ONCE]],
            )
            for start in range(0, num_pairs, PAIRS_AT_ONCE)
        ]
    )
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(num_pairs))


def laplacian_pyramid(images: np.ndarray, smallest: int = 16) -> list[np.ndarray]:
    """Bands of detail, the finest first, and last the low-pass image that remains.

    Args:
        images: float32 (batch, height, width, channels).
        smallest: Smallest side of a level in pixels.

    Returns:
        A list of arrays. Enlarged to the size of `images` and added up, they give
        `images` again.
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
    spread = np.zeros((batch, 2 * height, 2 * width, channels), np.float32)
    spread[:, ::2, ::2] = images
    return 4 * _blur(spread)


def sliced_wasserstein(
    generated: np.ndarray,
    real: np.ndarray,
    *,
    patches: int = 64,
    projections: int = 128,
    smallest: int = 16,
    seed: int = 0,
) -> dict[int, float]:
    """Distance between patches of two sets, for each level of a pyramid ([3], F).

    Args:
        generated: Generated images, float32 (count, height, width, channels), in
            [-1, 1].
        real: Real images of the same shape. If one set has more images, its last ones
            are left out.
        patches: Number of 7x7 patches per image; 128 in [3].
        projections: Number of random directions onto which patches are projected; 512
            in [3].
        smallest: Smallest side of a level of the pyramid in pixels.
        seed: Seed of the draw of patches and directions.

    Returns:
        Side of the level in pixels to distance, times 1000 as in [3], the finest level
        first.

    Raises:
        ValueError: For images of different shapes, or outside [-1, 1].
    """
    generated, real = check_images(generated), check_images(real)
    if generated.shape[1:] != real.shape[1:]:
        raise ValueError(
            f"Expected images of one shape, got {generated.shape} and {real.shape}."
        )
    count = min(len(generated), len(real))
    random = np.random.default_rng(seed)
    distances = {}
    for generated_level, real_level in zip(
        laplacian_pyramid(generated[:count], smallest),
        laplacian_pyramid(real[:count], smallest),
        strict=True,
    ):
        first, second = (
            _descriptors(level, patches, random)
            for level in (generated_level, real_level)
        )
        directions = random.normal(size=(first.shape[1], projections))
        directions = (directions / np.linalg.norm(directions, axis=0)).astype(
            np.float32
        )
        gaps = np.sort(first @ directions, axis=0) - np.sort(
            second @ directions, axis=0
        )
        side = min(generated_level.shape[1:3])
        distances[side] = float(1000 * np.abs(gaps).mean())
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
