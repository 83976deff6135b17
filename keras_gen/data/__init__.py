"""Data: batches from data sets that ship, tensorflow-datasets, folders and arrays.

    train = keras_gen.data.load("mnist", image_shape=(32, 32, 1), batch_size=64)
    print(keras_gen.data.describe("photos", image_shape=(64, 64, 3)))

Every batch is a dict of features:

- "image": float32 (batch, height, width, channels), in [-1, 1]
- "image_b": images of a second domain, if they are requested
- "label" and "domain": int64 (batch,), if the source has them
- "attributes": float32 (batch, attributes), 0 or 1, if the source has them
- "caption" and "id": strings (batch,), if the source has them
- "point": float32 (batch, 2), instead of images, for mixtures in the plane
- "sequence": float32 (batch, time, characters), instead of images, for files of text

Only `keras_gen.data.pipeline` resizes images and converts colours and value ranges.
"""

import dataclasses
import functools
import os
import pathlib
from typing import Literal

import numpy as np
import tensorflow as tf

from keras_gen.data import (
    array_files,
    catalog,
    domains,
    emoji,
    faces,
    folder,
    gaussians,
    mnist,
    sources,
    splits,
    stacked_mnist,
    summary,
    text,
)
from keras_gen.data.labels import keep_labels
from keras_gen.data.pipeline import (
    array_batches,
    batches,
    check_first,
    dataset_batches,
    mirrored,
    stream,
)
from keras_gen.data.ranges import check_range
from keras_gen.data.summary import Description, left_out_lines

_OURS = {
    "mnist": mnist.load,
    "stacked_mnist": stacked_mnist.load,
    **{name: functools.partial(gaussians.load, name) for name in gaussians.MIXTURES},
}

__all__ = [
    "Description",
    "array_batches",
    "batches",
    "describe",
    "keep_labels",
    "left_out_lines",
    "load",
    "stream",
    "text",
]


