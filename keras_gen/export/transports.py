"""The two protocols of TF Serving: gRPC and REST."""

import base64
import json
import re
import urllib.parse
from collections.abc import Mapping, Sequence

import grpc
import numpy as np
import requests
import tensorflow as tf
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


class Grpc:
    """PredictionService and ModelService over gRPC, which TF Serving has on port 8500.

    If the host's name has several addresses, requests go to each of them in turn.

    Args:
        address: Address of the server, "host:port", or "grpcs://user:password@host:port"
            of a gateway with TLS. The environment variable
            GRPC_DEFAULT_SSL_ROOTS_FILE_PATH names other root certificates.
        max_bytes: Largest size of a message, sent or received; gRPC's default is 4 MiB.
    """

    def __init__(self, address: str, max_bytes: int):
        limits = ("grpc.max_receive_message_length", "grpc.max_send_message_length")
        options = [(name, max_bytes) for name in limits]
        options.append(("grpc.lb_policy_name", "round_robin"))
        self._address = _without_password(address)
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
        return {name: tf.make_ndarray(proto) for name, proto in answer.outputs.items()}

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
        names = get_model_status_pb2.ModelVersionStatus.State.Name
        return {s.version: names(s.state) for s in answer.model_version_status}

    def _call(self, method, request, timeout):
        try:
            return method(request, timeout=timeout)
        except grpc.RpcError as error:
            code = error.code().name
            raise ServingError(self._address, code, error.details()) from error

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()


class Rest:
    """Predictions and status as JSON over HTTP, which TF Serving has on port 8501.

    Args:
        address: Address of the server, "http://host:port", followed by the path before
            "/v1" if there is one; "https://user:password@host:port" of a gateway. The
            environment variable REQUESTS_CA_BUNDLE names other root certificates.
    """

    def __init__(self, address: str):
        self._url_before = address.rstrip("/")
        self._address = _without_password(self._url_before)
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
        url = f"{self._url(target)}:predict"
        answer = self._call("POST", url, timeout, body)["outputs"]
        if not isinstance(answer, dict):  # A single output is sent without its name.
            (name,) = outputs
            answer = {name: answer}
        return {n: _from_json(answer[n]) for n in outputs or answer}

    def status(self, target: Target, timeout: float) -> dict[int, str]:
        """State of each version, as from `Grpc.status`."""
        answer = self._call("GET", self._url(target), timeout)
        states = answer["model_version_status"]
        return {int(state["version"]): state["state"] for state in states}

    def _url(self, target):
        name, label, version = target
        url = f"{self._url_before}/v1/models/{name}"
        if version is not None:
            return f"{url}/versions/{version}"
        return url if label is None else f"{url}/labels/{label}"

    def _call(self, method, url, timeout, body=None):
        # Python writes NaN, which is not JSON; the server refuses it.
        data = None if body is None else json.dumps(body)
        try:
            answer = self._session.request(method, url, timeout=timeout, data=data)
            content = answer.json()
        except requests.Timeout as error:
            details = f"no answer within {timeout} s"
            raise ServingError(self._address, "DEADLINE_EXCEEDED", details) from error
        except requests.ConnectionError as error:
            raise ServingError(self._address, "UNAVAILABLE", str(error)) from error
        except requests.JSONDecodeError:
            content = {"error": answer.text}
        if answer.ok:
            return content
        code = CODES.get(answer.status_code, f"HTTP {answer.status_code}")
        raise ServingError(self._address, code, content.get("error", content))

    def close(self) -> None:
        """Closes the connection."""
        self._session.close()


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


def _from_json(values):
    """An array; strings become bytes, and {"b64": ...} is decoded."""
    if values and isinstance(values[0], dict):
        return np.array([base64.b64decode(v["b64"]) for v in values], object)
    if values and isinstance(values[0], str):
        return np.array([value.encode() for value in values], object)
    return np.array(values)
