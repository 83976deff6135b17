"""Batches from arrays and datasets: order, colour, size and value range."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from keras_gen.core.augmentation import mirror
from keras_gen.core.inputs import SLACK

AUTOTUNE = tf.data.AUTOTUNE
IMAGES = ("image", "image_b")  # Features that are images.


# Images.


def to_channels(images: tf.Tensor, channels: int) -> tf.Tensor:
    """Converts between grey and colour; transparent parts become white.

    Grey is the luma of ITU-R BT.601.

    Args:
        images: Images, float32 (..., height, width, 1 to 4), in which white is 1.
        channels: Number of channels of the result, 1 or 3.
    """
    if images.shape[-1] in (2, 4):
        alpha = (images[..., -1:] + 1.0) / 2.0
        images = alpha * images[..., :-1] + (1.0 - alpha)
    if images.shape[-1] == channels:
        return images
    if channels == 3:
        return tf.image.grayscale_to_rgb(images)
    return tf.image.rgb_to_grayscale(images)


def to_size(images: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Crops images around the centre and resizes them with antialiasing.

    Args:
        images: Images, float32 (..., height, width, channels).
        height: Height of the result, in pixels.
        width: Width of the result, in pixels.
    """
    shape = tf.shape(images)
    old_height, old_width = shape[-3], shape[-2]
    crop_height = tf.minimum(old_height, old_width * height // width)
    crop_width = tf.minimum(old_width, old_height * width // height)
    crop_height, crop_width = tf.maximum(crop_height, 1), tf.maximum(crop_width, 1)
    top, left = (old_height - crop_height) // 2, (old_width - crop_width) // 2
    cropped = images[..., top : top + crop_height, left : left + crop_width, :]
    return tf.image.resize(cropped, (height, width), antialias=True)


def prepare(
    images: tf.Tensor,
    image_shape: tuple[int, int, int] | None,
    value_range: tuple[float, float] | None = None,
) -> tf.Tensor:
    """Converts images to float32 in [-1, 1], in the given shape.

    Args:
        images: Images, integers or floats (..., height, width, 1 to 4).
        image_shape: Shape of the result, (height, width, 1 or 3); None keeps the shape
            of the images, without an alpha channel.
        value_range: Values of black and white; None uses (0, 255) for integers and
            (-1, 1) for floats.
    """
    if value_range is None:
        value_range = (0, 255) if images.dtype.is_integer else (-1, 1)
    low, high = value_range
    images = (tf.cast(images, tf.float32) - low) * (2.0 / (high - low)) - 1.0
    channels = image_shape[-1] if image_shape else 3 if images.shape[-1] > 2 else 1
    images = to_channels(images, channels)
    if image_shape is not None and tuple(images.shape[-3:-1]) != image_shape[:2]:
        images = to_size(images, *image_shape[:2])
    if image_shape is not None:
        images.set_shape([*images.shape[:-3], *image_shape])
    return tf.clip_by_value(images, -1.0, 1.0)


# Sources.


def array_batches(
    features: Mapping[str, np.ndarray],
    *,
    batch_size: int,
    shuffle: bool,
    seed: int | None = None,
    drop_remainder: bool = False,
    image_shape: tuple[int, int, int] | None = None,
    value_range: tuple[float, float] | None = None,
) -> tf.data.Dataset:
    """Batches from a dict of arrays in memory.

    Args:
        features: Arrays of equal length, by the name of the feature.
        batch_size: Number of rows in a batch.
        shuffle: Boolean, whether every epoch has another order.
        seed: Seed of the order; None gives every run another order.
        drop_remainder: Boolean, whether a last, smaller batch is dropped.
        image_shape: Shape of the images in batches; None keeps that of the arrays.
        value_range: Values of black and white, as for `prepare`.

    Raises:
        ValueError: For arrays of different lengths, or images of a wrong shape, type
            or range.
    """
    features = dict(features)
    lengths = {name: len(value) for name, value in features.items()}
    count = next(iter(lengths.values()))
    if len(set(lengths.values())) > 1 or count == 0:
        raise ValueError(
            f"Expected arrays of one length, at least 1, got lengths {lengths}."
        )
    if drop_remainder and count < batch_size:
        raise ValueError(
            f"Expected at least batch_size={batch_size} images, got {count}."
        )
    for name in set(IMAGES) & set(features):
        features[name] = _check_images(features[name], value_range)
    for name in {"label", "domain"} & set(features):
        features[name] = features[name].astype(np.int64)
    tensors = {name: tf.constant(value) for name, value in features.items()}

    def gather(rows):
        batch = {name: tf.gather(value, rows) for name, value in tensors.items()}
        for name in set(IMAGES) & set(batch):
            batch[name] = prepare(batch[name], image_shape, value_range)
        return batch

    # Shuffles the indices of all rows, and gathers the rows of each batch.
    rows = tf.data.Dataset.range(count)
    if shuffle:
        rows = rows.shuffle(count, seed=seed, reshuffle_each_iteration=True)
    rows = rows.batch(batch_size, drop_remainder=drop_remainder)
    return rows.map(gather, num_parallel_calls=AUTOTUNE).prefetch(AUTOTUNE)


def _check_images(images, value_range):
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 2, 3, 4):
        raise ValueError(
            "Expected images of shape (count, height, width) or (count, height, width, "
            f"1 to 4), got {images.shape}."
        )
    if images.dtype.kind == "f":
        low, high = value_range or (-1, 1)
        got_low, got_high = images.min(), images.max()
        slack = 0.005 * (high - low)
        # NaN compares false.
        if not (got_low >= low - slack and got_high <= high + slack):
            raise ValueError(
                f"Expected values in [{low}, {high}], got values from {got_low:g} to "
                f"{got_high:g}; value_range gives the values of black and white."
            )
        return images.astype(np.float32, copy=False)
    if images.dtype != np.uint8 and value_range is None:
        raise ValueError(
            f"Expected images of uint8 or float, or value_range, got {images.dtype}."
        )
    return images


def dataset_batches(
    dataset: tf.data.Dataset,
    *,
    batch_size: int,
    shuffle: bool,
    seed: int | None = None,
    drop_remainder: bool = False,
    image_shape: tuple[int, int, int] | None = None,
    value_range: tuple[float, float] | None = None,
    shuffle_buffer: int = 10_000,
) -> tf.data.Dataset:
    """Batches from a `tf.data.Dataset` of single elements.

    Args:
        dataset: Images, pairs of image and label, or dicts with "image".
        batch_size: Number of elements in a batch.
        shuffle: Boolean, whether every epoch has another order.
        seed: Seed of the order; None gives every run another order.
        drop_remainder: Boolean, whether a last, smaller batch is dropped.
        image_shape: Shape of the images in batches; None keeps that of the elements.
        value_range: Values of black and white, as for `prepare`.
        shuffle_buffer: Number of elements among which the next one is drawn.

    Raises:
        ValueError: For other elements, or images of varying shape without
            `image_shape`.
    """
    dataset = dataset.map(as_dict)
    spec = dataset.element_spec.get("image")
    if spec is None or spec.shape.rank != 3:
        raise ValueError(
            "Expected a dataset of single images (height, width, channels), pairs of "
            f"image and label, or dicts with 'image', got {dataset.element_spec}."
        )
    if image_shape is None and None in spec.shape:
        raise ValueError(
            f"Expected image_shape=..., for images of varying shape {spec.shape}."
        )
    if shuffle:
        dataset = dataset.shuffle(shuffle_buffer, seed, reshuffle_each_iteration=True)

    def one(element):
        images = {
            name: prepare(element[name], image_shape, value_range)
            for name in IMAGES
            if name in element
        }
        return {**element, **images}

    dataset = dataset.map(one, num_parallel_calls=AUTOTUNE)
    return dataset.batch(batch_size, drop_remainder).prefetch(AUTOTUNE)


def mirrored(dataset: tf.data.Dataset, seed: int | None = None) -> tf.data.Dataset:
    """Mirrors half of the images in batches left to right.

    The choice is made anew in every epoch; "image" and "image_b" of a row are mirrored
    together.

    Args:
        dataset: Batches with "image", and optionally "image_b".
        seed: Seed of the choice; None makes a different choice in every run.

    Raises:
        ValueError: For batches without images.
    """
    if not set(IMAGES) & set(dataset.element_spec):
        raise ValueError(
            f"Expected images with mirror=True, got {list(dataset.element_spec)}."
        )
    seeds = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).batch(2)

    def apply(batch, seed):
        images = {name: batch[name] for name in IMAGES if name in batch}
        images = {name: mirror(value, seed) for name, value in images.items()}
        return {**batch, **images}

    return tf.data.Dataset.zip(dataset, seeds).map(apply, num_parallel_calls=AUTOTUNE)


