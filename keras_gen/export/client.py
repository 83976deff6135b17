"""A client of TF Serving with the methods of the served model."""

import functools
import json
import math
import pathlib
import random
import time
from collections.abc import Mapping, Sequence

import numpy as np
import rich.console
import rich.progress

from keras_gen.core import checks
from keras_gen.core.abilities import default_conditions, fill_in, rows_of
from keras_gen.core.inputs import (
    FILE,
    FILE_SUFFIX,
    SEED,
    check_rows,
    choice_name,
    file_name,
)
from keras_gen.core.noise import row_seeds
from keras_gen.export.signatures import draws_rows, inputs_of
from keras_gen.export.transports import Grpc, Rest, ServingError, Unexpected

# Types of inputs and outputs that a card may declare.
TYPES = ("float32", "float16", "float64", "int32", "int64", "uint8", "bool", "string")
# Codes after which a request is repeated, which is safe: it gets the same answer.
REPEATABLE = ("UNAVAILABLE", "ABORTED")


class Client:
    """Calls the methods of a model on a server.

    >>> client = Client("localhost:8500", "vae")  # doctest: +SKIP
    >>> images = client.sample(64, seed=0)  # doctest: +SKIP
    >>> images = client.reconstruct(images)  # doctest: +SKIP
    >>> file = pathlib.Path("photo.jpg")  # The server decodes it.
    >>> images = client.reconstruct([file])  # doctest: +SKIP

    The methods are those of the model, as listed in the card that the server returns
    (`client.card`); `dir(client)` names them. The client checks arguments, sends rows
    in batches that the server accepts, and returns NumPy arrays.

    A request that fails because the server is unavailable or overloaded is repeated,
    with a pause that doubles each time. A request that is refused although its rows fit
    the card is repeated too: a server that merges requests into batches refuses a whole
    batch because of one request.

    Args:
        address: Address of the server: "host:port" for gRPC, "http://host:port" for
            REST; behind a gateway with TLS and passwords,
            "grpcs://user:password@host:port" or "https://user:password@host:port".
        model: Name under which the model is served.
        label: Label of the version to use; None uses the newest version.
        version: Number of the version to use, instead of a label.
        timeout: Seconds in which the whole answer to a request must come; one that
            times out is not repeated.
        retries: Number of times that a failed request is repeated.
        pause: Seconds before a request is repeated for the first time.
        progress: Boolean, whether a progress bar is shown on the error stream if
            several batches are sent.
        max_bytes: Largest size of an answer, and of a gRPC message that is sent.

    Raises:
        ServingError: From every method, when a server answers with an error, with
            something else than the card declares (rows, shapes, types, numbers that
            are not finite), or not in time.
        ValueError: From every method, for arguments that the model does not take.
    """

    def __init__(
        self,
        address: str,
        model: str,
        *,
        label: str | None = "stable",
        version: int | None = None,
        timeout: float = 60.0,
        retries: int = 4,
        pause: float = 0.1,
        progress: bool = True,
        max_bytes: int = 2**28,
    ):
        checks.positive(timeout=timeout)
        if not math.isfinite(timeout):
            raise ValueError(f"Expected a finite timeout, got {timeout}.")
        checks.at_least(0, retries=retries, pause=pause)
        checks.counts(max_bytes=max_bytes)
        is_rest = address.startswith(("http://", "https://"))
        self._transport = (Rest if is_rest else Grpc)(address, max_bytes)
        self._target = (model, label, version)
        self._timeout, self._retries, self._pause = timeout, retries, pause
        self._progress = progress

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def __getattr__(self, name):
        if name.startswith("_") or name not in self.card["signatures"]:
            raise AttributeError(f"The model that is served has no {name!r}.")
        return functools.partial(self._call, name)

    def __dir__(self):
        return [*super().__dir__(), *self.card["signatures"]]

    @functools.cached_property
    def card(self) -> dict:
        """Description of the model and of the inputs and outputs of its signatures."""
        answer = self.predict("describe", {"row": np.zeros(1, np.int64)}, ["card"])
        try:
            card = json.loads(answer["card"][0])
            _check_card(card)
        except Exception as error:  # What an unknown server sends may raise any.
            details = f"Expected the card of an export of keras_gen: {error!r}"
            raise self._unexpected(details) from error
        return card

    def _unexpected(self, details):
        return ServingError(self._transport.address, "INTERNAL", details)

    def status(self) -> dict[int, str]:
        """State of each version: "AVAILABLE", "LOADING", ..."""
        return self._repeated(functools.partial(self._transport.status, self._target))

    def close(self) -> None:
        """Closes the connection."""
        self._transport.close()

    def predict(
        self,
        signature: str,
        arrays: Mapping[str, np.ndarray],
        outputs: Sequence[str] | None = None,
        checked: bool = False,
    ) -> dict[str, np.ndarray]:
        """Sends one request, without checking its rows.

        Args:
            signature: Name of the signature.
            arrays: Rows of each input, by name.
            outputs: Names of the requested outputs; None requests all.
            checked: Boolean, whether the rows are known to fit the signature. If the
                server refuses them, rows of other clients must be the cause, and the
                request is repeated.

        Returns:
            Rows of each output, by name. If the card has been read, they have the
            number, shapes and types that it declares.
        """
        send = functools.partial(
            self._transport.predict, self._target, signature, arrays, outputs
        )
        codes = (*REPEATABLE, "INVALID_ARGUMENT") if checked else REPEATABLE
        answer = self._repeated(send, codes)
        card = self.__dict__.get("card", {"signatures": {}})
        if signature not in card["signatures"]:
            return answer
        rows = len(next(iter(arrays.values())))
        declared = card["signatures"][signature]["outputs"]
        try:
            return {
                name: _checked(name, answer, declared, rows, self._transport.is_typed)
                for name in outputs or answer
            }
        except Unexpected as error:
            raise self._unexpected(str(error)) from error

    def _repeated(self, send, codes=REPEATABLE):
        """The result of `send(timeout)`, repeated after errors with these codes."""
        for attempt in range(self._retries + 1):
            try:
                return send(self._timeout)
            except ServingError as error:
                if attempt == self._retries or error.code not in codes:
                    raise
            time.sleep(self._pause * 2**attempt * random.uniform(1.0, 1.5))

    def _call(self, name, *args, **kwargs):
        name, arguments = self._bound(name, args, kwargs)
        inputs = inputs_of(self.card, name)
        arrays = check_rows(inputs, arguments)
        count, size = len(next(iter(arrays.values()))), self.card["batch_sizes"][-1]
        if not count:
            raise ValueError(f"Expected at least one row of {list(inputs)}, got none.")
        # Only the server can find out whether files can be decoded.
        checked = all(declared.role != FILE for declared in inputs.values())
        entry = self.card["signatures"][name]
        output, parts = entry["output"], []
        for start in self._tracked(range(0, count, size)):
            batch = {n: array[start : start + size] for n, array in arrays.items()}
            parts.append(self.predict(name, batch, [output], checked)[output])
        return np.concatenate(parts)

    def _bound(self, name, args, kwargs):
        """The signature to call, and its arguments by name.

        Arguments are those of the model's method: the choice of an option, or images as
        files, select another signature, and seeds and defaults are filled in.
        """
        signatures, kwargs = self.card["signatures"], dict(kwargs)
        for option in set(kwargs) - set(signatures[name]["inputs"]):
            chosen = choice_name(name, option, kwargs[option])
            if chosen in signatures:
                name = chosen
                del kwargs[option]
        inputs, draws = inputs_of(self.card, name), draws_rows(self.card, name)
        order = ["n", *inputs] if draws else list(inputs)
        if len(args) > len(order) or set(order[: len(args)]) & set(kwargs):
            raise ValueError(f"Expected {name}({', '.join(order)}), got {len(args)}.")
        given = {**dict(zip(order, args, strict=False)), **kwargs}
        given = {n: value for n, value in given.items() if value is not None}
        arguments = {n: _encoded(value) for n, value in given.items()}
        files = [n for n in inputs if n in given and _are_files(given[n])]
        if files and f"{name}{FILE_SUFFIX}" in signatures:
            name = f"{name}{FILE_SUFFIX}"
            inputs = inputs_of(self.card, name)
            for images in files:
                arguments[file_name(images)] = arguments.pop(images)
        _fill_in(inputs, arguments, draws)
        if set(arguments) != set(inputs):
            raise ValueError(
                f"Expected {name} with {list(inputs)}, got {sorted(arguments)}."
            )
        return name, arguments

    def _tracked(self, starts):
        """The same numbers, with a progress bar if there are several."""
        if not self._progress or len(starts) < 2:
            return starts
        console = rich.console.Console(stderr=True)
        if not console.is_terminal:
            return starts
        return rich.progress.track(starts, "batches", console=console)


