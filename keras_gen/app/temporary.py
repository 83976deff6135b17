"""Files for downloads, which are deleted after a while and at the end."""

import atexit
import collections
import pathlib
import tempfile
from collections.abc import Mapping

KEPT = 64  # Folders; Gradio copies a file as soon as an event has returned it.
_folders = collections.deque()


def write(files: Mapping[str, bytes]) -> dict[str, str]:
    """Writes files into a new folder, and deletes the oldest folder of many.

    Args:
        files: Contents of the files, by name.

    Returns:
        The path of each file, by name.
    """
    folder = tempfile.TemporaryDirectory(prefix="keras-gen-")
    _folders.append(folder)
    while len(_folders) > KEPT:
        _folders.popleft().cleanup()
    paths = {name: pathlib.Path(folder.name) / name for name in files}
    for name, path in paths.items():
        path.write_bytes(files[name])
    return {name: str(path) for name, path in paths.items()}


@atexit.register
def _clear():
    while _folders:
        _folders.popleft().cleanup()
