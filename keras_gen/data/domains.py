"""Batches of images from two domains: "image" and "image_b"."""

import os
import pathlib

import tensorflow as tf

from keras_gen.data import emoji, faces, listing


def sides(source: str | os.PathLike | tuple, split: str) -> list[dict]:
    """The two sources, one for each domain, that a source of two domains contains.

    Args:
        source: "emoji" or "emoji/noto,openmoji"; "faces/personas,micah" or
            "faces?glasses,!glasses"; "celeb_a/Black_Hair,Blond_Hair"; a data set of
            tensorflow-datasets with the splits trainA and trainB; a folder with two
            folders of images, or with trainA and trainB; or a pair of sources.
        split: Name of a split, or a part of one, as for `keras_gen.data.load`.

    Returns:
        Two dicts of arguments of `keras_gen.data.load`: `source` and `split`;
        `test_fraction` for a folder that holds that split alone; `features` where
        others take time.

    Raises:
        ValueError: For a source that does not have two domains.
    """
    name, _, domains = str(source).partition("/")
    if isinstance(source, tuple):
        found = [{"source": side, "split": split} for side in source]
    elif faces.is_selection(source):
        shared = {"split": split, "features": ("image",)}
        found = [{"source": side, **shared} for side in faces.sides(source)]
    elif name != "emoji" and pathlib.Path(source).is_dir():
        found = _folders(pathlib.Path(source), split)
    elif name == "cycle_gan":
        found = [{"source": source, "split": _lettered(split, s)} for s in "AB"]
    else:
        if source == "emoji":
            domains = ",".join(emoji.STYLES[:2])
        chosen = domains.split(",") if domains else []
        found = [{"source": f"{name}/{domain}", "split": split} for domain in chosen]
    if len(found) != 2:
        raise ValueError(
            "Expected a source of two domains ('emoji/noto,twemoji', a folder of two "
            f"folders, a pair of sources), got {source!r} with {len(found)}."
        )
    return found


def _folders(folder, split):
    name, bracket, part = split.partition("[")
    lettered = [folder / f"{name}{side}" for side in "AB"]
    if all(path.is_dir() for path in lettered):
        chosen = lettered
    else:
        folder, roots = listing.splits_of(folder)
        if not roots:
            chosen = listing.folders_of_images(folder)
            return [{"source": path, "split": split} for path in chosen]
        chosen = listing.folders_of_images(listing.root_of_split(roots, split))
    whole = {"split": f"train{bracket}{part}", "test_fraction": 0.0}
    return [{"source": path, **whole} for path in chosen]


def _lettered(split, side):
    """The name of a domain's split: "train[:9]" becomes "trainA[:9]"."""
    name, bracket, part = split.partition("[")
    return f"{name}{side}{bracket}{part}"


def zipped(first: tf.data.Dataset, second: tf.data.Dataset) -> tf.data.Dataset:
    """Joins batches of two datasets; the shorter one is repeated.

    Args:
        first: Batches with "image".
        second: Batches with "image", which becomes "image_b".

    Returns:
        A dataset of dicts with "image" and "image_b".
    """
    counts = [int(dataset.cardinality()) for dataset in (first, second)]
    pairs = tf.data.Dataset.zip(first, second)
    if min(counts) > 0 and counts[0] != counts[1]:
        pairs = tf.data.Dataset.zip(first.repeat(), second.repeat()).take(max(counts))

    def join(first, second):
        a, b = first["image"], second["image"]
        if a.shape[0] is None:  # The last batch of one dataset may be smaller.
            rows = tf.minimum(tf.shape(a)[0], tf.shape(b)[0])
            a, b = a[:rows], b[:rows]
        return {"image": a, "image_b": b}

    return pairs.map(join)
