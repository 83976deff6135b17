"""Convolutional autoencoder [1]: convolutions shrink images to codes and enlarge them.

What differs from [1]: strides instead of pooling (which is an option), transposed
convolutions in the decoder, a dense layer to and from the code, and joint training of
all layers.

1. Masci et al., "Stacked Convolutional Auto-Encoders for Hierarchical Feature
   Extraction", 2011.
"""

from keras_gen.core.registry import register
from keras_gen.core.types import Count, ImageShape, Widths
from keras_gen.models.autoencoders.base import Autoencoder
from keras_gen.networks.autoencoder import conv_decoder, conv_encoder
from keras_gen.networks.vae import default_widths


@register("conv_ae", image_shape=(28, 28, 1))
class ConvAE(Autoencoder):
    """Convolutional autoencoder for images of any size.

    Args:
        image_shape: (height, width, channels), any.
        widths: Numbers of feature maps of the encoder's layers; the decoder's are
            reversed. None uses 32 maps, which double up to 256, and halves them while
            both sides are above 8.
        latent_dim: Dimension of a code.
        pooling: Boolean, whether the encoder halves its maps by max pooling instead of
            strides.
        **options: Options of `Autoencoder`, such as `learning_rate`.
    """

    tiny = {"image_shape": (7, 9, 3), "widths": (4, 8), "latent_dim": 3}

    def __init__(
        self,
        image_shape: ImageShape = (28, 28, 1),
        widths: Widths | None = None,
        latent_dim: Count = 30,
        pooling: bool = False,
        **options,
    ):
        widths = widths or default_widths("conv", image_shape)
        super().__init__(
            encoder=conv_encoder(image_shape, widths, latent_dim, pooling),
            decoder=conv_decoder(image_shape, widths, latent_dim),
            image_shape=image_shape,
            **options,
        )
        self.keep_arguments(widths=list(widths))
