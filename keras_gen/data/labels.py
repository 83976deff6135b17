"""Labels of every form as whole numbers, and data with few labels."""

import numpy as np
import tensorflow as tf

UNKNOWN = -1  # Label of an image without one, for semi-supervised learning.


def whole(values: np.ndarray, name: str = "label") -> tuple[np.ndarray, list[str]]:
    """Labels as whole numbers.

    >>> whole(np.array([[2], [0]]))[0].tolist()
    [2, 0]
    >>> whole(np.array([[0.0, 1.0], [1.0, 0.0]]))[0].tolist()
    [1, 0]
    >>> labels, names = whole(np.array(["dog", "cat", "dog"]))
    >>> labels.tolist(), names
    ([1, 0, 1], ['cat', 'dog'])

    Args:
        values: Whole numbers of any type (n,) or (n, 1), one-hot rows (n, k), or names
            of classes (n,) or (n, 1).
        name: Name of the feature, for messages.

    Returns:
        The labels, int64 (n,), and the sorted names if the values are names, else [].

    Raises:
        ValueError: For values of another shape or type, fractions, NaN, and numbers
            below -1, which stands for an unknown label.
    """
    values = np.asarray(values)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.dtype.kind == "O":
        values = _of_objects(values)
    if values.ndim == 2 and values.dtype.kind in "biuf":
        return _from_one_hot(values, name), []
    if values.ndim != 1 or values.dtype.kind not in "biufUS":
        raise ValueError(
            f"Expected {name}s that are whole numbers (n,) or (n, 1), one-hot rows, or "
            f"names, got {values.dtype} of shape {values.shape}."
        )
    if values.dtype.kind in "US":
        if values.dtype.kind == "S":
            values = np.char.decode(values, "utf-8")
        names, labels = np.unique(values, return_inverse=True)
        return labels.astype(np.int64), names.tolist()
    # NaN compares false.
    wrong = ~((values >= UNKNOWN) & (values < 2**62) & (np.rint(values) == values))
    if wrong.any():
        raise ValueError(
            f"Expected {name}s that are whole numbers from 0, got {values[wrong][0]}."
        )
    return values.astype(np.int64), []


def _of_objects(values):
    """Objects as an array of text or of numbers, if they are either."""
    if all(isinstance(value, str) for value in values.flat):
        return values.astype(str)
    if all(isinstance(value, bytes) for value in values.flat):
        return values.astype(bytes)
    numbers = (bool, int, float, np.number, np.bool_)
    if all(isinstance(value, numbers) for value in values.flat):
        return np.array(values.tolist())
    return values


def _from_one_hot(rows, name):
    wrong = (np.count_nonzero(rows, axis=1) != 1) | (rows.max(axis=1) != 1)
    if wrong.any():
        raise ValueError(
            f"Expected {name}s (n,) or one-hot rows (n, k), of zeros and a single 1, "
            f"got the row {rows[wrong][0].tolist()}."
        )
    return rows.argmax(axis=1).astype(np.int64)


def check_range(labels: np.ndarray, low: int, high: int, name: str = "label") -> None:
    """Refuses labels outside of a model's range.

    Args:
        labels: Labels, int64 (n,), not empty.
        low: The smallest label that the model takes.
        high: The greatest label that it takes.
        name: Name of the feature, for the message.

    Raises:
        ValueError: With the range that was found.
    """
    if labels.min() < low or labels.max() > high:
        raise ValueError(
            f"Expected {name}s from {low} to {high}, got {name}s from {labels.min()} "
            f"to {labels.max()}."
        )


