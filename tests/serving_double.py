"""A test double of TF Serving, with the same protocols and rules.

It reads the folder that `keras-gen export` writes, loads every version in a TensorFlow
session, runs the warm-up requests, and answers over gRPC (PredictionService and
ModelService, from the stubs of tensorflow-serving-api) and REST. Requests that arrive
together run as one batch, padded to an allowed size; they succeed or fail together.

    python tests/serving_double.py serving
"""

import base64
import collections
import concurrent.futures
import contextlib
import functools
import http.server
import json
import pathlib
import queue
import re
import sys
import threading
import time

import grpc
import numpy as np
import serving_protos
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
)

from keras_gen.export import deploy

WARM_UP = "assets.extra/tf_serving_warmup_requests"
CODES = {code.value[0]: code.name for code in grpc.StatusCode}
HTTP = {
    "INVALID_ARGUMENT": 400,
    "NOT_FOUND": 404,
    "FAILED_PRECONDITION": 412,
    "UNAVAILABLE": 503,
}


class Refused(Exception):
    """A request that is answered by an error, with gRPC's name of the code."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code, self.message = code, message


class Version:
    """A SavedModel in a session, which has run its warm-up, with a request queue."""

    def __init__(self, folder, batching):
        self._session = tf.compat.v1.Session(graph=tf.Graph())
        with self._session.graph.as_default():
            loaded = tf.compat.v1.saved_model.load(
                self._session, ["serve"], str(folder)
            )
        self.signatures = dict(loaded.signature_def)
        self._batching = batching
        self.batches = []  # Sizes of the batches that ran, before padding.
        self.warmed = 0
        self._tasks = queue.Queue()
        threading.Thread(target=self._work, daemon=True).start()
        if (folder / WARM_UP).is_file():
            self._warm_up(folder / WARM_UP)

    def _warm_up(self, path):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            log = prediction_log_pb2.PredictionLog.FromString(record)
            request = log.predict_log.request
            inputs = {name: tf.make_ndarray(t) for name, t in request.inputs.items()}
            self.run(request.model_spec.signature_name, inputs, ())
            self.warmed += 1
        self.batches.clear()

    def run(self, name, inputs, wanted):
        """Outputs of a signature by name: those in `wanted`, or all if it is empty."""
        if name not in self.signatures:
            message = f'Serving signature key "{name}" not found.'
            raise Refused("FAILED_PRECONDITION", message)
        signature = self.signatures[name]
        message = self._error(signature, inputs)
        if message:
            raise Refused("INVALID_ARGUMENT", message)
        answer = concurrent.futures.Future()
        outputs = tuple(sorted(wanted or signature.outputs))
        count = len(next(iter(inputs.values())))
        self._tasks.put((name, outputs, inputs, count, answer))
        return answer.result()

    def _error(self, signature, inputs):
        """The error that a batching server gives before it runs inputs, or None."""
        if set(inputs) != set(signature.inputs):
            return f"Expected inputs {sorted(signature.inputs)}, got {sorted(inputs)}."
        for key, array in inputs.items():
            kind = tf.dtypes.as_dtype(signature.inputs[key].dtype)
            if tf.dtypes.as_dtype(array.dtype) != kind:
                return f"Expects {key} to be {kind.name} but {array.dtype} is provided"
        if any(array.ndim == 0 for array in inputs.values()):
            return "Batching Run() input tensors must have at least one dimension"
        counts = {len(array) for array in inputs.values()}
        if len(counts) > 1:
            return "Batching Run() input tensors must have equal 0th-dimension size"
        if max(counts) > self._largest():
            return f"Task size {max(counts)} is larger than maximum input batch size"
        return None

    def _work(self):
        """Merges waiting tasks of one signature and runs them, in an endless loop."""
        waiting = collections.deque()
        while True:
            name, outputs, *first = waiting.popleft() if waiting else self._tasks.get()
            batch = [first]
            end = time.monotonic() + self._batching.batch_timeout_micros.value / 1e6
            with contextlib.suppress(queue.Empty):
                while True:
                    task = self._tasks.get(timeout=max(end - time.monotonic(), 0))
                    rows = sum(count for _, count, _ in batch) + task[3]
                    if task[:2] == (name, outputs) and rows <= self._largest():
                        batch.append(task[2:])
                    else:
                        waiting.append(task)
            try:
                self._run(name, outputs, batch)
            except tf.errors.OpError as error:
                code = CODES[error.error_code]
                refused = Refused(code, error.message)
                for *_, answer in batch:
                    answer.set_exception(refused)

    def _largest(self):
        return self._batching.max_batch_size.value

    def _run(self, name, outputs, batch):
        rows = sum(count for _, count, _ in batch)
        self.batches.append(rows)
        size = min(n for n in self._batching.allowed_batch_sizes if n >= rows)
        keys, call = self._callable(name, outputs)
        feed = []
        for key in keys:
            parts = [inputs[key] for inputs, *_ in batch]
            padding = parts[0][:1].repeat(size - rows, axis=0)
            try:
                feed.append(np.concatenate([*parts, padding]))
            except ValueError:
                message = f"Tensors named {key} from different tasks differ in shape"
                raise tf.errors.InvalidArgumentError(None, None, message) from None
        results = dict(zip(outputs, call(*feed), strict=True))
        for key, result in results.items():
            if result.ndim == 0 or len(result) != size:
                message = f"Batched output tensor {key} does not have {size} rows"
                raise tf.errors.FailedPreconditionError(None, None, message)
        start = 0
        for _, count, answer in batch:
            answer.set_result({k: r[start : start + count] for k, r in results.items()})
            start += count

    @functools.cache  # noqa: B019 A version exists as long as its server.
    def _callable(self, name, outputs):
        """Names of the inputs, and a function of them, which checks no shapes."""
        signature = self.signatures[name]
        keys = sorted(signature.inputs)
        options = config_pb2.CallableOptions(
            feed=[signature.inputs[key].name for key in keys],
            fetch=[signature.outputs[key].name for key in outputs],
        )
        return keys, self._session._make_callable_from_options(options)


class Double:
    """A server on two free ports for a folder that `keras-gen export` wrote.

    Args:
        folder: Folder of the server.

    Attributes:
        grpc_address: Address for gRPC, "host:port".
        rest_address: Address for REST, "http://host:port".
        failures: gRPC codes of the errors with which the next requests are answered.
    """

    def __init__(self, folder):
        self._folder = pathlib.Path(folder)
        text = (self._folder / "batching.config").read_text()
        self.batching = serving_protos.parse("BatchingParameters", text)
        monitoring = (self._folder / "monitoring.config").read_text()
        serving_protos.parse("MonitoringConfig", monitoring)
        self.versions, self._labels, self.failures = {}, {}, []
        self.reload()
        self._grpc = grpc.server(
            concurrent.futures.ThreadPoolExecutor(32),
            options=[("grpc.max_receive_message_length", -1)],
        )
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            _Prediction(self), self._grpc
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(
            _Models(self), self._grpc
        )
        self.grpc_address = f"127.0.0.1:{self._grpc.add_insecure_port('127.0.0.1:0')}"
        self._grpc.start()
        handler = type("Handler", (_Rest,), {"double": self})
        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.rest_address = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._grpc.stop(None).wait()
        self._http.shutdown()
        self._http.server_close()

    def reload(self):
        """Reads models.config again and loads the versions that are new."""
        for entry in deploy.read_config(self._folder).model_config_list.config:
            known = self.versions.setdefault(entry.name, {})
            for path in pathlib.Path(entry.base_path).glob("[0-9]*"):
                if int(path.name) not in known:
                    known[int(path.name)] = Version(path, self.batching)
            for version in entry.version_labels.values():
                if version not in known:
                    raise ValueError(
                        f"Expected labels of versions {sorted(known)} of {entry.name}, "
                        f"got one of {version}."
                    )
            self._labels[entry.name] = dict(entry.version_labels)

    def find(self, name, label=None, version=None):
        """The number of the version that a request asks for."""
        if name not in self.versions:
            raise Refused("NOT_FOUND", f"Servable not found for request: {name}")
        if label is not None:
            if label not in self._labels[name]:
                message = f"Unrecognized servable version label: {label}"
                raise Refused("INVALID_ARGUMENT", message)
            return self._labels[name][label]
        version = max(self.versions[name]) if version is None else version
        if version not in self.versions[name]:
            message = f"Servable not found for request: Specific({name}, {version})"
            raise Refused("NOT_FOUND", message)
        return version

    def fail(self):
        """Raises the next error of `failures`, if there is one."""
        if self.failures:
            raise Refused(self.failures.pop(0), "as the test asked for")

    def find_by_spec(self, spec):
        """The number of the version that a request's `ModelSpec` asks for."""
        choice = spec.WhichOneof("version_choice")
        return self.find(
            spec.name,
            spec.version_label if choice == "version_label" else None,
            spec.version.value if choice == "version" else None,
        )


