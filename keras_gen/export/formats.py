"""Abilities in the formats of other runtimes: ONNX and LiteRT (formerly TFLite).

    folder = keras_gen.export.onnx(model, "vae-onnx", abilities=["sample", "decode"])

writes a folder with one file for each ability, `sample.onnx` and `decode.onnx`, and a
card, `card.json`, with the names, shapes and types of inputs and outputs. The number of
rows is free. Neither format has the random operations of TensorFlow, so that noise is
an input in place of the seed: `row_noise` gives the noise of seeds, with which an
ability draws the rows of the model. Every file is run once before the folder is
written, and refused if its results are not those of the method.
"""

import contextlib
import dataclasses
import importlib.util
import json
import logging
import os
import pathlib
import re
import tempfile
import warnings
from collections.abc import Callable, Iterable

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)

from keras_gen import files
from keras_gen.core.abilities import Ability
from keras_gen.core.arguments import checked
from keras_gen.core.inputs import SEED, Input
from keras_gen.core.model import GenerativeModel
from keras_gen.core.noise import DISTRIBUTIONS, replaced_draws, row_key
from keras_gen.core.types import Path

CARD = "card.json"
OPSET = 18  # Of ONNX, of December 2022.
# Kernels of the runtimes sum in another order than TensorFlow's: differences grow with
# the depth of a network, and are at most this share of the largest result.
TOLERANCE = 1e-3
SIGNED = "signed_uniform"
DRAWS = {
    **DISTRIBUTIONS,
    SIGNED: lambda shape, key: tf.random.stateless_uniform(shape, key, -1.0, 1.0),
}
RANGES = {
    "normal": "standard normal",
    "uniform": "uniform in [0, 1)",
    SIGNED: "uniform in [-1, 1)",
}


class Inconvertible(ValueError):
    """The reason for which an ability cannot be written in a format."""


@dataclasses.dataclass(frozen=True)
class Format:
    """A format and its runtime.

    Attributes:
        name: Name of the format, as users know it.
        extra: Extra of keras-gen that installs what is needed.
        suffix: Suffix of files.
        modules: Modules that are needed.
        convert: Function from a `_Graph` to bytes.
        run: Function from bytes, arrays by name and the output's name to an array.
    """

    name: str
    extra: str
    suffix: str
    modules: tuple[str, ...]
    convert: Callable
    run: Callable

    def check_installed(self) -> None:
        """Refuses to start if a module is missing.

        Raises:
            ImportError: With the command that installs it.
        """
        missing = [m for m in self.modules if importlib.util.find_spec(m) is None]
        if missing:
            raise ImportError(
                f"Expected {', '.join(missing)} for {self.name}: "
                f"pip install 'keras-gen[{self.extra}]'"
            )


@checked
def onnx(
    model: GenerativeModel,
    path: Path,
    *,
    abilities: Iterable[str] | None = None,
    card: dict | None = None,
) -> pathlib.Path:
    """Writes abilities as ONNX files, in a folder with a card.

    It needs `pip install 'keras-gen[onnx]'`.

    >>> model = keras_gen.zoo.load("gan", weights="mnist")
    >>> folder = onnx(model, "gan-onnx", abilities=["decode"])  # doctest: +SKIP
    >>> import onnxruntime  # doctest: +SKIP
    >>> session = onnxruntime.InferenceSession(folder / "decode.onnx")  # doctest: +SKIP
    >>> (images,) = session.run(None, {"latents": latents})  # doctest: +SKIP

    Args:
        model: Model whose abilities are written, with averaged weights if it has them.
        path: Path of the folder, which must not exist.
        abilities: Names of the abilities; None writes all that convert, warns of the
            others, and lists them in the card with the reasons.
        card: Further entries for the card.

    Returns:
        The folder.

    Raises:
        ValueError: For a folder that exists, abilities that the model lacks, or that do
            not convert. Nothing is written then.
        ImportError: Without the packages of the extra.
    """
    return _write(_ONNX, model, path, abilities, card)


