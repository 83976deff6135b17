"""Answers that no TF Serving gives, from doubles of servers that are broken or hostile.

A client turns each of them into a ServingError that says what came.
"""

import concurrent.futures
import contextlib
import gzip
import json
import socket
import threading

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from keras_gen.core.noise import row_seeds
from keras_gen.export import Client, ServingError

SEED = {"dtype": "int64", "shape": [None], "role": "seed", "range": [0, 2**63 - 1]}
CARD = {
    "batch_sizes": [1, 4],
    "signatures": {
        "sample": {
            "draws": True,
            "inputs": {"seed": SEED},
            "outputs": {"images": {"dtype": "float32", "shape": [None, 2, 2, 1]}},
            "output": "images",
        }
    },
}
IMAGES = np.full((3, 2, 2, 1), 0.5, np.float32)


class HostileHttp:
    """A double of an HTTP server that sends given bytes to everyone, on the loopback.

    Args:
        content: Bytes to send for each request.
        forever: Bytes that follow until the client is gone; None closes the connection.
    """

    def __init__(self, content, forever=None):
        self._content, self._forever = content, forever
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._end = threading.Event()
        self.requests = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._end.set()
        self._socket.close()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.requests += 1
                arguments = {"target": self._answer, "args": (connection,)}
                threading.Thread(**arguments, daemon=True).start()

    def _answer(self, connection):
        with connection, contextlib.suppress(OSError):
            connection.settimeout(30)
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(2**16)
            head, _, body = request.partition(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].split()
            length = int(length[0]) if length else 0
            while len(body) < length:
                body += connection.recv(2**16)
            connection.sendall(self._content)
            while self._forever is not None and not self._end.wait(0.05):
                connection.sendall(self._forever)


def http(body, status="200 OK", headers="", length=None):
    """The bytes of an answer."""
    body = body if isinstance(body, bytes) else body.encode()
    length = len(body) if length is None else length
    head = f"HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n"
    return head.encode() + body


def outputs(values):
    return http(json.dumps({"outputs": values}))


ROWS = IMAGES.tolist()
LATE = ("DEADLINE_EXCEEDED", "no whole answer within 0.5 s")
CASES = {
    "HTML": (
        http("<html>Hi</html>", headers="Content-Type: text/html\r\n"),
        ("INTERNAL", "Expected JSON, got text/html: <html>Hi"),
    ),
    "error in HTML": (http("<b>No</b>", "500 X"), ("HTTP 500", "<b>No</b>")),
    "other error": (http('{"error": [1]}', "503 X"), ("UNAVAILABLE", "[1]")),
    "not UTF-8": (http(b'{"outputs": "\xff"}'), ("INTERNAL", "Expected JSON")),
    "list": (http("[1, 2]"), ("INTERNAL", "Expected an entry 'outputs', got [1, 2]")),
    "deep": (http("[" * 100_000), ("INTERNAL", "Expected JSON")),
    "long number": (http("1" * 100_000), ("INTERNAL", "Expected JSON")),
    "empty": (http(""), ("INTERNAL", "Expected JSON")),
    "redirect": (
        http("", "302 Found", "Location: http://127.0.0.1:9/\r\n"),
        ("HTTP 302", "a redirect to http://127.0.0.1:9/, which is not followed"),
    ),
    "permanent redirect": (
        http("", "308 X", "Location: http://127.0.0.1:9/\r\n"),
        ("HTTP 308", "not followed"),
    ),
    "cut": (http('{"outputs": [1', length=1000), ("UNAVAILABLE", "IncompleteRead")),
    "closed": (b"", ("UNAVAILABLE", "")),
    "other protocol": (b"SSH-2.0-OpenSSH\r\n", ("UNAVAILABLE", "SSH")),
    "wrong encoding": (
        http("plain", headers="Content-Encoding: gzip\r\n"),
        ("INTERNAL", "no content encoding, got 'gzip'"),
    ),
    "encoding": (
        http(gzip.compress(bytes(10**6)), headers="Content-Encoding: gzip\r\n"),
        ("INTERNAL", "no content encoding, got 'gzip'"),
    ),
    "large": (http(b" " * 300_000), ("RESOURCE_EXHAUSTED", "over 200,000 bytes")),
    "fewer rows": (outputs(ROWS[:2]), ("INTERNAL", "(3, 2, 2, 1), got (2, 2, 2, 1)")),
    "more rows": (outputs(ROWS + ROWS), ("INTERNAL", "got (6, 2, 2, 1)")),
    "no rows": (outputs([]), ("INTERNAL", "(3, 2, 2, 1), got (0,)")),
    "other shape": (outputs([[0.5]] * 3), ("INTERNAL", "got (3, 1)")),
    "uneven": (outputs([[1], [1, 2], []]), ("INTERNAL", "equal rows of images")),
    "text": (outputs(["a", "b", "c"]), ("INTERNAL", "got (3,)")),
    "texts": (outputs([[[["a"]] * 2] * 2] * 3), ("INTERNAL", "Expected numbers")),
    "nulls": (outputs([[[[None]] * 2] * 2] * 3), ("INTERNAL", "Expected numbers")),
    "booleans": (outputs([[[[True]] * 2] * 2] * 3), ("INTERNAL", "float32, got bool")),
    "no base64": (outputs([{"b64": "*"}] * 3), ("INTERNAL", "equal rows")),
    "scalar": (outputs(3), ("INTERNAL", "Expected rows of images, got 3")),
    "other output": (outputs({"codes": ROWS}), ("INTERNAL", "entry 'images'")),
    "NaN": (
        http('{"outputs": [[[[NaN],[1]],[[1],[1]]]]}'),
        ("INTERNAL", "Expected JSON, got NaN"),
    ),
    "huge number": (
        http(json.dumps({"outputs": ROWS}).replace("0.5", "1e999")),
        ("INTERNAL", "Expected finite images"),
    ),
    "beyond float32": (
        http(json.dumps({"outputs": ROWS}).replace("0.5", "1e300")),
        ("INTERNAL", "Expected finite images"),
    ),
}


