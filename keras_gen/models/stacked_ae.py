"""Stacked autoencoder [1]: dense layers down to a code, and their mirror back.

The decoder's kernels may be the encoder's transposed ("tied"): half the weights. Layers
can be trained greedily, a pair at a time, before all are trained together, as [2] does
with plain autoencoders and [1] with restricted Boltzmann machines. What differs from
[1]: ELU units, and the squared error of pixels in [-1, 1] through tanh.

1. Hinton and Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks",
   2006.
2. Bengio et al., "Greedy Layer-Wise Training of Deep Networks", 2007.
"""

import keras
import numpy as np
from keras import layers, ops

from keras_gen.layers.transposed_dense import TransposedDense
from keras_gen.models.autoencoder import Autoencoder, check_counts, squared_error
from keras_gen.registry import register
from keras_gen.training import GenerativeModel, Player


def stacked_encoder(image_shape, widths, latent_dim):
    """Images to codes, by dense layers encode_1, encode_2, ...; the last is linear."""
    inputs = keras.Input(image_shape)
    x = layers.Flatten()(inputs)
    for i, width in enumerate(widths, 1):
        x = layers.Dense(width, "elu", name=f"encode_{i}")(x)
    name = f"encode_{len(widths) + 1}"
    x = layers.Dense(latent_dim, dtype="float32", name=name)(x)
    return keras.Model(inputs, x, name="encoder")


def stacked_decoder(image_shape, widths, latent_dim, tied_to=None):
    """Codes to images in [-1, 1], by decode_n, ..., decode_1, mirrors of the encoder's.

    Args:
        image_shape: (height, width, channels).
        widths: Of the encoder's hidden layers.
        latent_dim: Numbers in a code.
        tied_to: An encoder whose kernels to use, transposed; None for kernels of its
            own.
    """
    outputs = [int(np.prod(image_shape)), *widths]
    inputs = x = keras.Input((latent_dim,))
    for i in range(len(outputs), 0, -1):
        options = {"activation": "elu" if i > 1 else "tanh", "name": f"decode_{i}"}
        if i == 1:
            options["dtype"] = "float32"
        if tied_to is None:
            x = layers.Dense(outputs[i - 1], **options)(x)
        else:
            x = TransposedDense(tied_to.get_layer(f"encode_{i}"), **options)(x)
    return keras.Model(
        inputs, layers.Reshape(image_shape, dtype="float32")(x), name="decoder"
    )


@register("stacked_ae", image_shape=(28, 28, 1))
class StackedAE(Autoencoder):
    """Stacked autoencoder of dense layers, with tied kernels where asked for.

    Args:
        image_shape: (height, width, channels).
        widths: Of the encoder's hidden layers, any number of them; the decoder's are
            reversed.
        latent_dim: Numbers in a code; more than pixels make it overcomplete.
        tied: Whether the decoder's kernels are the encoder's, transposed.
        **options: Of `Autoencoder`: `learning_rate`, `density_components`, ...
    """

    tiny = {"image_shape": (8, 8, 1), "widths": (8,), "latent_dim": 3, "tied": True}

    def __init__(
        self,
        image_shape=(28, 28, 1),
        widths=(500, 250),
        latent_dim=30,
        tied=False,
        **options,
    ):
        check_counts(
            latent_dim=latent_dim, **{f"widths[{i}]": w for i, w in enumerate(widths)}
        )
        encoder = stacked_encoder(image_shape, widths, latent_dim)
        super().__init__(
            encoder=encoder,
            decoder=stacked_decoder(
                image_shape, widths, latent_dim, tied_to=encoder if tied else None
            ),
            image_shape=image_shape,
            **options,
        )
        self.num_pairs = len(widths) + 1

    def pretrain(self, data, epochs=5, batch_size=None, verbose="auto"):
        """Trains greedily ([2]): one pair of layers at a time, from the outermost in.

        Each pair learns to reconstruct what the pairs below make of the images, which
        are frozen meanwhile. `fit` then trains all of them together.

        Args:
            data: As for `fit`.
            epochs: For each pair.
            batch_size: Of arrays.
            verbose: As for `fit`.

        Returns:
            A Keras `History` for each pair.
        """
        histories = []
        for place in range(1, self.num_pairs + 1):
            with self.distribute_strategy.scope():
                pair = Pair(self, place)
                pair.compile(seed=int(self.seed.numpy()))
            histories.append(
                pair.fit(data, epochs=epochs, batch_size=batch_size, verbose=verbose)
            )
        return histories


class Pair(GenerativeModel):
    """A layer of a stacked autoencoder and its mirror, on what lies below.

    Args:
        model: A `StackedAE`.
        place: Of the layer, from 1.
    """

    def __init__(self, model, place):
        super().__init__(name=f"pair_{place}")
        self.image_shape = model.image_shape
        up = model.encoder.get_layer(f"encode_{place}")
        self.below = keras.Model(model.encoder.inputs, up.input)
        self.pair = [up, model.decoder.get_layer(f"decode_{place}")]
        self.default_optimizers = model.default_optimizers

    def players(self):
        """One player: the layer and its mirror."""
        return {"autoencoder": Player(self.pair, self.autoencoder_loss)}

    def autoencoder_loss(self, batch, training):
        """Mean squared error of what the layers below put out."""
        targets = ops.cast(self.below(batch["image"]), "float32")
        codes = self.pair[0](targets)
        return squared_error(self.pair[1](codes), targets)
