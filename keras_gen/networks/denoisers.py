"""Networks of diffusion models: noisy data, a time and a condition to data.

A U-Net [1, 2], a transformer [3] and, for points, a residual network of dense layers.
All take the time through sinusoidal features, two dense layers, and scales and shifts
of their normalizations; labels and vectors are added to the features of the time.

What differs from [2]: with `patch` above 1, the U-Net works on patches of pixels, which
are moved into the maps, so that it costs a fraction at full size; attention stands
behind a level's last block alone.

1. Ho, Jain and Abbeel, "Denoising Diffusion Probabilistic Models", 2020, appendix B.
2. Dhariwal and Nichol, "Diffusion Models Beat GANs on Image Synthesis", 2021.
3. Peebles and Xie, "Scalable Diffusion Models with Transformers", 2023 (adaLN-Zero).
"""

from collections.abc import Sequence

import keras
from keras import layers

from keras_gen.core.arguments import checked
from keras_gen.core.types import Count, Decay, Widths
from keras_gen.layers.learned import Learned
from keras_gen.layers.modulated_group_norm import ModulatedGroupNorm
from keras_gen.layers.time_embedding import TimeEmbedding
from keras_gen.networks.initializers import near_zero


def entry(shape: tuple[int, ...], units: int, num_classes: int | None, text: int):
    """The inputs of a denoiser, and the features of time and condition.

    Args:
        shape: Shape of the data, without the batch dimension.
        units: Number of features.
        num_classes: Number of classes; the label `num_classes` stands for none. None
            for no labels.
        text: Dimension of a vector as the condition, 0 for none.

    Returns:
        The inputs (data, times, and labels or vectors), and features (batch, units).
    """
    inputs = [keras.Input(shape), keras.Input(())]
    features = TimeEmbedding(max(2, units // 4 * 2))(inputs[1])
    features = layers.Activation("silu")(layers.Dense(units)(features))
    features = layers.Dense(units)(features)
    if num_classes is not None:
        inputs.append(keras.Input((), dtype="int64"))
        table = layers.Embedding(
            num_classes + 1, units, keras.initializers.RandomNormal(stddev=1.0)
        )
        features = layers.Add()([features, table(inputs[-1])])
    elif text:
        inputs.append(keras.Input((text,)))
        features = layers.Add()([features, layers.Dense(units)(inputs[-1])])
    return inputs, layers.Activation("silu")(features)


# U-Net.


@checked
def unet(
    shape: tuple[int, int, int],
    outputs: Count,
    width: Count = 64,
    multipliers: Widths = (1, 2, 2),
    num_blocks: Count = 2,
    attention: Sequence[Count] | None = None,
    heads: Count = 4,
    patch: Count | None = None,
    dropout: Decay = 0.0,
    num_classes: int | None = None,
    text: int = 0,
) -> keras.Model:
    """U-Net of residual blocks with group normalization ([2], table 1).

    Args:
        shape: Shape of an image, (height, width, channels), whose sides can be divided
            by `patch` and halved between the levels.
        outputs: Number of channels of the result.
        width: Number of maps at the first level.
        multipliers: Factors of that number at each level; maps are halved from one
            level to the next.
        num_blocks: Number of residual blocks at each level of the way down; there is
            one more on the way up.
        attention: Heights of maps with self-attention; None stands for that of the
            smallest maps, `heights(...)[-1]`.
        heads: Number of heads of an attention.
        patch: Side of the patches of pixels that become maps; None stands for that of
            `unet_patch`.
        dropout: Share of the numbers that residual blocks set to 0 in training.
        num_classes: Number of classes, as for `entry`.
        text: Dimension of a vector as the condition, as for `entry`.

    Raises:
        ValueError: For sides that cannot be divided, or an attention at a height that
            no maps have.
    """
    patch = unet_patch(shape, multipliers) if patch is None else patch
    _check_sides(shape, patch * 2 ** (len(multipliers) - 1))
    known = heights(shape, multipliers, patch)
    attention = known[-1:] if attention is None else attention
    if not set(attention) <= set(known):
        raise ValueError(
            f"Expected attention at heights among {known}, got {list(attention)}."
        )
    inputs, features = entry(shape, 4 * width, num_classes, text)

    def block(x, maps):
        return _block(x, features, maps, dropout)

    x = layers.Conv2D(width, 3, padding="same")(_to_patches(inputs[0], patch))
    skips = [x]
    for level, factor in enumerate(multipliers):
        for _ in range(num_blocks):
            x = block(x, factor * width)
            skips.append(x)
        if x.shape[1] in attention:
            x = skips[-1] = _attention(x, heads)
        if level < len(multipliers) - 1:
            x = layers.Conv2D(factor * width, 3, 2, padding="same")(x)
            skips.append(x)
    x = block(x, x.shape[-1])
    if x.shape[1] in attention:
        x = _attention(x, heads)
    x = block(x, x.shape[-1])
    for level, factor in reversed(list(enumerate(multipliers))):
        for _ in range(num_blocks + 1):
            x = block(layers.Concatenate()([x, skips.pop()]), factor * width)
        if x.shape[1] in attention:
            x = _attention(x, heads)
        if level:
            x = layers.UpSampling2D()(x)
            x = layers.Conv2D(factor * width, 3, padding="same")(x)
    x = layers.Activation("silu")(ModulatedGroupNorm()([x, features]))
    x = layers.Conv2D(
        outputs * patch**2,
        3,
        padding="same",
        kernel_initializer=near_zero(),
        dtype="float32",
    )(x)
    return _denoiser(inputs, _from_patches(x, patch))


def unet_patch(shape: tuple[int, ...], multipliers: Sequence[int]) -> int:
    """The side of patches with which the largest maps have at most 64 pixels, or 32.

    They have at most 32 pixels for images of up to 64, as those of CIFAR-10 in [2], and
    64 for larger ones. If such patches do not divide the sides, they are smaller.

    >>> [unet_patch((side, side, 3), (1, 2, 2)) for side in (32, 64, 100, 128, 256)]
    [1, 2, 1, 2, 4]

    Args:
        shape: Shape of an image, (height, width, channels).
        multipliers: Factors of the levels, as for `unet`.
    """
    most = 32 if max(shape[:2]) <= 64 else 64
    return _patch(shape, 1, most, 2 ** (len(multipliers) - 1))


def transformer_patch(shape: tuple[int, ...]) -> int:
    """The side of patches, at least 4, of which a side of the image has at most 16.

    If such patches do not divide the sides, they are smaller.

    >>> [transformer_patch((side, side, 3)) for side in (28, 50, 64, 128, 256)]
    [4, 2, 4, 8, 16]

    Args:
        shape: Shape of an image, (height, width, channels).
    """
    return _patch(shape, 4, 16, 1)


def _patch(shape, patch, most, divisor):
    """The least power of two from `patch` on that gives at most `most` patches.

    It is halved until the number of patches can be divided.
    """
    while max(shape[:2]) > most * patch:
        patch *= 2
    while patch > 1 and any(side % (patch * divisor) for side in shape[:2]):
        patch //= 2
    return patch


def heights(
    shape: tuple[int, ...], multipliers: Sequence[int], patch: int
) -> list[int]:
    """The heights of maps at each level of a U-Net; the arguments are those of `unet`.

    >>> heights((64, 64, 3), (1, 2, 2), 1)
    [64, 32, 16]
    """
    return [shape[0] // patch // 2**level for level in range(len(multipliers))]


def _block(x, features, maps, dropout):
    """Two convolutions and a shortcut; the second starts near 0 ([2], section 3)."""
    inner = layers.Activation("silu")(ModulatedGroupNorm()([x, features]))
    inner = layers.Conv2D(maps, 3, padding="same")(inner)
    inner = layers.Activation("silu")(ModulatedGroupNorm()([inner, features]))
    if dropout:
        inner = layers.Dropout(dropout)(inner)
    inner = layers.Conv2D(maps, 3, padding="same", kernel_initializer=near_zero())(
        inner
    )
    if x.shape[-1] != maps:
        x = layers.Conv2D(maps, 1)(x)
    return layers.Add()([x, inner])


def _attention(x, heads):
    """Self-attention between the pixels of maps, added to them."""
    rows, columns, maps = x.shape[1:]
    inner = layers.Reshape((rows * columns, maps))(
        layers.GroupNormalization(groups=1, epsilon=1e-5)(x)
    )
    inner = _self_attention(inner, heads, maps, is_added=True)
    return layers.Add()([x, layers.Reshape((rows, columns, maps))(inner)])


def _self_attention(x, heads, width, is_added=False):
    attention = layers.MultiHeadAttention(
        heads, max(1, width // heads), output_shape=width, use_bias=False
    )
    outcome = attention(x, x)
    if not is_added:
        return outcome
    # The projection starts near 0, so that the block starts as the identity.
    return layers.Dense(width, kernel_initializer=near_zero())(outcome)


def _check_sides(shape, divisor):
    if any(side % divisor for side in shape[:2]):
        raise ValueError(
            f"Expected images whose sides {divisor} divides, got {shape[0]}x{shape[1]}."
        )


def _to_patches(x, patch):
    if patch == 1:
        return x
    rows, columns, channels = x.shape[1:]
    shape = (rows // patch, patch, columns // patch, patch, channels)
    x = layers.Permute((1, 3, 2, 4, 5))(layers.Reshape(shape)(x))
    return layers.Reshape((rows // patch, columns // patch, patch**2 * channels))(x)


def _from_patches(x, patch):
    if patch == 1:
        return x
    rows, columns, maps = x.shape[1:]
    channels = maps // patch**2
    x = layers.Reshape((rows, columns, patch, patch, channels))(x)
    x = layers.Permute((1, 3, 2, 4, 5))(x)
    return layers.Reshape((rows * patch, columns * patch, channels))(x)


def _denoiser(inputs, x):
    x = layers.Activation("linear", dtype="float32")(x)
    return keras.Model(inputs, x, name="network")


# Transformer.


@checked
def transformer(
    shape: tuple[int, int, int],
    outputs: Count,
    width: Count = 192,
    depth: Count = 6,
    heads: Count = 3,
    patch: Count | None = None,
    dropout: Decay = 0.0,
    num_classes: int | None = None,
    text: int = 0,
) -> keras.Model:
    """Transformer on patches, with scales, shifts and gates of a condition ([3]).

    Args:
        shape: Shape of an image, (height, width, channels), whose sides can be divided
            by `patch`.
        outputs: Number of channels of the result.
        width: Dimension of a patch's vector.
        depth: Number of blocks.
        heads: Number of heads of an attention.
        patch: Side of a patch; None stands for that of `transformer_patch`.
        dropout: Share of the numbers that are set to 0 in training behind each part of
            a block.
        num_classes: Number of classes, as for `entry`.
        text: Dimension of a vector as the condition, as for `entry`.

    Raises:
        ValueError: For sides that cannot be divided.
    """
    patch = transformer_patch(shape) if patch is None else patch
    _check_sides(shape, patch)
    inputs, features = entry(shape, width, num_classes, text)
    x = _to_patches(inputs[0], patch)
    rows, columns, numbers = x.shape[1:]
    x = layers.Dense(width)(layers.Reshape((rows * columns, numbers))(x))
    x = layers.Add()([x, Learned((rows * columns, width), deviation=0.02)(x)])
    for _ in range(depth):
        x = _transformer_block(x, features, width, heads, dropout)
    scale, shift = _modulation(features, width, 2)
    x = layers.Dense(
        outputs * patch**2, kernel_initializer=near_zero(), dtype="float32"
    )(_modulated(x, scale, shift))
    x = layers.Reshape((rows, columns, outputs * patch**2))(x)
    return _denoiser(inputs, _from_patches(x, patch))


def _transformer_block(x, features, width, heads, dropout):
    parts = _modulation(features, width, 6)
    inner = _self_attention(_modulated(x, *parts[:2]), heads, width)
    x = _gated(x, inner, parts[2], dropout)
    inner = layers.Dense(4 * width, activation="gelu")(_modulated(x, *parts[3:5]))
    return _gated(x, layers.Dense(width)(inner), parts[5], dropout)


def _modulation(features, width, count):
    """Vectors (batch, 1, width) that are linear in the condition and start near 0."""
    dense = layers.Dense(count * width, kernel_initializer=near_zero())(features)
    split = layers.Reshape((count, width))(dense)
    return [layers.Cropping1D((i, count - 1 - i))(split) for i in range(count)]


def _modulated(x, scale, shift):
    norm = layers.LayerNormalization(center=False, scale=False, epsilon=1e-6)(x)
    return layers.Add()([norm, layers.Multiply()([norm, scale]), shift])


def _gated(x, inner, gate, dropout):
    if dropout:
        inner = layers.Dropout(dropout)(inner)
    return layers.Add()([x, layers.Multiply()([inner, gate])])


# Points.


@checked
def residual_mlp(
    shape: tuple[int, ...],
    outputs: Count,
    width: Count = 128,
    depth: Count = 3,
    dropout: Decay = 0.0,
    num_classes: int | None = None,
    text: int = 0,
) -> keras.Model:
    """Residual blocks of dense layers, for points.

    Args:
        shape: Shape of a point, (dimension,).
        outputs: Number of numbers of the result.
        width: Units of a layer.
        depth: Number of residual blocks.
        dropout: Share of the numbers that a block sets to 0 in training.
        num_classes: Number of classes, as for `entry`.
        text: Dimension of a vector as the condition, as for `entry`.
    """
    inputs, features = entry(shape, width, num_classes, text)
    x = layers.Dense(width)(inputs[0])
    for _ in range(depth):
        inner = layers.Add()([x, layers.Dense(width)(features)])
        inner = layers.Dense(width)(layers.Activation("silu")(inner))
        if dropout:
            inner = layers.Dropout(dropout)(inner)
        inner = layers.Dense(width)(layers.Activation("silu")(inner))
        x = layers.Add()([x, inner])
    x = layers.Dense(outputs, kernel_initializer=near_zero())(
        layers.Activation("silu")(x)
    )
    return _denoiser(inputs, x)