def _check_card(card):
    """Refuses cards that the client could not use.

    Raises:
        ValueError: For such a card; errors of other classes for other contents.
    """
    sizes = card["batch_sizes"]
    checks.counts(**{f"batch_sizes[{i}]": size for i, size in enumerate(sizes)})
    largest = sizes[-1]
    checks.counts(batch_size=largest)
    for name, entry in card["signatures"].items():
        draws_rows(card, name)
        for declared in inputs_of(card, name).values():
            _check_declared(declared.shape, declared.dtype)
            low, high = declared.range or (0, 0)
            checks.at_least(low, high=high)
        for output in entry["outputs"].values():
            _check_declared(output["shape"], output["dtype"])
        checks.one_of(entry["outputs"], output=entry["output"])


def _check_declared(shape, dtype):
    checks.one_of(TYPES, dtype=dtype)
    checks.at_least(0, **{f"size_{i}": n for i, n in enumerate(shape) if n is not None})


def _checked(name, answer, declared, rows, is_typed):
    """The rows of one output, in the type that the card declares.

    Args:
        name: Name of the output.
        answer: Arrays of the answer, by name.
        declared: Entries of the card's outputs, by name.
        rows: Number of rows of the request.
        is_typed: Boolean, whether arrays have the declared types, not those of JSON.

    Raises:
        Unexpected: For an answer that is not as declared.
    """
    if name not in answer or name not in declared:
        raise Unexpected(f"Expected outputs {list(declared)}, got {list(answer)}.")
    array, dtype = answer[name], declared[name]["dtype"]
    shape = (rows, *declared[name]["shape"][1:])
    fits = len(shape) == array.ndim and all(
        wanted in (None, got) for wanted, got in zip(shape, array.shape, strict=True)
    )
    if not fits:
        expected = ", ".join("any" if n is None else str(n) for n in shape)
        raise Unexpected(f"Expected {name} of shape ({expected}), got {array.shape}.")
    got = "string" if array.dtype == object else array.dtype.name
    json_kinds = {"f": "iuf", "i": "iu", "u": "iu"}
    if dtype == "string" or is_typed:
        is_right = got == dtype
    else:
        kind = np.dtype(dtype).kind
        is_right = array.dtype.kind in json_kinds.get(kind, kind)
    if not is_right:
        raise Unexpected(f"Expected {name} of {dtype}, got {got}.")
    if dtype == "string":
        return array
    with np.errstate(over="ignore"):
        array = array.astype(dtype)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise Unexpected(f"Expected finite {name}, got NaN or infinity.")
    return array


