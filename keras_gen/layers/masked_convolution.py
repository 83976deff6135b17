"""Convolution whose output depends on earlier pixels in raster order only."""

import functools
from typing import Literal

import keras
import numpy as np
from keras import ops

from keras_gen.core.arguments import checked
from keras_gen.core.types import Count
from keras_gen.layers.raster import RasterLayer


def mask_grid(kernel_size: int, mask: str, stack: str) -> np.ndarray:
    """The mask of a kernel; the arguments are those of `MaskedConv2D`.

    Returns:
        float32 (kernel_size, kernel_size) of 0 and 1.
    """
    grid = np.zeros((kernel_size, kernel_size), np.float32)
    middle = kernel_size // 2
    if stack != "horizontal":
        grid[:middle] = 1
    if stack == "vertical":
        grid[middle] = mask == "B"
    else:
        grid[middle, :middle] = 1
        grid[middle, middle] = mask == "B"
    return grid


@keras.saving.register_keras_serializable("keras_gen")
class MaskedConv2D(RasterLayer):
    """Masked convolution (van den Oord et al., 2016a, section 3.4; 2016b, section 2.2).

    The kernel is multiplied by a fixed mask of ones and zeros. Mask A, for the first
    layer, excludes the pixel itself, mask B includes it:

        raster          vertical        horizontal
        A      B        A      B        A      B
        1 1 1  1 1 1    1 1 1  1 1 1    0 0 0  0 0 0
        1 0 0  1 1 0    0 0 0  1 1 1    1 0 0  1 1 0
        0 0 0  0 0 0    0 0 0  0 0 0    0 0 0  0 0 0

    The maps of a vertical stack depend, at a pixel, on the rows of the image above that
    pixel: since the first layer has mask A, later ones may include their whole row.
    Rows and columns that a mask excludes altogether have no weights.

    Args:
        filters: Number of output features.
        kernel_size: Side of the square kernel before masking; odd.
        mask: Mask of the pixel itself: "A" excludes it, "B" includes it.
        stack: Set of pixels: "raster" is all before the pixel, "vertical" the rows
            above it, "horizontal" its own row to the left.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: For a mask without a one, an even kernel_size, or an unknown mask or
            stack.
    """

    @checked
    def __init__(
        self,
        filters: Count,
        kernel_size: Count,
        mask: Literal["A", "B"],
        stack: Literal["raster", "vertical", "horizontal"] = "raster",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if kernel_size % 2 == 0:
            raise ValueError(f"Expected an odd kernel_size, got {kernel_size}.")
        self.filters, self.kernel_size = filters, kernel_size
        self.mask, self.stack = mask, stack
        grid = mask_grid(kernel_size, mask, stack)
        if not grid.any():
            raise ValueError("Expected kernel_size >= 3 for mask A, got 1.")
        self.rows, self.columns = (np.flatnonzero(grid.any(axis)) for axis in (1, 0))
        self.grid = grid[np.ix_(self.rows, self.columns)]

    def build(self, shape):
        """Builds for (batch, height, width, features)."""
        self.features = shape[-1]
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*self.grid.shape, self.features, self.filters),
            initializer="lecun_normal",
        )
        self.bias = self.add_weight(
            name="bias", shape=(self.filters,), initializer="zeros"
        )

    def masked_kernel(self):
        """The kernel times its mask, in the dtype that the layer computes in."""
        kernel = ops.cast(self.kernel, self.compute_dtype)
        if self.grid.all():
            return kernel
        return kernel * ops.cast(self.grid[..., None, None], self.compute_dtype)

    def call(self, x):
        """(batch, height, width, features) to (batch, height, width, filters)."""
        middle = self.kernel_size // 2
        padding = [(0, 0)]
        for kept in (self.rows, self.columns):
            padding.append((middle - kept[0], kept[-1] - middle))
        if padding[1][1] < 0:  # Mask A of a vertical stack excludes the last row.
            x, padding[1] = x[:, :-1], (padding[1][0], 0)
        if padding[2][1] < 0:
            x, padding[2] = x[:, :, :-1], (padding[2][0], 0)
        x = ops.pad(x, [*padding, (0, 0)])
        return ops.conv(x, self.masked_kernel(), padding="valid") + ops.cast(
            self.bias, self.compute_dtype
        )

    def start(self, batch_size, width, labels=None):
        """Zeros for the rows above and the pixels to the left that the kernel covers.

        Raises:
            ValueError: For mask B of a raster: the layers before it have not computed
                the inputs in the rows above when a row starts.
        """
        if self.stack == "raster" and self.mask == "B":
            raise ValueError("Expected mask A of a raster to draw by pixels, got B.")
        above, left = self._above(), self._left()
        zeros = functools.partial(ops.zeros, dtype=self.compute_dtype)
        cache = {}
        if above is not None:
            rows = above.shape[0] - 1
            cache["above"] = zeros((batch_size, rows, width, self.features))
        if left is not None:
            cache["left"] = zeros((batch_size, left.shape[1] - 1, self.features))
        if self.stack == "raster":
            cache["from_above"] = zeros((width, batch_size, self.filters))
        return cache

    def row(self, newest, index, cache):
        """Applies the kernel's upper rows to the newest rows of the maps."""
        cache = dict(cache)
        window = ops.concatenate(
            [cache["above"], ops.cast(newest, self.compute_dtype)[:, None]], axis=1
        )
        cache["above"] = window[:, 1:]
        side = self.kernel_size // 2
        window = ops.pad(window, [(0, 0), (0, 0), (side, side), (0, 0)])
        row = ops.conv(window, self._above(), padding="valid")[:, 0]
        if self.stack == "raster":
            cache["from_above"] = ops.transpose(row, (1, 0, 2))
            cache["left"] = ops.zeros_like(cache["left"])
            return None, cache
        return row + ops.cast(self.bias, self.compute_dtype), cache

    def pixel(self, newest, column, cache):
        """Applies the kernel's last row to the newest pixels."""
        cache = dict(cache)
        window = ops.concatenate(
            [cache["left"], ops.cast(newest, self.compute_dtype)[:, None]], axis=1
        )
        cache["left"] = window[:, 1:]
        kernel = ops.reshape(self._left(), (-1, self.filters))
        pixel = ops.matmul(ops.reshape(window, (-1, kernel.shape[0])), kernel)
        if self.stack == "raster":
            pixel = pixel + cache["from_above"][column]
        return pixel + ops.cast(self.bias, self.compute_dtype), cache

    def _above(self):
        """The part of the kernel that is applied once for each row, or None."""
        kernel = self.masked_kernel()
        parts = {"raster": kernel[:-1], "vertical": kernel, "horizontal": None}
        return parts[self.stack]

    def _left(self):
        """The part of the kernel that is applied once for each pixel, or None."""
        width = self.kernel_size // 2 + (self.mask == "B")
        return None if self.stack == "vertical" else self.masked_kernel()[-1:, :width]

    def compute_output_shape(self, shape: tuple) -> tuple:
        """The shape of the input, with `filters` features."""
        return (*shape[:-1], self.filters)

    def get_config(self) -> dict:
        """The constructor's arguments."""
        names = ("filters", "kernel_size", "mask", "stack")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
