"""A folder of images: flat, or one subfolder a class; or `train` and `test` of these.

Captions stand beside the images, in `captions.csv` with a header, or `captions.jsonl`
with an object a line: `file`, a path from there, and `caption`. An image may have
several, and counts once for each.

Every file is decoded once when loading, so that a broken one is found before training
starts. What fits in memory at the size asked for stays there; a larger set is decoded
again as it is needed.
"""

import concurrent.futures
import csv
import json
import pathlib
import warnings

import numpy as np
import PIL.Image
import PIL.ImageOps
import tensorflow as tf

from keras_gen.data.pipeline import array_batches, dataset_batches, prepare
from keras_gen.data.splits import parse

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"}
MEMORY_LIMIT = 2 * 2**30  # Bytes of decoded images that are kept.


def load(folder, split, test_fraction, broken, *, image_shape, seed=None, **batching):
    """See `keras_gen.data.load`."""
    paths, labels, class_names = find(folder, split, test_fraction, seed or 0)
    known = {} if labels is None else {"label": labels}
    captions = find_captions(folder, split)
    if captions is not None:
        rows = [(i, c) for i, path in enumerate(paths) for c in captions(path)]
        places = [i for i, _ in rows]
        paths = [paths[i] for i in places]
        known = {name: value[places] for name, value in known.items()}
        known["caption"] = np.array([caption.encode() for _, caption in rows])
    image_shape = image_shape or _shape_of(paths, broken)
    keep = len(paths) * int(np.prod(image_shape)) <= MEMORY_LIMIT
    images, whole = _read_all(paths, image_shape, broken, keep)
    known = {name: value[whole] for name, value in known.items()}
    if keep:
        dataset = array_batches({"image": images, **known}, seed=seed, **batching)
    else:
        dataset = _lazy([paths[i] for i in whole], known, image_shape, seed, batching)
    dataset.class_names = class_names
    return dataset


def find(folder, split, test_fraction, seed):
    """Paths of a split, their labels (None for a flat folder), and the class names."""
    folder = pathlib.Path(folder)
    name, part = parse(split, ("train", "test"))
    root = _root(folder, name)
    given = root != folder
    paths = sorted(p for p in root.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not paths:
        raise ValueError(f"Expected images ({', '.join(sorted(SUFFIXES))}) in {root}.")
    if not given:
        order = np.random.default_rng(seed).permutation(len(paths))
        tests = round(test_fraction * len(paths))
        chosen = order[:tests] if name == "test" else order[tests:]
        paths = [paths[i] for i in sorted(chosen)]
    paths = paths[part(len(paths))]
    if not paths:
        raise ValueError(f"Expected images in the split {split!r} of {folder}, got 0.")
    classes = sorted(p.name for p in root.iterdir() if p.is_dir())
    if not classes:
        return paths, None, []
    flat = [str(p) for p in paths if p.parent == root]
    if flat:
        raise ValueError(f"Expected every image in a class's folder, got {flat[:3]}.")
    labels = [classes.index(p.relative_to(root).parts[0]) for p in paths]
    return paths, np.array(labels, np.int64), classes


def _root(folder, name):
    """Where the images of a split lie."""
    given = (folder / "train").is_dir() and (folder / "test").is_dir()
    return folder / name if given else folder


def find_captions(folder, split):
    """A function from an image's path to its captions; None where there are none.

    Raises:
        ValueError: For a file without `file` and `caption`; from the function, for an
            image without a caption.
    """
    folder = pathlib.Path(folder)
    root = _root(folder, parse(split, ("train", "test"))[0])
    path = next((p for p in sorted(root.glob("captions.*")) if p.suffix in _READ), None)
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


def _read_lines(file):
    return (json.loads(line) for line in file if line.strip())


_READ = {".csv": csv.DictReader, ".jsonl": _read_lines}


def decode(path):
    """One image, uint8 (height, width, 1 or 3), upright, transparency on white.

    Raises:
        ValueError: With the path, if it cannot be read to its end.
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
    """An image of the shape asked for, uint8."""
    image = prepare(tf.constant(decode(path)), tuple(image_shape)).numpy()
    return np.rint((image + 1.0) * 127.5).astype(np.uint8)


def _read_all(paths, image_shape, broken, keep):
    """Images (None unless kept) and the indices of paths that could be read."""

    def read(path):
        try:
            return _fitted(path, image_shape) if keep else decode(path).shape
        except ValueError as error:
            return error

    images, whole = [], []
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for i, result in enumerate(pool.map(read, paths)):
            if isinstance(result, ValueError):
                if broken == "raise":
                    pool.shutdown(cancel_futures=True)
                    raise ValueError(f"{result} (broken='skip' goes on without it)")
                warnings.warn(f"Skipped: {result}", stacklevel=4)
                continue
            whole.append(i)
            if keep:
                images.append(result)
    if not whole:
        raise ValueError(f"Expected images that can be read, got {len(paths)} broken.")
    return (np.stack(images) if keep else None), whole


def _lazy(paths, known, image_shape, seed, batching):
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
