"""Images that change before networks see them.

`augment` is differentiable augmentation [1]: real and generated images change in the
same ways. A discriminator that sees nothing but changed images cannot learn the few
real ones by heart; gradients flow through the changes to the generator. `distort`
leaves the class alone: for classifiers, and for codes that are to stand for classes.
`mirror` makes images that are as likely as the ones it gets.

1. Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", 2020.
"""

import tensorflow as tf


def _uniform(images, seed, low, high):
    shape = (tf.shape(images)[0], 1, 1, 1)
    return tf.random.stateless_uniform(shape, seed, low, high)


def color(images, seed):
    """Brightness by up to 1/2, saturation by up to 2, contrast by 1/2 to 3/2.

    Args:
        images: float32 (batch, height, width, channels).
        seed: int32 (2,).
    """
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 3))
    images = images + _uniform(images, seeds[0], -0.5, 0.5)
    grey = tf.reduce_mean(images, axis=-1, keepdims=True)
    images = grey + (images - grey) * _uniform(images, seeds[1], 0.0, 2.0)
    mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
    return mean + (images - mean) * _uniform(images, seeds[2], 0.5, 1.5)


def translation(images, seed):
    """Shifts by whole pixels, up to an eighth of either side; what comes in is 0."""
    height, width = images.shape[1:3]
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 2))

    def take(images, side, axis, seed):
        reach = side // 8
        padding = [[0, 0], [0, 0], [0, 0], [0, 0]]
        padding[axis] = [reach, reach]
        count = tf.shape(images)[0]
        shift = tf.random.stateless_uniform(
            (count, 1), seed, 0, 2 * reach + 1, tf.int32
        )
        return tf.gather(
            tf.pad(images, padding), shift + tf.range(side), axis=axis, batch_dims=1
        )

    images = take(images, height, 1, seeds[0])
    columns = tf.transpose(images, (0, 2, 1, 3))  # Gathers along dimension 1 again.
    return tf.transpose(take(columns, width, 1, seeds[1]), (0, 2, 1, 3))


def cutout(images, seed):
    """Sets a square of half the sides, anywhere, to 0."""
    height, width = images.shape[1:3]
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    masks = []
    for side, own in zip((height, width), seeds, strict=True):
        count = tf.shape(images)[0]
        centre = tf.random.stateless_uniform((count, 1), own, 0, side, tf.int32)
        distance = tf.range(side) - centre + side // 4
        masks.append((distance >= 0) & (distance < side // 2))
    hole = masks[0][:, :, None, None] & masks[1][:, None, :, None]
    return tf.where(hole, 0.0, images)


AUGMENTATIONS = {"color": color, "translation": translation, "cutout": cutout}


def check_augmentation(kinds):
    """The names as a tuple.

    Raises:
        ValueError: If they are no list of `AUGMENTATIONS`.
    """
    if isinstance(kinds, str) or set(kinds) - set(AUGMENTATIONS):
        raise ValueError(
            f"Expected a list of {list(AUGMENTATIONS)} as augmentation, got {kinds!r}."
        )
    return tuple(kinds)


def augment(images, seed, kinds):
    """Applies the augmentations of the names, one after the other.

    Args:
        images: float32 (batch, height, width, channels).
        seed: int32 (2,).
        kinds: Of `AUGMENTATIONS`.
    """
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, max(len(kinds), 1)))
    for kind, own in zip(kinds, seeds, strict=False):
        images = AUGMENTATIONS[kind](images, own)
    return images


def mirror(images, seed):
    """Turns left and right of half of the images around."""
    turned = _uniform(images, seed, 0.0, 1.0) < 0.5
    return tf.where(turned, images[:, :, ::-1], images)


def distort(images, seed, turn, scale, shift):
    """Turns, scales and shifts every image by amounts of its own; edges are repeated.

    Args:
        images: float32 (batch, height, width, channels).
        seed: int32 (2,).
        turn: Largest angle, in radians.
        scale: Largest change of size, as a share.
        shift: Largest shift, in pixels.
    """
    shape = tf.shape(images)
    draws = tf.random.stateless_uniform((4, shape[0]), seed, -1.0, 1.0)
    angle, size = turn * draws[0], 1.0 + scale * draws[1]
    cosine, sine = tf.cos(angle) / size, tf.sin(angle) / size
    y, x = tf.cast(shape[1] - 1, tf.float32) / 2, tf.cast(shape[2] - 1, tf.float32) / 2
    right = x - cosine * x + sine * y + shift * draws[2]  # Around the centre.
    down = y - sine * x - cosine * y + shift * draws[3]
    zero = tf.zeros_like(angle)
    rows = [cosine, -sine, right, sine, cosine, down, zero, zero]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack(rows, axis=1),
        output_shape=shape[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )
