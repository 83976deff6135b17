"""Normalization layers that several networks share."""

from keras import layers


def batch_norm(**settings) -> layers.BatchNormalization:
    """Batch normalization with statistics over all replicas.

    Two replicas then normalize in the same way as one replica with the whole batch.

    Args:
        **settings: Further arguments of `keras.layers.BatchNormalization`.
    """
    return layers.BatchNormalization(synchronized=True, **settings)


def instance_norm(x):
    """Normalizes each map separately, with a learned scale and shift."""
    return layers.GroupNormalization(groups=-1, epsilon=1e-5)(x)
