"""Batches of images from a folder, or from a list of files.

`keras_gen.data.listing` finds the images, their classes and splits by their names,
`keras_gen.data.captions` reads captions, and `keras_gen.data.decoding` reads images.

Every file is decoded once when the folder is loaded, so that a broken file is found
before training starts. Images that fit in memory, at the requested size, are kept;
larger sets are decoded again in every epoch. `describe` reads only the headers of a
sample, and is quick.
"""

import concurrent.futures
import math
import os
import warnings

import numpy as np
import PIL.Image
import tensorflow as tf

from keras_gen import progress
from keras_gen.data import listing, splits, summary
from keras_gen.data.decoding import decode
from keras_gen.data.pipeline import array_batches, dataset_batches, prepare

# Largest set of images that is kept in memory, in bytes of decoded images.
MEMORY_LIMIT = 2 * 2**30
MAX_HEADERS = 1000  # Files whose sizes `describe` reads.


class SeveralSizes(ValueError):
    """Images of several sizes, and no size that they are brought to."""


def load(
    folder: str | os.PathLike | list,
    split: str,
    test_fraction: float,
    broken: str,
    *,
    image_shape: tuple[int, int, int] | None,
    seed: int | None = None,
    **batching,
) -> tf.data.Dataset:
    """Batches of a folder's images; the arguments are those of `keras_gen.data.load`.

    Args:
        folder: Path of the folder, or a list of paths of images.
        split: Name of a split, or a part of one.
        test_fraction: Share of the images in the test split, in [0, 1).
        broken: Treatment of files that cannot be read: "raise" or "skip".
        image_shape: Shape of the images; None uses that of all.
        seed: Seed of the order and of the split.
        **batching: Arguments of `pipeline.array_batches`.

    Returns:
        The dataset. Its attribute `class_names` lists the names by label; `left_out`
        lists pairs of the path of a file that is left out and the reason; and, if the
        folder is split at random, `split_digest` is the `splits.digest` of its images.

    Raises:
        ValueError: For a folder without images, images of different sizes without
            `image_shape`, an image outside of the classes'
            folders or without a caption, or a file that cannot be read.
    """
    found = _listed(folder)
    paths = found.select(split, test_fraction, seed or 0)
    labels, captions = found.labels(paths), found.captions(paths)
    known = {} if labels is None else {"label": labels}
    if captions is not None:
        rows = [(i, text) for i, texts in enumerate(captions) for text in texts]
        indices = [i for i, _ in rows]
        paths = [paths[i] for i in indices]
        known = {name: value[indices] for name, value in known.items()}
        known["caption"] = np.array([text.encode() for _, text in rows])
    image_shape = image_shape or _common_shape(paths, broken)
    keep = len(paths) * int(np.prod(image_shape)) <= MEMORY_LIMIT
    images, readable, unreadable = _read_all(paths, image_shape, broken, keep)
    known = {name: value[readable] for name, value in known.items()}
    if keep:
        features = {"image": images, **known}
        dataset = array_batches(
            features, seed=seed, image_shape=image_shape, **batching
        )
    else:
        paths = [paths[i] for i in readable]
        dataset = _lazy(paths, known, image_shape, seed, batching)
    if not found.roots and test_fraction:
        dataset.split_digest = splits.digest(found.names())
    dataset.class_names = found.class_names
    dataset.left_out = [*found.left_out, *unreadable]
    return dataset


def describe(
    folder: str | os.PathLike | list,
    split: str,
    test_fraction: float,
    seed: int | None,
    image_shape: tuple[int, int, int] | None,
    **facts,
) -> summary.Description:
    """The facts about a folder; the arguments are those of `load`.

    Sizes are those of up to `MAX_HEADERS` images, chosen at random. Files that cannot
    be read are found by `load`, which decodes them.

    Args:
        folder: Path of the folder, or a list of paths of images.
        split: Name of a split, or a part of one.
        test_fraction: Share of the images in the test split, in [0, 1).
        seed: Seed of the split.
        image_shape: Shape of the images; None uses theirs if all have the same size.
        **facts: Further attributes of `Description`.

    Raises:
        ValueError: As for `load`.
    """
    found = _listed(folder)
    selected = found.select(split, test_fraction, seed or 0)
    captions = found.captions(selected)
    paths = sum(found.images.values(), [])
    division = summary.division_at_random(len(paths), test_fraction, seed)
    if found.roots:
        division = {
            "counts": {name: len(images) for name, images in found.images.items()},
            "division": "the folder's own",
        }
    headers = _headers(paths)
    return summary.Description(
        str(found.folder if isinstance(folder, list) else folder),
        **division,
        split=split,
        num_selected=len(selected),
        sizes=tuple(size for size, _ in headers),
        is_sample=len(paths) > MAX_HEADERS,
        kinds=tuple(sorted(set().union(*(kinds for _, kinds in headers)))),
        image_shape=image_shape or _described_shape(selected, headers),
        left_out=tuple(found.left_out),
        class_names=tuple(found.class_names),
        num_captions=sum(map(len, captions or ())),
        **facts,
    )


