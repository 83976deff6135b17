"""The two protocols of TF Serving: gRPC and REST.

Servers are not trusted: answers have a deadline and a largest size, and what is not an
answer of TF Serving is a `ServingError` that says what came.
"""

import base64
import binascii
import http.client
import json
import math
import re
import threading
import urllib.parse
from collections.abc import Mapping, Sequence

import grpc
import numpy as np
import requests
import tensorflow as tf
import urllib3
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

# gRPC's code for each HTTP status.
CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    412: "FAILED_PRECONDITION",
    413: "RESOURCE_EXHAUSTED",
    429: "UNAVAILABLE",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


# Name of a model, and label and version to use, either of which may be None.
Target = tuple[str, str | None, int | None]


class ServingError(OSError):
    """An error in the answer of a server, or a failure to get an answer.

    Attributes:
        code: gRPC's name of the error: "INVALID_ARGUMENT", "NOT_FOUND", "UNAVAILABLE".
        details: Message of the server.
    """

    def __init__(self, address: str, code: str, details: str):
        super().__init__(f"{address} said {code}: {details}")
        self.code, self.details = code, details


class Unexpected(Exception):
    """An answer that no TF Serving gives; the message says what came."""


class Grpc:
    """PredictionService and ModelService over gRPC, which TF Serving has on port 8500.

    Arrays have the types of the outputs.

    If the host's name has several addresses, requests go to each of them in turn.

    Args:
        address: Address of the server, "host:port", or "grpcs://user:password@host:port"
            of a gateway with TLS. The environment variable
            GRPC_DEFAULT_SSL_ROOTS_FILE_PATH names other root certificates.
        max_bytes: Largest size of a message, sent or received, and of an array in it;
            gRPC's default is 4 MiB.
    """

    is_typed = True

    def __init__(self, address: str, max_bytes: int):
        limits = ("grpc.max_receive_message_length", "grpc.max_send_message_length")
        options = [(name, max_bytes) for name in limits]
        options.append(("grpc.lb_policy_name", "round_robin"))
        self.address, self._max_bytes = _without_password(address), max_bytes
        if address.startswith("grpcs://"):
            target = urllib.parse.urlsplit(address).netloc.rpartition("@")[2]
            credentials = _credentials(address)
            self._channel = grpc.secure_channel(target, credentials, options)
        else:
            self._channel = grpc.insecure_channel(address, options)
        self._predict = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)

    def predict(
        self,
        target: Target,
        signature: str,
        arrays: Mapping[str, np.ndarray],
        outputs: Sequence[str] | None,
        timeout: float,
    ) -> dict[str, np.ndarray]:
        """Rows of a signature's outputs, by name.

        Args:
            target: Model and version to use.
            signature: Name of the signature.
            arrays: Rows of each input, by name.
            outputs: Names of the requested outputs; None requests all.
            timeout: Seconds that the request may take.

        Raises:
            ServingError: If the server answers with an error, or not in time.
        """
        request = predict_pb2.PredictRequest(output_filter=outputs or ())
        _set_target(request.model_spec, target)
        request.model_spec.signature_name = signature
        for name, array in arrays.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(array))
        answer = self._call(self._predict.Predict, request, timeout)
        try:
            return {
                name: _from_proto(name, proto, self._max_bytes)
                for name, proto in answer.outputs.items()
            }
        except Unexpected as error:
            raise ServingError(self.address, "INTERNAL", str(error)) from error

    def status(self, target: Target, timeout: float) -> dict[int, str]:
        """State of each version, such as "AVAILABLE".

        Args:
            target: Model, and version if the status of a single one is requested.
            timeout: Seconds that the request may take.

        Raises:
            ServingError: If the server answers with an error, or not in time.
        """
        request = get_model_status_pb2.GetModelStatusRequest()
        _set_target(request.model_spec, target)
        answer = self._call(self._models.GetModelStatus, request, timeout)
        states = get_model_status_pb2.ModelVersionStatus.State
        known = dict(zip(states.values(), states.keys(), strict=True))
        return {
            status.version: known.get(status.state, "UNKNOWN")
            for status in answer.model_version_status
        }

    def _call(self, method, request, timeout):
        try:
            return method(request, timeout=timeout)
        except grpc.RpcError as error:
            code = error.code().name
            raise ServingError(self.address, code, error.details()) from error

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()


