"""Files and folders that are replaced as a whole, and texts that are read with care."""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator

try:
    import fcntl
except ImportError:  # Windows has no locks of this kind.
    fcntl = None

PREFIX, SUFFIX = ".aside-", ".part"
DAY = 24 * 60 * 60
MAX_TEXT = 2**24  # Bytes; cards and settings have some thousand.
MAX_DEPTH = 100


# Writing.


@contextlib.contextmanager
def aside(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Gives a path for a new file or folder, which then takes its place in one step.

    The path has the same name, in a temporary folder beside the place. At the end, the
    contents are flushed to the disk and renamed: after a kill or a loss of power at any
    moment, there is the old or the new file. After an error, nothing has changed.

    A temporary folder that a killed process left is removed by the next one that writes
    beside it. Folders of living processes are locked.

    >>> with aside("notes/today.txt") as path:
    ...     length = path.write_text("Rain")
    >>> pathlib.Path("notes/today.txt").read_text()
    'Rain'

    Args:
        path: Path of the file, or of a folder that does not exist yet. Missing parent
            folders are made.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path.parent)
    folder, lock = _locked_folder(path.parent)
    try:
        yield folder / path.name
        _flush(folder / path.name)
        replace(folder / path.name, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _unlock(lock)


def write_aside(path: str | os.PathLike, write: Callable[[str], object]) -> None:
    """Writes a file by `aside`: readers find the old or the new file.

    Args:
        path: Path of the file. Missing parent folders are made.
        write: Function that writes the file to the path it is given, which has the same
            name.
    """
    with aside(path) as temporary:
        write(str(temporary))


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes a text file in UTF-8 by `aside`."""
    with aside(path) as temporary:
        temporary.write_text(text, "utf-8")


def write_bytes(path: str | os.PathLike, content: bytes) -> None:
    """Writes a file by `aside`."""
    with aside(path) as temporary:
        temporary.write_bytes(content)


def replace(source: str | os.PathLike, target: str | os.PathLike) -> None:
    """Renames a file or a folder, and flushes the folder that holds the target.

    Args:
        source: Path of what is renamed.
        target: New path; a file there is replaced.
    """
    os.replace(source, target)
    _flush_folder(pathlib.Path(target).parent)


@contextlib.contextmanager
def locked(folder: str | os.PathLike) -> Iterator[None]:
    """Waits until no other process changes the files of a folder that belong together.

    Where the system has no locks, nothing is awaited.

    Args:
        folder: Path of a folder that exists.
    """
    lock = _lock(folder, wait=True)
    try:
        yield
    finally:
        _unlock(lock)


def _locked_folder(parent):
    """A new temporary folder in a folder, and its lock."""
    while True:
        folder = pathlib.Path(tempfile.mkdtemp(SUFFIX, PREFIX, parent))
        with contextlib.suppress(FileNotFoundError):
            lock = _lock(folder, wait=True)
            if folder.exists():
                return folder, lock
            _unlock(lock)
        # Another process took it for a leftover before it was locked.


def _lock(folder, wait):
    """Locks a folder until `_unlock` or the end of the process.

    Returns:
        A handle; None where the system or the disk has no locks.

    Raises:
        BlockingIOError: If another process has locked it, unless `wait`.
    """
    if fcntl is None:
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(handle)
        raise
    except OSError:
        os.close(handle)
        return None
    return handle


def _unlock(lock):
    if lock is not None:
        os.close(lock)


def _remove_leftovers(parent):
    """Removes temporary files and folders of processes that no longer run.

    Those without locks (older versions wrote them) are removed after a day without a
    change.
    """
    found = [p for p in pathlib.Path(parent).glob(f"{PREFIX}*") if not p.is_symlink()]
    for path in found:
        with contextlib.suppress(OSError):
            is_ours = path.name.endswith(SUFFIX) and path.is_dir()
            lock = _lock(path, wait=False) if is_ours else None
            if lock is not None or _age(path) > DAY:
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()
            _unlock(lock)


def _age(path):
    """Seconds since the last change of a file, or of a folder and what it holds."""
    inside = path.rglob("*") if path.is_dir() else ()
    return time.time() - max(p.lstat().st_mtime for p in (path, *inside))


def _flush(path):
    """Writes what the system still holds of a file or a folder to the disk."""
    if path.is_dir():
        for inner in path.iterdir():
            _flush(inner)
        _flush_folder(path)
    elif not path.is_symlink():
        with open(path, "rb+") as file:
            os.fsync(file.fileno())


def _flush_folder(path):
    if os.name == "nt":  # Windows opens no folders.
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # Not every disk can flush folders.
            os.fsync(handle)
    finally:
        os.close(handle)


# Reading.


def read_text(path: str | os.PathLike, limit: int = MAX_TEXT) -> str:
    """Reads a text file in UTF-8.

    Args:
        path: Path of the file.
        limit: Largest number of bytes.

    Raises:
        ValueError: For a larger file, or one that is not in UTF-8.
    """
    with open(path, "rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"Expected at most {limit:,} bytes in {path}, got more.")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"Expected text in UTF-8 in {path}, got others.") from error


def read_json(path: str | os.PathLike) -> dict:
    """Reads a JSON object; see `parse_json`.

    Raises:
        ValueError: For a file that is too large or holds anything else.
    """
    return parse_json(read_text(path), path)


def parse_json(text: str | bytes, source: str | os.PathLike) -> dict:
    """The object in a JSON text.

    Args:
        text: The text.
        source: Name of the file, for messages.

    Raises:
        ValueError: If it is not JSON, or not an object.
    """
    try:
        contents = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"Expected JSON in {source}, got others: {error}.") from error
    if not isinstance(contents, dict):
        raise ValueError(
            f"Expected a JSON object in {source}, got {type(contents).__name__}."
        )
    if _depth(contents) > MAX_DEPTH:
        raise ValueError(f"Expected at most {MAX_DEPTH} levels of JSON in {source}.")
    return contents


def _depth(value):
    """Number of levels of lists and dicts, counted without recursion."""
    levels, layer = 0, [value]
    while layer:
        layer = [
            inner
            for outer in layer
            if isinstance(outer, (list, dict))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        levels += 1
    return levels


def check_entries(contents: dict, kinds: dict, source: str | os.PathLike) -> None:
    """Refuses objects that lack entries, or have entries of other types.

    Args:
        contents: JSON object.
        kinds: Type of each entry that is needed, by name.
        source: Name of the file, for messages.
    """
    for name, kind in kinds.items():
        if not isinstance(contents.get(name), kind):
            got = type(contents[name]).__name__ if name in contents else "none"
            raise ValueError(
                f"Expected an entry {name!r} that is a {kind.__name__} in {source}, "
                f"got {got}."
            )


def sha256(path: str | os.PathLike) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
