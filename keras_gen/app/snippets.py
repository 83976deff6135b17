"""Code that makes again what the page shows: Python, and requests to a server."""

import json
import re
from collections.abc import Mapping, Sequence

import numpy as np

from keras_gen.app.calls import LISTED, Call
from keras_gen.app.source import Source
from keras_gen.core.inputs import (
    FILE_SUFFIX,
    IMAGE,
    IMAGES,
    MASK,
    SEED,
    Input,
    choice_name,
    file_name,
)
from keras_gen.core.noise import row_seeds

CONTENT = "<the contents of {}>"  # Is replaced by a command that gives them.
LONGEST = 50_000  # Characters of a request that may be copied.
DECODE = (
    "import base64, json, sys; "
    '[open(f"NAME-{i}.png", "wb").write(base64.b64decode(row["b64"])) '
    'for i, row in enumerate(json.load(sys.stdin)["outputs"]["image_bytes"])]'
)


# Python.


def program(source: Source, lines: Sequence[str]) -> str:
    """A Python program: the imports that its lines need, the model, and the lines."""
    body = "\n".join([*source.python(), *lines])
    imports = [
        line
        for word, line in (("np.", "import numpy as np"), ("PIL.", "import PIL.Image"))
        if word in body
    ]
    return "\n".join(
        [*imports, *[""] * bool(imports), "import keras_gen", "", body, ""]
    )


def python(source: Source, call: Call, save: str) -> str:
    """The Python program of a call.

    Args:
        source: The model.
        call: The call.
        save: Line that saves or prints `answer`.
    """
    words = [str(call.count)] if call.offer.draws else []
    for name, value in call.values.items():
        words.append(f"{name}={code_of(call.entry(name), value, call.count)}")
    words += [f"{name}={literal(value)}" for name, value in call.options.items()]
    line = f"answer = model.{call.offer.name}({', '.join(words)})"
    return program(source, [*reading(call), line, save])


def reading(call: Call) -> list[str]:
    """Lines that read the pictures of a call from files, named like its inputs."""
    lines = []
    for name, value in call.values.items():
        entry, repeat = call.entry(name), ""
        if entry.role not in (IMAGE, MASK):
            continue
        if call.count > 1:
            repeat = f".repeat({call.count}, axis=0)"
        shape = (1, *np.shape(value))
        if entry.role == MASK:
            lines.append(f'{name} = np.asarray(PIL.Image.open("{name}.png")) > 127')
            lines.append(
                f"{name} = np.broadcast_to({name}[None, ..., None], {shape}){repeat}"
            )
            continue
        read = f'np.asarray(PIL.Image.open("{name}.png"))'
        if len(entry.shape) == 4:
            opened = f'PIL.Image.open(f"{name}-{{i}}.png")'
            read = f"np.stack([np.asarray({opened}) for i in range({len(value)})])"
        lines.append(f"{name} = {read}.reshape{shape}")
        lines.append(f"{name} = keras_gen.images.from_uint8({name}){repeat}")
    return lines


def code_of(entry: Input, value, count: int) -> str:
    """The expression of an argument."""
    if entry.role in (IMAGE, MASK):
        return entry.name
    if entry.role in LISTED:
        text = literal(list(value))
        if count == len(value):
            return text
        times, rest = divmod(count, len(value))
        return f"({text} * {times + 1})[:{count}]" if rest else f"{text} * {times}"
    if entry.shape:
        text = f"[{literal(np.asarray(value).tolist())}]"
        return text if count == 1 else f"{text} * {count}"
    return literal(value)


def literal(value) -> str:
    """A plain value as it is written in Python, with double quotes.

    >>> literal(["red heart", 0.5, None])
    '["red heart", 0.5, None]'
    """
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return repr(value)


# Requests.


def curl(source: Source, call: Call) -> str:
    """The command that sends a call to a server's REST interface, for `sh`.

    Args:
        source: The model.
        call: The call.
    """
    arrays = call.arguments()
    inputs, ability = {}, call.offer.name
    for option, value in call.options.items():
        ability = choice_name(ability, option, value)
    is_file = False
    for name, entry in call.offer.inputs.items():
        if entry.role == SEED:
            seeds = row_seeds(call.count, call.values.get(name, 0))
            inputs[name] = seeds.tolist()
        elif entry.takes_files:
            is_file = True
            inputs[file_name(name)] = [content(name)] * call.count
        elif name in arrays:
            inputs[name] = listed(entry, arrays[name], call.count)
        else:
            inputs[name] = default(call, name)
    signature = f"{ability}{FILE_SUFFIX}" if is_file else ability
    return request(source.url, signature, inputs, call.offer.output)


def content(name: str) -> dict:
    """A file as JSON has it, for `request`: the picture of an input."""
    return {"b64": CONTENT.format(f"{name}.png")}


def default(call: Call, name: str) -> list:
    """The rows of an input that was not given, as a client fills them in."""
    from keras_gen.core.abilities import default_conditions

    entry = call.entry(name)
    seeds = row_seeds(call.count, call.values.get("seed", 0))
    rows = default_conditions({name: entry}, seeds)[name]
    return [np.asarray(row).tolist() for row in rows]


def listed(entry: Input, rows, count: int) -> list:
    """Rows as JSON has them: numbers that are whole without a point."""
    if np.ndim(rows) == 0:
        rows = [rows] * count
    values = np.asarray(rows, object if entry.dtype == "string" else None).tolist()
    return _whole(values) if entry.is_binary else values


def _whole(value):
    return [_whole(v) for v in value] if isinstance(value, list) else int(value)


def request(url: str, signature: str, inputs: Mapping, output: str) -> str:
    """A command that sends one request, for `sh`.

    Args:
        url: Address of the model.
        signature: Name of the signature.
        inputs: Rows by name.
        output: Name of the output: PNG files are written of images.
    """
    body = json.dumps({"signature_name": signature, "inputs": inputs})
    body = body.replace("'", "'\\''")
    encode = r"'$(base64 < \1 | tr -d '\\n')'"
    body = re.sub(CONTENT.format(r"(\w+\.png)"), encode, body)
    if len(body) > LONGEST:
        return f"# A request with {len(body):,} characters is too long to be copied."
    command = f"curl -s {url}:predict \\\n  -d '{body}'"
    if output == IMAGES:
        name = signature.removesuffix(FILE_SUFFIX)
        command += f" \\\n  | python3 -c '{DECODE.replace('NAME', name)}'"
    return f"{command}\n"
