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
from keras import ops

from keras_gen.core.game import Player
from keras_gen.core.model import GenerativeModel
from keras_gen.core.registry import register
from keras_gen.models.autoencoders.base import Autoencoder, check_counts, squared_error
from keras_gen.networks.autoencoder import stacked_decoder, stacked_encoder


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