def answering(method):
    """Turns a `Refused` that a method raises into an error of gRPC."""

    def call(self, request, context):
        try:
            return method(self, request)
        except Refused as error:
            context.abort(getattr(grpc.StatusCode, error.code), error.message)

    return call


class _Prediction(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, double):
        self._double = double

    @answering
    def Predict(self, request):
        self._double.fail()
        spec = request.model_spec
        number = self._double.find_by_spec(spec)
        version = self._double.versions[spec.name][number]
        inputs = {name: tf.make_ndarray(t) for name, t in request.inputs.items()}
        name = spec.signature_name or "serving_default"
        answer = predict_pb2.PredictResponse()
        answer.model_spec.CopyFrom(spec)
        for key, array in version.run(name, inputs, request.output_filter).items():
            answer.outputs[key].CopyFrom(tf.make_tensor_proto(array))
        return answer

    @answering
    def GetModelMetadata(self, request):
        name, number = (
            request.model_spec.name,
            self._double.find_by_spec(request.model_spec),
        )
        signatures = self._double.versions[name][number].signatures
        described = get_model_metadata_pb2.SignatureDefMap()
        for key, signature in signatures.items():
            described.signature_def[key].CopyFrom(signature)
        answer = get_model_metadata_pb2.GetModelMetadataResponse()
        answer.metadata["signature_def"].Pack(described)
        return answer


