"""Image data sets of tensorflow-datasets, by name."""

import difflib

import numpy as np

from keras_gen.data.pipeline import array_batches, dataset_batches

MEMORY_LIMIT = 2**30  # Bytes of decoded images that are kept in memory.


def load(name, split, data_dir=None, manual_dir=None, *, seed=None, **batching):
    """See `keras_gen.data.load`."""
    import tensorflow_datasets as tfds  # Takes seconds, and few need it.

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
    dataset = dataset.map(_select)
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


def _select(example):
    return {key: example[key] for key in ("image", "label") if key in example}


def _builder(tfds, name, data_dir):
    try:
        return tfds.builder(name, data_dir=data_dir, try_gcs=False)
    except tfds.core.DatasetNotFoundError as error:
        ours = ("mnist", "stacked_mnist", "gaussian_ring", "gaussian_grid")
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
