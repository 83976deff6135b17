"""Normalization layers that several networks share."""

from collections.abc import Mapping

from keras import layers

NORMALIZATIONS = ("batch", "layer", "instance", "none")


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


def layer_norm(x):
    """Normalizes all maps of an image together, with a scale and shift for each map."""
    return layers.GroupNormalization(groups=1, epsilon=1e-5)(x)


def discriminator_normalization(
    normalization: str | None, spectral: bool, options: Mapping
) -> str:
    """Chooses the normalization of a discriminator's layers.

    Statistics of a batch make each logit a function of all images of the batch, so that
    a penalty of its gradient is no penalty of the gradient at one image.

    Args:
        normalization: Normalization that the user asks for, or None.
        spectral: Boolean, whether kernels are spectrally normalised.
        options: Options of `AdversarialModel`, which may have penalties.

    Returns:
        The given normalization. Without one, "batch" as in DCGAN, and "none" with
        spectral normalization, R1 or a gradient penalty.
    """
    if normalization is not None:
        return normalization
    has_penalty = options.get("r1") or options.get("gradient_penalty")
    return "none" if spectral or has_penalty else "batch"