class Rest:
    """Predictions and status as JSON over HTTP, which TF Serving has on port 8501.

    Arrays have the types of JSON. Redirects are not followed.

    Args:
        address: Address of the server, "http://host:port", followed by the path before
            "/v1" if there is one; "https://user:password@host:port" of a gateway. The
            environment variable REQUESTS_CA_BUNDLE names other root certificates.
        max_bytes: Largest size of the body of an answer.
    """

    is_typed = False

    def __init__(self, address: str, max_bytes: int):
        if not urllib.parse.urlsplit(address).hostname:
            raise ValueError(f"Expected an address http://host:port, got {address!r}.")
        self._url_before = address.rstrip("/")
        self.address, self._max_bytes = _without_password(self._url_before), max_bytes
        self._session = requests.Session()

    def predict(
        self,
        target: Target,
        signature: str,
        arrays: Mapping[str, np.ndarray],
        outputs: Sequence[str] | None,
        timeout: float,
    ) -> dict[str, np.ndarray]:
        """Rows as from `Grpc.predict`, but in the types of JSON.

        Requests are in the column format, which names each input once.
        """
        body = {
            "signature_name": signature,
            "inputs": {name: _to_json(array) for name, array in arrays.items()},
        }
        answer = self._call("POST", f"{self._url(target)}:predict", timeout, body)
        try:
            found = _entry(answer, "outputs")
            if not isinstance(found, dict):  # A single output is sent without its name.
                if outputs is None or len(outputs) != 1:
                    raise Unexpected(f"Expected outputs {outputs or ''}, got only one.")
                found = {outputs[0]: found}
            return {
                name: _from_json(name, _entry(found, name)) for name in outputs or found
            }
        except Unexpected as error:
            raise ServingError(self.address, "INTERNAL", str(error)) from error

    def status(self, target: Target, timeout: float) -> dict[int, str]:
        """State of each version, as from `Grpc.status`."""
        answer = self._call("GET", self._url(target), timeout)
        try:
            return {
                int(state["version"]): str(state["state"])
                for state in _entry(answer, "model_version_status")
            }
        except (Unexpected, KeyError, TypeError, ValueError) as error:
            details = f"Expected states of versions, got {_shown(answer)}."
            raise ServingError(self.address, "INTERNAL", details) from error

    def _url(self, target):
        name, label, version = target
        url = f"{self._url_before}/v1/models/{urllib.parse.quote(name, safe='')}"
        if version is not None:
            return f"{url}/versions/{version}"
        if label is None:
            return url
        return f"{url}/labels/{urllib.parse.quote(label, safe='')}"

    def _call(self, method, url, timeout, body=None):
        # Python writes NaN, which is not JSON; the server refuses it.
        data = None if body is None else json.dumps(body)
        exchange = _Exchange(self._session, self._max_bytes)
        status, headers, content = self._fetch(exchange, (method, url, data), timeout)
        if 300 <= status < 400:
            details = f"a redirect to {headers.get('Location')}, which is not followed"
            raise ServingError(self.address, f"HTTP {status}", details)
        try:
            answer = json.loads(content, parse_constant=_refuse_constant)
        except (ValueError, RecursionError, Unexpected) as error:
            answer = None
            if status == 200:
                details = str(error)
                if not isinstance(error, Unexpected):
                    kind = headers.get("Content-Type", "a body without a type")
                    details = f"Expected JSON, got {kind}: {_shown(content)}"
                raise ServingError(self.address, "INTERNAL", details) from error
        if status == 200:
            return answer
        code = CODES.get(status, f"HTTP {status}")
        details = answer.get("error") if isinstance(answer, dict) else None
        raise ServingError(self.address, code, _shown(details or content, 1000))

    def _fetch(self, exchange, request, timeout):
        """The status, headers and content of an answer that came in time.

        A thread waits for the server, since timeouts of sockets begin anew with every
        byte that comes.
        """
        thread = threading.Thread(
            target=exchange.run, args=(*request, timeout), daemon=True
        )
        thread.start()
        try:
            thread.join(min(timeout, threading.TIMEOUT_MAX))
        finally:
            is_late = thread.is_alive()
            exchange.cancel()
        code, details = exchange.failure()
        if is_late or code == "DEADLINE_EXCEEDED":
            code, details = "DEADLINE_EXCEEDED", f"no whole answer within {timeout} s"
        if code:
            raise ServingError(self.address, code, details) from exchange.error
        return exchange.answer

    def close(self) -> None:
        """Closes the connection."""
        self._session.close()


