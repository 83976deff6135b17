"""Recurrent autoencoder [1]: it encodes a sequence as one vector and decodes it again.

Images are sequences of rows, from top to bottom. A batch may contain sequences of
different lengths: shorter ones are padded with a value that is masked. What differs
from [1]: the decoder gets the code at every step and none of its own outputs, and it
generates the sequence in forward order.

1. Srivastava, Mansimov and Salakhutdinov, "Unsupervised Learning of Video
   Representations using LSTMs", 2015.
"""

import functools
from collections.abc import Callable
from typing import Literal

import keras
import numpy as np
from keras import layers, ops

from keras_gen.core.abilities import transforms
from keras_gen.core.inputs import Input
from keras_gen.core.registry import register
from keras_gen.core.types import Count, ImageShape
from keras_gen.models.autoencoders.base import Autoencoder

# Seeded, since a recurrent layer without a seed draws one for its dropout, which a
# saved file does not restore.
CELLS = {
    "lstm": functools.partial(layers.LSTM, seed=0),
    "gru": functools.partial(layers.GRU, seed=0),
}


def image_encoder(
    image_shape: tuple[int, int, int], cell: Callable, width: int, latent_dim: int
) -> keras.Model:
    """Network from images to codes (batch, latent_dim); each step reads one row."""
    height, row, channels = image_shape
    inputs = keras.Input(image_shape)
    x = layers.Reshape((height, row * channels))(inputs)
    codes = layers.Dense(latent_dim, dtype="float32", name="codes")(cell(width)(x))
    return keras.Model(inputs, codes, name="encoder")


def image_decoder(
    image_shape: tuple[int, int, int], cell: Callable, width: int, latent_dim: int
) -> keras.Model:
    """Network from codes to images in [-1, 1]; each step writes one row."""
    height, row, channels = image_shape
    inputs = keras.Input((latent_dim,))
    x = layers.RepeatVector(height)(inputs)
    x = cell(width, return_sequences=True)(x)
    x = layers.Dense(row * channels, activation="tanh", dtype="float32")(x)
    x = layers.Reshape(image_shape, dtype="float32")(x)
    return keras.Model(inputs, x, name="decoder")


def sequence_encoder(
    features: int, cell: Callable, width: int, latent_dim: int, padding: float
) -> keras.Model:
    """Network from sequences (batch, time, features) to codes; it skips padding."""
    inputs = keras.Input((None, features))
    x = layers.Masking(padding)(inputs)
    codes = layers.Dense(latent_dim, dtype="float32", name="codes")(cell(width)(x))
    return keras.Model(inputs, codes, name="encoder")


def sequence_decoder(
    features: int, cell: Callable, width: int, latent_dim: int
) -> keras.Model:
    """Network from codes (batch, time, latent_dim) to (batch, time, features)."""
    inputs = keras.Input((None, latent_dim))
    x = cell(width, return_sequences=True)(inputs)
    x = layers.Dense(features, dtype="float32")(x)
    return keras.Model(inputs, x, name="decoder")


@register("recurrent_ae")
class RecurrentAE(Autoencoder):
    """Recurrent autoencoder of image rows, or of sequences of any length.

    For sequences, `RecurrentAE(image_shape=None, features=3)`, batches are
    `{"sequence": ...}`, float32 (batch, time, features), with any number of steps.
    `keras_gen.data.load` makes such batches of the lines of a text file.

    >>> rows = keras_gen.data.text.to_sequences(["abba", "bab"], "ab")
    >>> model = keras_gen.models.RecurrentAE(image_shape=None, features=2, width=4)
    >>> lines = keras_gen.data.text.to_lines(model.reconstruct_sequences(rows), "ab")
    >>> [len(line) for line in lines]
    [4, 3]

    Args:
        image_shape: (height, width, channels); None for sequences.
        features: Number of values in each step of a sequence; None for images.
        latent_dim: Dimension of a code.
        width: Units of the recurrent layer in the encoder, and in the decoder.
        cell: Kind of the recurrent layers: "lstm" or "gru".
        padding: Value of padding in sequences: a step whose features all have this
            value lies after the end. It should not occur in the data.
        **options: Options of `Autoencoder`; `density_components` is for images only.
    """

    tiny = {"image_shape": (8, 6, 1), "latent_dim": 3, "width": 6}

    def __init__(
        self,
        image_shape: ImageShape | None = (28, 28, 1),
        features: Count | None = None,
        latent_dim: Count = 30,
        width: Count = 128,
        cell: Literal["lstm", "gru"] = "lstm",
        padding: float = -2.0,
        **options,
    ):
        if (image_shape is None) == (features is None):
            raise ValueError(
                "Expected image_shape or features, and None for the other, got "
                f"{image_shape} and {features}."
            )
        sizes = (CELLS[cell], width, latent_dim)
        if features is None:
            networks = (
                image_encoder(image_shape, *sizes),
                image_decoder(image_shape, *sizes),
            )
        else:
            networks = (
                sequence_encoder(features, *sizes, padding),
                sequence_decoder(features, *sizes),
            )
        super().__init__(
            encoder=networks[0],
            decoder=networks[1],
            image_shape=image_shape,
            **options,
        )
        self.features, self.padding = features, padding

    def batch_shapes(self):
        """An image, or a sequence of any length."""
        if self.features is None:
            return super().batch_shapes()
        return {"sequence": (None, self.features)}

    def inputs(self):
        """The inputs of all autoencoders, and sequences if the model takes them."""
        declared = super().inputs()
        if self.features is None:
            return declared
        sequences = Input(
            "sequences",
            (None, self.features),
            description="Sequences of steps; shorter ones end in padding.",
        )
        return {**declared, sequences.name: sequences}

    def autoencoder_loss(self, batch, shared, training):
        """Squared error, averaged over each sequence's steps, then over the batch."""
        if self.features is None:
            return super().autoencoder_loss(batch, shared, training)
        sequences = batch["sequence"]
        outputs = self.write(self.encoder(sequences), ops.shape(sequences)[1])
        present = ops.cast(self.mask(sequences), "float32")
        errors = present * ops.mean(ops.square(outputs - sequences), axis=-1)
        steps = ops.maximum(ops.sum(present, axis=1), 1.0)
        return ops.mean(ops.sum(errors, axis=1) / steps)

    def mask(self, sequences):
        """Whether each step is data and not padding, bool (batch, time)."""
        return ops.any(ops.not_equal(sequences, self.padding), axis=-1)

    def write(self, codes, steps):
        """Sequences, float32 (batch, steps, features), decoded from codes.

        Args:
            codes: float32 (batch, latent_dim).
            steps: Number of steps, an int or a scalar tensor.
        """
        return self.decoder(ops.repeat(codes[:, None], steps, axis=1))

    @transforms("latents", needs="features")
    def encode_sequences(self, sequences):
        """Codes, float32 (batch, latent_dim), of sequences (batch, time, features)."""
        return self.encoder(sequences, training=False)

    @transforms("sequences", needs="features")
    def reconstruct_sequences(self, sequences):
        """Sequences of the same lengths, encoded and decoded; padding is kept."""
        outputs = self.write(self.encoder(sequences), ops.shape(sequences)[1])
        return ops.where(self.mask(sequences)[..., None], outputs, self.padding)

    def decode_sequences(self, latents, steps: int) -> np.ndarray:
        """Sequences of a given length from codes.

        Args:
            latents: Codes (batch, latent_dim).
            steps: Number of steps.

        Returns:
            float32 (batch, steps, features).
        """
        return self.write(ops.convert_to_tensor(latents, "float32"), steps).numpy()