def _fill_in(inputs, arguments, draws):
    """Adds the seeds and the missing defaults, as the methods of a model do."""
    if not draws:
        first = next(iter(inputs))
        rows = arguments.get(first, ())
        if not hasattr(rows, "__len__"):
            raise ValueError(f"Expected {first} with rows, got {rows!r}.")
        fill_in(inputs, arguments, len(rows))
        return
    seeds = [name for name, declared in inputs.items() if declared.role == SEED]
    given = {k: value for k, value in arguments.items() if k not in ("n", *seeds)}
    count = arguments.pop("n", None)
    count = rows_of(given) if count is None else count
    for name in seeds:
        arguments[name] = row_seeds(count, arguments.get(name))
    arguments.update(default_conditions(inputs, arguments[seeds[0]], given=arguments))


def _are_files(value):
    return (
        isinstance(value, (list, tuple))
        and len(value) > 0
        and all(isinstance(part, (bytes, pathlib.Path)) for part in value)
    )


def _encoded(value):
    """Converts files to their contents and text to UTF-8; keeps other rows."""
    if not isinstance(value, (list, tuple)) or not value:
        return value
    if not all(isinstance(part, (bytes, str, pathlib.Path)) for part in value):
        return value
    rows = [p.read_bytes() if isinstance(p, pathlib.Path) else p for p in value]
    return np.array([p.encode() if isinstance(p, str) else p for p in rows], object)
