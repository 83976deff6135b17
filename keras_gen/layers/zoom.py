"""Images larger or smaller around their centre, by factors that gradients reach."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("keras_gen")
class Zoom(layers.Layer):
    """Resizes every image around its centre by a factor of its own.

    Bilinear, and antialiased where it shrinks; edges are repeated. One axis after the
    other, each a product with a matrix whose entries are smooth in the factor [1].

    1. Jaderberg et al., "Spatial Transformer Networks", 2015, equation 5.
    """

    def call(self, images, factors):
        """Images (batch, height, width, channels), factors (batch,), above 0."""
        rows = _interpolation(images.shape[1], factors)
        columns = _interpolation(images.shape[2], factors)
        images = ops.einsum("bij,bjwc->biwc", rows, images)
        return ops.einsum("bij,bhjc->bhic", columns, images)

    def compute_output_shape(self, images_shape, factors_shape):
        """The images' shape."""
        return images_shape


def _interpolation(side, factors):
    """For every pixel of the side what it takes of each, (batch, side, side)."""
    factors = factors[:, None, None]
    pixels = ops.arange(side, dtype=factors.dtype)
    centre = (side - 1) / 2
    places = ops.clip((pixels[:, None] - centre) / factors + centre, 0, side - 1)
    distances = ops.abs(places - pixels) * ops.minimum(factors, 1.0)
    weights = ops.relu(1.0 - distances)
    return weights / ops.sum(weights, axis=-1, keepdims=True)
