"""Data with few labels, for semi-supervised learning."""

import numpy as np
import tensorflow as tf


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