@checked
def litert(
    model: GenerativeModel,
    path: Path,
    *,
    abilities: Iterable[str] | None = None,
    card: dict | None = None,
) -> pathlib.Path:
    """Writes abilities as LiteRT files (`.tflite`), in a folder with a card.

    It needs `pip install 'keras-gen[litert]'`. Files have one signature, whose names of
    inputs and outputs are those of the card, and hold only LiteRT's own operations.

    >>> model = keras_gen.zoo.load("gan", weights="mnist")
    >>> folder = litert(model, "gan-lite", abilities=["decode"])  # doctest: +SKIP
    >>> from ai_edge_litert.interpreter import Interpreter  # doctest: +SKIP
    >>> interpreter = Interpreter(str(folder / "decode.tflite"))  # doctest: +SKIP
    >>> decode = interpreter.get_signature_runner()  # doctest: +SKIP
    >>> images = decode(latents=latents)["images"]  # doctest: +SKIP

    Args:
        model: Model whose abilities are written, with averaged weights if it has them.
        path: Path of the folder, which must not exist.
        abilities: Names of the abilities; None writes all that convert, warns of the
            others, and lists them in the card with the reasons.
        card: Further entries for the card.

    Returns:
        The folder.

    Raises:
        ValueError: For a folder that exists, abilities that the model lacks, or that do
            not convert. Nothing is written then.
        ImportError: Without the packages of the extra.
    """
    return _write(_LITERT, model, path, abilities, card)


def row_noise(card: dict, ability: str, seeds: Iterable[int]) -> dict[str, np.ndarray]:
    """The noise that an ability draws for row seeds, as inputs of its file.

    >>> card = {"abilities": {"sample": {"inputs": {"noise": {
    ...     "shape": [None, 2], "distribution": "uniform", "stream": 0}}}}}
    >>> row_noise(card, "sample", [0, 1])["noise"].shape
    (2, 2)

    Args:
        card: Card of the folder.
        ability: Name of the ability.
        seeds: Row seeds, from `keras_gen.core.noise.row_seeds`.

    Returns:
        Arrays float32 (rows, ...) by the name of the input.
    """
    found = {}
    for name, entry in card["abilities"][ability]["inputs"].items():
        if "distribution" in entry:
            draw, shape = DRAWS[entry["distribution"]], tuple(entry["shape"][1:])
            keys = [row_key(tf.constant(s, tf.int64), entry["stream"]) for s in seeds]
            found[name] = np.stack([draw(shape, key).numpy() for key in keys])
    return found


# Writing.


def _write(kind, model, path, abilities, card):
    kind.check_installed()
    path = pathlib.Path(path)
    if path.exists():
        raise ValueError(f"Expected a new folder, got {path}, which exists.")
    known = model.abilities()
    wanted = list(known) if abilities is None else list(abilities)
    if not wanted or set(wanted) - set(known):
        raise ValueError(
            f"Expected abilities of {model.name!r}, {list(known)}, got {wanted}."
        )
    contents, entries, left_out = {}, {}, {}
    for name in wanted:
        try:
            contents[name], entries[name] = _converted(kind, model, known[name])
        except Inconvertible as error:
            left_out[name] = str(error)
    if left_out and (abilities is not None or not contents):
        raise ValueError(
            f"Expected abilities that {kind.name} can run: {_join(left_out)}"
        )
    if left_out:
        warnings.warn(f"Left out: {_join(left_out)}", stacklevel=3)
    facts = {
        "format": kind.name,
        "model": type(model).__name__,
        "configuration": model.get_config(),
        **(card or {}),
        "abilities": entries,
        "left_out": left_out,
    }
    text = json.dumps(facts, indent=2) + "\n"
    with files.aside(path) as aside:
        aside.mkdir()
        for name, content in contents.items():
            (aside / f"{name}{kind.suffix}").write_bytes(content)
        (aside / CARD).write_text(text, "utf-8")
    return path


def _join(reasons):
    return " ".join(f"{name}: {reason}" for name, reason in reasons.items())


def _converted(kind, model, ability):
    """The bytes of an ability's file, and its entry in the card."""
    graph = _Graph.of(model, ability)
    try:
        with _quiet():
            content = kind.convert(graph)
    except Inconvertible:
        raise
    except Exception as error:  # Converters have errors of many classes.
        missing = sorted(set(re.findall(r"'tf\.(\w+)' op", str(error))))
        if missing:
            reason = f"{kind.name} has no operation {', '.join(missing)}."
        else:
            reason = f"it does not convert ({_short(error)})."
        raise Inconvertible(reason) from error
    entry = {
        "file": f"{ability.name}{kind.suffix}",
        "summary": ability.summary,
        "inputs": graph.entries,
        "outputs": {
            graph.output: {"dtype": "float32", "shape": graph.output_shape},
        },
    }
    entry["difference"] = _difference(kind, content, model, ability, graph)
    return content, entry


