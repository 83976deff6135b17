"""Weights in files: `.keras` archives, HDF5, safetensors.

All files of weights are opened here. Anyone may have made or damaged them, so they are
data: nothing here uses a class or a function that a file names, and the sizes that a
file declares are compared with its own size and with the model before memory is spent.
"""

import contextlib
import io
import math
import os
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping

import h5py
import keras
import numpy as np
import safetensors
import tensorflow as tf

from keras_gen import files

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
# Bytes of a file for each number of the model: float32, with room for optimizers of
# up to fifteen slots; and bytes for names and groups.
BYTES_PER_WEIGHT, SPARE = 64, 2**26
MAX_RATIO = 1100  # DEFLATE compresses by 1,032 at most.
# Weights of a model for each byte of its file: half precision, an average of each
# weight, and the slots of optimizers.
WEIGHTS_PER_BYTE = 8

# Modules of the classes that a saved optimizer may consist of, besides schedules that
# are registered in this process, such as those of this package.
MODULES = ("keras.optimizers", "keras.optimizers.schedules")


class _Refused(ValueError):
    """An error of this module, whose message is complete."""


@contextlib.contextmanager
def _reading(path):
    """Turns the errors of parsers into a ValueError that names the file.

    Damaged contents cause errors of any class in zipfile, h5py and Keras.
    """
    try:
        yield
    except (_Refused, FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except Exception as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"Expected a whole file of weights, got {path}: {text[:200]}"
        ) from error


# `.keras` archives and HDF5.


def read_config(path: str | os.PathLike) -> dict:
    """The class, the configuration and the compilation that a `.keras` file holds.

    Args:
        path: Path of the file.

    Returns:
        A dict with the entries "class_name" and "config", at least.

    Raises:
        ValueError: For a damaged file, or one of another kind.
    """
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                content = _member(archive, CONFIG, files.MAX_TEXT)
        except _Refused:
            raise
        except Exception as error:  # zipfile raises errors of many classes.
            raise ValueError(f"Expected a .keras file, got {path}: {error}") from error
    source = f"{CONFIG} of {path}"
    saved = files.parse_json(content, source)
    files.check_entries(saved, {"class_name": str, "config": dict}, source)
    return saved


def optimizers_of(compiled: dict, path: str | os.PathLike) -> dict[str, dict]:
    """The descriptions of optimizers that a file holds, by player.

    Args:
        compiled: Entry "compile_config" of a file's configuration; empty if the model
            was not compiled.
        path: Path of the file.

    Raises:
        ValueError: For anything else than optimizers and schedules of Keras, or
            schedules that are registered: other classes may run any code.
    """
    source = f"the compile_config of {path}"
    if not isinstance(compiled, dict):
        raise ValueError(f"Expected a JSON object as {source}, got {compiled!r:.50}.")
    if not compiled:
        return {}
    files.check_entries(compiled, {"optimizers": dict}, source)
    for name, saved in compiled["optimizers"].items():
        if not isinstance(saved, dict):
            raise ValueError(f"Expected an optimizer for {name!r} in {source}.")
        files.check_entries(saved, {"class_name": str, "config": dict}, source)
        _refuse_objects(saved, path)
    return compiled["optimizers"]


def _refuse_objects(value, path):
    """Refuses descriptions of objects of other classes, however deep they are."""
    if isinstance(value, dict):
        if "class_name" in value and not _is_known(value):
            raise ValueError(
                f"Expected an optimizer of Keras, got {value['class_name']!r} of "
                f"{value.get('module')!r} in {path}."
            )
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _refuse_objects(item, path)


def _is_known(saved):
    """Whether a description is of a class of Keras, or of a registered schedule."""
    name = str(saved.get("registered_name"))
    registered = keras.saving.get_registered_object(name)
    schedule = keras.optimizers.schedules.LearningRateSchedule
    is_schedule = isinstance(registered, type) and issubclass(registered, schedule)
    return is_schedule or saved.get("module") in MODULES


