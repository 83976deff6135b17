"""Image data sets of tensorflow-datasets, by name.

Faces of CelebA have attributes in place of labels: "celeb_a/Black_Hair,Blond_Hair" is
those that have exactly one of these, which is their `domain`. Where captions are asked
for, and the data set has none, they are the classes' names in words.
"""

import difflib

import numpy as np
import tensorflow as tf

from keras_gen.data.pipeline import array_batches, dataset_batches

MEMORY_LIMIT = 2**30  # Bytes of decoded images that are kept in memory.


def load(
    name, split, data_dir=None, manual_dir=None, *, features=(), seed=None, **batching
):
    """See `keras_gen.data.load`."""
    import tensorflow_datasets as tfds  # Takes seconds, and few need it.

    attributes = []
    if name.startswith("celeb_a/"):
        name, _, text = name.partition("/")
        attributes = text.split(",")
    builder = _builder(tfds, name, data_dir)
    image = dict(builder.info.features or {}).get("image")
    if not isinstance(image, tfds.features.Image):
        raise ValueError(f"Expected a data set with images, got {name!r}, without.")
    _prepare(tfds, builder, name, manual_dir)
    try:
        dataset = builder.as_dataset(
            split=split,
            shuffle_files=batching["shuffle"],
            read_config=tfds.ReadConfig(shuffle_seed=seed),
        )
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"Expected a split of {list(builder.info.splits)}, or a part of one, of "
            f"{name!r}, got {split!r}."
        ) from error
    dataset = _with_domains(dataset, attributes) if attributes else dataset
    names = _names(builder) if "caption" in features else None
    dataset = dataset.map(lambda example: _select(example, names))
    count = int(dataset.cardinality())
    if (
        count > 0
        and None not in image.shape
        and count * np.prod(image.shape) <= MEMORY_LIMIT
    ):
        whole = dataset.batch(count).get_single_element()
        arrays = {key: value.numpy() for key, value in whole.items()}
        return array_batches(arrays, seed=seed, **batching)
    return dataset_batches(dataset, seed=seed, **batching)


def _select(example, names):
    known = ("image", "label", "domain")
    chosen = {key: example[key] for key in known if key in example}
    if names is not None:
        name = example.get("label_name")
        chosen["caption"] = words(names(example["label"]) if name is None else name)
    return chosen


def words(name):
    """A class's name as a caption: "001.Black_footed_Albatross" in three words."""
    name = tf.strings.regex_replace(name, r"^\d+\.|[_\s]+", " ")
    return tf.strings.lower(tf.strings.strip(name))


def _names(builder):
    """A function from a label to the class's name."""
    label = dict(builder.info.features).get("label")
    if label is None or not label.names:
        raise ValueError(
            f"Expected a data set with classes to make captions of, got {builder.name}."
        )
    names = tf.constant(label.names)
    return lambda label: tf.gather(names, label)


def _with_domains(dataset, attributes):
    """Examples with exactly one of the attributes, whose place is their domain."""
    known = dataset.element_spec["attributes"]
    if not set(attributes) <= set(known):
        raise ValueError(f"Expected attributes of {sorted(known)}, got {attributes}.")

    def mark(example):
        flags = tf.stack([example["attributes"][name] for name in attributes])
        flags = tf.cast(flags, tf.int64)
        return {**example, "domain": tf.argmax(flags), "count": tf.reduce_sum(flags)}

    return dataset.map(mark).filter(lambda example: example["count"] == 1)


def _builder(tfds, name, data_dir):
    try:
        return tfds.builder(name, data_dir=data_dir, try_gcs=False)
    except tfds.core.DatasetNotFoundError as error:
        ours = ("mnist", "emoji", "stacked_mnist", "gaussian_ring", "gaussian_grid")
        names = [*ours, *tfds.list_builders()]
        near = difflib.get_close_matches(name, names, n=3)
        hint = f" Near it: {near}." if near else ""
        raise ValueError(
            "Expected 'mnist', a data set of tensorflow-datasets, or the path of a "
            f"folder of images, got {name!r}.{hint}"
        ) from error


def _prepare(tfds, builder, name, manual_dir):
    config = tfds.download.DownloadConfig(manual_dir=manual_dir, try_download_gcs=False)
    try:
        builder.download_and_prepare(download_config=config)
    except Exception as error:
        files = sorted(
            {info.filename for info in builder.url_infos.values() if info.filename}
        )
        raise ConnectionError(
            f"The data set {name!r} is not in {builder.data_dir}, and could not be "
            f"downloaded ({type(error).__name__}: {error}). Without a network, put "
            f"its files{' ' + str(files[:8]) if files else ''} into a folder and pass "
            "manual_dir=<that folder>, or pass data_dir=<where it is prepared>."
        ) from error