def error_of(client):
    with pytest.raises(ServingError) as caught:
        client.sample(3, seed=0)
    return caught.value


def check(error, wanted, address):
    code, text = wanted
    assert error.code == code and text in error.details and address in str(error)
    assert len(str(error)) < 500  # It says what came, not all of it.


def client_of(address, **options):
    options = {"retries": 0, "timeout": 60.0, "max_bytes": 200_000, **options}
    client = Client(address, "m", **options)
    client.card = CARD
    return client


@pytest.mark.parametrize("case", CASES)
def test_rest_answers_that_are_not_as_declared(case):
    content, wanted = CASES[case]
    with HostileHttp(content) as server, client_of(server.address) as client:
        check(error_of(client), wanted, server.address)
        assert server.requests == 1


@pytest.mark.parametrize(
    ("content", "forever"),
    [
        (b"", b""),  # No answer at all.
        (b"HTTP/1.1 200 OK\r\n", b"X-Header: 1\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\n\r\n", b" "),  # Until the connection is closed.
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    ],
)
def test_the_deadline_bounds_answers_that_come_byte_by_byte(content, forever):
    with HostileHttp(content, forever) as server:
        with client_of(server.address, timeout=0.5) as client:
            check(error_of(client), LATE, server.address)


def test_an_endless_answer_ends_at_the_largest_size():
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    with HostileHttp(head, b" " * 100_000) as server:
        with client_of(server.address) as client:
            check(error_of(client), CASES["large"][1], server.address)


def test_rest_answers_as_declared_are_taken():
    whole = json.dumps({"outputs": {"images": ROWS}})
    ints = json.dumps({"outputs": np.ones(IMAGES.shape, int).tolist()})
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + f"{len(whole):x}\r\n{whole}\r\n0\r\n\r\n".encode()
    )
    for content, wanted in ((http(whole), 0.5), (chunked, 0.5), (http(ints), 1)):
        with HostileHttp(content) as server, client_of(server.address) as client:
            images = client.sample(3, seed=0)
            assert images.dtype == np.float32
            np.testing.assert_array_equal(images, wanted * np.ones(IMAGES.shape))


@pytest.mark.parametrize(
    "card",
    [
        b"\xff",
        b"[]",
        b"{}",
        b'{"signatures": {}}',
        json.dumps({**CARD, "batch_sizes": []}).encode(),
        json.dumps({**CARD, "batch_sizes": [0]}).encode(),
        json.dumps({**CARD, "signatures": {"sample": {}}}).encode(),
        json.dumps(CARD).replace('"output": "images"', '"output": "codes"').encode(),
        json.dumps(CARD).replace("float32", "complex64").encode(),
    ],
)
def test_cards_of_other_models_are_errors(card):
    content = outputs([card.decode("latin-1")])
    with HostileHttp(content) as server:
        with Client(server.address, "m", retries=0) as client:
            with pytest.raises(ServingError, match="card of an export"):
                client.sample(3)


