"""Image data sets of tensorflow-datasets, by name.

CelebA has attributes instead of labels: the feature "attributes" holds them in the
order of their names, and "celeb_a/Black_Hair,Blond_Hair" takes the faces that have
exactly one of these attributes, which is their `domain`. If captions are requested,
they are made from the names of the classes, or of the attributes that an image has.
"""

import difflib
import os
import pathlib
import re
import socket
import urllib.parse
import urllib.request
import warnings

import numpy as np
import tensorflow as tf

from keras_gen import config
from keras_gen.core import keras_internals
from keras_gen.data import emoji, faces, sources, summary
from keras_gen.data.pipeline import array_batches, dataset_batches

# Largest data set that is kept in memory, in bytes of decoded images.
MEMORY_LIMIT = 2**30
CONNECT_SECONDS = 10  # Longest wait for the server from which data are downloaded.


def load(
    name: str,
    split: str,
    data_dir: str | os.PathLike | None = None,
    manual_dir: str | os.PathLike | None = None,
    *,
    features: tuple[str, ...] = (),
    seed: int | None = None,
    **batching,
) -> tf.data.Dataset:
    """Batches of a data set; the arguments are those of `keras_gen.data.load`.

    Args:
        name: Name of the data set.
        split: Name of a split, or a part of one.
        data_dir: Folder of prepared data sets.
        manual_dir: Folder of files that were downloaded manually.
        features: Names of the requested features; if "caption" is one of them, captions
            are made from the names of classes or attributes.
        seed: Seed of the order.
        **batching: Arguments of `pipeline.array_batches`.

    Returns:
        A dataset of dicts. If it has attributes, `attribute_names` lists their names.

    Raises:
        ValueError: For a name, a split or attributes that do not exist, or a data set
            without images.
        ConnectionError: If the data set cannot be downloaded.
    """
    import tensorflow_datasets as tfds

    name, attributes = _attributes_of(name)
    builder, image = _prepared(name, data_dir, manual_dir)
    try:
        dataset = builder.as_dataset(
            split=split,
            shuffle_files=batching["shuffle"],
            read_config=tfds.ReadConfig(shuffle_seed=seed),
        )
    except (KeyError, ValueError) as error:
        raise ValueError(_other_split(builder, name, split)) from error
    dataset = _with_domains(dataset, attributes) if attributes else dataset
    known = _attribute_names(builder)
    names = _names(builder) if "caption" in features and not known else None
    captions = bool(known) and "caption" in features
    dataset = dataset.map(lambda example: _select(example, names, known, captions))
    count = int(dataset.cardinality())
    if (
        count > 0
        and None not in image.shape
        and count * np.prod(image.shape) <= MEMORY_LIMIT
    ):
        whole = dataset.batch(count).get_single_element()
        arrays = {key: value.numpy() for key, value in whole.items()}
        dataset = array_batches(arrays, seed=seed, **batching)
    else:
        dataset = dataset_batches(dataset, seed=seed, **batching)
    if known:
        dataset.attribute_names = known
    return dataset


def describe(
    name: str,
    split: str,
    data_dir: str | os.PathLike | None = None,
    manual_dir: str | os.PathLike | None = None,
    **facts,
) -> summary.Description:
    """The facts about a data set; the arguments are those of `load`.

    Args:
        name: Name of the data set.
        split: Name of a split, or a part of one.
        data_dir: Folder of prepared data sets.
        manual_dir: Folder of files that were downloaded manually.
        **facts: Further attributes of `Description`.

    Raises:
        ValueError: As for `load`.
        ConnectionError: If the data set cannot be downloaded.
    """
    name, attributes = _attributes_of(name)
    builder, image = _prepared(name, data_dir, manual_dir)
    splits, count, details = builder.info.splits, None, ()
    if splits:
        try:
            count = splits[split].num_examples
        except (KeyError, ValueError) as error:
            raise ValueError(_other_split(builder, name, split)) from error
    if attributes:
        count = None
        details = (f"of which those with exactly one of {', '.join(attributes)} serve",)
    known = _attribute_names(builder)
    if known:
        details = (f"{len(known)} attributes", *details)
    label = dict(builder.info.features).get("label")
    return summary.Description(
        name,
        {key: value.num_examples for key, value in splits.items()},
        split,
        count,
        **summary.image_facts(image.shape),
        class_names=tuple(getattr(label, "names", None) or ()),
        domain_names=tuple(attributes),
        details=details,
        **facts,
    )


def _attributes_of(name):
    """The name of a data set, and the attributes of CelebA that it lists."""
    if not name.startswith("celeb_a/"):
        return name, []
    name, _, text = name.partition("/")
    return name, text.split(",")


