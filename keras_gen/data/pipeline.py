"""Batches from arrays and datasets: order, colour, size and value range."""

import warnings
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from keras_gen.core.augmentation import mirror
from keras_gen.data import labels
from keras_gen.data.ranges import check_values, default_range

AUTOTUNE = tf.data.AUTOTUNE
IMAGES = ("image", "image_b")  # Features that are images.
LABELS = ("label", "domain")  # Features that are labels.
ATTRIBUTES = "attributes"  # The feature that is 0 or 1 for each of several attributes.
# Share of the range by which images of a dataset may lie outside of it: later batches
# than the first are not looked at closely.
OVERSHOOT = 0.1
SHUFFLE_BUFFER = 10_000  # Number of elements of a dataset among which one is drawn.
# Number of labels that tell data that are in the order of their classes: at random,
# they would hardly ever be all the same, or in ascending order.
LOOKED_AT = 1_000


# Images.


def to_channels(images: tf.Tensor, channels: int) -> tf.Tensor:
    """Converts between grey and colour; without alpha, transparent parts become white.

    Grey is the luma of ITU-R BT.601.

    Args:
        images: Images, float32 (..., height, width, 1 to 4), in which white is 1.
        channels: Number of channels of the result: 1, 3 or, with alpha, 4.
    """
    if channels == 4:
        has_alpha = images.shape[-1] in (2, 4)
        alpha = images[..., -1:] if has_alpha else tf.ones_like(images[..., :1])
        colours = to_channels(images[..., :-1] if has_alpha else images, 3)
        return tf.concat([colours, alpha], axis=-1)
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


def without_autotuning(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The dataset with tf.data's autotuning turned off, unless it was set before.

    Deleting an iterator waits for the autotuning thread. Because of a race in
    TensorFlow, that thread may miss its wake-up and sleep for as long as the iterator
    has existed, up to a minute. Without autotuning, `AUTOTUNE` means as many parallel
    calls as there are cores, at most 16.

    Args:
        dataset: Dataset. Those that are made from the result have its options.
    """
    if dataset.options().autotune.enabled is not None:
        return dataset
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def prepare(
    images: tf.Tensor,
    image_shape: tuple[int, int, int] | None,
    value_range: tuple[float, float] | None = None,
    keep_alpha: bool = False,
) -> tf.Tensor:
    """Converts images to float32 in [-1, 1], in the given shape.

    Args:
        images: Images, integers, floats or bool (..., height, width, 1 to 4).
        image_shape: Shape of the result, (height, width, 1, 3 or 4); None keeps the
            shape of the images, without an alpha channel.
        value_range: Values of black and white; None uses (0, 255) for integers,
            (-1, 1) for floats and (0, 1) for bool.
        keep_alpha: Boolean, whether images of four channels keep them if `image_shape`
            is None.
    """
    low, high = value_range or default_range(images.dtype.as_numpy_dtype)
    images = (tf.cast(images, tf.float32) - low) * (2.0 / (high - low)) - 1.0
    channels = 3 if images.shape[-1] > 2 else 1
    if image_shape:
        channels = image_shape[-1]
    elif keep_alpha and images.shape[-1] == 4:
        channels = 4
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
    keep_alpha: bool = False,
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
        keep_alpha: Boolean, as for `prepare`.

    Returns:
        A dataset of dicts. If labels are names, its attribute `class_names` (or
        `domain_names`) lists them by label.

    Raises:
        ValueError: For arrays of different lengths, images of a wrong shape, type or
            range, or labels that are no whole numbers.
    """
    features = dict(features)
    single = [name for name, value in features.items() if np.ndim(value) == 0]
    if single:
        raise ValueError(f"Expected arrays with rows, got single values of {single}.")
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
    names = {}
    for name in set(LABELS) & set(features):
        features[name], names[name] = labels.whole(features[name], name)
    tensors = {name: tf.constant(value) for name, value in features.items()}

    def gather(rows):
        batch = {name: tf.gather(value, rows) for name, value in tensors.items()}
        for name in set(IMAGES) & set(batch):
            batch[name] = prepare(batch[name], image_shape, value_range, keep_alpha)
        return batch

    # Shuffles the indices of all rows, and gathers the rows of each batch.
    rows = without_autotuning(tf.data.Dataset.range(count))
    if shuffle:
        rows = rows.shuffle(count, seed=seed, reshuffle_each_iteration=True)
    rows = rows.batch(batch_size, drop_remainder=drop_remainder)
    dataset = rows.map(gather, num_parallel_calls=AUTOTUNE).prefetch(AUTOTUNE)
    for name, attribute in zip(LABELS, ("class_names", "domain_names"), strict=True):
        if names.get(name):
            setattr(dataset, attribute, names[name])
    return dataset


def _check_images(images, value_range):
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 2, 3, 4):
        raise ValueError(
            "Expected images of shape (count, height, width) or (count, height, width, "
            f"1 to 4), got {images.shape}."
        )
    if images.dtype.kind not in "biuf" or (
        images.dtype.kind in "iu" and images.dtype != np.uint8 and value_range is None
    ):
        raise ValueError(
            "Expected images of uint8 or float, or value_range for other ints, got "
            f"{images.dtype}."
        )
    check_values(images, value_range)
    return images.astype(np.float32) if images.dtype.kind == "f" else images


