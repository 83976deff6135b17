"""Signatures: abilities as graphs of named rows that check their inputs.

The checks are part of the graph, since a server runs nothing else. So every client gets
an error that names the input and says what was expected.
"""

import dataclasses
import functools
import typing
from collections.abc import Callable, Iterable, Mapping

import numpy as np
import tensorflow as tf

from keras_gen import images as image_files
from keras_gen.core.inputs import (
    FILE,
    FILE_SUFFIX,
    IMAGE,
    IMAGES,
    SEED,
    Input,
    choice_name,
    file_name,
    image_input,
)
from keras_gen.core.model import GenerativeModel
from keras_gen.data.pipeline import prepare


@dataclasses.dataclass(frozen=True)
class Signature:
    """A function that a server offers under one name.

    Attributes:
        summary: Description of the function in one sentence.
        inputs: Declared inputs by name, in the order of the method's arguments.
        output: Name of the output.
        function: Function of named tensors, to be traced.
        draws: Boolean, whether rows are drawn from seeds and conditions alone.
    """

    summary: str
    inputs: Mapping[str, Input]
    output: str
    function: Callable
    draws: bool = False

    @property
    def takes_files(self) -> bool:
        """Whether images are sent as encoded files."""
        return any(declared.role == FILE for declared in self.inputs.values())

    def trace(self):
        """The concrete function, from named rows to a dict of named rows."""

        def call(**rows):
            output = self.function(**self._checked(rows))
            outputs = {self.output: output}
            if self.output == IMAGES and output.shape[-1] <= 4:
                outputs[file_name(IMAGES)] = image_files.to_png_bytes(output)
            return outputs

        specs = {name: declared.spec for name, declared in self.inputs.items()}
        return _graph(call).get_concrete_function(**specs)

    def _checked(self, rows):
        checks = [
            check
            for name, declared in self.inputs.items()
            for check in declared.assertions(rows[name])
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

    def examples(
        self, rows: int, random: np.random.Generator | None = None
    ) -> dict[str, np.ndarray]:
        """Example arrays for the signature, by name.

        Args:
            rows: Number of rows.
            random: Generator that draws the rows; None repeats one row.
        """
        return {
            n: declared.example(rows, random) for n, declared in self.inputs.items()
        }

    def describe(self, concrete) -> dict:
        """The entry in a card: inputs, outputs and summary, in JSON types.

        Args:
            concrete: Concrete function from `trace`.
        """
        outputs = {
            name: {"dtype": tensor.dtype.name, "shape": list(tensor.shape)}
            for name, tensor in concrete.structured_outputs.items()
        }
        return {
            "summary": self.summary,
            "draws": self.draws,
            "inputs": {n: declared.describe() for n, declared in self.inputs.items()},
            "outputs": outputs,
            "output": self.output,
        }


# Cards.


def inputs_of(card: dict, name: str) -> dict[str, Input]:
    """The inputs of a card's signature, by name.

    Args:
        card: Card of an export.
        name: Name of the signature.
    """
    # Cards written by version 0.1 have one entry with all defaults.
    defaults = card.get("defaults", {})
    found = {}
    for key, entry in card["signatures"][name]["inputs"].items():
        if key in defaults and "role" not in entry:
            entry = {**entry, "default": defaults[key]}
        found[key] = Input.from_description(key, entry)
    return found


def draws_rows(card: dict, name: str) -> bool:
    """Whether a card's signature draws rows from seeds and conditions alone.

    Args:
        card: Card of an export.
        name: Name of the signature.
    """
    # Cards written by version 0.1 do not say so; in them, such signatures begin with a
    # seed.
    first = next(iter(inputs_of(card, name).values()))
    return card["signatures"][name].get("draws", first.role == SEED)


# From abilities to signatures.


def signatures_of(
    model: GenerativeModel,
    abilities: Iterable[str] | None = None,
    options: Mapping[str, object] | None = None,
) -> dict[str, Signature]:
    """The signatures of a model by name.

    There is a signature for every ability, and `ability_option_choice` for every choice
    of an option after `*` that is annotated `Literal[...]`, and for every value that
    `options` lists. If the model decodes
    latents, there is `interpolate` between latents; if it also encodes images, there is
    `interpolate_images` between images. For each signature that takes images, there is
    another one, `..._bytes`, that takes them as encoded files.

    Args:
        model: Model, a `GenerativeModel`.
        abilities: Names of the abilities to export, which may include "interpolate";
            None exports all.
        options: Values of options of abilities, by name: one value for all signatures,
            or a list of values, each of which has signatures of its own.

    Raises:
        ValueError: For abilities or options that the model does not have, or a model
            without any ability.
    """
    known = model.abilities()
    walks = ["interpolate"] if "decode" in known else []
    wanted = [*known, *walks] if abilities is None else list(abilities)
    unknown = sorted(set(wanted) - {*known, *walks})
    if unknown or not wanted:
        raise ValueError(
            f"Expected abilities of {model.name!r}, {[*known, *walks]}, got "
            f"{unknown or wanted}."
        )
    fixed, listed = _sorted_options(options or {}, known.values())
    # Each ability is traced once: signatures for interpolation and for files call its
    # graph.
    graphs = {
        name: _graph(functools.partial(ability.function, model, **_own(ability, fixed)))
        for name, ability in known.items()
    }
    found = {}
    for name in wanted:
        if name in known:
            found |= _of_ability(model, known[name], graphs[name], fixed, listed)
        else:
            found |= _walks(model, known, graphs)
    for name, signature in list(found.items()):
        with_files = _with_files(signature)
        if with_files is not None:
            found[f"{name}{FILE_SUFFIX}"] = with_files
    return found


def _graph(function):
    return tf.function(function, autograph=False)


def _sorted_options(options, abilities):
    """The options with one value, and those with several."""
    names = {name for ability in abilities for name in ability.options}
    for name, value in options.items():
        if name not in names:
            raise ValueError(
                f"Expected options of abilities, {sorted(names)}, got {name!r}."
            )
        if isinstance(value, (list, tuple)) and not value:
            raise ValueError(f"Expected {name} with at least one value, got none.")
    listed = {n: v for n, v in options.items() if isinstance(v, (list, tuple))}
    return {n: v for n, v in options.items() if n not in listed}, listed


def _own(ability, options):
    """Those of the options that an ability has."""
    return {name: v for name, v in options.items() if name in ability.options}


def _of_ability(model, ability, graph, fixed, listed):
    """An ability with the defaults of its options, and with each of their choices."""
    signature = Signature(
        ability.summary, ability.declared(model), ability.output, graph, ability.draws
    )
    found = {ability.name: signature}
    for option in ability.options:
        hint = typing.get_type_hints(ability.function).get(option)
        choices = listed.get(option, ())
        if typing.get_origin(hint) is typing.Literal and option not in fixed:
            choices = typing.get_args(hint)
        for choice in choices:
            arguments = {**_own(ability, fixed), option: choice}
            chosen = functools.partial(ability.function, model, **arguments)
            name = choice_name(ability.name, option, choice)
            found[name] = dataclasses.replace(signature, function=_graph(chosen))
    return found


def _walks(model, abilities, graphs):
    """Interpolation between two latents and, with an encoder, between two images."""
    decode = abilities["decode"]
    latents, *conditions = decode.declared(model).values()
    position = Input(
        "position",
        range=(0.0, 1.0),
        description="Position between the two ends, from 0 (start) to 1 (end).",
    )
    others = {declared.name: declared for declared in (position, *conditions)}

    path, name = (_arc, "arc") if model.spherical_latents else (_line, "line")

    def walk(start, end, position, **conditions):
        between = path(start, end, position[:, None])
        return graphs["decode"](**{latents.name: between}, **conditions)

    ends = {
        name: dataclasses.replace(latents, name=name, description=description)
        for name, description in (
            ("start", "Latents at position 0."),
            ("end", "Latents at position 1."),
        )
    }
    found = {
        "interpolate": Signature(
            f"Images on the {name} from one latent (position 0) to another (1).",
            {**ends, **others},
            decode.output,
            _graph(walk),
        )
    }
    encoded = abilities["encode"].declared(model) if "encode" in abilities else {}
    if [declared.role for declared in encoded.values()] != [IMAGE]:
        return found
    (images,) = encoded.values()

    def walk_images(start_images, end_images, position, **conditions):
        codes = (
            graphs["encode"](**{images.name: end}) for end in (start_images, end_images)
        )
        return walk(*codes, position, **conditions)

    ends = (
        image_input(
            images.shape,
            name="start_images",
            description="Images at position 0, with values in [-1, 1].",
        ),
        image_input(
            images.shape,
            name="end_images",
            description="Images at position 1, with values in [-1, 1].",
        ),
    )
    found["interpolate_images"] = Signature(
        f"Images on the {name} between the latents of two images.",
        {**{declared.name: declared for declared in ends}, **others},
        decode.output,
        _graph(walk_images),
    )
    return found


def _line(start, end, position):
    return (1.0 - position) * start + position * end


def _arc(start, end, position):
    """Points of `keras_gen.latent.slerp`, in a graph."""
    norms = [tf.norm(x, axis=1, keepdims=True) for x in (start, end)]
    first, second = (
        tf.math.divide_no_nan(x, n) for x, n in zip((start, end), norms, strict=True)
    )
    cosine = tf.reduce_sum(first * second, axis=1, keepdims=True)
    angle = tf.acos(tf.clip_by_value(cosine, -1.0, 1.0))
    is_flat = angle < 1e-6
    sine = tf.where(is_flat, 1.0, tf.sin(angle))
    arc = (tf.sin((1.0 - position) * angle) * first) + tf.sin(position * angle) * second
    direction = tf.where(is_flat, _line(first, second, position), arc / sine)
    return direction * _line(*norms, position)


def _with_files(signature):
    """The signature with images as encoded files; None if no input can be a file."""
    images = {
        name: declared
        for name, declared in signature.inputs.items()
        if declared.takes_files
    }
    if not images:
        return None
    inputs = [
        declared.as_files() if declared.takes_files else declared
        for declared in signature.inputs.values()
    ]

    def call(**rows):
        for name, declared in images.items():
            contents = rows.pop(file_name(name))
            rows[name] = decode_files(file_name(name), contents, declared.shape)
        return signature.function(**rows)

    return dataclasses.replace(
        signature,
        summary=f"{signature.summary} Images as JPEG, PNG, GIF or BMP of any size.",
        inputs={declared.name: declared for declared in inputs},
        function=call,
    )


def decode_files(
    name: str, contents: tf.Tensor, image_shape: tuple[int, int, int]
) -> tf.Tensor:
    """Decodes files to images in [-1, 1] in a graph, prepared like training data.

    They are cropped around the centre and resized; transparent parts become white. The
    orientation in EXIF data is ignored.

    Args:
        name: Name of the input, for the error if a file cannot be decoded.
        contents: Encoded files, string (batch,).
        image_shape: Shape of the images, (height, width, 1 or 3).

    Returns:
        float32 (batch, *image_shape).
    """

    def one(content):
        with tf.name_scope(name):
            image = tf.io.decode_image(content, expand_animations=False)
        image = tf.ensure_shape(image, (None, None, None))
        height, width, count = tf.unstack(tf.shape(image))
        opaque = tf.fill((height, width, 1), tf.constant(255, tf.uint8))
        # Two channels are grey and alpha, four are RGB and alpha.
        has_alpha = count % 2 == 0
        alpha = tf.where(has_alpha, image[..., -1:], opaque)
        colour = image[..., : count - tf.cast(has_alpha, tf.int32)]
        colour = tf.broadcast_to(colour, (height, width, 3))
        rgba = tf.concat([colour, alpha], axis=-1)
        return prepare(tf.ensure_shape(rgba, (None, None, 4)), image_shape)

    spec = tf.TensorSpec(image_shape, tf.float32)
    return tf.map_fn(one, contents, fn_output_signature=spec)
