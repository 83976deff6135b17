"""Data: batches of images from what ships, tensorflow-datasets, folders and arrays.

    train = keras_gen.data.load("mnist", image_shape=(32, 32, 1), batch_size=64)

Every batch is a dict: "image", float32 (batch, height, width, channels) in [-1, 1],
and, where the source has them, "label" and "domain", int64 (batch,), "caption" and
"id", strings (batch,); where it is asked for, "image_b", images of a second domain. Of
mixtures in the plane "point", float32 (batch, 2), takes the image's place. Resizing,
colour and the value range are settled in `keras_gen.data.pipeline` and nowhere else.
"""

import functools
import pathlib

import numpy as np
import tensorflow as tf

from keras_gen.data import (
    catalog,
    domains,
    emoji,
    folder,
    gaussians,
    mnist,
    stacked_mnist,
)
from keras_gen.data.labels import keep_labels
from keras_gen.data.pipeline import (
    array_batches,
    batches,
    dataset_batches,
    mirrored,
    stream,
)

_OURS = {
    "mnist": mnist.load,
    "stacked_mnist": stacked_mnist.load,
    **{name: functools.partial(gaussians.load, name) for name in gaussians.MIXTURES},
}

__all__ = ["array_batches", "batches", "keep_labels", "load", "stream"]


def load(
    source,
    split: str = "train",
    *,
    features: tuple | None = None,
    paired: bool = False,
    image_shape: tuple | None = None,
    batch_size: int = 64,
    shuffle: bool = True,
    seed: int | None = None,
    drop_remainder: bool | None = None,
    mirror: bool = False,
    value_range: tuple | None = None,
    test_fraction: float = 0.1,
    broken: str = "raise",
    data_dir=None,
    manual_dir=None,
) -> tf.data.Dataset:
    """Loads images as batches to train on or to measure.

    Args:
        source: "mnist", "emoji" (three styles; "emoji/noto" and "emoji/noto,openmoji"
            are parts of it), "stacked_mnist" (three digits as RGB, 1000 modes),
            "gaussian_ring" or "gaussian_grid" (8 and 25 modes in the plane), which ship
            or are made of what ships; the name of an image data set in
            tensorflow-datasets ("fashion_mnist", "cycle_gan/horse2zebra";
            "celeb_a/Black_Hair,Blond_Hair" are the faces with one of these attributes);
            the path of a folder of images (one subfolder a class or domain, or flat;
            with captions in `captions.csv` or `captions.jsonl`); images as an array
            (count, height, width[, channels]), or a pair of images and labels; a
            `tf.data.Dataset` of single images or dicts; for "image_b" a pair of
            sources, or the paths of two folders with a comma between.
        split: "train", "test", or a part of it: "train[:50000]", "test[10%:20%]". A
            folder without subfolders `train` and `test` is split by `seed`. Arrays and
            datasets are one split, whatever it is called.
        features: What batches are to hold; None for all that the source has. "domain"
            is the label where classes are all that there is, "caption" of
            tensorflow-datasets the name of the class. With "image_b", images of two
            domains stand side by side, each in an order of its own.
        paired: Whether "image_b" is another drawing of what "image" shows; of "emoji".
        image_shape: (height, width, channels) to give out: images are cropped around
            the centre to its proportions, resized with antialiasing, and turned from
            grey to colour or back. None keeps what the source has.
        batch_size: Images in a batch.
        shuffle: Whether every epoch has another order.
        seed: Of the order (with the global seed of TensorFlow, where one is set) and of
            a folder's split. None orders differently every run,
            and splits a folder by seed 0.
        drop_remainder: Whether a last, smaller batch is left out. None does so when
            shuffling (training) and not otherwise (measuring).
        mirror: Whether half of the images, others in every epoch, have left and right
            turned around; of a pair with paired=True both.
        value_range: The values that arrays of floats use for black and white, such as
            (0, 1). None takes (-1, 1) for floats and (0, 255) for uint8.
        test_fraction: Share of a folder's images that are its test split.
        broken: "raise" stops at a file of a folder that cannot be read, "skip" warns
            and goes on; both name it.
        data_dir: Where tensorflow-datasets keeps its data sets.
        manual_dir: Where files lie that were downloaded by hand.

    Returns:
        A `tf.data.Dataset` of dicts. Of a folder with classes, and of "emoji", its
        attribute `class_names` gives the names by label; of "emoji" `domain_names`
        those of styles.

    Raises:
        ValueError: For settings or images that do not fit.
        ConnectionError: If a data set cannot be downloaded.
    """
    _check(image_shape, batch_size, test_fraction, broken)
    options = {
        "image_shape": image_shape,
        "batch_size": batch_size,
        "shuffle": shuffle,
        "seed": seed,
        "drop_remainder": shuffle if drop_remainder is None else drop_remainder,
        "value_range": value_range,
        "test_fraction": test_fraction,
        "broken": broken,
        "data_dir": data_dir,
        "manual_dir": manual_dir,
    }
    if isinstance(source, str) and "," in source:
        folders = tuple(map(pathlib.Path, source.split(",")))
        source = folders if all(path.is_dir() for path in folders) else source
    wanted = features or ()
    if paired and str(source).partition("/")[0] != "emoji":
        raise ValueError(f"Expected 'emoji' with paired=True, got {source!r}.")
    if "image_b" in wanted and not paired and not _holds_pairs(source):
        sides = domains.sides(source, split)
        pair = [
            load(
                mirror=mirror,
                **{**options, "seed": None if seed is None else seed + i, **side},
            )
            for i, side in enumerate(sides)
        ]
        return _select(domains.zipped(*pair), features)
    dataset = _load_one(source, split, wanted, paired, **options)
    if mirror:
        dataset = _like(dataset, mirrored(dataset, seed))
    return _select(dataset, features)