def check_whole(path: str | os.PathLike) -> None:
    """Compares the checksums of all members of a `.keras` file.

    Args:
        path: Path of the file.

    Raises:
        ValueError: For a damaged file, or one without weights.
    """
    with _reading(path), zipfile.ZipFile(path) as archive:
        for name in (CONFIG, WEIGHTS):
            _check_size(archive, name, math.inf)
            with archive.open(name) as member:
                while member.read(2**20):  # The checksum is compared at the end.
                    pass


def _member(archive, name, limit):
    """The content of a member, whose checksum is compared."""
    _check_size(archive, name, limit)
    return archive.read(name)


def _check_size(archive, name, limit):
    """Refuses a member that is larger than the limit, or than DEFLATE makes it."""
    info = archive.getinfo(name)
    limit = min(limit, MAX_RATIO * info.compress_size + 1024)
    if info.file_size > limit:
        raise _Refused(
            f"Expected {name} of at most {limit:,} bytes in {archive.filename}, got "
            f"one that declares {info.file_size:,}, of which {info.compress_size:,} "
            "are stored."
        )


def load(
    model: keras.Model,
    path: str | os.PathLike,
    read: Callable[[str], object] | None = None,
) -> None:
    """Loads a `.keras` or `.weights.h5` file; the model changes only if all of it fits.

    Args:
        model: Model that is built.
        path: Path of the file.
        read: Function that loads the file at a path; None is `model.load_weights`.

    Raises:
        ValueError: For a damaged file, one that does not fit the model, or weights that
            are not finite.
    """
    with open(path, "rb"):  # A missing file has an error of its own.
        pass
    with _reading(path):
        _check(model, path)
    before = [(variable, variable.numpy()) for variable in _variables(model)]
    try:
        with warnings.catch_warnings(record=True) as warned, _reading(path):
            warnings.simplefilter("always")
            (read or model.load_weights)(path)
    except ValueError as error:
        for variable, value in before:
            variable.assign(value)
        expected = f"Expected the weights of this {type(model).__name__}, got {path}"
        misfit = _misfit(model, path)
        raise ValueError(f"{expected} {misfit}." if misfit else str(error)) from error
    for warning in warned:
        warnings.warn_explicit(
            warning.message, warning.category, warning.filename, warning.lineno
        )


def _misfit(model, path):
    """The first difference of the arrays in a file from those of a model, in words.

    Keras's errors name its own objects instead.
    """
    with tempfile.TemporaryDirectory() as folder:
        own = os.path.join(folder, "own.weights.h5")
        model.save_weights(own)
        wanted = _shapes_in(own)
    found = _shapes_in(path)
    for name, shape in wanted.items():
        if found.get(name) != shape:
            got = f"of shape {found[name]}" if name in found else "missing"
            return f"with {name} {got} instead of shape {shape}"
    return None


def _shapes_in(path):
    shapes = {}

    def collect(name, item):
        if isinstance(item, h5py.Dataset):
            shapes[name.replace("/vars/", "/")] = item.shape

    with _opened(path) as file:
        file.visititems(collect)
    return dict(sorted(shapes.items()))


@contextlib.contextmanager
def _opened(path, limit=math.inf):
    """The HDF5 file at a path or in an archive."""
    content = path
    if str(path).endswith(".keras"):
        with zipfile.ZipFile(path) as archive:
            content = io.BytesIO(_member(archive, WEIGHTS, limit))
    with h5py.File(content, "r") as file:
        yield file


def _check(model, path):
    if str(path).endswith(".json"):  # Keras's list of files of a larger model.
        return
    count = sum(math.prod(variable.shape) for variable in _variables(model))
    limit = BYTES_PER_WEIGHT * count + SPARE
    with _opened(path, limit) as file:
        _check_arrays(file, path, limit)