def load(
    source: str | os.PathLike | np.ndarray | tuple | dict | tf.data.Dataset,
    split: str = "train",
    *,
    features: tuple[str, ...] | None = None,
    paired: bool = False,
    image_shape: tuple[int, int, int] | None = None,
    batch_size: int = 64,
    shuffle: bool = True,
    seed: int | None = None,
    drop_remainder: bool | None = None,
    mirror: bool = False,
    value_range: tuple[float, float] | None = None,
    test_fraction: float = 0.1,
    broken: Literal["raise", "skip"] = "raise",
    data_dir: str | os.PathLike | None = None,
    manual_dir: str | os.PathLike | None = None,
) -> tf.data.Dataset:
    """Loads images in batches, for training or for evaluation.

    >>> test = load("mnist", "test[:100]", image_shape=(32, 32, 1), shuffle=False)
    >>> batch = next(iter(test))
    >>> tuple(batch["image"].shape), tuple(batch["label"].shape)
    ((64, 32, 32, 1), (64,))

    Args:
        source: Source of the images, one of these:

            - the name of a data set that ships with the package: "mnist"; "emoji"
              (three styles, of which "emoji/noto" and "emoji/noto,openmoji" take some);
              "faces" (cartoon faces in four hands, of which "faces/personas" takes one,
              and "faces?glasses&!smile" those with and without attributes; see
              `keras_gen.data.faces`);
              "stacked_mnist" (three digits as the channels of one image, 1000 modes);
              "gaussian_ring" or "gaussian_grid" (8 and 25 modes in the plane);
            - the name of an image data set in tensorflow-datasets, such as
              "fashion_mnist" or "cycle_gan/horse2zebra"
              ("celeb_a/Black_Hair,Blond_Hair" takes the faces that have exactly one of
              these attributes; all 40 are in "attributes");
            - the path of a folder of images, flat or with one subfolder for each class
              or domain, and with captions in `captions.csv` or `captions.jsonl`
              (`keras_gen.data.listing` and `keras_gen.data.captions` have the rules);
            - a list of paths of images, or a glob, "photos/**/*.png", which have no
              classes;
            - the path of a file .npy or .npz (see `keras_gen.data.array_files`);
            - the path of a file of text, "names.txt", each of whose lines is a
              sequence of characters (see `keras_gen.data.text`);
            - images as an array (count, height, width[, channels]), a pair of images
              and labels, or a dict of features. Labels are whole numbers (count,) or
              (count, 1), with -1 for an unknown label, one-hot rows, or names;
            - a `tf.data.Dataset` of single images, pairs or dicts;
            - for "image_b", a pair of sources, the paths of two folders with a comma
              between them, or a selection of faces with two conditions,
              "faces/personas?glasses,!glasses".
        split: "train", "test", or "all" for both; or a part of one: "train[:50000]",
            "test[10%:20%]". A folder with subfolders such as `train`, `val` and `test`
            has the splits "train", "validation" and "test" (without `test`, "test" is
            that of validation). Other folders, files .npy and .npz without splits, and
            the lines of a text, are split by `seed`. Arrays and datasets in memory have
            a single split, so that this is ignored.
        features: Names of the features in a batch; None uses all of the source.
            If the source has classes but no domains, "domain" is the label. "caption"
            of tensorflow-datasets is the name of the class. "image_b" adds images of a
            second domain, shuffled independently of "image".
        paired: Boolean, whether "image_b" shows the same thing as "image" in another
            style; only for "emoji".
        image_shape: Shape of the images, (height, width, channels). They are cropped
            around the centre to these proportions, resized with antialiasing, and
            converted between grey and colour. Four channels are RGB and alpha, with 1
            for opaque; with one or three, transparent parts become white. None keeps
            the source's shape, without alpha; images of a folder need one size.
        batch_size: Number of images in a batch.
        shuffle: Boolean, whether every epoch has another order. Arrays and folders are
            shuffled as a whole. Of large data sets and of a `tf.data.Dataset`, the next
            element is drawn from 10,000 at a time: there is a warning if these come in
            the order of their classes.
        seed: Seed of the order (together with TensorFlow's global seed, if that is set)
            and of a folder's split. With None every run has another order, and a folder
            is split by seed 0.
        drop_remainder: Boolean, whether a last, smaller batch is dropped. None drops it
            when shuffling (for training) and keeps it otherwise (for evaluation).
        mirror: Boolean, whether half of the images are mirrored left to right, chosen
            anew in every epoch. With `paired=True` both images of a pair are mirrored
            together.
        value_range: Values of black and white in arrays and datasets, such as (0, 1).
            None takes (-1, 1) for floats, (0, 255) for integers and (0, 1) for bool,
            and refuses images that seem to have another range.
        test_fraction: Share of the images of a folder or of a file of arrays, or of a
            text's lines, in the test split, in [0, 1).
        broken: Treatment of files that cannot be read: "raise" stops with an error,
            "skip" warns and continues. Both messages name the file.
        data_dir: Folder in which tensorflow-datasets keeps prepared data sets.
        manual_dir: Folder of files that were downloaded manually.

    Files of images are read by Pillow, whatever the end of their name says:

    - JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF and PBM, PGM, PPM are read; other files are
      left out, and `left_out` names them;
    - the first frame of animated files, and the first page of others, is used;
    - images are rotated by their EXIF orientation; colour profiles are ignored;
    - palettes and CMYK become RGB; transparent parts become white, unless
      `image_shape` has four channels;
    - 16 bits become 8: greys are rounded, colours lose their lower bits;
    - floats (TIFF) count from 0, black, to 1, white; others are refused.

    Returns:
        A `tf.data.Dataset` of dicts. For a folder with classes, for labels that are
        names, for "emoji" and for "faces", its attribute `class_names` lists the names
        by label; for "emoji" and "faces", `domain_names` lists the names of the
        domains; for "faces" and "celeb_a", `attribute_names` those of the attributes;
        for a file of text, `characters` is the alphabet. For folders, `left_out` lists
        pairs of the path of a file that is left out, since it cannot be read, is hidden
        or is no image, and the reason. For sources that are split by `seed`,
        `split_digest` is a text that changes if rows come or go, and the split with
        them.

    Raises:
        ValueError: For settings, images or labels that do not fit, or a source that
            does not exist.
        ConnectionError: If a data set cannot be downloaded.
    """
    _check(image_shape, batch_size, test_fraction, broken)
    check_range(value_range)
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
    source = _resolved(source)
    wanted = features or ()
    if paired and str(source).partition("/")[0] != "emoji":
        raise ValueError(f"Expected 'emoji' with paired=True, got {source!r}.")
    if "image_b" in wanted and not paired and not _holds_pairs(source):
        pair = [
            load(mirror=mirror, **{**options, **side})
            for side in _sides(source, split, seed)
        ]
        dataset = domains.zipped(*pair)
        dataset.left_out = [
            item for side in pair for item in getattr(side, "left_out", [])
        ]
        digests = [getattr(side, "split_digest", None) for side in pair]
        if any(digests):
            dataset.split_digest = splits.digest(map(str, digests))
        return _select(dataset, features)
    dataset = _load_one(source, split, wanted, paired, **options)
    if mirror:
        dataset = _like(dataset, mirrored(dataset, seed))
    return _select(dataset, features)


