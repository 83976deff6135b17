"""PixelRNN [1]: LSTMs that run over an image in two dimensions.

What differs from [1]: the Row LSTM's blind spot is closed (see `RowLSTM`); maps have
one column more than the image, at which all pixels of a row are known (without it, most
of the row below would not depend on a row's last pixel); and only the last two layers
condition channels on each other, not masks in all layers.

1. van den Oord et al., "Pixel Recurrent Neural Networks", 2016.
"""

from typing import Literal

import keras
from keras import layers

from keras_gen.core.registry import register
from keras_gen.core.types import Count, Decay, ImageShape
from keras_gen.layers import (
    DiagonalBiLSTM,
    FastCropping2D,
    MaskedConv2D,
    PixelHead,
    RowLSTM,
)
from keras_gen.models.autoregressive.base import AutoregressiveModel, default_output

CELLS = {"row_lstm": RowLSTM, "diagonal_bilstm": DiagonalBiLSTM}


def recurrent_network(
    image_shape: tuple[int, int, int],
    num_layers: int,
    hidden: int,
    cell: str,
    output: str,
) -> keras.Model:
    """Images to parameters (batch, height, width, channels, n) ([1], table 1).

    The arguments are those of `PixelRNN`.
    """
    images = keras.Input(image_shape, name="images")
    x = layers.ZeroPadding2D(((0, 0), (0, PixelRNN.margin)))(images)
    x = MaskedConv2D(2 * hidden, 7, "A", name="first")(x)
    for layer in range(num_layers):
        x = CELLS[cell](hidden, name=f"{cell}_{layer}")(x)
    x = FastCropping2D(((0, 0), (0, PixelRNN.margin)), name="cropping2d")(x)
    head = PixelHead(output, image_shape[-1], max(32, 2 * hidden), name="head")
    return keras.Model(images, head(x, images), name="pixelrnn")


@register("pixelrnn", batch_size=16, image_shape=(28, 28, 1))
class PixelRNN(AutoregressiveModel):
    """PixelRNN: row or diagonal LSTMs over pixels in raster order.

    The loss is the negative log-likelihood in nats per image, which is exact.

    Args:
        image_shape: Shape of an image, (height, width, channels).
        cell: LSTM layer: "diagonal_bilstm", which runs along the diagonals from both
            upper corners, or "row_lstm", which runs down the rows.
        num_layers: Number of LSTM layers; 7 on MNIST ([1], table 1).
        hidden: Dimension of a state, half the feature maps of a layer; 16 on MNIST.
        output: Distribution of pixels. "bernoulli": binary pixels, drawn in every step
            with the grey value as probability. "categorical": 256 levels, each with its
            own probability. "logistic_mixture": 256 levels, by a mixture of ten
            logistics. None uses the latter for images with several channels or a side
            above 32 pixels, and "bernoulli" for others.
        average: Decay of the moving average that is used for everything except
            training; None keeps no average.
        **options: Options of `AutoregressiveModel`, such as `learning_rate`.
    """

    margin = 1
    fixed_options = ("num_classes",)
    tiny = {
        "image_shape": (5, 5, 1),
        "num_layers": 1,
        "hidden": 4,
        "output": "categorical",
    }

    def __init__(
        self,
        image_shape: ImageShape = (28, 28, 1),
        cell: Literal["diagonal_bilstm", "row_lstm"] = "diagonal_bilstm",
        num_layers: Count = 7,
        hidden: Count = 16,
        output: Literal["bernoulli", "categorical", "logistic_mixture"] | None = None,
        average: Decay | None = 0.999,
        **options,
    ):
        output = output or default_output(image_shape)
        super().__init__(
            network=recurrent_network(
                tuple(image_shape),
                num_layers,
                hidden,
                cell,
                output,
            ),
            average=average,
            **options,
        )
        self.keep_arguments(output=output)
