"""PixelRNN [1]: LSTMs that go over an image in two dimensions.

What differs from [1]: the Row LSTM's blind spot is closed (see `RowLSTM`); maps have a
column more than the image, at which a row is seen whole (without it a row's last pixel
is hidden from most of the row below); and channels are conditioned in order by the last
two layers alone, not by masks in all of them.

1. van den Oord et al., "Pixel Recurrent Neural Networks", 2016.
"""

import keras
from keras import layers

from keras_gen.core.registry import register
from keras_gen.layers import DiagonalBiLSTM, MaskedConv2D, PixelHead, RowLSTM
from keras_gen.models.autoregressive.base import AutoregressiveModel

CELLS = {"row_lstm": RowLSTM, "diagonal_bilstm": DiagonalBiLSTM}


def recurrent_network(image_shape, num_layers, hidden, cell, output):
    """Images to parameters (batch, height, width, channels, n) ([1], table 1)."""
    images = keras.Input(image_shape, name="images")
    x = layers.ZeroPadding2D(((0, 0), (0, PixelRNN.margin)))(images)
    x = MaskedConv2D(2 * hidden, 7, "A", name="first")(x)
    for layer in range(num_layers):
        x = CELLS[cell](hidden, name=f"{cell}_{layer}")(x)
    x = layers.Cropping2D(((0, 0), (0, PixelRNN.margin)))(x)
    head = PixelHead(output, image_shape[-1], max(32, 2 * hidden), name="head")
    return keras.Model(images, head(x, images), name="pixelrnn")


@register("pixelrnn", image_shape=(28, 28, 1))
class PixelRNN(AutoregressiveModel):
    """PixelRNN: row or diagonal LSTMs over pixels in raster order.

    The loss is minus the log-likelihood in nats per image, exact.

    Args:
        image_shape: (height, width, channels).
        cell: "diagonal_bilstm", from either upper corner along diagonals, or
            "row_lstm", down the rows.
        num_layers: Of LSTMs; 7 on MNIST ([1], table 1).
        hidden: Numbers in a state; maps have twice as many features; 16 on MNIST.
        output: "bernoulli": pixels are binary, drawn afresh with the grey value as
            probability in every step. "categorical": 256 levels with a probability
            each. "logistic_mixture": 256 levels by a mixture of ten logistics.
        average: Decay of the moving average that is used for all but training.
        **kwargs: `name`.
    """

    margin = 1
    tiny = {
        "image_shape": (5, 5, 1),
        "num_layers": 1,
        "hidden": 4,
        "output": "categorical",
    }

    def __init__(
        self,
        image_shape=(28, 28, 1),
        cell="diagonal_bilstm",
        num_layers=7,
        hidden=16,
        output="bernoulli",
        average=0.999,
        **kwargs,
    ):
        if cell not in CELLS:
            raise ValueError(f"Expected a cell of {list(CELLS)}, got {cell!r}.")
        super().__init__(
            network=recurrent_network(
                tuple(image_shape), num_layers, hidden, cell, output
            ),
            average=average,
            **kwargs,
        )