def describe(
    source: str | os.PathLike | np.ndarray | tuple | dict | tf.data.Dataset,
    split: str = "train",
    *,
    features: tuple[str, ...] | None = None,
    image_shape: tuple[int, int, int] | None = None,
    seed: int | None = None,
    mirror: bool = False,
    test_fraction: float = 0.1,
    data_dir: str | os.PathLike | None = None,
    manual_dir: str | os.PathLike | None = None,
) -> Description:
    """Describes what a source holds, and what `load` makes of it.

    >>> print(describe("mnist", image_shape=(32, 32, 1)))
    Data: mnist, 70,000 images of 28x28 pixels, 10 classes
    Images: resized to 32x32 pixels, which enlarges them
    Training: 60,000 images; held out: 10,000 in the split 'test' (the data set's own)

    Folders are described quickly: only the headers of up to 1000 images are read. Files
    that cannot be read are therefore found by `load` alone.

    Args:
        source: Source of the images; see `load`.
        split: Name of a split, or a part of one.
        features: Names of the features in a batch; None for all of the source.
        image_shape: Shape of the images in batches; None for the source's.
        seed: Seed with which a folder or a text is split.
        mirror: Boolean, whether half of the images are mirrored.
        test_fraction: Share of a folder's images, or of a text's lines, in the test
            split, in [0, 1).
        data_dir: Folder in which tensorflow-datasets keeps prepared data sets.
        manual_dir: Folder of files that were downloaded manually.

    Returns:
        The facts, which `str` turns into lines of text.

    Raises:
        ValueError: As for `load`.
        ConnectionError: If a data set cannot be downloaded.
    """
    _check(image_shape, 1, test_fraction, "skip")
    source = _resolved(source)
    facts = {"image_shape": image_shape, "mirror": mirror}
    if "image_b" in (features or ()) and not _holds_pairs(source):
        sides = [
            describe(**{"test_fraction": test_fraction, **facts, **side})
            for side in _sides(source, split, seed)
        ]
        return dataclasses.replace(sides[0], domains=tuple(sides))
    facts["features"] = features
    if isinstance(source, tf.data.Dataset):
        return summary.of_dataset(source, **facts)
    if _is_of_paths(source):
        return _describe_path(source, split, test_fraction, seed, facts)
    if not isinstance(source, str):
        return summary.of_arrays("arrays", _arrays(source), **facts)
    if faces.is_selection(source):
        return faces.describe(source, split, **facts)
    name, _, part = source.partition("/")
    if name == "emoji":
        styles = emoji.styles_of(part)
        names = {"class_names": tuple(emoji.categories()), "domain_names": styles}
        load_emoji = functools.partial(emoji.load, styles=styles)
        return summary.of_splits(source, load_emoji, split, **names, **facts)
    if source in _OURS:
        return summary.of_splits(source, _OURS[source], split, **facts)
    return catalog.describe(source, split, data_dir, manual_dir, **facts)


