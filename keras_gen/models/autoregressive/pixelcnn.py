"""Gated PixelCNN [1]: convolutions over the pixels before each pixel.

What differs from [1]: the vertical stack has residual connections too; gates depend on
the row and column of a pixel; and only the last two layers condition channels on each
other, not the stacks. Outputs are binary, have 256 levels [2], or are mixtures of
discretized logistics [3], one for each channel, which depends on the previous channels
through the network and not linearly.

1. van den Oord et al., "Conditional Image Generation with PixelCNN Decoders", 2016.
2. van den Oord et al., "Pixel Recurrent Neural Networks", 2016.
3. Salimans et al., "PixelCNN++", 2017.
"""

from typing import Literal

import keras

from keras_gen.core.registry import register
from keras_gen.core.types import Classes, Count, Decay, ImageShape
from keras_gen.layers import GatedStacks, PixelHead
from keras_gen.models.autoregressive.base import AutoregressiveModel, default_output


def gated_network(
    image_shape: tuple[int, int, int],
    num_blocks: int,
    filters: int,
    kernel_size: int,
    output: str,
    num_classes: int | None,
) -> keras.Model:
    """Images (and labels) to parameters (batch, height, width, channels, n).

    The arguments are those of `PixelCNN`.
    """
    images = keras.Input(image_shape, name="images")
    inputs, labels = images, None
    if num_classes is not None:
        labels = keras.Input((), dtype="int64", name="labels")
        inputs = [images, labels]
    vertical = horizontal = images
    for block in range(num_blocks + 1):
        size = (7, "A") if block == 0 else (kernel_size, "B")
        stacks = GatedStacks(filters, *size, num_classes, name=f"block_{block}")
        vertical, horizontal = stacks(vertical, horizontal, labels)
    head = PixelHead(output, image_shape[-1], 2 * filters, name="head")
    return keras.Model(inputs, head(horizontal, images), name="pixelcnn")


@register("pixelcnn", batch_size=16, image_shape=(28, 28, 1))
class PixelCNN(AutoregressiveModel):
    """Gated PixelCNN: masked convolutions without a blind spot.

    The loss is the negative log-likelihood in nats per image, which is exact.

    Args:
        image_shape: Shape of an image, (height, width, channels).
        num_blocks: Number of blocks after the first, whose kernels are 7x7. Each
            extends the receptive field by `kernel_size // 2` pixels.
        filters: Feature maps of each of the two stacks.
        kernel_size: Side of the kernels in the blocks; odd.
        output: Distribution of pixels. "bernoulli": binary pixels, drawn in every step
            with the grey value as probability. "categorical": 256 levels, each with its
            own probability. "logistic_mixture": 256 levels, by a mixture of ten
            logistics. None uses the latter for images with several channels or a side
            above 32 pixels, and "bernoulli" for others.
        num_classes: Number of classes whose labels condition the network; None for
            none.
        average: Decay of the moving average that is used for everything except
            training; None keeps no average.
        **options: Options of `AutoregressiveModel`, such as `learning_rate`.
    """

    tiny = {
        "image_shape": (6, 6, 1),
        "num_blocks": 1,
        "filters": 4,
        "output": "logistic_mixture",
    }

    def __init__(
        self,
        image_shape: ImageShape = (28, 28, 1),
        num_blocks: Count = 7,
        filters: Count = 32,
        kernel_size: Count = 3,
        output: Literal["bernoulli", "categorical", "logistic_mixture"] | None = None,
        num_classes: Classes | None = None,
        average: Decay | None = 0.999,
        **options,
    ):
        output = output or default_output(image_shape)
        super().__init__(
            network=gated_network(
                tuple(image_shape),
                num_blocks,
                filters,
                kernel_size,
                output,
                num_classes,
            ),
            num_classes=num_classes,
            average=average,
            **options,
        )
        self.keep_arguments(output=output)
