"""Cropping of maps that were doubled from sides that halving had rounded up."""

from keras import layers


def cropped(x, height: int, width: int):
    """Maps that are cropped to a height and width at their bottom and right.

    Args:
        x: Symbolic maps (batch, at least height, at least width, features).
        height: Rows to keep.
        width: Columns to keep.
    """
    excess = x.shape[1] - height, x.shape[2] - width
    if not any(excess):
        return x
    return layers.Cropping2D(tuple((0, count) for count in excess))(x)
