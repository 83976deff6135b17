"""What Keras users pass to `fit` as data, in the forms that `keras_gen.data` takes."""

from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf


def as_data(x: object) -> object:
    """Makes a `tf.data.Dataset` of a `keras.utils.PyDataset`; returns others unchanged.

    The items of a PyDataset are batches: images, pairs of images and labels, or dicts.
    They come in the order of their indices, and `on_epoch_end` is called after the
    last one.

    Args:
        x: Data as a user gave them to `fit`.

    Raises:
        ValueError: For generators and other iterators, since data are read several
            times.
    """
    if isinstance(x, keras.utils.PyDataset):
        return _dataset_of(x)
    if isinstance(x, Iterator):
        raise ValueError(
            "Expected data that can be read again in each epoch, such as a "
            "keras.utils.PyDataset or tf.data.Dataset.from_generator(function, "
            f"output_signature=...), got {type(x).__name__}."
        )
    return x


def _dataset_of(source):
    try:
        count = source.num_batches
    except NotImplementedError:
        count = None
    if count is not None and count < 1:
        raise ValueError("Expected a PyDataset with at least one batch, got none.")

    def items():
        index = 0
        while count is None or index < count:
            yield _arrays(source[index])
            index += 1
        source.on_epoch_end()

    first = _arrays(source[0])
    spec = keras.tree.map_structure(
        lambda a: tf.TensorSpec((None, *a.shape[1:]), tf.as_dtype(a.dtype)), first
    )
    dataset = tf.data.Dataset.from_generator(items, output_signature=spec)
    cardinality = tf.data.INFINITE_CARDINALITY if count is None else count
    return dataset.apply(tf.data.experimental.assert_cardinality(cardinality))


def _arrays(item):
    """A batch with NumPy arrays; what Keras allows beyond labels must be None."""
    if isinstance(item, (tuple, list)):
        features, *rest = item
        if len(rest) > 1 and any(part is not None for part in rest[1:]):
            raise ValueError(
                "Expected batches of images, or of images and labels, got weights of "
                "rows too: losses are means over the rows."
            )
        has_labels = rest and rest[0] is not None
        item = (features, rest[0]) if has_labels else features
    return keras.tree.map_structure(np.asarray, item)