def as_dict(*element) -> dict:
    """An element of a dataset as a dict.

    Args:
        *element: Image, image and label, or dict, which is returned unchanged.

    Raises:
        ValueError: For other elements.
    """
    if len(element) == 1 and isinstance(element[0], dict):
        return element[0]
    if len(element) > 2 or any(isinstance(part, (dict, tuple)) for part in element):
        raise ValueError(
            "Expected elements that are an image, a pair of image and label, or a "
            f"dict, got {element}."
        )
    return dict(zip(("image", "label"), element, strict=False))


# Data for `fit`.


def batches(
    x: tf.data.Dataset | np.ndarray | Mapping[str, np.ndarray] | None,
    y: np.ndarray | None,
    shapes: Mapping[str, tuple],
    batch_size: int | None = None,
    shuffle: bool = True,
) -> tf.data.Dataset:
    """The data for `fit` or `evaluate` as a dataset of dicts that fit a model.

    Args:
        x: Dataset of batches, an array of images, or a dict of arrays.
        y: Labels, if x is an array of images.
        shapes: Shape of each feature that the model takes, without the batch dimension.
            Other features are left out.
        batch_size: Batch size for arrays; None uses 64.
        shuffle: Boolean, whether arrays are shuffled.

    Raises:
        ValueError: If a feature is missing, or its shape or range is wrong.
    """
    if x is None:
        raise ValueError("Expected data to train on or to evaluate, got None.")
    if not isinstance(x, tf.data.Dataset):
        x = dict(x) if isinstance(x, dict) else {"image": x}
        if y is not None:
            x["label"] = y
        x = {name: np.asarray(value) for name, value in x.items()}
        dataset = array_batches(x, batch_size=batch_size or 64, shuffle=shuffle)
    elif y is not None or batch_size is not None:
        raise ValueError(
            "Expected a dataset alone, which has its own labels and batch size, got "
            "y or batch_size too."
        )
    else:
        dataset = x.map(as_dict)
    spec = dataset.element_spec
    missing = [name for name in shapes if name not in spec]
    if missing:
        raise ValueError(f"Expected batches with {missing}, got {list(spec)}.")
    for name, shape in shapes.items():
        if not spec[name].shape[1:].is_compatible_with(shape) or not spec[name].shape:
            wanted = ", ".join(
                ("batch", *("any" if n is None else str(n) for n in shape))
            )
            raise ValueError(
                f"Expected {name}s of shape ({wanted}), got {tuple(spec[name].shape)}."
            )

    def select(batch):
        batch = {name: batch[name] for name in shapes}
        for name in set(IMAGES) & set(batch):
            if batch[name].dtype != tf.float32:
                batch[name] = prepare(batch[name], None)
        return batch

    dataset = dataset.map(select, num_parallel_calls=AUTOTUNE).prefetch(AUTOTUNE)
    _check_first(dataset)
    return dataset