def _variables(model):
    """The variables of a model and of its optimizers."""
    optimizers = getattr(model, "optimizers", None) or {}
    return [*model.variables, *(v for o in optimizers.values() for v in o.variables)]


def _check_arrays(file, path, limit):
    """Refuses arrays of other types, elsewhere, too large, or that are not finite."""
    arrays = []

    def collect(name, item):
        if isinstance(item, h5py.Dataset):
            arrays.append(item)

    file.visititems(collect)  # Follows no links to other files.
    declared = sum(math.prod(a.shape) * a.dtype.itemsize for a in arrays)
    if declared > limit:
        raise _Refused(
            f"Expected arrays of at most {limit:,} bytes in {path}, got ones that "
            f"declare {declared:,}."
        )
    for array in arrays:
        is_bfloat16 = array.attrs.get("dtype") == "bfloat16"
        if array.dtype.kind not in "biuf" and not is_bfloat16:
            raise _Refused(
                f"Expected numbers in {path}, got {array.dtype} in {array.name}."
            )
        if array.external or array.is_virtual:
            raise _Refused(
                f"Expected all arrays in {path}, got {array.name} elsewhere."
            )
        if array.dtype.kind == "f" and not np.isfinite(array[()]).all():
            raise _Refused(
                f"Expected finite weights, got NaN or infinity in {array.name} of "
                f"{path}."
            )


# safetensors.


# An array "kernel" of int8 has its scales in an array "kernel:scale".
SCALE = ":scale"
INT8_SIZE = 1024  # Smaller arrays, and those of one dimension, are not worth the error.