def _difference(kind, content, model, ability, graph):
    """The largest absolute difference from the method's results, for three rows."""
    random = np.random.default_rng(0)
    arrays = {n: e.example(3, random) for n, e in ability.declared(model).items()}
    expected = ability.run(model, arrays)
    seeds = next((arrays[n] for n in graph.seeds), ())
    card = {"abilities": {ability.name: {"inputs": graph.entries}}}
    inputs = {n: a for n, a in arrays.items() if n not in graph.seeds}
    inputs |= row_noise(card, ability.name, seeds)
    types = {n: entry["dtype"] for n, entry in graph.entries.items()}
    inputs = {n: np.asarray(inputs[n], types[n]) for n in types}
    try:
        with _quiet():
            found = kind.run(content, inputs, graph.output)
    except Exception as error:  # Runtimes have errors of many classes.
        raise Inconvertible(f"its file does not run ({_short(error)}).") from error
    if found.shape != expected.shape:
        raise Inconvertible(f"its file gives {found.shape} for {expected.shape}.")
    difference = float(np.abs(found - expected).max())
    if not difference <= TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise Inconvertible(f"results of its file differ by up to {difference:.2g}.")
    return difference


def _short(error):
    return " ".join(str(error).split())[:200]


# Graphs without random operations.


@dataclasses.dataclass(frozen=True)
class _Graph:
    """An ability as a function of tensors, in which noise is an input.

    Attributes:
        function: Function of named tensors.
        specs: `tf.TensorSpec`s of the inputs by name.
        entries: Entries of the inputs in a card, by name.
        seeds: Names of the inputs of the ability that noise replaces.
        output: Name of the output; other than those of all inputs, since ONNX has one
            list of names.
        output_shape: Shape of the output, None for rows.
    """

    function: Callable
    specs: dict
    entries: dict
    seeds: list
    output: str
    output_shape: list

    @classmethod
    def of(cls, model: GenerativeModel, ability: Ability) -> "_Graph":
        declared = ability.declared(model)
        texts = [name for name, entry in declared.items() if entry.dtype == "string"]
        if texts:
            raise Inconvertible(f"it takes text ({', '.join(texts)}).")
        seeds = [name for name, entry in declared.items() if entry.role == SEED]
        given = {n: entry for n, entry in declared.items() if n not in seeds}
        draws = _draws_of(model, ability)
        specs = {n: entry.spec for n, entry in given.items()}
        entries = {n: entry.describe() for n, entry in given.items()}
        for draw in draws:
            if draw.constant is None:
                specs[draw.name], entries[draw.name] = draw.spec, draw.entry

        def call(**rows):
            count = tf.shape(next(iter(rows.values())))[:1]
            zeros = tf.zeros(count, tf.int64)
            arguments = {n: zeros if n in seeds else rows[n] for n in declared}
            remaining = iter(draws)

            def replace(*args, **kwargs):
                draw = next(remaining)
                if draw.constant is None:
                    return rows[draw.name]
                shape = tf.concat([count, draw.shape], axis=0)
                return tf.broadcast_to(tf.constant(draw.constant), shape)

            with replaced_draws(replace):
                return ability.function(model, **arguments)

        output = ability.output
        output = f"output_{output}" if output in specs else output
        shape = _traced(call, specs).outputs[0].shape
        return cls(call, specs, entries, seeds, output, [None, *shape[1:]])


@dataclasses.dataclass(frozen=True)
class _Draw:
    """Random numbers that an ability draws for each row.

    Attributes:
        name: Name of the input in their place.
        shape: Shape of a row.
        distribution: Key of `DRAWS`.
        stream: Number of the draw; see `keras_gen.core.noise.for_each_row`.
        constant: The numbers, if they are drawn from one seed that the ability fixes.
    """

    name: str
    shape: tuple
    distribution: str
    stream: int
    constant: np.ndarray | None

    @property
    def spec(self):
        return tf.TensorSpec((None, *self.shape), tf.float32, self.name)

    @property
    def entry(self):
        text = f"Noise of the rows, {RANGES[self.distribution]}."
        described = Input(self.name, self.shape, description=text).describe()
        facts = {"distribution": self.distribution, "stream": self.stream}
        return {**described, **facts}


def _traced(function, specs):
    return tf.function(function, autograph=False).get_concrete_function(**specs)


