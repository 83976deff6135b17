"""Signatures: abilities as graphs of named rows that check what they are given.

The checks are inside the graph, for a server has nothing else: whoever asks gets an
error that names the input and says what was expected.
"""

import dataclasses
import functools
import typing
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from keras_gen import images as image_files
from keras_gen.core.noise import row_seeds
from keras_gen.data.pipeline import prepare

SLACK = 0.01  # That images may lie outside [-1, 1], for resizing.
MAGIC = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM")  # JPEG, PNG, GIF, BMP.


@dataclasses.dataclass(frozen=True)
class Signature:
    """What a server offers under one name.

    Attributes:
        summary: What it does, in a sentence.
        specs: Input name to `tf.TensorSpec`, in the order of the method's arguments.
        ranges: Input name to its least and greatest value, where it has such.
        output: The name of the rows that come out.
        function: `function(**tensors)`, to be traced.
    """

    summary: str
    specs: Mapping[str, tf.TensorSpec]
    ranges: Mapping[str, tuple]
    output: str
    function: Callable

    def trace(self):
        """The concrete function: named rows in, a dict of named rows out."""

        def call(**rows):
            output = self.function(**self._checked(rows))
            outputs = {self.output: output}
            if self.output == "images" and output.shape[-1] <= 4:
                outputs["image_bytes"] = image_files.to_png_bytes(output)
            return outputs

        return _graph(call).get_concrete_function(**self.specs)

    def _checked(self, rows):
        checks = [
            check
            for name, spec in self.specs.items()
            for check in _checks(name, rows[name], spec, self.ranges.get(name))
        ]
        with tf.control_dependencies(checks):
            rows = {name: tf.identity(tensor) for name, tensor in rows.items()}
        if len(rows) == 1:
            return rows
        counts = [tf.raw_ops.Shape(input=tensor)[0] for tensor in rows.values()]
        message = f"Expected equal numbers of rows of {', '.join(rows)}, got"
        equal = tf.reduce_all(tf.equal(tf.stack(counts), counts[0]))
        with tf.control_dependencies([tf.debugging.Assert(equal, [message, *counts])]):
            return {name: tf.identity(tensor) for name, tensor in rows.items()}

    def describe(self, concrete):
        """What it takes and gives, as plain types for JSON."""
        inputs = {}
        for name, spec in self.specs.items():
            inputs[name] = _described(spec)
            if name in self.ranges:
                inputs[name]["range"] = list(self.ranges[name])
        outputs = {
            name: _described(tensor)
            for name, tensor in concrete.structured_outputs.items()
        }
        return {
            "summary": self.summary,
            "inputs": inputs,
            "outputs": outputs,
            "output": self.output,
        }


def signatures_of(model, abilities=None) -> dict[str, Signature]:
    """The signatures of a model by name.

    One for every ability; `ability_option_choice` for every choice of an option after
    `*` that is annotated `Literal[...]`; `interpolate` between latents, and
    `interpolate_images`, where a model decodes and encodes; and beside each that takes
    images one that takes them as encoded files, `..._bytes`.

    Args:
        model: A `GenerativeModel`.
        abilities: Names of those wanted, "interpolate" among them; None takes all.

    Raises:
        ValueError: For abilities that the model has not, or a model without any.
    """
    there = model.abilities()
    walks = ["interpolate"] if "decode" in there else []
    wanted = [*there, *walks] if abilities is None else list(abilities)
    unknown = sorted(set(wanted) - {*there, *walks})
    if unknown or not wanted:
        raise ValueError(
            f"Expected abilities of {model.name!r}, {[*there, *walks]}, got "
            f"{unknown or wanted}."
        )
    # Each is traced once: walks, and those that take files, call the same graph.
    graphs = {
        name: _graph(functools.partial(ability.function, model))
        for name, ability in there.items()
    }
    found = {}
    for name in wanted:
        if name in there:
            found |= _of_ability(model, there[name], graphs[name])
        else:
            found |= _walks(model, there, graphs)
    for name, signature in list(found.items()):
        encoded = _with_files(signature)
        if encoded is not None:
            found[f"{name}_bytes"] = encoded
    return found


def _graph(function):
    return tf.function(function, autograph=False)


def _of_ability(model, ability, graph):
    """An ability with its defaults, and with every choice of its options."""
    summary = (ability.function.__doc__ or ability.name).strip().splitlines()[0]
    common = (summary, ability.specs(model), model.input_ranges(), ability.output)
    found = {ability.name: Signature(*common, graph)}
    for option in ability.options:
        hint = typing.get_type_hints(ability.function).get(option)
        if typing.get_origin(hint) is typing.Literal:
            for choice in typing.get_args(hint):
                chosen = functools.partial(ability.function, model, **{option: choice})
                found[f"{ability.name}_{option}_{choice}"] = Signature(
                    *common, _graph(chosen)
                )
    return found


def _walks(model, abilities, graphs):
    """Between two latents, and between two images, by a position a row."""
    decode = abilities["decode"]
    specs = dict(decode.specs(model))
    latents = specs.pop("latents")
    position = {"position": tf.TensorSpec((None,), tf.float32, "position")}
    ranges = {**model.input_ranges(), "position": (0.0, 1.0)}

    def walk(start, end, position, **conditions):
        position = position[:, None]
        between = (1.0 - position) * start + position * end
        return graphs["decode"](latents=between, **conditions)

    ends = {n: tf.TensorSpec(latents.shape, latents.dtype, n) for n in ("start", "end")}
    found = {
        "interpolate": Signature(
            "Images on the line from one latent (position 0) to another (1).",
            {**ends, **position, **specs},
            ranges,
            decode.output,
            _graph(walk),
        )
    }
    encode = abilities.get("encode")
    if encode is None or list(encode.specs(model)) != ["images"]:
        return found

    def walk_images(start_images, end_images, position, **conditions):
        codes = (graphs["encode"](images=x) for x in (start_images, end_images))
        return walk(*codes, position, **conditions)

    images = encode.specs(model)["images"]
    names = ("start_images", "end_images")
    found["interpolate_images"] = Signature(
        "Images on the line between the latents of two images.",
        {n: tf.TensorSpec(images.shape, images.dtype, n) for n in names}
        | {**position, **specs},
        ranges | {n: ranges["images"] for n in names},
        decode.output,
        _graph(walk_images),
    )
    return found


def bytes_name(name):
    """What images are called as encoded files: "images" becomes "image_bytes"."""
    return f"{name[:-1]}_bytes"


def _with_files(signature):
    """The same, taking images as encoded files; None where none can be read so."""
    shapes = {
        name: tuple(spec.shape[1:])
        for name, spec in signature.specs.items()
        if (name == "images" or name.endswith("_images")) and spec.shape.rank == 4
    }
    shapes = {n: s for n, s in shapes.items() if None not in s and s[-1] in (1, 3)}
    if not shapes:
        return None
    specs = {}
    for name, spec in signature.specs.items():
        if name in shapes:
            name = bytes_name(name)
            spec = tf.TensorSpec((None,), tf.string, name)
        specs[name] = spec

    def call(**rows):
        for name, shape in shapes.items():
            contents = rows.pop(bytes_name(name))
            rows[name] = decode_files(bytes_name(name), contents, shape)
        return signature.function(**rows)

    summary = f"{signature.summary} Images as JPEG, PNG, GIF or BMP of any size."
    return Signature(summary, specs, signature.ranges, signature.output, call)


def decode_files(name, contents, image_shape):
    """Images in [-1, 1] of encoded files, inside a graph, as training data are made.

    Cropped around the centre and resized; transparency lies on white. An orientation
    in EXIF is not looked at.

    Args:
        name: Of the input, which stands in the error of a file that does not decode.
        contents: string (batch,).
        image_shape: (height, width, 1 or 3).

    Returns:
        float32 (batch, *image_shape).
    """

    def one(content):
        with tf.name_scope(name):
            image = tf.io.decode_image(content, expand_animations=False)
        image = tf.ensure_shape(image, (None, None, None))
        height, width, count = tf.unstack(tf.shape(image))
        opaque = tf.fill((height, width, 1), tf.constant(255, tf.uint8))
        has_alpha = count % 2 == 0  # Grey and alpha, or RGBA; not grey, not RGB.
        alpha = tf.where(has_alpha, image[..., -1:], opaque)
        colour = image[..., : count - tf.cast(has_alpha, tf.int32)]
        colour = tf.broadcast_to(colour, (height, width, 3))
        whole = tf.concat([colour, alpha], axis=-1)
        return prepare(tf.ensure_shape(whole, (None, None, 4)), image_shape)

    spec = tf.TensorSpec(image_shape, tf.float32)
    return tf.map_fn(one, contents, fn_output_signature=spec)