def _described_shape(paths, headers):
    """The shape of images that all have the same size, else None; by their headers."""
    if len({size for size, _ in headers}) > 1:
        return None
    height, width, channels = _shape_of(paths, "skip")
    in_colour = any("colour" in kinds for _, kinds in headers)
    return height, width, 3 if in_colour else channels


def _listed(folder):
    if isinstance(folder, list):
        return listing.of_files(folder)
    return listing.read(folder)


def _headers(paths):
    """Sizes and kinds of up to `MAX_HEADERS` images, chosen at random."""
    if len(paths) > MAX_HEADERS:
        order = np.random.default_rng(0).permutation(len(paths))
        paths = [paths[i] for i in sorted(order[:MAX_HEADERS])]
    with warnings.catch_warnings():  # `load` warns of very large images.
        warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
        found = [summary.header(path) for path in paths]
    return [item for item in found if item is not None]


def _shape_of(paths, broken):
    """The shape of the first image that can be read, grey or RGB."""
    for path in paths:
        try:
            return _without_alpha(decode(path).shape)
        except ValueError:
            if broken == "raise":
                raise
    raise ValueError(f"Expected images that can be read, got {len(paths)} broken ones.")


def _without_alpha(shape):
    height, width, channels = shape
    return height, width, 3 if channels > 2 else 1


def _common_shape(paths, broken):
    """The shape of images that all have the same size, RGB if any has colours.

    Raises:
        ValueError: For images of different sizes.
    """

    def read(path):
        try:
            return decode(path).shape
        except ValueError:
            return None

    first = _shape_of(paths, broken)  # Raises for files that cannot be read.
    with concurrent.futures.ThreadPoolExecutor() as pool:
        shapes = [_without_alpha(shape) for shape in pool.map(read, paths) if shape]
    sizes = sorted({shape[:2] for shape in shapes}, key=math.prod)
    if len(sizes) > 1:
        raise SeveralSizes(
            "Expected image_shape=(height, width, channels), to which images of "
            f"different sizes, here {sizes[0]} to {sizes[-1]}, are brought, got none."
        )
    return (*first[:2], max(shape[2] for shape in shapes))


def _fitted(path, image_shape):
    """The image at a path, uint8, in the given shape."""
    image = prepare(tf.constant(decode(path)), tuple(image_shape)).numpy()
    return np.rint((image + 1.0) * 127.5).astype(np.uint8)


def _read_all(paths, image_shape, broken, keep):
    """The images (None unless they are kept), and which paths can be read.

    Returns:
        The images, the indices of paths that can be read, and pairs of each other path
        and the reason.
    """

    def read(path):
        try:
            return _fitted(path, image_shape) if keep else decode(path).shape
        except ValueError as error:
            return error

    images, readable, left_out = [], [], []
    with concurrent.futures.ThreadPoolExecutor() as pool:
        results = progress.over(pool.map(read, paths), "reading images", len(paths))
        for i, result in enumerate(results):
            if isinstance(result, ValueError):
                if broken == "raise":
                    pool.shutdown(cancel_futures=True)
                    raise ValueError(f"{result} (broken='skip' goes on without it)")
                warnings.warn(f"Skipped: {result}", stacklevel=4)
                left_out.append((str(paths[i]), _reason(result.__cause__)))
                continue
            readable.append(i)
            if keep:
                images.append(result)
    if not readable:
        raise ValueError(f"Expected images that can be read, got {len(paths)} broken.")
    return (np.stack(images) if keep else None), readable, left_out


def _reason(error):
    """A clause on why an image cannot be read."""
    if isinstance(error, PIL.UnidentifiedImageError):
        return "it cannot be read: its content is not an image"
    return f"it cannot be read: {error}"


def _lazy(paths, known, image_shape, seed, batching):
    """Batches of images that are decoded when they are needed."""
    names = [os.fsencode(path) for path in paths]
    features = {"image": names, **known}
    dataset = tf.data.Dataset.from_tensor_slices(features)
    if batching["shuffle"]:
        dataset = dataset.shuffle(len(names), seed, reshuffle_each_iteration=True)

    def read(element):
        image = tf.numpy_function(
            lambda name: _fitted(os.fsdecode(name), image_shape),
            [element["image"]],
            tf.uint8,
            stateful=False,
        )
        return {**element, "image": tf.ensure_shape(image, image_shape)}

    dataset = dataset.map(read, num_parallel_calls=tf.data.AUTOTUNE)
    batching = {**batching, "shuffle": False, "image_shape": image_shape}
    return dataset_batches(dataset, **batching)
