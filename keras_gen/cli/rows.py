"""Rows of abilities' inputs, read from files and from data sets."""

import contextlib
import functools
import pathlib
from collections.abc import Sequence

import keras_gen
from keras_gen.cli.common import note

HALVES = ("upper", "lower", "left", "right")


def main_input(declared: dict):
    """The input of an ability that files give: images, latents, or other arrays.

    Args:
        declared: `Input`s of the ability by name.

    Returns:
        The first whose rows are arrays, except masks and attributes; None if there is
        none.
    """
    arrays = [e for e in declared.values() if e.shape and not e.is_binary]
    return arrays[0] if arrays else None


def takes_pictures(entry) -> bool:
    """Whether the rows of an input are single images, which files may hold."""
    from keras_gen.core.inputs import IMAGE

    return entry.role == IMAGE and len(entry.shape) == 3


def feature_of(entry) -> str:
    """The feature of a data set that gives the rows of an input."""
    return "image" if takes_pictures(entry) else entry.name.removesuffix("s")


def from_files(entry, paths: Sequence[pathlib.Path]):
    """Rows of an input, and their names.

    Args:
        entry: The `Input`.
        paths: Paths of images, of folders of images (whose images are sorted by name),
            and of `.npy` files.

    Returns:
        An array, float32 (rows, ...), and a list of names.

    Raises:
        ValueError: For files that cannot be read, or do not fit.
    """
    import numpy as np

    arrays, names = [], []
    for path, kind in _listed(paths, takes_pictures(entry)):
        if kind == "array":
            array = _from_array(entry, path)
            known = [f"{path.name}[{i}]" for i in range(len(array))]
        else:
            array, known = _from_images(entry, path), [file.name for file in path]
        arrays.append(array)
        names += known
    return np.concatenate(arrays), names


def _listed(paths, pictures):
    """Groups of paths in their order: one of arrays, or several of images."""
    group = []
    for path in paths:
        path = path.expanduser()
        if path.suffix.lower() == ".npy":
            if group:
                yield group, "images"
                group = []
            yield path, "array"
        elif not pictures:
            raise ValueError(
                f"Expected a .npy file, in which rows are arrays, got {str(path)!r}."
            )
        elif path.is_dir():
            group += _in_folder(path)
        else:
            group.append(path)
    if group:
        yield group, "images"


def _in_folder(path):
    from keras_gen.data import listing

    found = listing.read(path)
    for line in keras_gen.data.left_out_lines(found.left_out, path):
        note(line)
    return sorted(sum(found.images.values(), []))


def _from_images(entry, paths):
    """Images of files, with the size and the colours that a model takes."""
    import numpy as np

    shape = _whole(entry.shape)
    paths = [str(path) for path in paths]
    about = keras_gen.data.describe(paths, "all", image_shape=shape, test_fraction=0.0)
    note(about.source_lines()[-1])
    batches = keras_gen.data.load(
        paths, "all", image_shape=shape, shuffle=False, test_fraction=0.0
    )
    return np.concatenate([batch["image"].numpy() for batch in batches])


def _from_array(entry, path):
    """Rows of a `.npy` file; images of other sizes, or of integers, are converted."""
    import numpy as np

    array = read_array(path)
    pictures = takes_pictures(entry) and array.ndim in (3, 4)
    if not pictures or _fits(array, entry.shape):
        return array
    batches = keras_gen.data.load(
        array, image_shape=_whole(entry.shape), shuffle=False, batch_size=256
    )
    note(f"Images: {path}, brought to {'x'.join(map(str, entry.shape))}")
    return np.concatenate([batch["image"].numpy() for batch in batches])


def _fits(array, shape):
    """Whether an array has floats of the shape."""
    fits = array.ndim == 1 + len(shape) and all(
        wanted in (None, got)
        for wanted, got in zip(shape, array.shape[1:], strict=True)
    )
    return fits and array.dtype.kind == "f"


def read_array(path: str | pathlib.Path):
    """The array of a `.npy` file, of which no code is run.

    Raises:
        ValueError: For a file that cannot be read, or has no rows.
    """
    import numpy as np

    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(
            f"Expected a .npy file of numbers, got {path}: {error}"
        ) from error
    if not isinstance(array, np.ndarray) or array.ndim < 1 or not len(array):
        raise ValueError(f"Expected an array with at least one row in {path}.")
    return array


def from_data(
    entry, model, source: str, split: str, n: int, seed: int, split_seed: int = 0
):
    """Rows of an input from a data set, drawn at random, and their names.

    Args:
        entry: The `Input`.
        model: The model.
        source: Name or path of the data set; of two domains, the first is used.
        split: Part of the data.
        n: Number of rows, or fewer if there are fewer.
        seed: Seed of the choice.
        split_seed: Seed with which a folder is split; it should be that of the
            training.
    """
    import tensorflow as tf

    tf.random.set_seed(seed)
    feature = feature_of(entry)
    shapes = model.batch_shapes()
    if feature not in shapes:
        raise ValueError(f"Expected --input with {entry.name}, which no data set has.")
    load = functools.partial(
        keras_gen.data.load,
        source,
        split,
        batch_size=n,
        seed=split_seed,  # The order depends on TensorFlow's seed too.
        broken="skip",
        drop_remainder=False,
        image_shape=_whole(entry.shape) if feature == "image" else None,
    )
    dataset = None
    if "image_b" in shapes:
        with contextlib.suppress(ValueError):  # A source of one domain.
            dataset = load(features=("image", "image_b"))
    if dataset is None:
        dataset = load(features=(feature,))
    rows = next(iter(dataset))[feature].numpy()
    return rows, [f"{split} {i}" for i in range(len(rows))]


def _whole(shape):
    """A shape for images: None if a dimension may have any size."""
    return None if None in shape else tuple(shape)


def mask_of(entry, text: str):
    """One mask, float32 of the input's shape.

    Args:
        entry: The `Input`.
        text: One of `HALVES`, which is kept, or the path of an image whose light pixels
            are kept, or of a `.npy` file of zeros and ones.
    """
    import numpy as np

    height, width = entry.shape[:2]
    if text in HALVES:
        mask = np.zeros(entry.shape, np.float32)
        rows = {"upper": slice(height // 2), "lower": slice(height // 2, None)}
        columns = {"left": slice(width // 2), "right": slice(width // 2, None)}
        mask[rows.get(text, slice(None)), columns.get(text, slice(None))] = 1.0
        return mask
    path = pathlib.Path(text).expanduser()
    if path.suffix.lower() == ".npy":
        mask = read_array(path).astype(np.float32)
        return mask.reshape(entry.shape) if mask.size == np.prod(entry.shape) else mask
    if not path.is_file():
        raise ValueError(
            f"Expected --mask with {', '.join(HALVES)} or the path of an image, got "
            f"{text!r}."
        )
    mask = np.float32(_from_images(entry, [path])[0] >= 0)
    note(f"Mask: {path} keeps {100 * mask.mean():.0f}% of the pixels, the light ones")
    return mask
