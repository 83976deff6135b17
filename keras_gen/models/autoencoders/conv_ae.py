"""Convolutional autoencoder [1]: maps shrink to a code, and grow back.

What differs from [1]: strides where [1] pools (which can be chosen), transposed
convolutions in the decoder, a dense layer to and from the code, and all layers are
trained together.

1. Masci et al., "Stacked Convolutional Auto-Encoders for Hierarchical Feature
   Extraction", 2011.
"""

from keras_gen.core.registry import register
from keras_gen.models.autoencoders.base import Autoencoder, check_counts
from keras_gen.networks.autoencoder import conv_decoder, conv_encoder


@register("conv_ae", image_shape=(28, 28, 1))
class ConvAE(Autoencoder):
    """Convolutional autoencoder for images of any size.

    Args:
        image_shape: (height, width, channels), any.
        widths: Feature maps of the encoder's layers; the decoder's are reversed.
        latent_dim: Numbers in a code.
        pooling: Whether the encoder halves its maps by max pooling in place of strides.
        **options: Of `Autoencoder`: `learning_rate`, `density_components`, ...
    """

    tiny = {"image_shape": (7, 9, 3), "widths": (4, 8), "latent_dim": 3}

    def __init__(
        self,
        image_shape=(28, 28, 1),
        widths=(32, 64),
        latent_dim=30,
        pooling=False,
        **options,
    ):
        check_counts(
            latent_dim=latent_dim, **{f"widths[{i}]": w for i, w in enumerate(widths)}
        )
        super().__init__(
            encoder=conv_encoder(image_shape, widths, latent_dim, pooling),
            decoder=conv_decoder(image_shape, widths, latent_dim),
            image_shape=image_shape,
            **options,
        )
