"""How well the places of parts were found, and images filled from them."""

import numpy as np
import tensorflow as tf


def mask_iou(predicted, true):
    """Mean intersection over union of masks (count, height, width, 1), cut at 1/2."""
    predicted, true = np.asarray(predicted) > 0.5, np.asarray(true) > 0.5
    common = (predicted & true).sum(axis=(1, 2, 3))
    either = (predicted | true).sum(axis=(1, 2, 3))
    return float(np.mean(common / np.maximum(either, 1)))


def constant_mask_iou(true):
    """The same of the best mask that is the same for all images.

    Of the places that are most often within true masks, as many as do best.
    """
    share = np.asarray(true, np.float64).mean(axis=0, keepdims=True)
    levels = np.unique(share)
    ious = [mask_iou(np.repeat(share >= cut, len(true), 0), true) for cut in levels]
    return max(ious)


def paste(parts, box):
    """Parts one over the other in one box, on white: what knows no places can do.

    Args:
        parts: float32 (batch, count, height, width, channels), in [-1, 1].
        box: Top, left, bottom and right; the mean of true ones, say.

    Returns:
        float32 (batch, height, width, channels): in the box the mean of the parts,
        which no order of them could better on average.
    """
    top, left, bottom, right = (int(round(float(side))) for side in box)
    canvas = np.ones_like(parts[:, 0])
    mean = tf.image.resize(
        parts.mean(axis=1), (bottom - top, right - left), antialias=True
    )
    canvas[:, top:bottom, left:right] = mean
    return canvas


def l1_within(images, truth, masks):
    """Mean absolute difference in units of images, where masks are 1."""
    inside = np.asarray(masks) * np.abs(np.asarray(images) - np.asarray(truth))
    return float(inside.sum() / np.asarray(masks).sum() / truth.shape[-1])