class _Exchange:
    """One request and its answer, which another thread may stop waiting for.

    Args:
        session: Session of requests.
        max_bytes: Largest size of the body.

    Attributes:
        answer: Status, headers and body, once they have come.
        error: Error that occurred instead.
    """

    def __init__(self, session, max_bytes):
        self._session, self._max_bytes = session, max_bytes
        self._cancelled = threading.Event()
        self.answer = self.error = None

    def run(self, method, url, data, timeout):
        """Sends the request and reads the answer."""
        try:
            with self._session.request(
                *(method, url),
                data=data,
                timeout=timeout,
                headers={"Accept-Encoding": "identity"},
                stream=True,
                allow_redirects=False,
            ) as answer:
                content = self._read(answer)
                self.answer = answer.status_code, answer.headers, content
        except Exception as error:  # Given to the thread that waits.
            self.error = error

    def _read(self, answer):
        encoding = answer.headers.get("Content-Encoding", "identity")
        if encoding.strip().lower() != "identity":
            raise Unexpected(f"Expected no content encoding, got {encoding!r}.")
        parts, size = [], 0
        while not self._cancelled.is_set():
            part = answer.raw.read1(2**16, decode_content=False)
            if not part:
                break
            size += len(part)
            if size > self._max_bytes:
                raise OverflowError
            parts.append(part)
        return b"".join(parts)

    def cancel(self):
        """Lets `run` end with the next byte that comes."""
        self._cancelled.set()

    def failure(self) -> tuple[str | None, str]:
        """The code and the details of the error; None if there is none."""
        error = self.error
        if error is None:
            return None, ""
        if isinstance(error, OverflowError):
            return "RESOURCE_EXHAUSTED", f"over {self._max_bytes:,} bytes"
        if isinstance(error, Unexpected):
            return "INTERNAL", str(error)
        if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)):
            return "DEADLINE_EXCEEDED", "no answer in time"
        lost = (
            requests.ConnectionError,
            urllib3.exceptions.HTTPError,
            http.client.HTTPException,
            OSError,
        )
        if isinstance(error, lost):
            return "UNAVAILABLE", str(error)
        raise error


def _without_password(address):
    """An address without user and password, for messages."""
    return re.sub(r"(?<=://)[^/]*@", "", address)


def _credentials(address):
    """TLS, and the user and the password of an address if it has them."""
    parts, secure = urllib.parse.urlsplit(address), grpc.ssl_channel_credentials()
    if parts.username is None:
        return secure
    names = (parts.username, parts.password or "")
    login = ":".join(urllib.parse.unquote(name) for name in names)
    header = "Basic " + base64.b64encode(login.encode()).decode()

    def add_header(context, send):
        send((("authorization", header),), None)

    call = grpc.metadata_call_credentials(add_header)
    return grpc.composite_channel_credentials(secure, call)


def _set_target(spec, target):
    spec.name, label, version = target
    if version is not None:
        spec.version.value = version
    elif label is not None:
        spec.version_label = label


def _to_json(array):
    if array.dtype != object:
        return array.tolist()
    return [{"b64": base64.b64encode(_bytes(value)).decode()} for value in array]


def _bytes(value):
    return value.encode() if isinstance(value, str) else value


def _from_json(name, values):
    """An array; strings become bytes, and {"b64": ...} is decoded."""
    if not isinstance(values, list):
        raise Unexpected(f"Expected rows of {name}, got {_shown(values)}.")
    try:
        if values and isinstance(values[0], dict):
            decoded = [base64.b64decode(v["b64"], validate=True) for v in values]
            return np.array(decoded, object)
        if values and isinstance(values[0], str):
            return np.array([value.encode() for value in values], object)
        array = np.array(values)
    except (ValueError, TypeError, KeyError, AttributeError, binascii.Error) as error:
        raise Unexpected(f"Expected equal rows of {name}, got others.") from error
    if array.dtype.kind not in "biuf":
        raise Unexpected(f"Expected numbers as {name}, got {_shown(values)}.")
    return array


def _from_proto(name, proto, max_bytes):
    """An array from a TensorProto, which may declare any size."""
    try:
        dtype = tf.dtypes.as_dtype(proto.dtype)
        shape = [dimension.size for dimension in proto.tensor_shape.dim]
        count = math.prod(shape)
        if proto.tensor_shape.unknown_rank or min(shape, default=0) < 0:
            raise Unexpected(f"Expected a shape of {name}, got {shape}.")
        size = 8 if dtype == tf.string else np.dtype(dtype.as_numpy_dtype).itemsize
        if count * size > max_bytes:
            raise Unexpected(
                f"Expected {name} of at most {max_bytes:,} bytes, got one of shape "
                f"{shape} that declares {count * size:,}."
            )
        return tf.make_ndarray(proto)
    except (TypeError, ValueError, KeyError) as error:
        raise Unexpected(f"Expected an array as {name}, got {error}.") from error


def _entry(answer, name):
    if not isinstance(answer, dict) or name not in answer:
        raise Unexpected(f"Expected an entry {name!r}, got {_shown(answer)}.")
    return answer[name]


def _refuse_constant(name):
    raise Unexpected(f"Expected JSON, got {name}.")


def _shown(value, length=100):
    """The beginning of what came, for messages."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    text = " ".join(text[: 10 * length].split())
    return text if len(text) <= length else f"{text[:length]}..."
