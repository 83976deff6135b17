"""Layers over pixels in raster order: whole maps to train, pixel by pixel to draw."""

from keras import layers


class RasterLayer(layers.Layer):
    """A layer whose output at a pixel follows from pixels before it in raster order.

    `call` computes whole maps at once. To draw an image pixel by pixel, a chain of such
    layers keeps what it computed: `start` makes a cache (a dict of tensors), `row` runs
    once a row and `pixel` once a pixel; each gives an output for the next layer, and
    the new cache. Together they compute what `call` does.

    Row and pixel that a layer is given are the newest that it may see: the ones before
    the one that is drawn for a layer that sees only those (mask A), else the very one,
    as far as the layers below have computed it.
    """

    def start(self, batch_size, width, labels=None):
        """The cache before the first row.

        Args:
            batch_size: A scalar tensor.
            width: Of the image, in pixels.
            labels: int64 (batch,), or None.
        """
        raise NotImplementedError

    def row(self, newest, index, cache):
        """What can be computed before a row's pixels are known.

        Args:
            newest: The newest row that the layer may see, (batch, width, features).
            index: The row's, a scalar tensor.
            cache: From `start`, or from the row before.

        Returns:
            The row for the next layer, and the cache.
        """
        raise NotImplementedError

    def pixel(self, newest, column, cache):
        """The output at one pixel.

        Args:
            newest: The newest pixel that the layer may see, (batch, features).
            column: The pixel's, a scalar tensor.
            cache: From `row`, or from the pixel before.

        Returns:
            The pixel for the next layer, (batch, features), and the cache.
        """
        raise NotImplementedError