def tensor_of(
    values: tf.Tensor, rank: int, limits: tuple[int, int] | None, name: str = "label"
) -> tf.Tensor:
    """Labels in the graph of a `tf.data.Dataset` as whole numbers.

    Args:
        values: Labels as for `whole`, but no names: of one element or of a batch.
        rank: Number of dimensions of the result: 0 for an element, 1 for a batch.
        limits: The smallest and the greatest label; None for -1 and more.
        name: Name of the feature, for messages.

    Returns:
        Labels, int64, whose values are checked whenever the dataset yields them, with
        an InvalidArgumentError.

    Raises:
        ValueError: For another shape or type.
    """
    has_row = values.shape.rank == rank + 1
    if (
        not (has_row or values.shape.rank == rank)
        or has_row
        and values.shape[-1] is None
        or not (values.dtype.is_integer or values.dtype.is_floating)
    ):
        raise ValueError(
            f"Expected {name}s in a dataset that are whole numbers or one-hot rows, "
            f"got {values.dtype.name} of shape {tuple(values.shape)}."
        )
    low, high = limits or (UNKNOWN, 2**62)
    good = tf.constant(True)
    if has_row and values.shape[-1] > 1:
        ones = tf.reduce_sum(tf.cast(values == 1, tf.int32), axis=-1)
        others = tf.reduce_sum(tf.cast(values != 0, tf.int32), axis=-1)
        good = tf.reduce_all((ones == 1) & (others == 1))
        labels = tf.argmax(values, axis=-1)
    else:
        values = tf.squeeze(values, -1) if has_row else values
        if values.dtype.is_floating:
            good = tf.reduce_all(tf.round(values) == values)
        labels = tf.cast(values, tf.int64)
    good &= tf.reduce_all((labels >= low) & (labels <= high))
    message = f"Expected {name}s that are whole numbers from {low} to {high}, got"
    check = tf.debugging.Assert(good, [message, values], summarize=16)
    with tf.control_dependencies([check]):
        return tf.identity(labels)


def keep_labels(
    dataset: tf.data.Dataset, num_labels: int, *, share: float = 0.25, seed: int = 0
) -> tf.data.Dataset:
    """Keeps the labels of a few images of each class; all other labels become -1.

    In every batch, a fraction `share` of the images has labels; these images are
    repeated as often as needed. The rest are images of the dataset without labels.

    Args:
        dataset: Finite dataset of batches of equal size with "image" and "label", from
            `keras_gen.data.load`. The first images of each class, in the order of the
            dataset, keep their labels.
        num_labels: Number of images with labels, a multiple of the number of classes.
        share: Share of a batch that has labels, in (0, 1).
        seed: Seed of the order of the images with labels.

    Raises:
        ValueError: For a dataset without labels or with too few images of a class, or a
            number of labels or a share that does not fit.
    """
    spec = dataset.element_spec
    if "label" not in spec or spec["label"].shape[0] is None:
        raise ValueError("Expected batches of one size with 'image' and 'label'.")
    batch_size = spec["label"].shape[0]
    few = round(share * batch_size)
    if not 0 < few < batch_size:
        raise ValueError(
            f"Expected a share that leaves images with and without labels in a batch "
            f"of {batch_size}, got {share}."
        )
    images, labels = _first_of_each(dataset, num_labels)
    known = tf.data.Dataset.from_tensor_slices({"image": images, "label": labels})
    known = known.shuffle(num_labels, seed).repeat().batch(few, drop_remainder=True)

    def join(batch, known):
        hidden = {
            "image": batch["image"][few:],
            "label": -tf.ones_like(batch["label"][few:]),
        }
        return {name: tf.concat([known[name], hidden[name]], 0) for name in known}

    return tf.data.Dataset.zip(dataset, known).map(join).prefetch(tf.data.AUTOTUNE)


def _first_of_each(dataset, num_labels):
    """The first images of each class, `num_labels` in total, and their labels."""
    labels = np.concatenate([batch["label"].numpy() for batch in dataset])
    classes = np.unique(labels)
    each = num_labels // len(classes)
    if each < 1 or each * len(classes) != num_labels:
        raise ValueError(
            f"Expected num_labels that is a multiple of {len(classes)} classes, got "
            f"{num_labels}."
        )
    found = {label: [] for label in classes}
    for batch in dataset:
        for image, label in zip(
            batch["image"].numpy(), batch["label"].numpy(), strict=True
        ):
            if len(found[label]) < each:
                found[label].append(image)
        if all(len(images) == each for images in found.values()):
            return np.concatenate(list(found.values())), np.repeat(classes, each)
    short = {int(k): len(v) for k, v in found.items() if len(v) < each}
    raise ValueError(f"Expected {each} images of each class, got {short}.")
