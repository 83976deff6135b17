"""Scaling of images around their centre, differentiable in the factors."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("keras_gen")
class Zoom(layers.Layer):
    """Scales the content of every image around its centre, by a factor for each.

    Interpolation is bilinear, and antialiased where images shrink; edges are repeated.
    Rows and columns are scaled one after the other, each by a product with a matrix
    whose entries are continuous in the factor [1].

    It computes in float32 under every dtype policy, since bfloat16 has no fractions of
    positions above 256.

    Args:
        **kwargs: Arguments of `keras.layers.Layer`.

    1. Jaderberg et al., "Spatial Transformer Networks", 2015, equation 5.
    """

    def __init__(self, **kwargs):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)

    def call(self, images, factors):
        """Scaled images.

        Args:
            images: Images, (batch, height, width, channels).
            factors: Factor for each image, (batch,), above 0; above 1 enlarges.

        Returns:
            Images of the same shape.
        """
        rows = _interpolation(images.shape[1], factors)
        columns = _interpolation(images.shape[2], factors)
        images = ops.einsum("bij,bjwc->biwc", rows, images)
        return ops.einsum("bij,bhjc->bhic", columns, images)

    def compute_output_shape(self, images_shape: tuple, factors_shape: tuple) -> tuple:
        """The shape of the images."""
        return images_shape


def _interpolation(side, factors):
    """The weight of each input pixel in each output pixel, (batch, side, side)."""
    factors = factors[:, None, None]
    pixels = ops.arange(side, dtype=factors.dtype)
    centre = (side - 1) / 2
    sources = ops.clip((pixels[:, None] - centre) / factors + centre, 0, side - 1)
    distances = ops.abs(sources - pixels) * ops.minimum(factors, 1.0)
    weights = ops.relu(1.0 - distances)
    return weights / ops.sum(weights, axis=-1, keepdims=True)
