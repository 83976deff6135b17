"""Files of captions: `captions.csv`, with a header, or `captions.jsonl`.

Both have `file`, a path relative to their folder, and `caption`. Further columns are
ignored. The text is in UTF-8 or UTF-16, with or without a byte-order mark, or, if it
has no letter of UTF-8 beyond ASCII, in Windows-1252, which has the letters of Latin-1.
"""

import csv
import io
import json
import pathlib
from collections.abc import Iterator

NAMES = ("captions.csv", "captions.jsonl")
LONGEST = 2**24  # Characters of a field: more is a quotation mark that does not close.


def find(folder: pathlib.Path) -> pathlib.Path | None:
    """The path of a folder's file of captions; None if there is none."""
    paths = (folder / name for name in NAMES)
    return next((path for path in paths if path.is_file()), None)


def read(path: pathlib.Path) -> dict[pathlib.Path, list[str]]:
    """The captions of each image.

    Args:
        path: Path of a file of captions.

    Returns:
        Captions, in the order of the file, by the path of the image.

    Raises:
        ValueError: For rows without `file` or `caption`; the message names the file and
            the line.
    """
    rows = _csv_rows if path.suffix == ".csv" else _json_rows
    found = {}
    for line, row in rows(path, _text(path)):
        if None in row:
            raise ValueError(
                f"Expected as many fields in line {line} of {path} as in its header, "
                f"got {row[None]} too: captions with separators need quotation marks."
            )
        if not row.get("file") or not all(
            isinstance(row.get(name), str) for name in ("file", "caption")
        ):
            raise ValueError(
                f"Expected 'file' and 'caption' in line {line} of {path}, got {row}."
            )
        image = path.parent / row["file"].replace("\\", "/")
        found.setdefault(image, []).append(row["caption"])
    return found


def _text(path):
    """The text of a file."""
    content = path.read_bytes()
    encoding = _encoding(content)
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ValueError(
            f"Line {line} of {path} cannot be read as {encoding}: {error.reason}."
        ) from error


def _encoding(content):
    """The encoding of a text that begins with ASCII."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if b"\0" in content[:2]:  # UTF-16 makes every other byte of ASCII zero.
        return "utf-16-be" if content[:1] == b"\0" else "utf-16-le"
    others = set(content.decode("utf-8-sig", "replace")) - {"\ufffd"}
    is_ascii = "".join(others).isascii()
    # A text that is UTF-8 in part is damaged; one that is nowhere has another encoding.
    return "cp1252" if is_ascii and not content.isascii() else "utf-8-sig"


def _csv_rows(path, text) -> Iterator[tuple[int, dict]]:
    """Pairs of line number and row of a CSV file.

    Columns are separated by the commas, semicolons or tabs of the header.
    """
    header = text.partition("\n")[0]
    separator = max(",;\t", key=header.count)
    limit = csv.field_size_limit(LONGEST)
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
        names = [name.strip() for name in reader.fieldnames or ()]
        if not {"file", "caption"} <= set(names):
            raise ValueError(
                f"Expected 'file' and 'caption' in line 1 of {path}, got {names}."
            )
        reader.fieldnames = names
        for row in reader:
            texts = [value for value in row.values() if isinstance(value, str)]
            yield reader.line_num - sum(text.count("\n") for text in texts), row
    except csv.Error as error:
        line = reader.line_num
        raise ValueError(f"Line {line} of {path} cannot be read: {error}.") from error
    finally:
        csv.field_size_limit(limit)


def _json_rows(path, text) -> Iterator[tuple[int, dict]]:
    """Pairs of line number and object of a file of JSON lines."""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(
                f"Line {number} of {path} cannot be read: {error}."
            ) from error
        if not isinstance(row, dict):
            raise ValueError(
                f"Expected an object in line {number} of {path}, got {line[:50]!r}."
            )
        yield number, row
