"""Layers over pixels in raster order: whole maps in training, pixels in drawing."""

from keras import layers


class RasterLayer(layers.Layer):
    """A layer whose output at a pixel depends on earlier pixels in raster order only.

    `call` computes whole maps at once. To draw an image pixel by pixel, a chain of such
    layers caches intermediate results: `start` makes a cache (a dict of tensors), `row`
    runs once for each row and `pixel` once for each pixel. Both return an output for
    the next layer and the new cache. Together they compute the same maps as `call`.

    A layer gets the newest row and the newest pixel that its output may depend on. For
    a layer that depends only on earlier pixels (mask A), these are the row and the
    pixel before the current one; for other layers they are the current ones, as far as
    the previous layers have computed them.
    """

    def start(self, batch_size, width: int, labels=None) -> dict:
        """The cache before the first row.

        Args:
            batch_size: Number of images, a scalar tensor.
            width: Width of the images, in pixels.
            labels: Labels, int64 (batch,), or None.
        """
        raise NotImplementedError

    def row(self, newest, index, cache: dict) -> tuple:
        """Computes the results that do not depend on the row's own pixels.

        Args:
            newest: Newest row that the output may depend on, (batch, width, features).
            index: Index of the current row, a scalar tensor.
            cache: Cache from `start`, or from the previous row.

        Returns:
            The row for the next layer, or None if that layer needs none, and the cache.
        """
        raise NotImplementedError

    def pixel(self, newest, column, cache: dict) -> tuple:
        """The output at one pixel.

        Args:
            newest: Newest pixel that the output may depend on, (batch, features).
            column: Index of the current column, a scalar tensor.
            cache: Cache from `row`, or from the previous pixel.

        Returns:
            The pixel for the next layer, (batch, features), and the cache.
        """
        raise NotImplementedError
