"""Files that are replaced as a whole: written under a temporary name, then renamed."""

import hashlib
import os
import pathlib
import tempfile
from collections.abc import Callable


def write_aside(path: str | os.PathLike, write: Callable[[str], object]) -> None:
    """Writes a temporary file and renames it: readers find the old or the new file.

    Args:
        path: Path of the file. Missing parent folders are made.
        write: Function that writes the file to the path it is given, which is in the
            same folder and has the same suffixes.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = "".join(path.suffixes)
    handle, aside = tempfile.mkstemp(suffix=suffix, prefix=".aside-", dir=path.parent)
    os.close(handle)
    try:
        write(aside)
        # mkstemp gives permissions to the owner only; the umask can only be read by
        # setting it.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(aside, 0o666 & ~umask)
        os.replace(aside, path)
    finally:
        if os.path.exists(aside):
            os.remove(aside)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes a text file in UTF-8 by `write_aside`."""
    write_aside(path, lambda aside: pathlib.Path(aside).write_text(text, "utf-8"))


def sha256(path: str | os.PathLike) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
