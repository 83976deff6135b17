"""Stacked autoencoder [1]: dense layers to a code, and mirrored layers back.

The decoder's kernels may be the encoder's transposed ("tied"), which halves their
number. Layers can be pretrained greedily, one pair at a time, before all are trained
together; [2] does so with plain autoencoders, [3] with denoising ones, [1] with
restricted Boltzmann machines.
What differs from [1]: ELU units, and the squared error of pixels in [-1, 1] through
tanh.

1. Hinton and Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks",
   2006.
2. Bengio et al., "Greedy Layer-Wise Training of Deep Networks", 2007.
3. Vincent et al., "Stacked Denoising Autoencoders", 2010.
"""

from collections.abc import Sequence
from typing import Literal

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_gen import losses
from keras_gen.core import arguments
from keras_gen.core.game import Player
from keras_gen.core.model import GenerativeModel
from keras_gen.core.registry import register
from keras_gen.core.types import Count, ImageShape, Natural, Weight
from keras_gen.models.autoencoders.base import Autoencoder
from keras_gen.models.autoencoders.corruptions import OF_PIXELS, OF_UNITS, check_level
from keras_gen.networks.autoencoder import stacked_decoder, stacked_encoder


@register("stacked_ae", image_shape=(28, 28, 1))
class StackedAE(Autoencoder):
    """Stacked autoencoder of dense layers, optionally with tied kernels.

    Args:
        image_shape: (height, width, channels).
        widths: Widths of the encoder's hidden layers, any number of them; the decoder's
            are reversed.
        latent_dim: Dimension of a code; overcomplete if above the number of pixels.
        tied: Boolean, whether the decoder's kernels are the encoder's, transposed.
        **options: Options of `Autoencoder`, such as `learning_rate`.
    """

    tiny = {"image_shape": (8, 8, 1), "widths": (8,), "latent_dim": 3, "tied": True}

    def __init__(
        self,
        image_shape: ImageShape = (28, 28, 1),
        widths: Sequence[Count] = (500, 250),
        latent_dim: Count = 30,
        tied: bool = False,
        **options,
    ):
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

    @arguments.checked(unchecked=("data",))
    def pretrain(
        self,
        data: tf.data.Dataset | np.ndarray | dict,
        epochs: Natural = 5,
        batch_size: Count | None = None,
        verbose: int | str = "auto",
        noise: Literal["gaussian", "masking"] | None = None,
        level: Weight = 0.25,
    ) -> list:
        """Trains greedily ([2]): one pair of layers at a time, the outermost first.

        Each pair learns to reconstruct the outputs of the encoder layers before it,
        which stay fixed meanwhile. `fit` then trains all of them together. With noise,
        the pair's inputs are corrupted outputs, from which it learns to reconstruct the
        clean ones ([3], section 3.5); the layers before it get clean images.

        Args:
            data: Data as for `fit`.
            epochs: Epochs for each pair.
            batch_size: Batch size for arrays.
            verbose: Verbosity as for `fit`.
            noise: Kind of the noise: "masking" (makes pixels black and sets units to
                0) or "gaussian" (is added); None for no noise.
            level: Fraction of pixels or units that "masking" sets; or the standard
                deviation of "gaussian" noise, which for pixels is a fraction of their
                range.

        Returns:
            A Keras `History` for each pair.

        Raises:
            ValueError: For another kind of noise, or a number out of its range.
        """
        if noise is not None:
            check_level(noise, level)
        histories = []
        for index in range(1, self.num_pairs + 1):
            with self.distribute_strategy.scope():
                pair = Pair(self, index, noise, level)
                pair.compile(seed=int(self.seed.numpy()))
            histories.append(
                pair.fit(data, epochs=epochs, batch_size=batch_size, verbose=verbose)
            )
        return histories


class Pair(GenerativeModel):
    """An encoder layer and its mirror, trained on the outputs of the previous layers.

    Args:
        model: Model `StackedAE`, whose layers are trained in place.
        index: Index of the layer in the encoder, from 1.
        noise: Kind of the noise on these outputs; None for no noise.
        level: Level of the noise.
    """

    def __init__(
        self,
        model: StackedAE,
        index: Count,
        noise: str | None = None,
        level: Weight = 0.0,
    ):
        super().__init__(name=f"pair_{index}")
        self.image_shape = model.image_shape
        layer = model.encoder.get_layer(f"encode_{index}")
        self.below = keras.Model(model.encoder.inputs, layer.input)
        self.pair = [layer, model.decoder.get_layer(f"decode_{index}")]
        self.default_optimizers = model.default_optimizers
        kinds = OF_PIXELS if index == 1 else OF_UNITS
        self.corruption, self.level = noise and kinds[noise], level

    def players(self):
        """One player trains the layer and its mirror."""
        return {"autoencoder": Player(self.pair, self.autoencoder_loss)}

    def autoencoder_loss(self, batch, shared, training):
        """Mean squared error of the reconstructed outputs of the previous layers.

        The targets are clean, also where the inputs have noise ([3], equation 6).
        """
        inputs = targets = ops.cast(self.below(batch["image"]), "float32")
        if self.corruption is not None:
            seed = self.noise_seed("corruption")
            inputs = self.corruption(targets, self.level, seed)
        codes = self.pair[0](inputs)
        return losses.mean_squared_error(self.pair[1](codes), targets)