def _draws_of(model, ability):
    """The draws of an ability, in their order.

    Raises:
        Inconvertible: For draws whose distribution depends on weights or on rows.
    """
    key = np.array([3, 4], np.int32)
    found, tensors = [], []

    def replace(draw, seed, shape, *, stream=0, rows=None):
        if rows is not None:
            raise Inconvertible("it draws noise that depends on the rows.")
        shape = tuple(tf.TensorShape(shape).as_list())
        found.append((shape, stream))
        tensors.append((draw(tf.constant(key)), seed))
        return tf.zeros((tf.shape(seed)[0], *shape))

    def call(**rows):
        with replaced_draws(replace):
            result = ability.function(model, **rows)
        return result, tensors

    declared = ability.declared(model)
    graph = _traced(call, {n: entry.spec for n, entry in declared.items()})
    if not found:
        return []
    # The values of seeds tell inputs, which differ between rows, from constants.
    random = np.random.default_rng(0)
    arrays = {n: e.example(2, random) for n, e in declared.items()}
    dtypes = {n: e.dtype for n, e in declared.items()}
    _, drawn = graph(**{n: tf.constant(a, dtypes[n]) for n, a in arrays.items()})
    draws = []
    for (shape, stream), (value, seed) in zip(found, drawn, strict=True):
        distribution = _distribution_of(value.numpy(), key)
        first, second = seed.numpy()
        constant = None
        if first == second:
            constant = DRAWS[distribution](shape, row_key(seed[0], stream)).numpy()
        name = "noise" if len(found) == 1 else f"noise_{len(draws)}"
        draws.append(_Draw(name, shape, distribution, stream, constant))
    return draws


def _distribution_of(value, key):
    """The key of `DRAWS` of numbers that were drawn with a key."""
    for name, draw in DRAWS.items():
        if np.array_equal(draw(value.shape, key).numpy(), value):
            return name
    raise Inconvertible(
        "its draws are neither standard normal nor uniform; decode takes latents."
    )


def _frozen(graph):
    """A function of positional tensors with weights as constants; its output is named.

    Weights that a condition reads, as in growing models, would else remain variables.
    """
    frozen = convert_variables_to_constants_v2(
        _traced(graph.function, graph.specs), lower_control_flow=False
    )
    order = [tensor.name.split(":")[0] for tensor in frozen.inputs]

    def call(*rows):
        by_name = dict(zip(graph.specs, rows, strict=True))
        (result,) = frozen(*(by_name[name] for name in order))
        return {graph.output: result}

    return tf.function(
        call, autograph=False, input_signature=list(graph.specs.values())
    )


@contextlib.contextmanager
def _quiet():
    """Scope without warnings and log lines of converters and runtimes.

    Those in C++ write to the error stream of the process. Errors are raised in Python.
    """
    level, sys_error = logging.root.manager.disable, os.dup(2)
    logging.disable(logging.ERROR)
    try:
        with open(os.devnull, "w") as nowhere, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(sys_error, 2)
        os.close(sys_error)
        logging.disable(level)


# ONNX.


def _to_onnx(graph):
    import onnx
    import tf2onnx
    from keras.src.export.tf2onnx_lib import patch_tf2onnx

    patch_tf2onnx()  # For NumPy 2.
    specs = list(graph.specs.values())
    proto, _ = tf2onnx.convert.from_function(_frozen(graph), specs, opset=OPSET)
    # tf2onnx leaves operations that it does not know as they are.
    operations = {node.op_type for node in _nodes(proto.graph)}
    unknown = sorted(name for name in operations if not onnx.defs.has(name))
    if unknown:
        raise Inconvertible(f"ONNX has no operation {', '.join(unknown)}.")
    return proto.SerializeToString()


def _nodes(graph):
    """All nodes of an ONNX graph, those of loops and conditions included."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            yield from _nodes(attribute.g)
            for inner in attribute.graphs:
                yield from _nodes(inner)


def _run_onnx(content, inputs, output):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        content, options, providers=["CPUExecutionProvider"]
    )
    return session.run([output], inputs)[0]


_ONNX = Format(
    "ONNX", "onnx", ".onnx", ("tf2onnx", "onnx", "onnxruntime"), _to_onnx, _run_onnx
)


# LiteRT.


def _to_litert(graph):
    module = tf.Module()
    module.call = _frozen(graph)
    with tempfile.TemporaryDirectory() as folder:
        signatures = {"serving_default": module.call}
        tf.saved_model.save(module, folder, signatures=signatures)
        return tf.lite.TFLiteConverter.from_saved_model(folder).convert()


def _run_litert(content, inputs, output):
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(model_content=content).get_signature_runner("serving_default")
    return run(**inputs)[output]


_LITERT = Format(
    "LiteRT", "litert", ".tflite", ("ai_edge_litert",), _to_litert, _run_litert
)
