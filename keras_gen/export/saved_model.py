"""Writes versions of SavedModels: signatures, weights, card, warm-up requests."""

import contextlib
import dataclasses
import inspect
import json
import os
import pathlib
import re
from collections.abc import Iterable

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from keras_gen import files
from keras_gen.core.arguments import checked, refuse_unknown_names
from keras_gen.core.inputs import Input
from keras_gen.core.keras_internals import ReplacedWeights
from keras_gen.core.model import GenerativeModel
from keras_gen.core.types import Count, Path
from keras_gen.export.signatures import Signature, signatures_of

# The default signature is the first of these that the model has.
MAIN = ("sample", "reconstruct", "encode", "translate", "assemble", "match")
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)  # As in export/batching.config.
CARD = "assets.extra/card.json"
WARM_UP = "assets.extra/tf_serving_warmup_requests"
MAX_WARM_UP = 1000  # A server refuses a model with more warm-up requests.
MAX_VERSION = 2**63 - 1  # A server stores versions as int64.


@checked(unchecked=("version",))
def save(
    model: GenerativeModel,
    path: Path,
    version: int | None = None,
    *,
    abilities: Iterable[str] | None = None,
    float16: bool = False,
    batch_sizes: Iterable[Count] = BATCH_SIZES,
    card: dict | None = None,
    **options,
) -> pathlib.Path:
    """Exports a model as `path/<version>/`.

    The folder is written in a temporary one and then renamed, so that a server that
    watches `path` never reads an incomplete version. It holds the weights that the
    signatures need (moving averages instead of the averaged weights; no optimizers), a
    card (`assets.extra/card.json`, which the signature `describe` also returns), and
    warm-up requests.

    >>> model = keras_gen.zoo.load("gan", weights="mnist")
    >>> folder = save(model, "exported/gan", abilities=["sample"], batch_sizes=(1, 64))
    >>> folder.as_posix()
    'exported/gan/1'
    >>> sorted(read_card(folder)["signatures"])
    ['sample']

    Args:
        model: Model, a `GenerativeModel` with at least one ability.
        path: Folder of the model's versions.
        version: Number of the version, from 1 to 2**63 - 1; None uses the next one.
        abilities: Names of the abilities to export, which may include "interpolate";
            None exports all. `["sample"]` leaves out a GAN's discriminator.
        float16: Boolean, whether weights are stored as float16. They are cast to
            float32 at every request; the card says how much answers differ from the
            model's.
        batch_sizes: Batch sizes that a server may run, in increasing order. Warm-up
            requests have these sizes, and clients send at most the largest number of
            rows.
        card: Further entries for the card.
        **options: Options of abilities, such as the `steps` of a diffusion model's
            sampler. One value, `steps=20`, holds for all signatures. Of several,
            `steps=[1, 10]`, each has signatures of its own, `sample_steps_1` and so on.

    Returns:
        The version's folder.

    Raises:
        ValueError: If the version exists already, the model does not have the
            abilities or the options, or one of them cannot be served.
    """
    path = pathlib.Path(path)
    version = check_version(path, version)
    batch_sizes = _check_batch_sizes(batch_sizes)
    arguments = [*inspect.signature(save).parameters][:-1]
    known = {o for ability in model.abilities().values() for o in ability.options}
    refuse_unknown_names("save", [*arguments, *known], options)
    signatures = signatures_of(model, abilities, options)
    weights = _Halved(model) if float16 else contextlib.nullcontext()
    graphs = {name: _trace(name, s, weights) for name, s in signatures.items()}
    contents = {
        "model": type(model).__name__,
        "configuration": model.get_config(),
        "tensorflow": tf.__version__,
        "batch_sizes": batch_sizes,
        "stored_as": "float16" if float16 else "float32",
        **(card or {}),
        "signatures": {n: s.describe(graphs[n]) for n, s in signatures.items()},
    }
    if float16:
        exact = signatures_of(model, abilities, options)
        contents["differences"] = _differences(exact, graphs)
    text = json.dumps(contents, indent=2) + "\n"
    signatures["describe"] = _describe(text)
    graphs["describe"] = signatures["describe"].trace()

    with files.aside(path / str(version)) as aside:
        _write_saved_model(aside, graphs)
        (aside / CARD).parent.mkdir(exist_ok=True)
        (aside / CARD).write_text(text, "utf-8")
        _write_warm_up(aside / WARM_UP, path.name, signatures, batch_sizes)
    return path / str(version)


def _write_saved_model(folder, graphs):
    main = next((name for name in MAIN if name in graphs), next(iter(graphs)))
    module = tf.Module()
    read = [variable for graph in graphs.values() for variable in graph.variables]
    module.weights = list({id(variable): variable for variable in read}.values())
    endpoints = {**graphs, "serving_default": graphs[main]}
    tf.saved_model.save(module, str(folder), signatures=endpoints)
    _separate_outputs(folder / "saved_model.pb", endpoints)


def _separate_outputs(path, keys):
    """Gives every output of every signature its own node in the main graph.

    A session inlines a signature's function into the graph, but keeps the call itself
    as a node that waits for all outputs. A node after the call waits only for the
    output that it reads, so that a request for floats does not encode PNG files.
    """
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    (meta,) = saved.meta_graphs
    for key in keys:
        for name, tensor in meta.signature_def[key].outputs.items():
            node = meta.graph_def.node.add(name=f"{key}/{name}", op="Identity")
            node.input.append(tensor.name)
            node.attr["T"].type = tensor.dtype
            tensor.name = f"{node.name}:0"
    path.write_bytes(saved.SerializeToString())