def dataset_batches(
    dataset: tf.data.Dataset,
    *,
    batch_size: int,
    shuffle: bool,
    seed: int | None = None,
    drop_remainder: bool = False,
    image_shape: tuple[int, int, int] | None = None,
    value_range: tuple[float, float] | None = None,
    shuffle_buffer: int = SHUFFLE_BUFFER,
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
        shuffle_buffer: Number of elements among which the next one is drawn. There is
            a warning if there are more, in the order of their labels.

    Raises:
        ValueError: For other elements, or images of varying shape without
            `image_shape`. Wrong values of images or labels are an InvalidArgumentError
            when they are reached; see also `check_first`.
    """
    dataset = without_autotuning(dataset).map(as_dict)
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
        _warn_of_order(dataset, shuffle_buffer)
        dataset = dataset.shuffle(shuffle_buffer, seed, reshuffle_each_iteration=True)

    @tf.autograph.experimental.do_not_convert
    def one(element):
        found = {
            name: prepare(_inside(element[name], value_range), image_shape, value_range)
            for name in IMAGES
            if name in element
        }
        for name in set(LABELS) & set(element):
            found[name] = labels.tensor_of(element[name], 0, None, name)
        return {**element, **found}

    dataset = dataset.map(one, num_parallel_calls=AUTOTUNE)
    return dataset.batch(batch_size, drop_remainder).prefetch(AUTOTUNE)


def _warn_of_order(dataset, shuffle_buffer):
    """Warns of data in the order of their classes that a buffer does not shuffle."""
    count = int(dataset.cardinality())
    names = set(LABELS) & set(dataset.element_spec)
    if 0 <= count <= shuffle_buffer or not names:
        return
    name = min(names)
    looked_at = min(LOOKED_AT, shuffle_buffer)
    found = dataset.map(lambda element: element[name]).take(looked_at)
    found = list(found.as_numpy_iterator())
    are_numbers = all(np.size(value) == 1 for value in found)
    if len(found) < looked_at or not are_numbers:
        return
    values = np.ravel(found)
    if values.dtype.kind not in "iu" or not (values[1:] >= values[:-1]).all():
        return
    if count < 0 and not any(True for _ in dataset.skip(shuffle_buffer).take(1)):
        return
    warnings.warn(
        f"The first {len(values):,} elements of the dataset are in the order of their "
        f"{name}s, and only {shuffle_buffer:,} of them are shuffled at a time: batches "
        "will hold few classes. Shuffle its files, or the whole dataset, first.",
        stacklevel=6,
    )


def _inside(images, value_range):
    """Images whose values are checked whenever a dataset yields them."""
    if images.dtype == tf.uint8 and value_range in (None, (0, 255)):
        return images
    low, high = value_range or default_range(images.dtype.as_numpy_dtype)
    slack = OVERSHOOT * (high - low)
    values = tf.cast(images, tf.float32)
    # NaN compares false.
    good = tf.reduce_all((values >= low - slack) & (values <= high + slack))
    ends = ["got values from", tf.reduce_min(values), "to", tf.reduce_max(values)]
    message = f"Expected images with values in [{low}, {high}],"
    with tf.control_dependencies([tf.debugging.Assert(good, [message, *ends])]):
        return tf.identity(images)


def check_first(
    dataset: tf.data.Dataset,
    batch_size: int,
    value_range: tuple[float, float] | None = None,
) -> None:
    """Checks the images and labels of the first batch of a dataset of single elements.

    Args:
        dataset: Images, pairs of image and label, or dicts with "image".
        batch_size: Number of elements to look at.
        value_range: Values of black and white, as for `prepare`.

    Raises:
        ValueError: For images out of range, or labels that are no whole numbers.
    """
    dataset = without_autotuning(dataset).map(as_dict)
    names = set(IMAGES + LABELS) & set(dataset.element_spec)
    rows = dataset.map(lambda element: {name: element[name] for name in names})
    rows = list(rows.take(batch_size).as_numpy_iterator())
    for name in names if rows else ():
        if name in LABELS:
            _check_labels(np.stack([row[name] for row in rows]), name)
            continue
        # Images may have different sizes.
        values = np.concatenate([np.ravel(row[name]) for row in rows])
        check_values(values, value_range)


def _check_labels(values, name, limits=None):
    """Labels as whole numbers, if they are not names and in the range of a model."""
    found, names = labels.whole(values, name)
    if names:
        raise ValueError(
            f"Expected {name}s that are whole numbers, got the name {names[0]!r}. "
            "keras_gen.data.load turns an array of names into numbers."
        )
    if limits is not None and len(found):
        labels.check_range(found, *limits, name)
    return found


def _check_attributes(values):
    """Refuses attributes other than 0 and 1."""
    wrong = ~np.isin(values, (0, 1))
    if values.dtype.kind not in "biuf" or wrong.any():
        raise ValueError(
            f"Expected attributes that are 0 or 1, got {values[wrong].flat[0]!r}."
        )


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
    ranges: Mapping[str, tuple[int, int]] | None = None,
) -> tf.data.Dataset:
    """The data for `fit` or `evaluate` as a dataset of dicts that fit a model.

    Args:
        x: Dataset of batches, an array of images, or a dict of arrays.
        y: Labels, if x is an array of images; or attributes, for models of these.
        shapes: Shape of each feature that the model takes, without the batch dimension.
            Other features are left out.
        batch_size: Batch size for arrays; None uses 64.
        shuffle: Boolean, whether arrays are shuffled.
        ranges: The smallest and the greatest label, by the name of the feature; without
            an entry, labels are not less than -1.

    Raises:
        ValueError: If a feature is missing, or its shape, type or range is wrong. Wrong
            labels in later batches of a dataset are an InvalidArgumentError.
    """
    if x is None:
        raise ValueError("Expected data to train on or to evaluate, got None.")
    ranges = ranges or {}
    if not isinstance(x, tf.data.Dataset):
        x = dict(x) if isinstance(x, dict) else {"image": x}
        if y is not None:
            is_attributes = ATTRIBUTES in shapes and "label" not in shapes
            x[ATTRIBUTES if is_attributes else "label"] = y
        _check_names(x, shapes)
        arrays = {name: np.asarray(x[name]) for name in shapes}
        for name in set(LABELS) & set(arrays):
            arrays[name] = _check_labels(arrays[name], name, ranges.get(name))
        if ATTRIBUTES in arrays:
            _check_attributes(arrays[ATTRIBUTES])
        dataset = array_batches(
            arrays,
            batch_size=batch_size or 64,
            shuffle=shuffle,
            keep_alpha=_has_alpha(shapes),
        )
        _check_first(dataset, ranges)
    elif y is not None or batch_size is not None:
        raise ValueError(
            "Expected a dataset alone, which has its own labels and batch size, got "
            "y or batch_size too."
        )
    else:
        _check_counts(x, ranges)
        dataset = _fitting(without_autotuning(x).map(as_dict), shapes, ranges)
    for name, shape in shapes.items():
        _check_shape(name, dataset.element_spec[name].shape, (None, *shape))
    return dataset.prefetch(AUTOTUNE)


def _check_shape(name, got, shape):
    if got.rank and got.is_compatible_with(shape):
        return
    wanted = ", ".join(("batch", *("any" if n is None else str(n) for n in shape[1:])))
    names = name if name == ATTRIBUTES else f"{name}s"
    raise ValueError(f"Expected {names} of shape ({wanted}), got {tuple(got)}.")


def _check_counts(dataset, ranges):
    """Refuses data whose number of classes, if it is known, is not that of a model."""
    for name, (_, high) in ranges.items():
        known = getattr(dataset, "class_names", ())
        if name == "domain":
            known = getattr(dataset, "domain_names", known)
        if known and len(known) != high + 1:
            raise ValueError(
                f"Expected data with {name}s of {high + 1} classes, as the model has, "
                f"got {len(known)}: {', '.join(known[:10])}."
            )


def _has_alpha(shapes):
    return any(shapes.get(name, (1,))[-1] == 4 for name in IMAGES)


def _check_names(spec, shapes):
    missing = [name for name in shapes if name not in spec]
    if missing:
        raise ValueError(f"Expected batches with {missing}, got {list(spec)}.")


def _fitting(dataset, shapes, ranges):
    """A dataset of batches with the features of a model, images in [-1, 1]."""
    _check_names(dataset.element_spec, shapes)
    dataset = dataset.map(lambda batch: {name: batch[name] for name in shapes})
    for name in set(IMAGES) & set(shapes):
        shape = dataset.element_spec[name].shape
        _check_shape(name, shape, (None, *[None] * len(shapes[name])))
    _check_first(dataset, ranges)

    @tf.autograph.experimental.do_not_convert
    def convert(batch):
        for name in set(IMAGES) & set(batch):
            if batch[name].dtype != tf.float32:
                batch[name] = prepare(batch[name], None, keep_alpha=_has_alpha(shapes))
        for name in set(LABELS) & set(batch):
            batch[name] = labels.tensor_of(batch[name], 1, ranges.get(name), name)
        return batch

    return dataset.map(convert, num_parallel_calls=AUTOTUNE)


def _check_first(dataset, ranges):
    """Checks one batch, so that wrong values are found early.

    Raises:
        ValueError: For images outside of the range of their type, wrong labels, or a
            dataset without a batch.
    """
    try:
        batch = next(dataset.take(1).as_numpy_iterator(), None)
    except tf.errors.InvalidArgumentError as error:
        raise ValueError(f"The first batch cannot be read: {error.message}") from error
    if batch is None:
        raise ValueError("Expected data, got a dataset without a batch.")
    for name in set(IMAGES) & set(batch):
        _check_batch(batch[name])
    for name in set(LABELS) & set(batch):
        _check_labels(batch[name], name, ranges.get(name))
    if ATTRIBUTES in batch:
        _check_attributes(batch[ATTRIBUTES])


def _check_batch(images):
    """Refuses images out of range, and warns of such as seem to be in [0, 1]."""
    if images.dtype.kind == "f":
        check_values(images, default_range(images.dtype))
        # Bytes in [-1, 1] are never 0, the middle between two of them.
        if images.min() == 0 < images.max():
            warnings.warn(
                "The images of the first batch have values from 0 to "
                f"{images.max():g}, and are taken for images in [-1, 1], in which -1 "
                "is black. keras_gen.data.load(..., value_range=(0, 1)) converts.",
                stacklevel=5,
            )
    elif images.dtype != np.uint8:
        check_values(images)


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
