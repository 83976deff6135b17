"""An embedding with spectral normalisation [1], for projection discriminators [2].

1. Miyato et al., "Spectral Normalization for Generative Adversarial Networks", 2018.
2. Miyato and Koyama, "cGANs with Projection Discriminator", 2018.
"""

import keras
from keras import layers, ops

from keras_gen.layers.spectral import spectral_norm


@keras.saving.register_keras_serializable("keras_gen", name="SpectralEmbedding")
class SpectralEmbedding(layers.Embedding):
    """`keras.layers.Embedding` whose matrix of all rows has spectral norm 1 [1].

    It takes the arguments of `keras.layers.Embedding`.
    """

    @property
    def embeddings(self):
        """The matrix as it is used, in the dtype that the layer computes in."""
        embeddings = super().embeddings
        return ops.cast(embeddings / spectral_norm(embeddings), self.compute_dtype)


# Keras saves the weights of a network's layers under the names of their classes: with
# this one, `.keras` files load that were saved before the embedding was normalized.
SpectralEmbedding.__name__ = "Embedding"
