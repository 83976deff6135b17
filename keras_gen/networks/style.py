"""StyleGAN's generator [1]: a mapping network and a synthesis network.

1. Karras, Laine and Aila, "A Style-Based Generator Architecture for Generative
   Adversarial Networks", 2019.
"""

import keras
from keras import layers

from keras_gen.layers import (
    AdaIN,
    AddNoise,
    Blur,
    EqualizedConv2D,
    EqualizedDense,
    Learned,
    PixelNorm,
)
from keras_gen.networks.growing import (
    SMALLEST,
    condition,
    faded_images,
    level_of,
    num_maps,
    rectify,
    upsample,
)


def mapping_network(
    latent_dim: int,
    style_dim: int,
    depth: int,
    rate: float,
    num_classes: int | None = None,
) -> keras.Model:
    """Latents (batch, latent_dim), and labels if any, to styles (batch, style_dim).

    Args:
        latent_dim: Dimension of a latent.
        style_dim: Dimension of a style.
        depth: Number of dense layers.
        rate: Factor on their learning rate ([1], appendix C).
        num_classes: Number of classes whose labels it takes too; None for no labels.
    """
    latents = keras.Input((latent_dim,))
    extra, x = condition(latents, num_classes)
    x = PixelNorm()(x)
    for index in range(depth):
        x = rectify(EqualizedDense(style_dim, rate=rate, name=f"mapping_{index}")(x))
    x = layers.Activation("linear", dtype="float32")(x)
    return keras.Model([latents, *extra], x, name="mapping")


def synthesis_network(
    image_shape: tuple[int, int, int],
    style_dim: int,
    base_maps: int,
    max_maps: int,
    first: int,
) -> keras.Model:
    """Styles and noise of each layer to images of every level ([1], figure 1).

    Args:
        image_shape: Shape of images at the last level, (side, side, channels).
        style_dim: Dimension of a style.
        base_maps: Twice the number of feature maps at 4x4; see `num_maps`.
        max_maps: Largest number of feature maps of a level.
        first: Lowest level that has images.

    Returns:
        A functional model of alpha (batch,) and, for each layer from the coarsest on, a
        style (batch, style_dim) and noise (batch, side, side, 1).
    """
    last = level_of(image_shape[0])
    alpha, inputs = keras.Input((), name="alpha"), []

    def styled(x):
        """Noise, rectifier and style: the end of every layer."""
        side = x.shape[1]
        style, noise = keras.Input((style_dim,)), keras.Input((side, side, 1))
        inputs.extend([style, noise])
        index = len(inputs) // 2 - 1
        x = rectify(AddNoise(name=f"noise_{index}")(x, noise))
        return AdaIN(name=f"style_{index}")(x, style)

    features = []
    for level in range(last + 1):
        maps = num_maps(level, base_maps, max_maps)
        if level == 0:
            x = Learned((SMALLEST, SMALLEST, maps), 1.0, name="constant")(alpha)
        else:
            x = EqualizedConv2D(maps, name=f"level_{level}_a")(upsample(x))
            x = Blur()(x)
        x = styled(x)
        x = styled(EqualizedConv2D(maps, name=f"level_{level}_b")(x))
        features.append(x)
    images = faded_images(features, first, image_shape[-1], alpha)
    return keras.Model([alpha, *inputs], images, name="synthesis")
