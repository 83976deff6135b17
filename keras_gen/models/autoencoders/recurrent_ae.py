"""Recurrent autoencoder [1]: a sequence to one vector, and back to a sequence.

Images go row by row, from the top. Sequences of any lengths share a batch: those that
end early are filled with a value that is masked. What differs from [1]: the decoder
gets the code at every step and none of its own outputs, so that it writes in order.

1. Srivastava, Mansimov and Salakhutdinov, "Unsupervised Learning of Video
   Representations using LSTMs", 2015.
"""

import functools

import keras
import tensorflow as tf
from keras import layers, ops

from keras_gen.core.abilities import transforms
from keras_gen.core.registry import register
from keras_gen.models.autoencoders.base import Autoencoder, check_counts

# Without a seed a cell draws one, for dropout, that no file brings back.
CELLS = {
    "lstm": functools.partial(layers.LSTM, seed=0),
    "gru": functools.partial(layers.GRU, seed=0),
}


def image_encoder(image_shape, cell, width, latent_dim):
    """Images to codes (batch, latent_dim), a row of pixels a step."""
    height, row, channels = image_shape
    inputs = keras.Input(image_shape)
    x = layers.Reshape((height, row * channels))(inputs)
    codes = layers.Dense(latent_dim, dtype="float32", name="codes")(cell(width)(x))
    return keras.Model(inputs, codes, name="encoder")


def image_decoder(image_shape, cell, width, latent_dim):
    """Codes to images in [-1, 1]."""
    height, row, channels = image_shape
    inputs = keras.Input((latent_dim,))
    x = layers.RepeatVector(height)(inputs)
    x = cell(width, return_sequences=True)(x)
    x = layers.Dense(row * channels, activation="tanh", dtype="float32")(x)
    x = layers.Reshape(image_shape, dtype="float32")(x)
    return keras.Model(inputs, x, name="decoder")


def sequence_encoder(features, cell, width, latent_dim, padding):
    """Sequences (batch, time, features) to codes; steps of padding are left out."""
    inputs = keras.Input((None, features))
    x = layers.Masking(padding)(inputs)
    codes = layers.Dense(latent_dim, dtype="float32", name="codes")(cell(width)(x))
    return keras.Model(inputs, codes, name="encoder")


def sequence_decoder(features, cell, width, latent_dim):
    """Codes at every step, (batch, time, latent_dim), to (batch, time, features)."""
    inputs = keras.Input((None, latent_dim))
    x = cell(width, return_sequences=True)(inputs)
    x = layers.Dense(features, dtype="float32")(x)
    return keras.Model(inputs, x, name="decoder")


@register("recurrent_ae")
class RecurrentAE(Autoencoder):
    """Recurrent autoencoder of image rows, or of sequences of any length.

    For sequences, `RecurrentAE(image_shape=None, features=3)`, batches are
    `{"sequence": ...}`, float32 (batch, time, features), of any time.

    Args:
        image_shape: (height, width, channels); None for sequences.
        features: Numbers in a step of a sequence; None for images.
        latent_dim: Numbers in a code.
        width: Units of the recurrent layer, each way.
        cell: "lstm" or "gru".
        padding: Of sequences: a step whose features all have this value lies after the
            end. Choose a value that data do not take.
        **options: Of `Autoencoder`: `learning_rate`, `density_components` (of images).
    """

    tiny = {"image_shape": (8, 6, 1), "latent_dim": 3, "width": 6}

    def __init__(
        self,
        image_shape=(28, 28, 1),
        features=None,
        latent_dim=30,
        width=128,
        cell="lstm",
        padding=-2.0,
        **options,
    ):
        if (image_shape is None) == (features is None):
            raise ValueError(
                "Expected image_shape or features, and None for the other, got "
                f"{image_shape} and {features}."
            )
        if cell not in CELLS:
            raise ValueError(f"Expected a cell of {list(CELLS)}, got {cell!r}.")
        check_counts(latent_dim=latent_dim, width=width)
        core = (CELLS[cell], width, latent_dim)
        if features is None:
            networks = (
                image_encoder(image_shape, *core),
                image_decoder(image_shape, *core),
            )
        else:
            check_counts(features=features)
            networks = (
                sequence_encoder(features, *core, padding),
                sequence_decoder(features, *core),
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

    def input_specs(self):
        """Those of images, or sequences."""
        specs = super().input_specs()
        if self.features is not None:
            shape = (None, None, self.features)
            specs["sequences"] = tf.TensorSpec(shape, tf.float32, "sequences")
        return specs

    def autoencoder_loss(self, batch, training):
        """Squared error, meaned over the steps of each sequence, then the batch."""
        if self.features is None:
            return super().autoencoder_loss(batch, training)
        sequences = batch["sequence"]
        outputs = self.write(self.encoder(sequences), ops.shape(sequences)[1])
        there = ops.cast(self.mask(sequences), "float32")
        errors = there * ops.mean(ops.square(outputs - sequences), axis=-1)
        steps = ops.maximum(ops.sum(there, axis=1), 1.0)
        return ops.mean(ops.sum(errors, axis=1) / steps)

    def mask(self, sequences):
        """Which steps are there: bool (batch, time)."""
        return ops.any(ops.not_equal(sequences, self.padding), axis=-1)

    def write(self, codes, steps):
        """So many steps from each code: float32 (batch, steps, features)."""
        return self.decoder(ops.repeat(codes[:, None], steps, axis=1))

    @transforms("latents", needs="features")
    def encode_sequences(self, sequences):
        """Codes, float32 (batch, latent_dim), of sequences (batch, time, features)."""
        return self.encoder(sequences, training=False)

    @transforms("sequences", needs="features")
    def reconstruct_sequences(self, sequences):
        """Sequences of the same lengths, through their codes; padding stays."""
        outputs = self.write(self.encoder(sequences), ops.shape(sequences)[1])
        return ops.where(self.mask(sequences)[..., None], outputs, self.padding)

    def decode_sequences(self, latents, steps):
        """So many steps from each code (batch, latent_dim), as a NumPy array."""
        return self.write(ops.convert_to_tensor(latents, "float32"), steps).numpy()