class _Models(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, double):
        self._double = double

    @answering
    def GetModelStatus(self, request):
        spec = request.model_spec
        numbers = sorted(self._double.versions.get(spec.name, {}))
        if not numbers or spec.WhichOneof("version_choice"):
            numbers = [self._double.find_by_spec(spec)]
        state = get_model_status_pb2.ModelVersionStatus.AVAILABLE
        answer = get_model_status_pb2.GetModelStatusResponse()
        for number in numbers:
            answer.model_version_status.add(version=number, state=state)
        return answer


PATH = re.compile(
    r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?(:predict)?"
)


class _Rest(http.server.BaseHTTPRequestHandler):
    """The REST protocol: rows or columns as JSON, bytes in base64."""

    protocol_version = "HTTP/1.1"
    double = None

    def log_message(self, *args):
        pass

    def do_GET(self):
        self._answer(self._status)

    def do_POST(self):
        self._answer(self._predict)

    def _answer(self, make):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        try:
            match = PATH.fullmatch(self.path)
            if not match:
                raise Refused("NOT_FOUND", f"Malformed request: {self.path}")
            name, version, label, _ = match.groups()
            number = self.double.find(name, label, int(version) if version else None)
            code, answer = 200, make(name, number, version or label, body)
        except Refused as error:
            code, answer = HTTP[error.code], {"error": error.message}
        data = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _status(self, name, number, is_chosen, body):
        numbers = [number] if is_chosen else sorted(self.double.versions[name])
        return {
            "model_version_status": [
                {"version": str(n), "state": "AVAILABLE"} for n in numbers
            ]
        }

    def _predict(self, name, number, is_chosen, body):
        self.double.fail()
        version = self.double.versions[name][number]
        try:
            request = json.loads(body)
        except json.JSONDecodeError as error:
            raise Refused("INVALID_ARGUMENT", f"JSON Parse error: {error}") from None
        key = request.get("signature_name", "serving_default")
        infos = version.signatures[key].inputs if key in version.signatures else {}
        if ("instances" in request) == ("inputs" in request):
            raise Refused(
                "INVALID_ARGUMENT", "Expected one of 'instances' and 'inputs'"
            )
        is_rows = "instances" in request
        given = request["instances"] if is_rows else request["inputs"]
        columns = _columns(given, infos) if is_rows else _named(given, infos)
        inputs = {
            n: _to_array(n, v, infos[n]) for n, v in columns.items() if n in infos
        }
        outputs = version.run(key, inputs, ())
        outputs = {n: _to_json(n, array) for n, array in outputs.items()}
        if not is_rows:
            return {"outputs": outputs if len(outputs) > 1 else [*outputs.values()][0]}
        rows = [
            dict(zip(outputs, r, strict=True))
            for r in zip(*outputs.values(), strict=True)
        ]
        if len(outputs) == 1:
            rows = [next(iter(row.values())) for row in rows]
        return {"predictions": rows}


def _named(given, infos):
    """Columns by name; a signature's only input may be sent without its name."""
    if isinstance(given, dict) and "b64" not in given:
        return given
    if len(infos) != 1:
        raise Refused(
            "INVALID_ARGUMENT", "inputs is a plain value, with several inputs"
        )
    return {next(iter(infos)): given}


def _columns(rows, infos):
    if not isinstance(rows, list) or not rows:
        raise Refused("INVALID_ARGUMENT", "'instances' must be a list of rows")
    rows = [_named(row, infos) for row in rows]
    if len({frozenset(row) for row in rows}) > 1:
        raise Refused("INVALID_ARGUMENT", "rows of 'instances' differ in their inputs")
    return {name: [row[name] for row in rows] for name in rows[0]}


def _to_array(name, values, info):
    kind = tf.dtypes.as_dtype(info.dtype)
    if kind == tf.string:
        values = values if isinstance(values, list) else [values]
        return np.array([_to_bytes(value) for value in values], object)
    try:
        array = np.array(values)
    except ValueError:
        array = np.array(None)
    if array.dtype.kind not in ("iu" if kind.is_integer else "iuf"):
        raise Refused(
            "INVALID_ARGUMENT", f"JSON values of {name} are not a tensor of {kind.name}"
        )
    return array.astype(kind.as_numpy_dtype)


def _to_bytes(value):
    if isinstance(value, dict):
        return base64.b64decode(value["b64"])
    return value.encode()


def _to_json(name, array):
    if array.dtype != object:
        return array.tolist()
    if name.endswith("_bytes"):
        return [{"b64": base64.b64encode(value).decode()} for value in array]
    return [value.decode() for value in array]


if __name__ == "__main__":
    with Double(sys.argv[1]) as double:
        print(double.grpc_address, double.rest_address, flush=True)
        sys.stdin.read()  # Waits until the caller closes it.
