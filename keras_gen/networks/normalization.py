"""Normalization layers that several networks share."""

from keras import layers


def batch_norm(**settings) -> layers.BatchNormalization:
    """Batch normalization with statistics over all replicas.

    Two replicas then normalize as one with the whole batch would.

    Args:
        **settings: Further arguments of `keras.layers.BatchNormalization`.
    """
    return layers.BatchNormalization(synchronized=True, **settings)


def instance_norm(x):
    """Normalizes each map by itself, with a learned scale and shift."""
    return layers.GroupNormalization(groups=-1, epsilon=1e-5)(x)
