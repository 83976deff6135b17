"""A pool of generated images, so that discriminators also get earlier ones [1].

The pool's images and the number of images that have arrived are a model's state. The
functions here are pure: they return the new state and change nothing.

1. Shrivastava et al., "Learning from Simulated and Unsupervised Images through
   Adversarial Training", 2017, section 2.3.
"""

import tensorflow as tf


def draw_entries(count, size: int, seed):
    """Draws which images enter a full pool, and at which index.

    Each image enters with probability 1/2, and no two enter at the same index. If there
    are more than `size` images, only the first `size` may enter.

    Args:
        count: Number of images, an int32 scalar.
        size: Number of images that the pool holds.
        seed: Seed of the draw, int32 (2,).

    Returns:
        Index in the pool for each image, -1 if it does not enter: int32 (count,).
    """
    order_seed, coin_seed = tf.unstack(
        tf.random.experimental.stateless_split(seed, 2), num=2
    )
    rows = tf.minimum(count, size)
    order = tf.argsort(tf.random.stateless_uniform([size], order_seed))
    coins = tf.random.stateless_uniform([rows], coin_seed) < 0.5
    entries = tf.where(coins, order[:rows], -1)
    return tf.concat([entries, tf.fill([count - rows], -1)], axis=0)


def exchange(fakes, entries, pool, arrived):
    """Exchanges generated images with a pool.

    While the pool fills, every image enters at the next free index and is also
    returned. Once the pool is full, an image that enters is exchanged for the one that
    was at its index, and an image that does not enter is returned itself.

    Args:
        fakes: Generated images, float32 (batch, height, width, channels).
        entries: Index at which each enters a full pool, -1 for none, int32 (batch,);
            see `draw_entries`. If two have the same index, the last one stays.
        pool: Images of the pool, float32 (size, height, width, channels).
        arrived: Number of images that have arrived, an int64 scalar: `size` or more
            once the pool is full.

    Returns:
        Images for the discriminator (as many as `fakes`), the new pool, and the new
        number of arrived images.
    """
    rows, size = tf.shape(fakes)[0], pool.shape[0]
    held = tf.cast(tf.minimum(arrived, size), tf.int32)
    is_full = held >= size
    free = held + tf.range(rows)
    index = tf.where(is_full, entries, tf.where(free < size, free, -1))
    earlier = tf.gather(pool, tf.maximum(index, 0))
    given = tf.where(_per_image(is_full & (index >= 0)), earlier, fakes)
    # Gathers an image for each index: if images were scattered, the result would be
    # undefined for two images with the same index.
    enters = tf.range(size)[:, None] == index
    source = tf.reduce_max(tf.where(enters, tf.range(rows), -1), axis=1)
    entering = tf.gather(fakes, tf.maximum(source, 0))
    new_pool = tf.where(_per_image(source >= 0), entering, pool)
    return given, new_pool, arrived + tf.cast(tf.minimum(rows, size), tf.int64)


def _per_image(flags):
    """Flags (batch,) as (batch, 1, 1, 1), to select among images."""
    return tf.reshape(flags, (-1, 1, 1, 1))