def to_int8(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Rounds large arrays of floats to int8, with a scale for each channel.

    A channel is an index of the last or the next-to-last axis, whichever gives the
    smaller error: output channels are last in most layers, and next to last in
    transposed convolutions. All other arrays stay as they are.

    >>> arrays = to_int8({"kernel": np.ones((64, 32), np.float32)})
    >>> {name: (str(array.dtype), array.shape) for name, array in arrays.items()}
    {'kernel': ('int8', (64, 32)), 'kernel:scale': ('float32', (1, 32))}

    Args:
        arrays: Arrays by name.

    Returns:
        Arrays by name; those of scales have the rank of their array, and the size 1 in
        all dimensions but that of channels.
    """
    found = {}
    for name, array in arrays.items():
        if array.dtype.kind != "f" or array.ndim < 2 or array.size < INT8_SIZE:
            found[name] = array
            continue
        exact = array.astype(np.float32)
        rounded = [_rounded(exact, axis) for axis in (-1, -2)]
        errors = [np.square(values * scale - exact).sum() for values, scale in rounded]
        found[name], found[f"{name}{SCALE}"] = rounded[int(np.argmin(errors))]
    return found


def _rounded(array, axis):
    """An array as int8, and its scales along an axis."""
    others = tuple(i for i in range(array.ndim) if i != axis % array.ndim)
    largest = np.abs(array).max(axis=others, keepdims=True)
    scale = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    return np.rint(array / scale).clip(-127, 127).astype(np.int8), scale


def _from_int8(file, name, path):
    """An array of float32 from one of int8 and its scales.

    Raises:
        ValueError: For arrays of other types, or scales that are not one positive,
            finite number for each channel.
    """
    array, scale = file.get_tensor(name), file.get_tensor(f"{name}{SCALE}")
    if array.dtype != np.int8 or scale.dtype != np.float32:
        raise _Refused(
            f"Expected {name} of int8 with scales of float32, got {array.dtype} and "
            f"{scale.dtype} in {path}."
        )
    fits = [s in (1, n) for s, n in zip(scale.shape, array.shape, strict=False)]
    is_one_axis = sum(size > 1 for size in scale.shape) <= 1
    if scale.ndim != array.ndim or not all(fits) or not is_one_axis:
        raise _Refused(
            f"Expected a scale for each channel of {name}, whose shape is "
            f"{array.shape}, got scales of shape {scale.shape} in {path}."
        )
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        raise _Refused(f"Expected finite scales above 0 for {name} in {path}.")
    with np.errstate(over="ignore"):
        return array * scale


def read_arrays(
    path: str | os.PathLike, variables: Mapping[str, keras.Variable]
) -> dict[str, np.ndarray]:
    """The arrays of a `.safetensors` file, if they are those of the variables.

    Arrays of int8 that have scales (`to_int8`) become floats.

    Args:
        path: Path of the file.
        variables: Variables that the arrays are for, by name.

    Returns:
        An array in the type of its variable, for each name.

    Raises:
        ValueError: For a damaged file, other names, shapes or types, or values that are
            not finite in the variable's type.
    """
    with open(path, "rb"):  # A missing file has an error of its own.
        pass
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(safetensors.safe_open(path, "numpy"))
        except Exception as error:
            raise ValueError(
                f"Expected a file of arrays, got {path}: {error}"
            ) from error
        names = set(file.keys())
        scaled = {name for name in variables if f"{name}{SCALE}" in names}
        names -= {f"{name}{SCALE}" for name in scaled}
        if names != set(variables):
            odd = sorted(names ^ set(variables))
            raise ValueError(
                f"Expected the weights of this model, got {path} with other names: "
                f"{odd[:4]}."
            )
        # The file has no more bytes than its arrays declare, and all shapes are
        # compared before the first array is read.
        for name, variable in variables.items():
            shape = tuple(file.get_slice(name).get_shape())
            if shape != tuple(variable.shape):
                raise ValueError(
                    f"Expected {name} of shape {tuple(variable.shape)}, got {shape} in "
                    f"{path}."
                )
        with _reading(path):
            found = {}
            for name, variable in variables.items():
                is_scaled = name in scaled
                array = _from_int8(file, name, path) if is_scaled else None
                array = file.get_tensor(name) if array is None else array
                found[name] = _cast(array, name, variable.dtype, path)
            return found


def _cast(array, name, dtype, path):
    """An array in a variable's type.

    Raises:
        ValueError: If its numbers are of another kind, or change by the cast.
    """
    kinds = "f" if keras.backend.is_float_dtype(dtype) else "biu"
    if array.dtype.kind not in kinds:
        raise _Refused(f"Expected {name} of {dtype}, got {array.dtype} in {path}.")
    with np.errstate(over="ignore"):
        cast = array.astype(dtype)
    if kinds == "f" and not np.isfinite(cast).all():
        raise _Refused(f"Expected finite weights, got NaN in {name} of {path}.")
    if kinds != "f" and (cast != array).any():
        raise _Refused(f"Expected {name} that fits {dtype}, got others in {path}.")
    return cast


# Configurations.


@contextlib.contextmanager
def no_larger_than(path: str | os.PathLike) -> Iterator[None]:
    """Refuses, in its scope, to make more weights than a file can hold.

    A configuration comes with the file, and may declare any size.

    Args:
        path: Path of the file of weights.

    Raises:
        ValueError: Before the memory for the weights is spent.
    """
    limit = WEIGHTS_PER_BYTE * os.path.getsize(path) + 2**20
    count = 0

    def create(next_creator, **kwargs):
        nonlocal count
        count += math.prod(_shape_of(kwargs.get("initial_value")))
        if count > limit:
            raise ValueError(
                f"Expected a configuration for the weights in {path}, which has "
                f"{os.path.getsize(path):,} bytes, got one for over {limit:,} weights."
            )
        return next_creator(**kwargs)

    with tf.variable_creator_scope(create):
        yield


def _shape_of(value):
    """The shape of an initial value, or of what a function would return.

    It is () for a function that only runs eagerly.
    """
    if callable(value):
        try:
            with tf.Graph().as_default():  # Adds operations, and runs none.
                value = value()
        except Exception:
            return ()
    return tuple(value.shape)
