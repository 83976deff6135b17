"""Inputs: declarations of the arguments of abilities.

A model declares its inputs by name in `GenerativeModel.inputs()`. The same declaration
is used by the methods in Python and the signatures of a SavedModel, to check arguments;
by the client, to fill in defaults; and by the card of an export, which contains it. The
`role` of an input says what its values mean; other modules use the role, not the name.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

SLACK = 0.01  # Tolerance for pixels outside [-1, 1], since resizing overshoots.
MAX_SEED = 2**63 - 1
# The first bytes of JPEG, PNG, GIF and BMP files.
FILE_HEADERS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM")

# Roles.
ATTRIBUTES = "attributes"  # 1 for each attribute that is wanted, else 0.
IMAGE = "image"  # Pixels in [-1, 1]: images, or parts of images.
FILE = "file"  # Images as encoded files.
LABEL = "label"  # The number of a class or a domain.
LATENT = "latent"
MASK = "mask"
NUMBER = "number"
SEED = "seed"
TEXT = "text"


@dataclasses.dataclass(frozen=True)
class Uniform:
    """A default that is drawn for each row, uniformly from a range of ints."""

    low: int
    high: int

    def __call__(self, random):
        """A value, by a NumPy generator."""
        return random.integers(self.low, self.high + 1)


@dataclasses.dataclass(frozen=True)
class OneOf:
    """A default that is drawn for each row, uniformly from the given values."""

    values: tuple

    def __call__(self, random):
        """A value, by a NumPy generator."""
        return self.values[random.integers(len(self.values))]


@dataclasses.dataclass(frozen=True)
class Input:
    """Declaration of one argument of abilities, with rows in dimension 0.

    Attributes:
        name: Name of the argument and of the signature's tensor.
        shape: Shape of one row; a dimension of any size is None.
        dtype: "float32", "int64" or "string".
        role: What the rows are; one of the constants of this module.
        range: Smallest and largest value, both allowed; None allows any.
        default: Value of every row for abilities that draw, or a function of a
            `np.random.Generator` that draws a value for each row; None if the caller
            must give the argument.
        description: Description of the argument in one sentence.
    """

    name: str
    shape: tuple = ()
    dtype: str = "float32"
    role: str = NUMBER
    range: tuple | None = None
    default: object | Callable | None = None
    description: str = ""

    @property
    def spec(self) -> tf.TensorSpec:
        """The `tf.TensorSpec` for any number of rows."""
        return tf.TensorSpec((None, *self.shape), self.dtype, self.name)

    @property
    def rank(self) -> int:
        """Number of dimensions, including that of the rows."""
        return 1 + len(self.shape)

    @property
    def is_whole(self) -> bool:
        """Whether values are whole numbers in the range: ints, or 0 and 1."""
        return self.dtype == "int64" or self.is_binary

    @property
    def is_binary(self) -> bool:
        """Whether values are 0 or 1."""
        return self.role in (ATTRIBUTES, MASK)

    # Rows in Python.

    def repeated(self, value, count: int):
        """Repeats a single value `count` times; returns rows unchanged."""
        has_rows = isinstance(value, (list, tuple)) or np.ndim(value) > 0
        is_single = not self.shape and not has_rows
        return np.repeat(value, count) if is_single else value

    def default_rows(self, generators: Sequence[np.random.Generator]) -> list:
        """The default of each row, drawn with the row's generator if it is random."""
        draw = self.default if callable(self.default) else lambda _: self.default
        return [draw(generator) for generator in generators]

    def check(self, value) -> np.ndarray:
        """Converts a value to an array of the declared type and shape.

        Raises:
            ValueError: For another shape, type or range, or values that are not finite.
        """
        try:
            # As objects, since NumPy's own strings drop null bytes at the end.
            array = np.asarray(value, object if self.dtype == "string" else None)
        except ValueError as error:
            raise ValueError(
                f"Expected {self.name} whose rows have one shape, got others."
            ) from error
        fits = array.ndim == self.rank and all(
            wanted in (None, got)
            for wanted, got in zip(self.shape, array.shape[1:], strict=True)
        )
        if not fits:
            expected = ", ".join(str(d) for d in ("batch", *map(_any, self.shape)))
            raise ValueError(
                f"Expected {self.name} of shape ({expected}), got {array.shape}."
            )
        if self.dtype == "string":
            others = [v for v in array.flat if not isinstance(v, (str, bytes))]
            if others:
                raise ValueError(
                    f"Expected {self.name} that are strings, got {others[0]!r}."
                )
            return array
        self._check_kind(array)
        if self.dtype == "int64" and (array > MAX_SEED).any():
            raise ValueError(f"Expected {self.name} that fit int64, got {array.max()}.")
        with np.errstate(over="ignore"):
            cast = array.astype(self.dtype)
        if not np.isfinite(cast).all():
            raise ValueError(
                f"Expected finite {self.name}, got NaN, infinity or numbers beyond "
                f"{self.dtype}."
            )
        self._check_range(cast)
        return cast

    def _check_kind(self, array):
        """Refuses other kinds of numbers than the declared one, before the cast."""
        kinds = "iu" if self.dtype == "int64" else "fiu"
        if self.is_binary:
            kinds += "b"
        if array.dtype.kind not in kinds:
            got = array.dtype
            if array.dtype.kind == "O" and all(type(v) is int for v in array.flat):
                got = "greater numbers"
            raise ValueError(f"Expected {self.name} of {self.dtype}, got {got}.")
        if self.role == IMAGE and array.dtype == np.uint8:
            raise ValueError(
                f"Expected {self.name} that are floats in [-1, 1], got uint8. "
                "keras_gen.images.from_uint8 converts 0..255."
            )

    def _check_range(self, array):
        if self.range is None or not array.size:
            return
        low, high = self.range
        slack = SLACK if self.role == IMAGE else 0
        inside = (array >= low - slack) & (array <= high + slack)
        if self.is_binary:
            inside &= (array == 0) | (array == 1)
        if inside.all():
            return
        least, greatest = (f"{x:g}" for x in (array.min(), array.max()))
        if self.role == IMAGE:
            raise ValueError(
                f"Expected {self.name} with values in [{low:g}, {high:g}], got values "
                f"from {least} to {greatest}. keras_gen.images.from_uint8 converts "
                "0..255."
            )
        wanted = f"from {low} to {high}"
        if self.is_binary:
            wanted = "of 0 and 1"
        raise ValueError(
            f"Expected {self.name} {wanted}, got values from {least} to {greatest}."
        )

    def example(
        self, rows: int, random: np.random.Generator | None = None
    ) -> np.ndarray:
        """Example rows that are valid for the input.

        Args:
            rows: Number of rows.
            random: NumPy generator that draws the rows; None repeats one row.
        """
        shape = (rows, *(4 if d is None else d for d in self.shape))
        low, high = self.range or (-1, 1)
        if self.default is not None:
            generators = [random or np.random.default_rng(0)] * (rows if random else 1)
            drawn = np.asarray(self.default_rows(generators))
            array = drawn if random else drawn[:1].repeat(rows, axis=0)
        elif self.role == SEED:
            seeds = np.arange(rows, dtype=np.int64)
            array = seeds if random else seeds[:1].repeat(rows)
        elif self.dtype == "string":
            array = np.full(shape, _grey_png() if self.role == FILE else b"")
        elif random is None:
            array = np.full(shape, low if self.dtype == "int64" else (low + high) // 2)
        elif self.is_whole:
            array = random.integers(int(low), int(high), shape, endpoint=True)
        else:
            array = random.uniform(low, high, shape)
        return np.asarray(array, object if self.dtype == "string" else self.dtype)

    # Rows in a graph.

    def assertions(self, tensor):
        """Assertions on shape and values, for a graph that a server runs.

        Values are checked only after the shape: operations without a declared order
        may run in any order, and a reduction over an axis that does not exist could
        fail first, with a message that does not name the input.

        Args:
            tensor: Rows that the client sent.

        Yields:
            Operations to put under `tf.control_dependencies`.
        """
        shape = self._assert_shape(tensor)
        yield shape
        with tf.control_dependencies([shape]):
            tensor = tf.identity(tensor)
        if self.role == FILE:
            matches = [
                tf.equal(tf.strings.substr(tensor, 0, len(header)), header)
                for header in FILE_HEADERS
            ]
            message = f"Expected {self.name} that are JPEG, PNG, GIF or BMP, got others"
            yield tf.debugging.Assert(
                tf.reduce_all(tf.reduce_any(matches, axis=0)), [message]
            )
        if self.dtype == "string":
            return
        good, wanted = tf.constant(True), self.name
        if self.dtype == "float32":
            good, wanted = tf.reduce_all(tf.math.is_finite(tensor)), f"finite {wanted}"
        if self.is_binary:
            good &= tf.reduce_all((tensor == 0) | (tensor == 1))
            wanted = f"{self.name} of 0 and 1"
        elif self.range is not None:
            low, high = self.range
            slack = SLACK if self.role == IMAGE else 0
            good &= tf.reduce_all((tensor >= low - slack) & (tensor <= high + slack))
            wanted = f"{wanted} in [{low}, {high}]"
        got = ["got values from", tf.reduce_min(tensor), "to", tf.reduce_max(tensor)]
        yield tf.debugging.Assert(good, [f"Expected {wanted},", *got])

    def _assert_shape(self, tensor):
        # A server feeds the tensor as the client sent it. TensorFlow's own functions
        # would assume the shape of the spec; only raw operations read the real shape.
        shape = (None, *self.shape)
        wanted = tf.constant([-1 if d is None else d for d in shape])
        got = tf.raw_ops.Shape(input=tensor)
        # Padded, so that a tensor of another rank compares without an error.
        padded = tf.concat([got, tf.fill([len(shape)], -2)], axis=0)[: len(shape)]
        fits = tf.reduce_all((wanted == -1) | (wanted == padded))
        fits &= tf.equal(tf.raw_ops.Rank(input=tensor), len(shape))
        fits &= padded[0] > 0  # At least one row.
        expected = ", ".join(str(d) for d in ("rows", *map(_any, self.shape)))
        message = f"Expected {self.name} of shape ({expected}), got"
        return tf.debugging.Assert(fits, [message, got], summarize=8)

    # Images as encoded files.

    @property
    def takes_files(self) -> bool:
        """Whether rows may also come as JPEG, PNG, GIF or BMP files."""
        return (
            self.role == IMAGE
            and len(self.shape) == 3
            and None not in self.shape
            and self.shape[-1] in (1, 3)
        )

    def as_files(self) -> "Input":
        """The same images as encoded files, one string for each row."""
        return Input(
            file_name(self.name),
            dtype="string",
            role=FILE,
            description="Images of any size as JPEG, PNG, GIF or BMP files.",
        )

    # Plain types, for cards.

    def describe(self) -> dict:
        """A description in JSON types, from which `from_description` rebuilds it."""
        entry = {
            "dtype": self.dtype,
            "shape": [None, *self.shape],
            "role": self.role,
        }
        if self.range is not None:
            entry["range"] = list(self.range)
        if isinstance(self.default, Uniform):
            entry["default"] = {"uniform": [self.default.low, self.default.high]}
        elif isinstance(self.default, OneOf):
            entry["default"] = {"one_of": list(self.default.values)}
        elif self.default is not None and not callable(self.default):
            entry["default"] = self.default
        if self.description:
            entry["description"] = self.description
        return entry

    @classmethod
    def from_description(cls, name: str, entry: dict) -> "Input":
        """The input that a card's entry describes.

        Cards written by version 0.1 give no role; it is then derived from the name.
        """
        default = entry.get("default")
        if isinstance(default, dict) and "uniform" in default:
            default = Uniform(*default["uniform"])
        elif isinstance(default, dict):
            default = OneOf(tuple(default["one_of"]))
        role = entry.get("role") or _role_before_0_2(name, entry)
        limits = entry.get("range")
        if default is None and role == LABEL and "role" not in entry:
            default = Uniform(*limits)
        return cls(
            name,
            tuple(entry["shape"][1:]),
            entry["dtype"],
            role,
            None if limits is None else tuple(limits),
            default,
            entry.get("description", ""),
        )


IMAGES = "images"  # The usual name of images, as inputs and as outputs.
# Suffix of the names of encoded files, and of signatures that take them.
FILE_SUFFIX = "_bytes"


def file_name(name: str) -> str:
    """The name of images as encoded files.

    >>> file_name("images")
    'image_bytes'
    """
    return f"{name.removesuffix('s')}{FILE_SUFFIX}"


def choice_name(ability: str, option: str, choice: object) -> str:
    """The name of the signature of an ability with a choice of one of its options.

    >>> choice_name("sample", "sampler", "dpm++"), choice_name("sample", "eta", 0.5)
    ('sample_sampler_dpm', 'sample_eta_0_5')
    """
    text = re.sub("[^0-9A-Za-z]+", "_", str(choice)).strip("_")
    return f"{ability}_{option}_{text}"


def check_rows(inputs: Mapping[str, Input], arguments: Mapping) -> dict:
    """Converts arguments to arrays of the declared types, with equally many rows.

    Args:
        inputs: Declared inputs by name.
        arguments: Values by the same names. If each row of an input is a single value,
            one value may be given for all rows of the first input.

    Raises:
        ValueError: For values that do not fit, or different numbers of rows.
    """
    arrays, count = {}, None
    for name, declared in inputs.items():
        value = arguments[name]
        if count is not None:
            value = declared.repeated(value, count)
        arrays[name] = declared.check(value)
        count = len(arrays[name]) if count is None else count
    rows = {name: len(array) for name, array in arrays.items()}
    if len(set(rows.values())) > 1:
        raise ValueError(f"Expected equal numbers of rows, got {rows}.")
    return arrays


def _role_before_0_2(name, entry):
    if entry["dtype"] == "string":
        return FILE if name.endswith(FILE_SUFFIX) else TEXT
    if name == "labels":
        return LABEL
    for end, role in (("seed", SEED), ("mask", MASK), ("images", IMAGE)):
        if name.endswith(end):
            return role
    return NUMBER


# Inputs that most models have.


def seed_input(name: str = "seed", **options) -> Input:
    """A seed for each row, an int from 0 to 2**63 - 1."""
    options.setdefault("description", "Seed of the row: the same seed draws the same.")
    return Input(name, (), "int64", SEED, (0, MAX_SEED), **options)


def image_input(shape: tuple, name: str = IMAGES, **options) -> Input:
    """Images of a shape, float32 in [-1, 1]."""
    options.setdefault("description", "Images with values in [-1, 1].")
    return Input(name, tuple(shape), "float32", IMAGE, (-1.0, 1.0), **options)


def latent_input(dimensions: int, name: str = "latents", **options) -> Input:
    """Latents with the given number of dimensions, float32."""
    options.setdefault("description", "Latents, one vector for each row.")
    return Input(name, (dimensions,), "float32", LATENT, **options)


def label_input(count: int, name: str = "labels", **options) -> Input:
    """Classes from 0 to `count - 1`; by default, abilities draw them at random."""
    options.setdefault("description", f"Class, from 0 to {count - 1}.")
    options.setdefault("default", Uniform(0, count - 1))
    return Input(name, (), "int64", LABEL, (0, count - 1), **options)


def mask_input(shape: tuple, name: str = "mask", **options) -> Input:
    """A mask of a shape, float32: 1 where something is given, else 0."""
    options.setdefault("description", "1 where a pixel is given, else 0.")
    return Input(name, tuple(shape), "float32", MASK, (0.0, 1.0), **options)


def attributes_input(count: int, name: str = "attributes", **options) -> Input:
    """Attributes, float32: 1 for each of `count` that is wanted, else 0."""
    options.setdefault("description", "Attributes to have: 1 with, 0 without.")
    return Input(name, (count,), "float32", ATTRIBUTES, (0.0, 1.0), **options)


def caption_input(
    prompts: Sequence[str] = (), name: str = "captions", **options
) -> Input:
    """Captions as strings; by default, abilities draw them from `prompts`."""
    options.setdefault("description", "Caption of the row.")
    default = OneOf(tuple(prompts)) if prompts else None
    return Input(name, (), "string", TEXT, None, default, **options)


def with_role(inputs: dict, role: str) -> list[Input]:
    """The inputs with the given role, in their order."""
    return [declared for declared in inputs.values() if declared.role == role]


def check_image_range(images: np.ndarray):
    """Refuses images outside [-1, 1], with the tolerance `SLACK`.

    Raises:
        ValueError: For such images; the message gives the range of their values.
    """
    image_input(np.shape(images)[1:])._check_range(np.asarray(images))


def _any(dimension):
    return "any" if dimension is None else dimension


def _grey_png():
    grey = tf.fill((8, 8, 1), tf.constant(128, tf.uint8))
    return tf.io.encode_png(grey).numpy()
