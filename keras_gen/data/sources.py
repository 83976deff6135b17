"""Sources that are paths: what lies there, and clear errors for what cannot be read."""

import glob
import os
import pathlib

from keras_gen.data import array_files
from keras_gen.data.decoding import SUFFIXES

ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar", ".zst")
KINDS = (
    "the path of a folder of images, of a .npz file or of a .txt file, a list or a "
    "glob of images' paths, or the name of a data set"
)


def resolved(source):
    """A source whose paths exist, or that is no path.

    Args:
        source: Source as for `keras_gen.data.load`.

    Returns:
        A `pathlib.Path` of a folder or of a file of text or arrays; a list of the paths
        of images; a pair of sources; for other sources, the source itself.

    Raises:
        ValueError: For a path where nothing lies that can be read.
    """
    if is_list_of_paths(source):
        return [str(path) for path in source]
    if not isinstance(source, (str, os.PathLike)):
        return source
    text = os.fspath(source)
    if not text.strip():
        raise ValueError(f"Expected {KINDS}, got {text!r}.")
    pair = _pair(text)
    if pair is not None:
        return pair
    path = pathlib.Path(text).expanduser()
    if path.is_dir() or path.suffix.lower() == ".txt":
        return path
    if path.exists():
        return _file(path)
    if glob.has_magic(text):
        found = sorted(glob.glob(str(path), recursive=True))
        if not found:
            raise ValueError(
                f"Expected a glob of images' paths, got {text!r}, which none matches."
            )
        return found
    if isinstance(source, os.PathLike) or looks_like_a_path(text):
        raise ValueError(not_here(text))
    return text


def looks_like_a_path(text: str) -> bool:
    """Whether a text that is no existing path can only be meant as one.

    >>> [looks_like_a_path(text) for text in ("./cats", "cats.zip", "mnist", "a/b")]
    [True, True, False, False]
    """
    suffix = pathlib.Path(text).suffix.lower()
    known = {*ARCHIVES, *SUFFIXES, *array_files.SUFFIXES}
    return (
        text.startswith(("/", ".", "~", "\\"))
        or text.endswith("/")
        or "\\" in text
        or ":/" in text
        or suffix in known
    )


def not_here(text: str) -> str:
    """The message about a path or a name that is unknown."""
    return (
        f"Expected {KINDS}, got {text!r}: there is no folder "
        f"{str(pathlib.Path(text).expanduser().absolute())!r} here."
    )


def is_list_of_paths(source: object) -> bool:
    """Whether a source is a list of paths, with at least one."""
    return (
        isinstance(source, list)
        and bool(source)
        and all(isinstance(path, (str, os.PathLike)) for path in source)
    )


def _pair(text):
    """Two folders with a comma between them; None for another text."""
    parts = [pathlib.Path(part.strip()).expanduser() for part in text.split(",")]
    if len(parts) < 2 or pathlib.Path(text).expanduser().exists():
        return None
    if not any(part.is_dir() for part in parts):
        return None
    for part in parts:
        if not part.is_dir():
            raise ValueError(not_here(str(part)))
    return tuple(parts)


def _file(path):
    """What a file is read as."""
    suffix = path.suffix.lower()
    if suffix in array_files.SUFFIXES:
        return path
    if suffix in SUFFIXES:
        return [str(path)]
    if suffix in ARCHIVES:
        raise ValueError(
            f"Expected a folder, got the archive {str(path)!r}: unpack it, and give "
            "its folder."
        )
    raise ValueError(f"Expected {KINDS}, got the file {str(path)!r}.")
