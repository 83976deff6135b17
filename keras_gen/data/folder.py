"""Folders of images, flat or with one subfolder for each class.

The folder may also have the subfolders `train` and `test`, each in one of these forms.

Captions are in the folder of the images: in `captions.csv`, with a header, or in
`captions.jsonl`, with one object in each line. Both have `file`, a path relative to
their folder, and `caption`. An image with several captions becomes several rows.

Every file is decoded once when the folder is loaded, so that a broken file is found
before training starts. Images that fit in memory, at the requested size, are kept;
larger sets are decoded again in every epoch. `describe` reads only the headers of a
sample, and is quick.
"""

import concurrent.futures
import csv
import json
import os
import pathlib
import warnings
from collections.abc import Callable

import numpy as np
import PIL.Image
import PIL.ImageOps
import tensorflow as tf

from keras_gen.data import summary
from keras_gen.data.pipeline import array_batches, dataset_batches, prepare
from keras_gen.data.splits import at_random, parse

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"}
# Largest set of images that is kept in memory, in bytes of decoded images.
MEMORY_LIMIT = 2 * 2**30
MAX_HEADERS = 1000  # Files whose sizes `describe` reads.


def load(
    folder: str | os.PathLike,
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
        folder: Path of the folder.
        split: Name of a split, or a part of one.
        test_fraction: Share of the images in the test split, in [0, 1).
        broken: Treatment of files that cannot be read: "raise" or "skip".
        image_shape: Shape of the images; None uses the first image's.
        seed: Seed of the order and of the split.
        **batching: Arguments of `pipeline.array_batches`.

    Returns:
        The dataset. Its attribute `class_names` lists the names by label; `left_out`
        lists pairs of the path of a file that cannot be read and the reason.

    Raises:
        ValueError: For a folder without images, an image outside of the classes'
            folders or without a caption, or a file that cannot be read.
    """
    paths, labels, class_names = find(folder, split, test_fraction, seed or 0)
    known = {} if labels is None else {"label": labels}
    captions = find_captions(folder, split)
    if captions is not None:
        rows = [(i, c) for i, path in enumerate(paths) for c in captions(path)]
        indices = [i for i, _ in rows]
        paths = [paths[i] for i in indices]
        known = {name: value[indices] for name, value in known.items()}
        known["caption"] = np.array([caption.encode() for _, caption in rows])
    image_shape = image_shape or _shape_of(paths, broken)
    keep = len(paths) * int(np.prod(image_shape)) <= MEMORY_LIMIT
    images, readable, left_out = _read_all(paths, image_shape, broken, keep)
    known = {name: value[readable] for name, value in known.items()}
    if keep:
        dataset = array_batches({"image": images, **known}, seed=seed, **batching)
    else:
        paths = [paths[i] for i in readable]
        dataset = _lazy(paths, known, image_shape, seed, batching)
    dataset.class_names, dataset.left_out = class_names, left_out
    return dataset


def describe(
    folder: str | os.PathLike,
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
        folder: Path of the folder.
        split: Name of a split, or a part of one.
        test_fraction: Share of the images in the test split, in [0, 1).
        seed: Seed of the split.
        image_shape: Shape of the images; None uses the first image's.
        **facts: Further attributes of `Description`.

    Raises:
        ValueError: As for `load`.
    """
    folder, seed = pathlib.Path(folder), seed or 0
    selected, _, class_names = find(folder, split, test_fraction, seed)
    captions = find_captions(folder, split)
    if _root(folder, "train") == folder:
        paths, left_out = scan(folder)
        division = summary.division_at_random(len(paths), test_fraction, seed)
    else:
        (train, out), (test, others) = scan(folder / "train"), scan(folder / "test")
        paths, left_out = train + test, [*out, *others, *_outside(folder)]
        division = {
            "counts": {"train": len(train), "test": len(test)},
            "division": "the folder's own",
        }
    headers = _headers(paths)
    return summary.Description(
        str(folder),
        **division,
        split=split,
        num_selected=len(selected),
        sizes=tuple(size for size, _ in headers),
        is_sample=len(paths) > MAX_HEADERS,
        kinds=tuple(sorted(set().union(*(kinds for _, kinds in headers)))),
        image_shape=image_shape or _shape_of(selected, "skip"),
        left_out=tuple(left_out),
        class_names=tuple(class_names),
        num_captions=sum(len(captions(path)) for path in selected) if captions else 0,
        **facts,
    )


def _headers(paths):
    """Sizes and kinds of up to `MAX_HEADERS` images, chosen at random."""
    if len(paths) > MAX_HEADERS:
        order = np.random.default_rng(0).permutation(len(paths))
        paths = [paths[i] for i in sorted(order[:MAX_HEADERS])]
    with warnings.catch_warnings():  # `load` warns of very large images.
        warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
        found = [summary.header(path) for path in paths]
    return [item for item in found if item is not None]


def scan(
    root: str | os.PathLike,
) -> tuple[list[pathlib.Path], list[tuple[str, str]]]:
    """Finds the images in a folder and its subfolders.

    Args:
        root: Path of the folder.

    Returns:
        Sorted paths of the images, and pairs of the path of another file and the reason
        why it is left out. Files of captions are neither.
    """
    root = pathlib.Path(root)
    images, left_out, captions = [], [], _captions_file(root)
    for path in _files(root):
        if path.suffix.lower() in SUFFIXES:
            images.append(path)
        elif path != captions:
            left_out.append((str(path), _NOT_NAMED))
    return images, left_out


def _files(root):
    """Paths of all files in a folder and its subfolders, in the order of `Path`."""
    found = [
        pathlib.Path(folder, name)
        for folder, _, names in os.walk(root)
        for name in names
    ]
    return sorted(found, key=lambda path: path.parts)


*_FIRST, _LAST = sorted(SUFFIXES)
_NOT_NAMED = f"its name does not end in {', '.join(_FIRST)} or {_LAST}"


def _outside(folder):
    """Files of a folder with the subfolders `train` and `test` that are in neither."""
    reason = "it is in neither of the subfolders train and test"
    return [
        (str(path), reason)
        for path in _files(folder)
        if path.relative_to(folder).parts[0] not in ("train", "test")
    ]


def find(
    folder: str | os.PathLike, split: str, test_fraction: float, seed: int
) -> tuple[list[pathlib.Path], np.ndarray | None, list[str]]:
    """Finds the images of a split.

    Args:
        folder: Path of the folder.
        split: Name of a split, or a part of one.
        test_fraction: Share of the images in the test split, in [0, 1).
        seed: Seed of the split.

    Returns:
        Paths of the images, their labels (int64; None for a flat folder), and the names
        of the classes.

    Raises:
        ValueError: For a folder or a split without images, or an image that is not in
            the folder of a class.
    """
    folder = pathlib.Path(folder)
    name, part = parse(split, ("train", "test"))
    root = _root(folder, name)
    is_given = root != folder
    paths, _ = scan(root)
    if not paths:
        raise ValueError(f"Expected images ({', '.join(sorted(SUFFIXES))}) in {root}.")
    if not is_given:
        paths = [paths[i] for i in at_random(len(paths), test_fraction, seed)[name]]
    paths = paths[part(len(paths))]
    if not paths:
        raise ValueError(f"Expected images in the split {split!r} of {folder}, got 0.")
    classes = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
    if not classes:
        return paths, None, []
    flat = [str(p) for p in paths if p.parent == root]
    if flat:
        raise ValueError(f"Expected every image in a class's folder, got {flat[:3]}.")
    labels = [classes.index(p.relative_to(root).parts[0]) for p in paths]
    return paths, np.array(labels, np.int64), classes


def _root(folder, name):
    """The folder that has the images of a split."""
    is_given = (folder / "train").is_dir() and (folder / "test").is_dir()
    return folder / name if is_given else folder


def find_captions(
    folder: str | os.PathLike, split: str
) -> Callable[[pathlib.Path], list[str]] | None:
    """A function from an image's path to its captions; None if there is no file.

    Args:
        folder: Path of the folder.
        split: Name of a split, or a part of one.

    Raises:
        ValueError: For a file of captions without `file` and `caption`. The function
            raises it for an image without a caption.
    """
    folder = pathlib.Path(folder)
    root = _root(folder, parse(split, ("train", "test"))[0])
    path = _captions_file(root)
    if path is None:
        return None
    found = {}
    with open(path, encoding="utf-8", newline="") as file:
        for row in _READ[path.suffix](file):
            if not {"file", "caption"} <= set(row):
                raise ValueError(
                    f"Expected 'file' and 'caption' in {path}, got {list(row)}."
                )
            found.setdefault(root / row["file"], []).append(row["caption"])

    def captions(image):
        if image not in found:
            raise ValueError(f"Expected a caption of {image} in {path}, got none.")
        return found[image]

    return captions


def _captions_file(root):
    """The path of a folder's file of captions; None if there is none."""
    files = (root / f"captions{suffix}" for suffix in _READ)
    return next((path for path in files if path.is_file()), None)


def _read_lines(file):
    return (json.loads(line) for line in file if line.strip())


_READ = {".csv": csv.DictReader, ".jsonl": _read_lines}


def decode(path: str | os.PathLike) -> np.ndarray:
    """Reads an image: uint8 (height, width, 1 or 3).

    The image is rotated by its EXIF orientation; transparent parts become white.

    Raises:
        ValueError: If the file cannot be read to its end; the message names it.
    """
    try:
        with PIL.Image.open(path) as image:
            image = PIL.ImageOps.exif_transpose(image)
            if image.mode not in ("1", "L", "I;16", "I", "F", "RGB"):
                white = PIL.Image.new("RGBA", image.size, "white")
                white.alpha_composite(image.convert("RGBA"))
                image = white.convert("RGB")
            array = np.asarray(image.convert("RGB" if image.mode == "RGB" else "L"))
    except (OSError, SyntaxError, PIL.Image.DecompressionBombError) as error:
        raise ValueError(f"The image {path} cannot be read: {error}") from error
    return array[..., None] if array.ndim == 2 else array


def _shape_of(paths, broken):
    for path in paths:
        try:
            return decode(path).shape
        except ValueError:
            if broken == "raise":
                raise
    raise ValueError(f"Expected images that can be read, got {len(paths)} broken ones.")


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
        for i, result in enumerate(pool.map(read, paths)):
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
    names = [str(path) for path in paths]
    features = {"image": names, **known}
    dataset = tf.data.Dataset.from_tensor_slices(features)
    if batching["shuffle"]:
        dataset = dataset.shuffle(len(names), seed, reshuffle_each_iteration=True)

    def read(element):
        image = tf.numpy_function(
            lambda name: _fitted(name.decode(), image_shape),
            [element["image"]],
            tf.uint8,
            stateful=False,
        )
        return {**element, "image": tf.ensure_shape(image, image_shape)}

    dataset = dataset.map(read, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset_batches(dataset, **{**batching, "shuffle": False})