def _prepared(name, data_dir, manual_dir):
    """The builder of a data set that is on disk, and its feature "image"."""
    # Imported here, since it takes seconds and few programs need it.
    import tensorflow_datasets as tfds

    builder = _builder(tfds, name, data_dir)
    image = dict(builder.info.features or {}).get("image")
    if not isinstance(image, tfds.features.Image):
        raise ValueError(f"Expected a data set with images, got {name!r} without any.")
    _prepare(tfds, builder, name, manual_dir)
    return builder, image


def _other_split(builder, name, split):
    """The message about a split that a data set does not have."""
    return (
        f"Expected a split of {list(builder.info.splits)}, or a part of one, of "
        f"{name!r}, got {split!r}."
    )


def _attribute_names(builder):
    """Names of the attributes that an image has or not, sorted; [] without any."""
    found = dict(builder.info.features).get("attributes")
    found = dict(found) if hasattr(found, "items") else {}
    if any(feature.dtype != np.bool_ for feature in found.values()):
        return []
    return sorted(found)


def _select(example, names, attributes, captions):
    kept = ("image", "label", "domain")
    chosen = {key: example[key] for key in kept if key in example}
    if attributes:
        flags = tf.stack([example["attributes"][name] for name in attributes])
        chosen["attributes"] = tf.cast(flags, tf.float32)
    if captions:
        present = tf.boolean_mask(tf.constant(list(attributes)), flags)
        chosen["caption"] = words(tf.strings.reduce_join(present, separator=", "))
    if names is not None:
        name = example.get("label_name")
        chosen["caption"] = words(names(example["label"]) if name is None else name)
    return chosen


def is_public(source: str) -> bool:
    """Whether a source is a data set that others get by the same name.

    >>> is_public("faces/personas?glasses"), is_public("photos/2026")
    (True, False)

    Args:
        source: Source as for `keras_gen.data.load`; sets of tensorflow-datasets count
            if that is installed.
    """
    if source in config.DATA_SETS:
        return True
    try:
        if faces.is_selection(source):
            return bool(faces.parse(source))
        if source.startswith("emoji/"):
            return bool(emoji.styles_of(source.removeprefix("emoji/")))
    except ValueError:  # The path of a folder with such a name.
        return False
    name, _, part = source.partition("/")
    if not re.fullmatch(r"[a-z]\w*", name) or pathlib.Path(source).exists():
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of that package's imports.
            import tensorflow_datasets as tfds
        known = [c.name for c in tfds.builder_cls(name).BUILDER_CONFIGS]
    except (ImportError, ValueError):
        return False
    return not part or part in known or (name == "celeb_a" and "/" not in part)


def words(name: str | tf.Tensor) -> tf.Tensor:
    """A class's name as a caption in lower case.

    >>> words("001.Black_footed_Albatross").numpy()
    b'black footed albatross'
    """
    name = tf.strings.regex_replace(name, r"^\d+\.|[_\s]+", " ")
    return tf.strings.lower(tf.strings.strip(name))


def _names(builder):
    """A function from a label to the name of its class."""
    label = dict(builder.info.features).get("label")
    if label is None or not label.names:
        raise ValueError(
            f"Expected a data set with classes, whose names become captions, got "
            f"{builder.name}."
        )
    names = tf.constant(label.names)
    return lambda label: tf.gather(names, label)


def _with_domains(dataset, attributes):
    """Examples with exactly one of the attributes, whose index is their domain."""
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
        shipped = ("mnist", "emoji", "faces", "stacked_mnist")
        ours = (*shipped, "gaussian_ring", "gaussian_grid")
        # The names of community data sets would need a network.
        names = [*ours, *tfds.list_builders(with_community_datasets=False)]
        near = difflib.get_close_matches(name, dict.fromkeys(names), n=3)
        hint = f" Near it: {near}." if near else ""
        raise ValueError(f"{sources.not_here(name)}{hint}") from error
    except (RuntimeError, ValueError) as error:  # For other configurations or forms.
        reason = str(error).splitlines()[0]
        raise ValueError(f"{sources.not_here(name)} ({reason})") from error


def _prepare(tfds, builder, name, manual_dir):
    config = tfds.download.DownloadConfig(manual_dir=manual_dir, try_download_gcs=False)
    keras_internals.before_downloads(
        builder, lambda: _find_network(builder, manual_dir)
    )
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
            "manual_dir=<that folder>, or pass data_dir=<folder of prepared data sets>."
        ) from error


def _find_network(builder, manual_dir):
    """Connects to the first server from which a file is needed, unless through a proxy.

    Downloads themselves try for minutes.

    Raises:
        OSError: If there is no connection.
    """
    needed = [
        urllib.parse.urlsplit(url)
        for url, info in builder.url_infos.items()
        if not (manual_dir and (pathlib.Path(manual_dir) / info.filename).exists())
    ]
    if needed and not urllib.request.getproxies():
        port = needed[0].port or {"https": 443, "ftp": 21}.get(needed[0].scheme, 80)
        address = needed[0].hostname, port
        socket.create_connection(address, timeout=CONNECT_SECONDS).close()