def _check_first(dataset):
    """Checks the images of one batch, so that wrong values are found early.

    Raises:
        ValueError: For images outside [-1, 1], or a dataset without a batch.
    """
    for batch in dataset.take(1):
        for image in (batch[name].numpy() for name in IMAGES if name in batch):
            # NaN compares false.
            if not (image.min() >= -1 - SLACK and image.max() <= 1 + SLACK):
                raise ValueError(
                    "Expected images with values in [-1, 1], got values from "
                    f"{image.min():g} to {image.max():g}. keras_gen.data.load converts."
                )
        return
    raise ValueError("Expected data, got a dataset without a batch.")


def stream(
    dataset: tf.data.Dataset,
    moves: int,
    replicas: int,
    steps_per_epoch: int | None = None,
    whole: bool = False,
) -> tuple[tf.data.Dataset, int | None]:
    """An endless dataset whose elements are steps of `moves` batches each.

    An endless stream can be entered at any step, so that a resumed run gets the same
    batches as without the interruption.

    Args:
        dataset: Dataset of batches.
        moves: Number of mini-batches in a step.
        replicas: Number of replicas that share a batch.
        steps_per_epoch: Number of steps in an epoch; None uses all data once.
        whole: Boolean, whether all batches must have the same size; with several moves
            or replicas, they always have.

    Returns:
        The stream and the number of steps in an epoch. If the size of the dataset is
        unknown and `steps_per_epoch` is None, the stream has one epoch only, and the
        number is None.

    Raises:
        ValueError: For endless data without `steps_per_epoch`, or a batch size that
            replicas do not divide.
    """
    batch_size = _batch_size(dataset)
    if batch_size % replicas:
        raise ValueError(
            f"Expected a batch size that divides over {replicas} replicas, got "
            f"{batch_size}."
        )
    count = int(dataset.cardinality())
    if count == tf.data.INFINITE_CARDINALITY and steps_per_epoch is None:
        raise ValueError("Expected steps_per_epoch for endless data, got None.")
    endless = count != tf.data.UNKNOWN_CARDINALITY or steps_per_epoch is not None
    if endless:
        dataset = dataset.repeat()
    if whole or moves > 1 or replicas > 1:  # Also across the ends of epochs.
        dataset = dataset.rebatch(moves * batch_size, drop_remainder=True)
    if not endless:
        return dataset, None
    return dataset, steps_per_epoch or max(count // moves, 1)


def _batch_size(dataset):
    sizes = {spec.shape[0] for spec in dataset.element_spec.values()}
    if sizes == {None}:
        return len(next(iter(dataset.take(1).as_numpy_iterator().next().values())))
    return next(size for size in sizes if size is not None)
