"""Files of the user's: written aside, then renamed, so that nothing is lost."""

import hashlib
import os
import pathlib
import tempfile


def write_aside(path, write):
    """Calls `write(temporary path)`, then renames: the old file is whole or replaced.

    The temporary file lies beside the target and keeps its suffixes.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = "".join(path.suffixes)
    handle, aside = tempfile.mkstemp(suffix=suffix, prefix=".aside-", dir=path.parent)
    os.close(handle)
    try:
        write(aside)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(aside, 0o666 & ~umask)
        os.replace(aside, path)
    finally:
        if os.path.exists(aside):
            os.remove(aside)


def write_text(path, text):
    """Writes UTF-8, aside at first."""
    write_aside(path, lambda aside: pathlib.Path(aside).write_text(text, "utf-8"))


def sha256(path):
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