# Checks.


def _checks(name, tensor, spec, limits):
    """Assertions on an input's shape and values.

    Values are looked at once the shape is known to be right: operations without an
    order between them would race, and a reduction would fail first, in its own words.
    """
    shape = _check_shape(name, tensor, spec.shape)
    yield shape
    with tf.control_dependencies([shape]):
        tensor = tf.identity(tensor)
    if spec.dtype == tf.string:
        if name.endswith("_bytes"):
            heads = [
                tf.equal(tf.strings.substr(tensor, 0, len(magic)), magic)
                for magic in MAGIC
            ]
            message = f"Expected {name} that are JPEG, PNG, GIF or BMP, got others"
            yield tf.debugging.Assert(
                tf.reduce_all(tf.reduce_any(heads, axis=0)), [message]
            )
        return
    good, wanted = tf.constant(True), name
    if spec.dtype.is_floating:
        good, wanted = tf.reduce_all(tf.math.is_finite(tensor)), f"finite {name}"
    if name == "mask":
        good &= tf.reduce_all((tensor == 0) | (tensor == 1))
        wanted = "mask of 0 and 1"
    elif limits is not None:
        low, high = limits
        slack = SLACK if spec.shape.rank == 4 else 0
        good &= tf.reduce_all((tensor >= low - slack) & (tensor <= high + slack))
        wanted = f"{wanted} in [{low}, {high}]"
    got = ["got values from", tf.reduce_min(tensor), "to", tf.reduce_max(tensor)]
    yield tf.debugging.Assert(good, [f"Expected {wanted},", *got])


def _check_shape(name, tensor, shape):
    """Asserts it at run time: a server feeds what it was sent.

    Through raw operations, since TensorFlow would take the specs' word for it.
    """
    wanted = tf.constant([-1 if d is None else d for d in shape])
    got = tf.raw_ops.Shape(input=tensor)
    seen = tf.concat([got, tf.fill([len(shape)], -2)], axis=0)[: len(shape)]
    right = tf.reduce_all((wanted == -1) | (wanted == seen))
    right &= tf.equal(tf.raw_ops.Rank(input=tensor), len(shape))
    shown = ", ".join(["rows", *("any" if d is None else str(d) for d in shape[1:])])
    message = f"Expected {name} of shape ({shown}), got"
    return tf.debugging.Assert(right, [message, got], summarize=8)


def _described(tensor):
    return {"dtype": tensor.dtype.name, "shape": list(tensor.shape)}


# Examples.


def examples(model, signature, rows, random=None):
    """Arrays that a signature takes, by name.

    Args:
        model: Whose signature it is.
        signature: A `Signature`.
        rows: How many.
        random: A NumPy generator that draws them; None takes one row again and again.
    """
    seeds = row_seeds(rows, 0)
    conditions = model.default_conditions(seeds)
    arrays = {}
    for name, spec in signature.specs.items():
        kind = spec.dtype.as_numpy_dtype
        shape = (rows, *(4 if d is None else d for d in spec.shape[1:]))
        low, high = signature.ranges.get(name, (-1, 1))
        if name in conditions:
            array = np.asarray(conditions[name])
            array = array if random else array[:1].repeat(rows, axis=0)
        elif name == "seed":
            array = seeds if random else seeds[:1].repeat(rows)
        elif spec.dtype == tf.string:
            array = np.full(shape, _grey_png() if name.endswith("_bytes") else b"")
        elif random is None:
            array = np.full(shape, low if spec.dtype.is_integer else (low + high) // 2)
        elif spec.dtype.is_integer or name == "mask":
            array = random.integers(low, high, shape, endpoint=True)
        else:
            array = random.uniform(low, high, shape)
        arrays[name] = np.asarray(array, object if spec.dtype == tf.string else kind)
    return arrays


def _grey_png():
    grey = np.zeros((1, 8, 8, 1), np.float32)
    return image_files.to_png_bytes(grey).numpy()[0]
