"""SavedModels, version by version: signatures, weights, card and warm-up requests."""

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import tempfile

import keras
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from keras_gen.export.signatures import Signature, examples, signatures_of

# The first that is there is the default.
MAIN = ("sample", "reconstruct", "encode", "translate", "assemble", "match")
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)  # As in export/batching.config.
CARD = "assets.extra/card.json"
WARM_UP = "assets.extra/tf_serving_warmup_requests"
MAX_WARM_UP = 1000  # More, and a server refuses the model.


def save(
    model,
    path,
    version: int | None = None,
    *,
    abilities=None,
    float16: bool = False,
    batch_sizes=BATCH_SIZES,
    card: dict | None = None,
) -> pathlib.Path:
    """Exports a model as `path/<version>/`.

    The folder is written aside and renamed, so that a server that watches `path` never
    sees half of it. It holds the weights that the signatures need, moving averages in
    place of what they average, and no optimizers; a card (`assets.extra/card.json`,
    also what the signature `describe` answers); and warm-up requests.

    Args:
        model: A `GenerativeModel` with at least one ability.
        path: The folder of the model's versions.
        version: At least 1; None takes the next one.
        abilities: Names of those to export, "interpolate" among them; None takes all.
            `["sample"]` of a GAN leaves its discriminator out.
        float16: Whether weights are stored in half the bytes. They are cast back at
            every request; the card says how far answers are from the model's.
        batch_sizes: What a server may run, increasing: warm-up requests are of these
            sizes, and clients send no more rows at once than the last.
        card: More entries for the card.

    Returns:
        The version's folder.

    Raises:
        ValueError: If the version is there already, the model has not the abilities,
            or one of them cannot be served.
    """
    path = pathlib.Path(path)
    version = _new_version(path, version)
    batch_sizes = _check_batch_sizes(batch_sizes)
    signatures = signatures_of(model, abilities)
    weights = _Halved(model) if float16 else contextlib.nullcontext()
    graphs = {name: _trace(name, s, weights) for name, s in signatures.items()}
    contents = {
        "model": type(model).__name__,
        "configuration": model.get_config(),
        "tensorflow": tf.__version__,
        "batch_sizes": batch_sizes,
        "defaults": model.input_defaults(),
        "stored_as": "float16" if float16 else "float32",
        **(card or {}),
        "signatures": {n: s.describe(graphs[n]) for n, s in signatures.items()},
    }
    if float16:
        exact = signatures_of(model, abilities)
        contents["differences"] = _differences(model, exact, graphs)
    text = json.dumps(contents, indent=2) + "\n"
    signatures["describe"] = _describe(text)
    graphs["describe"] = signatures["describe"].trace()

    def write(aside):
        _write_saved_model(aside, graphs)
        (aside / CARD).parent.mkdir(exist_ok=True)
        (aside / CARD).write_text(text)
        _write_warm_up(aside / WARM_UP, path.name, model, signatures, batch_sizes)

    _write_folder_aside(path / str(version), write)
    return path / str(version)


def _write_saved_model(folder, graphs):
    main = next((name for name in MAIN if name in graphs), next(iter(graphs)))
    module = tf.Module()
    read = [variable for graph in graphs.values() for variable in graph.variables]
    module.weights = list({id(variable): variable for variable in read}.values())
    endpoints = {**graphs, "serving_default": graphs[main]}
    tf.saved_model.save(module, str(folder), signatures=endpoints)
    _part_outputs(folder / "saved_model.pb", endpoints)


