"""A client of TF Serving with the methods of the model that is served."""

import functools
import json
import pathlib
import random
import time

import numpy as np
import rich.console
import rich.progress
import tensorflow as tf

from keras_gen.core.noise import row_seeds
from keras_gen.export.signatures import SLACK, bytes_name
from keras_gen.export.transports import Grpc, Rest, ServingError

AGAIN = ("UNAVAILABLE", "ABORTED")  # Answers are the same however often one asks.


class Client:
    """Asks a server for what a model can do.

        client = Client("localhost:8500", "dcgan")
        images = client.sample(64, seed=0)
        again = client.reconstruct(images)
        again = client.reconstruct([pathlib.Path("photo.jpg")])  # Decoded over there.

    Methods are those of the model, by the card that the server answers (`client.card`);
    `dir(client)` names them. Arguments are checked here first, rows are cut into
    batches that the server takes, and NumPy arrays come back. A server that is away or
    full is asked again, each time after twice the pause. So is one that refuses rows
    which are right by the card: a server that batches refuses them all for one.

    Args:
        address: "host:port" for gRPC, "http://host:port" (or https) for REST.
        model: The name that it is served under.
        label: Of the version to ask; None takes the newest.
        version: The version itself, in place of a label.
        timeout: Seconds that a request may take; a time-out is not tried again.
        retries: How often a request is made again.
        pause: Seconds before it is made again for the first time.
        progress: Whether a bar shows on the error stream for several batches.
        max_bytes: The largest gRPC message either way.

    Raises:
        ServingError: From every method, for what a server said in place of an answer.
        ValueError: For arguments that the model does not take.
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
        if not timeout > 0 or retries < 0 or pause < 0:
            raise ValueError(
                "Expected timeout > 0, retries >= 0 and pause >= 0, got "
                f"{timeout}, {retries} and {pause}."
            )
        is_rest = address.startswith(("http://", "https://"))
        self._transport = Rest(address) if is_rest else Grpc(address, max_bytes)
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
        return functools.partial(self._ask, name)

    def __dir__(self):
        return [*super().__dir__(), *self.card["signatures"]]

    @functools.cached_property
    def card(self) -> dict:
        """What the model is, and what its signatures take and give."""
        answer = self.predict("describe", {"row": np.zeros(1, np.int64)}, ["card"])
        return json.loads(answer["card"][0])

    def status(self) -> dict[int, str]:
        """State by version: "AVAILABLE", "LOADING", ..."""
        return self._again(functools.partial(self._transport.status, self._target))

    def close(self):
        """Ends the connection."""
        self._transport.close()

    def predict(self, signature, arrays, outputs=None, checked=False) -> dict:
        """One request as it is, unchecked.

        Args:
            signature: Its name.
            arrays: Input name to rows.
            outputs: Names of those wanted; None for all.
            checked: Whether rows are known to be right, so that a refusal is for those
                of others.
        """
        ask = functools.partial(
            self._transport.predict, self._target, signature, arrays, outputs
        )
        return self._again(ask, (*AGAIN, "INVALID_ARGUMENT") if checked else AGAIN)

    def _again(self, ask, codes=AGAIN):
        for attempt in range(self._retries + 1):
            try:
                return ask(self._timeout)
            except ServingError as error:
                if attempt == self._retries or error.code not in codes:
                    raise
            time.sleep(self._pause * 2**attempt * random.uniform(1.0, 1.5))

    def _ask(self, name, *args, **kwargs):
        name, arguments = self._bind(name, args, kwargs)
        entry = self.card["signatures"][name]
        ranks = {n: len(s["shape"]) for n, s in entry["inputs"].items()}
        repeat_single(arguments, ranks)
        arrays = {n: _check(n, arguments[n], s) for n, s in entry["inputs"].items()}
        counts = {n: len(array) for n, array in arrays.items()}
        if len(set(counts.values())) > 1 or 0 in counts.values():
            raise ValueError(f"Expected rows, of all inputs as many, got {counts}.")
        # Files may not decode; all else was looked at.
        checked = not any(n.endswith("_bytes") for n in arrays)
        count, size = next(iter(counts.values())), self.card["batch_sizes"][-1]
        output, parts = entry["output"], []
        for start in self._track(range(0, count, size)):
            batch = {n: array[start : start + size] for n, array in arrays.items()}
            parts.append(self.predict(name, batch, [output], checked)[output])
        return np.concatenate(parts).astype(entry["outputs"][output]["dtype"])

    def _bind(self, name, args, kwargs):
        """The signature meant, and its arguments by name, as the model's method has it.

        Seeds and labels are drawn, and the card has other defaults.
        """
        signatures, kwargs = self.card["signatures"], dict(kwargs)
        for option in set(kwargs) - set(signatures[name]["inputs"]):
            if f"{name}_{option}_{kwargs[option]}" in signatures:
                name = f"{name}_{option}_{kwargs.pop(option)}"
        inputs = signatures[name]["inputs"]
        draws = next(iter(inputs)) == "seed"
        order = ["n", *inputs] if draws else list(inputs)
        if len(args) > len(order) or set(order[: len(args)]) & set(kwargs):
            raise ValueError(f"Expected {name}({', '.join(order)}), got {len(args)}.")
        arguments = {**dict(zip(order, args, strict=False)), **kwargs}
        files = [n for n in arguments if n in inputs and _are_files(arguments[n])]
        if files and f"{name}_bytes" in signatures:
            name = f"{name}_bytes"
            inputs = signatures[name]["inputs"]
            for file in files:
                arguments[bytes_name(file)] = arguments.pop(file)
        if "seed" in inputs:
            n = (
                arguments.pop("n", None)
                if draws
                else len(arguments[next(iter(inputs))])
            )
            arguments["seed"] = row_seeds(n, arguments.get("seed"))
            if draws and "labels" in inputs and arguments.get("labels") is None:
                count = inputs["labels"]["range"][1] + 1
                drawn = [row_random(s).integers(count) for s in arguments["seed"]]
                arguments["labels"] = drawn
        if "noise_seed" in inputs:
            rows, seed = arguments[next(iter(inputs))], arguments.get("noise_seed")
            arguments["noise_seed"] = row_seeds(len(rows), seed)
        defaults = self.card.get("defaults", {})  # Older cards have none.
        arguments = {**{n: v for n, v in defaults.items() if n in inputs}, **arguments}
        if set(arguments) != set(inputs):
            raise ValueError(
                f"Expected {name} with {list(inputs)}, got {sorted(arguments)}."
            )
        return name, arguments

    def _track(self, starts):
        if not self._progress or len(starts) < 2:
            return starts
        console = rich.console.Console(stderr=True)
        return rich.progress.track(starts, "batches", console=console)


def _are_files(value):
    return (
        isinstance(value, (list, tuple))
        and len(value) > 0
        and all(isinstance(part, (bytes, pathlib.Path)) for part in value)
    )


def _check(name, value, entry):
    """An array as the card says; ValueError says what is wrong with it."""
    if entry["dtype"] == "string":
        value = [p.read_bytes() if isinstance(p, pathlib.Path) else p for p in value]
        value = [p.encode() if isinstance(p, str) else p for p in value]
        return np.array(value, object)
    spec = tf.TensorSpec(entry["shape"], entry["dtype"], name)
    array = check_rows(name, value, spec)
    if "range" in entry and array.size:
        low, high = entry["range"]
        slack = SLACK if array.ndim == 4 else 0
        inside = (array >= low - slack) & (array <= high + slack)
        if name == "mask":
            inside = (array == 0) | (array == 1)
        if not inside.all():
            raise ValueError(
                f"Expected {name} in [{low}, {high}], got values from {array.min()} to "
                f"{array.max()}."
            )
    return array
