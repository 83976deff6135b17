"""Gated PixelCNN [1]: convolutions that see what comes before, a pixel at a time.

What differs from [1]: the vertical stack has residual connections too; gates know the
pixel's row and column; channels are conditioned in order by the last two layers alone,
not in the stacks. Outputs are binary, 256 levels [2], or mixtures of discretised
logistics [3] (one a channel, which follows from the channels before it by the network,
not linearly).

1. van den Oord et al., "Conditional Image Generation with PixelCNN Decoders", 2016.
2. van den Oord et al., "Pixel Recurrent Neural Networks", 2016.
3. Salimans et al., "PixelCNN++", 2017.
"""

import keras

from keras_gen.core.registry import register
from keras_gen.layers import GatedStacks, PixelHead
from keras_gen.models.autoregressive.base import AutoregressiveModel


def gated_network(image_shape, num_blocks, filters, kernel_size, output, num_classes):
    """Images (and labels) to parameters (batch, height, width, channels, n)."""
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


@register("pixelcnn", image_shape=(28, 28, 1))
class PixelCNN(AutoregressiveModel):
    """Gated PixelCNN: masked convolutions without a blind spot.

    The loss is minus the log-likelihood in nats per image, exact.

    Args:
        image_shape: (height, width, channels).
        num_blocks: After the first, which sees 7x7; each lets a pixel see
            `kernel_size // 2` farther.
        filters: Features of either stack.
        kernel_size: Of the blocks; odd.
        output: "bernoulli": pixels are binary, drawn afresh with the grey value as
            probability in every step. "categorical": 256 levels with a probability
            each. "logistic_mixture": 256 levels by a mixture of ten logistics.
        num_classes: Labels from 0 to below it condition the network; None for none.
        average: Decay of the moving average that is used for all but training.
        **kwargs: `name`.
    """

    tiny = {
        "image_shape": (6, 6, 1),
        "num_blocks": 1,
        "filters": 4,
        "output": "logistic_mixture",
    }

    def __init__(
        self,
        image_shape=(28, 28, 1),
        num_blocks=7,
        filters=32,
        kernel_size=3,
        output="bernoulli",
        num_classes=None,
        average=0.999,
        **kwargs,
    ):
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
            **kwargs,
        )