def _part_outputs(path, keys):
    """Gives every output of every signature a node of its own in the main graph.

    A session writes the function of a signature out into the graph, but keeps its call
    as one node that waits for all outputs. What follows that node is joined to the one
    output that it reads, so that floats alone can be had without the PNG files.
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


def _write_folder_aside(folder, write):
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = pathlib.Path(tempfile.mkdtemp(prefix=".aside-", dir=folder.parent))
    try:
        write(aside)
        aside.chmod(0o755)
        os.rename(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def versions_in(path) -> list[int]:
    """The versions of a model that lie in its folder, increasing."""
    return sorted(int(p.name) for p in pathlib.Path(path).glob("*") if p.name.isdigit())


def read_card(path) -> dict:
    """The card of a version's folder."""
    return json.loads((pathlib.Path(path) / CARD).read_text())


def _new_version(path, version):
    there = versions_in(path)
    version = max(there, default=0) + 1 if version is None else version
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ValueError(f"Expected a version that is an int >= 1, got {version!r}.")
    if version in there:
        raise ValueError(f"Expected a new version, got {version}, which {path} has.")
    return version


def _check_batch_sizes(sizes):
    sizes = [int(size) for size in sizes]
    if not sizes or sizes != sorted(set(sizes)) or sizes[0] < 1:
        raise ValueError(f"Expected batch sizes >= 1 that increase, got {sizes}.")
    return sizes


def _describe(text):
    """A signature that gives the card, a copy for every row that asks."""
    return Signature(
        "This card, as JSON, once for every row.",
        {"row": tf.TensorSpec((None,), tf.int64, "row")},
        {},
        "card",
        lambda row: tf.fill(tf.shape(row), text),
    )


# What must not be in a graph that is served.

PYTHON = ("PyFunc", "PyFuncStateless", "EagerPyFunc")
STATE = ("Assign", "Random", "TruncatedNormal", "Multinomial", "Stateful", "Rng")
CALLS = ("StatefulPartitionedCall",)


def _trace(name, signature, weights):
    """A signature's graph, traced in a scope for weights; refuses what cannot run."""

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


# Half the bytes.


class _Halved(keras.StatelessScope):
    """Within it, a model's float32 weights are read from float16 copies.

    Copies are made where a graph reads them, so that it holds none that it does not.
    """

    def __init__(self, model):
        super().__init__()
        weights = [v for v in model.variables if v.dtype == "float32"]
        self._halves, self._copies = {}, {}
        for variable in weights:
            with np.errstate(over="ignore"):
                half = variable.numpy().astype(np.float16)
            if not np.isfinite(half).all():
                raise ValueError(f"Expected weights below 65504, got {variable.path}.")
            self._halves[id(variable)] = half

    def get_current_value(self, variable):
        """Keras asks for every weight that it reads."""
        key = id(variable)
        if key not in self._halves:
            return None
        if key not in self._copies:
            with tf.init_scope():
                self._copies[key] = tf.Variable(self._halves[key], trainable=False)
        return tf.cast(self._copies[key], tf.float32)


def _differences(model, signatures, graphs):
    """The largest absolute difference to the model's own answers, by signature."""
    found = {}
    for name, signature in signatures.items():
        if name.endswith("_bytes"):
            continue
        arrays = examples(model, signature, 4, np.random.default_rng(0))
        rows = {n: tf.constant(a, signature.specs[n].dtype) for n, a in arrays.items()}
        both = (graphs[name], signature.trace())
        ours, exact = (graph(**rows)[signature.output] for graph in both)
        found[name] = float(np.abs(ours.numpy() - exact.numpy()).max())
    return found


# Warm-up.


def _write_warm_up(path, name, model, signatures, batch_sizes):
    """Requests for every signature and batch size, which a server runs on loading."""
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
            for place, array in examples(model, signature, rows).items():
                request.inputs[place].CopyFrom(_compact(array, signature.specs[place]))
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request)
            )
            writer.write(log.SerializeToString())


def _compact(array, spec):
    """A TensorProto; of an array of one value, that value alone and the shape."""
    first = array.flat[0]
    if (array == first).all():
        return tf.make_tensor_proto(first, spec.dtype, array.shape)
    return tf.make_tensor_proto(array, spec.dtype)
