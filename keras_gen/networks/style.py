"""StyleGAN's generator: a mapping network and a synthesis network."""

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


def mapping_network(latent_dim, style_dim, depth, rate, num_classes=None):
    """Latents (batch, latent_dim), and labels, to styles (batch, style_dim).

    Args:
        latent_dim: Numbers in a latent.
        style_dim: Numbers in a style.
        depth: Dense layers.
        rate: Multiplies their learning rate ([1], appendix C).
        num_classes: Of labels; None for none.
    """
    latents = keras.Input((latent_dim,))
    extra, x = condition(latents, num_classes)
    x = PixelNorm()(x)
    for place in range(depth):
        x = rectify(EqualizedDense(style_dim, rate=rate, name=f"mapping_{place}")(x))
    x = layers.Activation("linear", dtype="float32")(x)
    return keras.Model([latents, *extra], x, name="mapping")


def synthesis_network(image_shape, style_dim, base_maps, max_maps, first):
    """Styles and noise, one of each a layer, to images of every level ([1], figure 1).

    Args:
        image_shape: Of the last level, (side, side, channels).
        style_dim: Numbers in a style.
        base_maps: See `num_maps`.
        max_maps: See `num_maps`.
        first: The lowest level that has images.

    Returns:
        A functional model of alpha (batch,), then by layer, from the coarsest on, a
        style (batch, style_dim) and noise (batch, side, side, 1).
    """
    last = level_of(image_shape[0])
    alpha, inputs = keras.Input((), name="alpha"), []

    def styled(x):
        """Noise, rectifier and style: the end of every layer."""
        side = x.shape[1]
        style, noise = keras.Input((style_dim,)), keras.Input((side, side, 1))
        inputs.extend([style, noise])
        place = len(inputs) // 2 - 1
        x = rectify(AddNoise(name=f"noise_{place}")(x, noise))
        return AdaIN(name=f"style_{place}")(x, style)

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