def _describe_path(source, split, test_fraction, seed, facts):
    """The description of a folder, a file, or a list of images."""
    kind = _kind_of(source)
    if kind == "arrays":
        arrays, names, counts = array_files.load(source, split, test_fraction, seed)
        if names:
            facts["class_names"] = tuple(names)
        division = {"counts": counts, "division": "the file's own"}
        if set(counts) == {"all"}:
            division = summary.division_at_random(counts["all"], test_fraction, seed)
        return summary.of_arrays(str(source), arrays, split=split, **division, **facts)
    if kind == "text":
        return text.describe(source, split, test_fraction, seed, **facts)
    return folder.describe(source, split, test_fraction, seed, **facts)


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
    """Batches of a single source, with all its features."""
    if isinstance(source, tf.data.Dataset):
        dataset = dataset_batches(source, value_range=value_range, **batching)
        check_first(source, batching["batch_size"], value_range)
        return dataset
    if _is_of_paths(source):
        return _load_path(source, split, test_fraction, broken, value_range, **batching)
    if not isinstance(source, str):
        return array_batches(_arrays(source), value_range=value_range, **batching)
    if faces.is_selection(source):
        return faces.batches(source, split, features, **batching)
    name, _, part = source.partition("/")
    if name == "emoji":
        styles = emoji.styles_of(part)
        if paired:
            styles = styles[:2] if not part else styles
        dataset = array_batches(emoji.load(split, styles, paired), **batching)
        dataset.class_names, dataset.domain_names = emoji.categories(), list(styles)
        return dataset
    if source in _OURS:
        return array_batches(_OURS[source](split), **batching)
    return catalog.load(
        source, split, data_dir, manual_dir, features=features, **batching
    )


def _load_path(source, split, test_fraction, broken, value_range, **batching):
    """Batches of a folder, a file, or a list of images."""
    kind = _kind_of(source)
    if kind == "arrays":
        seed = batching["seed"]
        arrays, names, counts = array_files.load(source, split, test_fraction, seed)
        dataset = array_batches(arrays, value_range=value_range, **batching)
        if names:
            dataset.class_names = names
        if set(counts) == {"all"} and test_fraction:
            dataset.split_digest = splits.digest(map(str, range(counts["all"])))
        return dataset
    if kind == "text":
        return text.load(
            source, split, test_fraction, value_range=value_range, **batching
        )
    return folder.load(source, split, test_fraction, broken, **batching)


def _is_of_paths(source):
    """Whether a source is a path, or a list of paths."""
    return isinstance(source, pathlib.Path) or sources.is_list_of_paths(source)


def _kind_of(source):
    """What is read from a path: "arrays", "text" or "images"."""
    if isinstance(source, list) or source.is_dir():
        return "images"
    return "arrays" if source.suffix.lower() in array_files.SUFFIXES else "text"


def _resolved(source):
    """The source; paths are replaced by what lies there."""
    ours = (*_OURS, "emoji")
    if isinstance(source, str) and (source in ours or source.startswith("emoji/")):
        return source
    if faces.is_selection(source):
        if pathlib.Path(source).exists():
            raise ValueError(
                f"Expected './{source}' for the folder here, or 'faces?' for the faces "
                f"that ship, got {source!r}."
            )
        return source
    return sources.resolved(source)


def _sides(source, split, seed):
    """Arguments of `load` for each of two domains, whose orders are independent."""
    return [
        {"seed": None if seed is None else seed + i, **side}
        for i, side in enumerate(domains.sides(source, split))
    ]


def _holds_pairs(source):
    """Whether a source is a dict or a dataset that has "image_b" already."""
    source = getattr(source, "element_spec", source)
    return isinstance(source, dict) and "image_b" in source


def _select(dataset, features):
    """Selects features, or all; if there are no domains, labels serve as domains."""
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
    """Copies what `load` says about `dataset` to another one."""
    for name in _ATTRIBUTES:
        if name in vars(dataset):
            setattr(other, name, getattr(dataset, name))
    return other


_ATTRIBUTES = (
    "class_names",
    "domain_names",
    "attribute_names",
    "characters",
    "left_out",
    "split_digest",
)


def _check(image_shape, batch_size, test_fraction, broken):
    if image_shape is not None and (
        len(image_shape) != 3
        or any(not isinstance(n, (int, np.integer)) or n < 1 for n in image_shape)
        or image_shape[-1] not in (1, 3, 4)
    ):
        raise ValueError(
            f"Expected image_shape=(height, width, 1, 3 or 4), got {image_shape}."
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
        if all(isinstance(side, (str, os.PathLike)) for side in source):
            raise ValueError(
                f"Expected 'image_b' among the features for two sources, got {source}."
            )
        return {"image": np.asarray(source[0]), "label": np.asarray(source[1])}
    return {"image": np.asarray(source)}