@pytest.mark.parametrize(
    "body", ["[]", '{"model_version_status": 3}', '{"model_version_status": [{}]}']
)
def test_states_of_versions_are_checked(body):
    with HostileHttp(http(body)) as server, client_of(server.address) as client:
        with pytest.raises(ServingError, match="Expected states of versions"):
            client.status()


# gRPC.


class HostileGrpc:
    """A double of a gRPC server that gives the same answer to everyone.

    Args:
        answer: Bytes of the answer.
    """

    def __init__(self, answer):
        handler = grpc.unary_unary_rpc_method_handler(lambda request, context: answer)
        service = "tensorflow.serving.PredictionService"
        handlers = grpc.method_handlers_generic_handler(service, {"Predict": handler})
        self._server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
        self._server.add_generic_rpc_handlers((handlers,))
        port = self._server.add_insecure_port("127.0.0.1:0")
        self.address = f"127.0.0.1:{port}"
        self._server.start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._server.stop(None).wait()


def proto(array=IMAGES, name="images", **fields):
    answer = predict_pb2.PredictResponse()
    answer.outputs[name].CopyFrom(tf.make_tensor_proto(array))
    for key, value in fields.items():
        setattr(answer.outputs[name], key, value)
    return answer


def declared(*sizes, values=(0.5,)):
    """A tensor of a declared shape with a few values."""
    answer = predict_pb2.PredictResponse()
    tensor = answer.outputs["images"]
    tensor.dtype = tf.float32.as_datatype_enum
    for size in sizes:
        tensor.tensor_shape.dim.add(size=size)
    tensor.float_val.extend(values)
    return answer


NAN = IMAGES.copy()
NAN[1] = np.nan
GRPC_CASES = {
    "4 TB in 60 bytes": (declared(2**40, 1), "declares 4,398,046,511,104"),
    "beyond int64": (declared(2**40, 2**40), "that declares"),
    "negative": (declared(-3, 2, 2, 1), "Expected a shape of images, got [-3, 2"),
    "fewer rows": (proto(IMAGES[:2]), "(3, 2, 2, 1), got (2, 2, 2, 1)"),
    "one value for fewer rows": (declared(2, 2, 2, 1), "got (2, 2, 2, 1)"),
    "no shape": (declared(), "got ()"),
    "other type": (proto(IMAGES.astype(np.float64)), "of float32, got float64"),
    "text": (proto(np.full(IMAGES.shape, b"a")), "of float32, got string"),
    "no type": (proto(dtype=0), "Expected an array as images"),
    "cut content": (proto(tensor_content=b"1234567"), "Expected an array as images"),
    "other name": (proto(name="codes"), "Expected outputs ['images'], got ['codes']"),
    "nothing": (predict_pb2.PredictResponse(), "got []"),
    "NaN": (proto(NAN), "Expected finite images"),
}


@pytest.mark.parametrize("case", GRPC_CASES)
def test_grpc_answers_that_are_not_as_declared(case):
    answer, text = GRPC_CASES[case]
    with HostileGrpc(answer.SerializeToString()) as server:
        with client_of(server.address) as client:
            check(error_of(client), ("INTERNAL", text), server.address)


def test_grpc_messages_that_are_damaged_or_too_large():
    large = proto(np.zeros((60_000,), np.float32)).SerializeToString()
    for answer, code in ((b"\xff" * 9, "INTERNAL"), (large, "RESOURCE_EXHAUSTED")):
        with HostileGrpc(answer) as server, client_of(server.address) as client:
            assert error_of(client).code == code


def test_grpc_answers_as_declared_are_taken():
    for answer in (proto(), declared(3, 2, 2, 1)):
        with HostileGrpc(answer.SerializeToString()) as server:
            with client_of(server.address) as client:
                np.testing.assert_array_equal(client.sample(3, seed=0), IMAGES)
                arrays = {"seed": row_seeds(3, 0)}
                answers = client.predict("sample", arrays)
                np.testing.assert_array_equal(answers["images"], IMAGES)


def test_a_server_of_the_other_protocol_is_an_error():
    with HostileHttp(http("{}")) as server:
        with client_of(server.address.removeprefix("http://")) as client:
            assert error_of(client).code in ("UNAVAILABLE", "INTERNAL", "UNKNOWN")


def test_settings_of_a_client_that_make_no_sense_are_refused():
    for options in (
        {"timeout": 0},
        {"timeout": float("nan")},
        {"timeout": float("inf")},
        {"retries": -1},
        {"pause": -1.0},
        {"max_bytes": 0},
    ):
        with pytest.raises(ValueError, match=next(iter(options))):
            Client("localhost:8500", "m", **options)
    with pytest.raises(ValueError, match="http://host:port"):
        Client("http://", "m")
