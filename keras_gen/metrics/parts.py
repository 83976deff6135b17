"""How well parts are located, and images generated from them."""

from __future__ import annotations  # `help` shows ArrayLike by its name.

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike


def mask_iou(predicted: ArrayLike, true: ArrayLike) -> float:
    """Mean intersection over union of masks, thresholded at 1/2.

    Args:
        predicted: Predicted masks, (count, height, width, 1), in [0, 1].
        true: True masks of the same shape.
    """
    predicted, true = np.asarray(predicted) > 0.5, np.asarray(true) > 0.5
    common = (predicted & true).sum(axis=(1, 2, 3))
    either = (predicted | true).sum(axis=(1, 2, 3))
    return float(np.mean(common / np.maximum(either, 1)))


def constant_mask_iou(true: ArrayLike) -> float:
    """`mask_iou` of the best prediction that is the same mask for all images.

    This mask contains the pixels that most often lie within true masks; the number of
    pixels is the one with the highest value.
    """
    share = np.asarray(true, np.float64).mean(axis=0, keepdims=True)
    levels = np.unique(share)
    ious = [mask_iou(np.repeat(share >= cut, len(true), 0), true) for cut in levels]
    return max(ious)


def paste(parts: np.ndarray, box: ArrayLike) -> np.ndarray:
    """Blends parts in one box on white: a baseline without knowledge of positions.

    Args:
        parts: Parts of images, float32 (batch, count, height, width, channels), in
            [-1, 1].
        box: Top, left, bottom and right of the box in pixels, such as the mean of true
            boxes.

    Returns:
        float32 (batch, height, width, channels), with the mean of the parts in the box,
        which on average is at least as good as drawing parts over each other.
    """
    top, left, bottom, right = (int(round(float(side))) for side in box)
    canvas = np.ones_like(parts[:, 0])
    mean = tf.image.resize(
        parts.mean(axis=1), (bottom - top, right - left), antialias=True
    )
    canvas[:, top:bottom, left:right] = mean
    return canvas


def l1_within(images: ArrayLike, truth: np.ndarray, masks: ArrayLike) -> float:
    """Mean absolute difference of images, in their units, where masks are 1.

    Args:
        images: Images, (count, height, width, channels).
        truth: Images that they are compared with, of the same shape.
        masks: Masks of 0 and 1, (count, height, width, 1).
    """
    inside = np.asarray(masks) * np.abs(np.asarray(images) - np.asarray(truth))
    return float(inside.sum() / np.asarray(masks).sum() / truth.shape[-1])
