"""Arrays of images and labels in files of NumPy: `.npy` and `.npz`.

A file `.npz` holds features by name ("image", "label"), or images and labels of each
split, named as by Keras (x_train, y_train, x_test, y_test) or by MedMNIST
(train_images, train_labels, val_images, ...).
"""

import os
import pathlib

import numpy as np

from keras_gen.data import labels
from keras_gen.data.splits import at_random, parse, select

SUFFIXES = (".npy", ".npz")
_NAMES = {
    "image": ("image", "images", "x", "data", "arr_0"),
    "label": ("label", "labels", "y", "target", "targets", "arr_1"),
}
_SPLITS = {"train": ("train",), "validation": ("val", "valid"), "test": ("test",)}


def read(path: str | os.PathLike) -> dict[str, dict[str, np.ndarray]]:
    """The arrays of a file by split and feature.

    Args:
        path: Path of a file.

    Returns:
        A dict from the name of a split to a dict of arrays. A file without splits has
        the split "all" alone.

    Raises:
        ValueError: For a file that cannot be read, with arrays of other names, with
            Python objects, which could run code, or with arrays of different lengths.
    """
    path = pathlib.Path(path)
    try:
        content = np.load(path, allow_pickle=False)
        if path.suffix.lower() == ".npy":
            arrays = {"image": content}
        else:
            with content:
                arrays = {name: content[name] for name in content.files}
    except Exception as error:  # Damaged files raise many kinds of errors.
        raise ValueError(f"The arrays of {path} cannot be read: {error}") from error
    found = _by_split(arrays, path)
    for features in found.values():
        shapes = {name: values.shape for name, values in features.items()}
        lengths = {shape[:1] for shape in shapes.values()}  # () for single values.
        if len(lengths) > 1 or () in lengths:
            raise ValueError(
                f"Expected arrays of one length in {path}, a row for each image, got "
                f"shapes {shapes}."
            )
    return found


def _by_split(arrays, path):
    """Arrays by split and feature, from arrays by name."""
    if "image" in arrays:
        return {"all": arrays}
    found = {}
    for split, spellings in {"all": ("",), **_SPLITS}.items():
        features = {
            feature: arrays[key]
            for feature, names in _NAMES.items()
            for key in _keys(names, spellings)
            if key in arrays
        }
        if "image" in features:
            found[split] = features
    if not found:
        raise ValueError(
            f"Expected 'image' and 'label', or 'x_train' and 'y_train', in {path}, got "
            f"{sorted(arrays)}."
        )
    return found


def _keys(names, spellings):
    """Names of an array: "x_train", "train_images"; or "x" for the spelling ""."""
    for name in names:
        for spelling in spellings:
            yield f"{name}_{spelling}".strip("_")
            yield f"{spelling}_{name}".strip("_")


def load(
    path: str | os.PathLike,
    split: str,
    test_fraction: float = 0.1,
    seed: int | None = None,
) -> tuple[dict[str, np.ndarray], list[str], dict[str, int]]:
    """The arrays of a split, or of a part of one, and what the whole file holds.

    A file without splits is split at random, as a folder is. Labels that are names are
    numbered alike in all splits.

    Args:
        path: Path of a file.
        split: Name of a split, or a part of one.
        test_fraction: Share of the rows in the test split, in [0, 1), of a file without
            splits.
        seed: Seed of that split; None is 0.

    Returns:
        The arrays by feature; the names by label, [] if labels are no names; and the
        number of images by split, "all" for a file without splits.

    Raises:
        ValueError: As for `read`, for labels that are none, for a split that the file
            does not have, or for "all" if splits have different features.
    """
    found, names = _numbered(read(path), path)
    if set(found) != {"all"}:
        found.pop("all", None)
    counts = {name: len(arrays["image"]) for name, arrays in found.items()}
    if set(found) != {"all"}:
        features = {name: sorted(arrays) for name, arrays in found.items()}
        if split.startswith("all") and len(set(map(tuple, features.values()))) > 1:
            raise ValueError(
                f"Expected the same arrays in all splits of {path}, got {features}."
            )
        sources = {name: (lambda name=name: found[name]) for name in found}
        return select(split, sources), names, counts
    rows = at_random(counts["all"], test_fraction, seed)
    name, part = parse(split, rows)
    chosen = rows[name][part(len(rows[name]))]
    return {k: v[chosen] for k, v in found["all"].items()}, names, counts


def _numbered(found, path):
    """The arrays by split, with numbers for labels that are names, and the names."""
    known = {}
    for split, features in found.items():
        if "label" in features:
            try:
                known[split] = labels.whole(features["label"])
            except ValueError as error:
                where = path if split == "all" else f"{split!r} of {path}"
                raise ValueError(f"{where}: {error}") from error
    names = sorted({name for _, own in known.values() for name in own})
    for split, (numbers, own) in known.items():
        if own:
            places = np.array([names.index(name) for name in own])
            found[split] = {**found[split], "label": places[numbers]}
    return found, names
