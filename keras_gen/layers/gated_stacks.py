"""A vertical and a horizontal stack that cover all earlier pixels, and no others."""

from typing import Literal

import keras
from keras import layers, ops

from keras_gen.core.arguments import checked
from keras_gen.core.types import Classes, Count
from keras_gen.layers.masked_convolution import MaskedConv2D
from keras_gen.layers.raster import RasterLayer


def gate(x):
    """tanh(a) * sigmoid(b) for the halves a and b of the features."""
    a, b = ops.split(x, 2, axis=-1)
    return ops.tanh(a) * ops.sigmoid(b)


def _add(down, right, shift):
    """Adds the halves of a shift to the gates of the two stacks."""
    for_down, for_right = ops.split(shift, 2, axis=-1)
    return down + for_down, right + for_right


@keras.saving.register_keras_serializable("keras_gen")
class GatedStacks(RasterLayer):
    """Gated block of two stacks (van den Oord et al., 2016b, figure 2, equation 4).

    The vertical stack covers the rows above the pixel, the horizontal stack the pixels
    to its left; features of the vertical stack are added to the horizontal one.
    Together they have no blind spot:

        v v v v v
        v v v v v
        h h x . .

    What differs from the paper: blocks with mask B have residual connections in both
    stacks, not only in the horizontal one; and a learned amount for the pixel's row and
    one for its column are added to the arguments of the gates, so that outputs can
    depend on the position.

    Args:
        filters: Number of features of each stack.
        kernel_size: Side of the square kernels; odd.
        mask: Mask of the pixel itself: "A" for the first block, whose stacks both take
            the image, else "B".
        num_classes: Number of classes whose labels shift the gates' arguments; None for
            no labels.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    @checked
    def __init__(
        self,
        filters: Count,
        kernel_size: Count = 3,
        mask: Literal["A", "B"] = "B",
        num_classes: Classes | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters, self.kernel_size = filters, kernel_size
        self.mask, self.num_classes = mask, num_classes
        size = (2 * filters, kernel_size, mask)
        options = {"dtype": self.dtype_policy}
        self.vertical = MaskedConv2D(*size, "vertical", name="vertical", **options)
        self.horizontal = MaskedConv2D(
            *size, "horizontal", name="horizontal", **options
        )
        self.link = layers.Dense(2 * filters, name="link", **options)
        self.mix = layers.Dense(filters, name="mix", **options)
        if num_classes is not None:
            # As a dense layer's kernel for labels in one-hot code, as in the paper.
            self.shift = layers.Embedding(
                num_classes, 4 * filters, "glorot_uniform", name="shift", **options
            )

    def build(self, vertical_shape, horizontal_shape):
        """Builds for two tensors (batch, height, width, features)."""
        self.vertical.build(vertical_shape)
        self.horizontal.build(horizontal_shape)
        self.link.build((*vertical_shape[:-1], 2 * self.filters))
        self.mix.build((*vertical_shape[:-1], self.filters))
        if self.num_classes is not None:
            self.shift.build((None,))
        for name, size in zip(("row", "column"), vertical_shape[1:3], strict=True):
            weight = self.add_weight(
                name=f"{name}_shift",
                shape=(size, 4 * self.filters),
                initializer="zeros",
            )
            setattr(self, f"{name}_shift", weight)
        self.built = True

    def call(self, vertical, horizontal, labels=None):
        """The maps of both stacks.

        Args:
            vertical: Maps of the vertical stack, (batch, height, width, features).
            horizontal: Maps of the horizontal stack, of the same shape.
            labels: Labels, int (batch,), or None.

        Returns:
            Two tensors (batch, height, width, filters), vertical and horizontal.
        """
        down, right = self.vertical(vertical), self.horizontal(horizontal)
        right = right + self.link(down)
        down, right = _add(down, right, self.row_shift[:, None] + self.column_shift)
        if labels is not None:
            down, right = _add(down, right, self.shift(labels)[:, None, None])
        down, right = gate(down), self.mix(gate(right))
        if self.mask == "B":
            return vertical + down, horizontal + right
        return down, right

    def start(self, batch_size, width, labels=None):
        """The caches of both convolutions, and the labels' shift of the gates."""
        shape = (width, batch_size, 2 * self.filters)
        cache = {
            "vertical": self.vertical.start(batch_size, width),
            "horizontal": self.horizontal.start(batch_size, width),
            "from_above": ops.zeros(shape, self.compute_dtype),
        }
        if labels is not None:
            cache["shift"] = self.shift(labels)[:, None]
        return cache

    def row(self, newest, index, cache):
        """Runs the vertical stack, and caches its row for the horizontal one."""
        cache = dict(cache)
        down, cache["vertical"] = self.vertical.row(newest, index, cache["vertical"])
        right = self.link(down)
        shift = ops.cast(self.row_shift[index] + self.column_shift, self.compute_dtype)
        down, right = _add(down, right, shift)
        if "shift" in cache:
            down, right = _add(down, right, cache["shift"])
        cache["from_above"] = ops.transpose(right, (1, 0, 2))
        cache["horizontal"] = {
            name: ops.zeros_like(value) for name, value in cache["horizontal"].items()
        }
        down = gate(down)
        return newest + down if self.mask == "B" else down, cache

    def pixel(self, newest, column, cache):
        """Runs the horizontal stack at one pixel."""
        cache = dict(cache)
        right, cache["horizontal"] = self.horizontal.pixel(
            newest, column, cache["horizontal"]
        )
        right = self.mix(gate(right + cache["from_above"][column]))
        return newest + right if self.mask == "B" else right, cache

    def compute_output_shape(
        self,
        vertical_shape: tuple,
        horizontal_shape: tuple,
        labels_shape: tuple | None = None,
    ) -> tuple:
        """Two shapes: those of the inputs, with `filters` features."""
        shape = (*vertical_shape[:-1], self.filters)
        return shape, shape

    def get_config(self) -> dict:
        """The constructor's arguments."""
        names = ("filters", "kernel_size", "mask", "num_classes")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