def versions_in(path: str | os.PathLike) -> list[int]:
    """The versions in a model's folder, increasing; a server ignores other names."""
    names = [p.name for p in pathlib.Path(path).glob("*")]
    versions = [int(name) for name in names if re.fullmatch("[0-9]{1,19}", name)]
    return sorted(version for version in versions if version <= MAX_VERSION)


def read_card(path: str | os.PathLike) -> dict:
    """Reads the card in a version's folder.

    Raises:
        ValueError: If the file is not a card.
    """
    path = pathlib.Path(path) / CARD
    contents = files.read_json(path)
    files.check_entries(contents, {"signatures": dict, "batch_sizes": list}, path)
    return contents


def check_version(path: str | os.PathLike, version: int | None) -> int:
    """The number of a new version in a model's folder.

    Args:
        path: Folder of the model's versions, which need not exist.
        version: Number of the version, from 1 to 2**63 - 1; None uses the next one.

    Raises:
        ValueError: If the version exists already or is out of range.
    """
    known = versions_in(path)
    version = max(known, default=0) + 1 if version is None else version
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ValueError(f"Expected a version that is an int >= 1, got {version!r}.")
    if version > MAX_VERSION:
        raise ValueError(f"Expected a version up to {MAX_VERSION}, got {version}.")
    if version in known:
        raise ValueError(f"Expected a new version, got {version}, which {path} has.")
    return version


def _check_batch_sizes(sizes):
    sizes = list(sizes)
    if not sizes or sizes != sorted(set(sizes)):
        raise ValueError(f"Expected batch_sizes that increase, got {sizes}.")
    return sizes


def _describe(text):
    """A signature that returns the card, once for each row of the request."""
    row = Input("row", dtype="int64", description="Any number; one card for each.")
    return Signature(
        "This card, as JSON, once for every row.",
        {row.name: row},
        "card",
        lambda row: tf.fill(tf.shape(row), text),
    )


# Operations that a graph on a server must not contain.

PYTHON = ("PyFunc", "PyFuncStateless", "EagerPyFunc")
STATE = ("Assign", "Random", "TruncatedNormal", "Multinomial", "Stateful", "Rng")
CALLS = ("StatefulPartitionedCall",)


def _trace(name, signature, weights):
    """A signature's concrete function, traced in a scope that provides the weights.

    Raises:
        ValueError: For a graph that a server cannot run, or that has state.
    """

    def function(**rows):
        with weights:
            return signature.function(**rows)

    concrete = dataclasses.replace(signature, function=function).trace()
    graph = concrete.graph.as_graph_def()
    functions = graph.library.function
    for node in [*graph.node, *(n for f in functions for n in f.node_def)]:
        if node.op in PYTHON:
            raise ValueError(f"{name} calls Python ({node.name}): no server runs it.")
        if node.op.startswith(STATE) and node.op not in CALLS:
            raise ValueError(
                f"{name} has state ({node.op}, {node.name}): the same request would "
                "get another answer. Noise is tf.random.stateless_* of `seed`."
            )
    if any(holder.attr["_XlaMustCompile"].b for holder in [*graph.node, *functions]):
        raise ValueError(f"{name} is compiled by XLA: no server runs it.")
    return concrete


# Weights as float16.


class _Halved(ReplacedWeights):
    """A scope in which a model's float32 weights are read from float16 copies.

    A copy is made when a graph first reads its weight, so that a graph holds no copies
    of weights that it does not read.

    Args:
        model: A `GenerativeModel`.

    Raises:
        ValueError: For weights that float16 cannot hold.
    """

    def __init__(self, model):
        super().__init__(self._read)
        self._halves, self._copies = {}, {}
        for variable in model.variables:
            if variable.dtype != "float32":
                continue
            with np.errstate(over="ignore"):
                half = variable.numpy().astype(np.float16)
            if not np.isfinite(half).all():
                raise ValueError(f"Expected weights below 65504, got {variable.path}.")
            self._halves[id(variable)] = half

    def _read(self, variable):
        key = id(variable)
        if key not in self._halves:
            return None
        if key not in self._copies:
            with tf.init_scope():
                self._copies[key] = tf.Variable(self._halves[key], trainable=False)
        return tf.cast(self._copies[key], tf.float32)


def _differences(signatures, graphs):
    """The largest absolute difference from the model's own answers, by signature.

    Args:
        signatures: Signatures with the model's own weights.
        graphs: Concrete functions of the same signatures with other weights.
    """
    found = {}
    for name, signature in signatures.items():
        if signature.takes_files:
            continue
        arrays = signature.examples(4, np.random.default_rng(0))
        rows = {
            n: tf.constant(array, signature.inputs[n].dtype)
            for n, array in arrays.items()
        }
        halved, exact = (
            graph(**rows)[signature.output].numpy()
            for graph in (graphs[name], signature.trace())
        )
        found[name] = float(np.abs(halved - exact).max())
    return found


# Warm-up.


def _write_warm_up(path, name, signatures, batch_sizes):
    """Writes requests for every signature and batch size; a server runs them first."""
    requests = [
        (key, rows, signature)
        for key, signature in signatures.items()
        for rows in batch_sizes
    ][:MAX_WARM_UP]
    with tf.io.TFRecordWriter(str(path)) as writer:
        for key, rows, signature in requests:
            request = predict_pb2.PredictRequest()
            request.model_spec.name = name
            request.model_spec.signature_name = key
            for n, array in signature.examples(rows).items():
                request.inputs[n].CopyFrom(_compact(array, signature.inputs[n].dtype))
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request)
            )
            writer.write(log.SerializeToString())


def _compact(array, dtype):
    """A TensorProto that stores an array of equal values as one value and a shape."""
    first = array.flat[0]
    if (array == first).all():
        return tf.make_tensor_proto(first, dtype, array.shape)
    return tf.make_tensor_proto(array, dtype)