def _load_one(
    source,
    split,
    features,
    paired,
    value_range,
    test_fraction,
    broken,
    data_dir,
    manual_dir,
    **batching,
):
    """Batches of one source, with all that it has."""
    if isinstance(source, tf.data.Dataset):
        return dataset_batches(source, value_range=value_range, **batching)
    if not isinstance(source, (str, pathlib.Path)):
        return array_batches(_arrays(source), value_range=value_range, **batching)
    name, _, part = str(source).partition("/")
    if name == "emoji":
        styles = emoji.styles_of(part)
        if paired:
            styles = styles[:2] if not part else styles
        dataset = array_batches(emoji.load(split, styles, paired), **batching)
        dataset.class_names, dataset.domain_names = emoji.categories(), list(styles)
        return dataset
    if str(source) in _OURS:
        return array_batches(_OURS[str(source)](split), **batching)
    if pathlib.Path(source).is_dir():
        return folder.load(source, split, test_fraction, broken, **batching)
    return catalog.load(
        str(source), split, data_dir, manual_dir, features=features, **batching
    )


def _holds_pairs(source):
    """Whether a dict or a dataset brings "image_b" itself."""
    source = getattr(source, "element_spec", source)
    return isinstance(source, dict) and "image_b" in source


def _select(dataset, features):
    """The features asked for, or all; classes are domains where there are no others."""
    if features is None:
        return dataset
    spec = dataset.element_spec
    taken = {name: name for name in features}
    if "domain" in taken and "domain" not in spec:
        taken["domain"] = "label"
    if not set(taken.values()) <= set(spec):
        raise ValueError(f"Expected data with {list(features)}, got {list(spec)}.")
    chosen = dataset.map(lambda batch: {n: batch[taken[n]] for n in taken})
    return _like(dataset, chosen)


def _like(dataset, other):
    """The other dataset, with the names of classes and domains of the first."""
    for names in {"class_names", "domain_names"} & set(vars(dataset)):
        setattr(other, names, getattr(dataset, names))
    return other


def _check(image_shape, batch_size, test_fraction, broken):
    if image_shape is not None and (
        len(image_shape) != 3
        or any(not isinstance(n, (int, np.integer)) or n < 1 for n in image_shape)
        or image_shape[-1] not in (1, 3)
    ):
        raise ValueError(
            f"Expected image_shape=(height, width, 1 or 3), got {image_shape}."
        )
    if isinstance(batch_size, bool) or int(batch_size) != batch_size or batch_size < 1:
        raise ValueError(f"Expected batch_size >= 1, got {batch_size}.")
    if not 0 <= test_fraction < 1:
        raise ValueError(f"Expected test_fraction in [0, 1), got {test_fraction}.")
    if broken not in ("raise", "skip"):
        raise ValueError(f"Expected broken='raise' or 'skip', got {broken!r}.")


def _arrays(source):
    """A dict of features from images, or a pair of images and labels."""
    if isinstance(source, dict):
        return {name: np.asarray(value) for name, value in source.items()}
    if isinstance(source, tuple):
        if len(source) != 2:
            raise ValueError(
                f"Expected a pair of images and labels, got {len(source)} arrays."
            )
        return {"image": np.asarray(source[0]), "label": np.asarray(source[1])}
    return {"image": np.asarray(source)}
