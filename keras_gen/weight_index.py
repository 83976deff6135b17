"""Indexes: JSON files that list cards and weights, and where they are.

Whoever shares weights by a web server puts such a file beside them; `write_index`
writes it. Addresses are absolute, or relative to that of the index:

    {
      "format": 1,
      "weights": [
        {
          "preset": "dcgan",
          "name": "team-photos",
          "card": {"url": "dcgan/team-photos/card.json",
                   "sha256": "<64 hexadecimal digits>", "bytes": 1843},
          "weights": {"url": "dcgan/team-photos/weights.safetensors",
                      "sha256": "<64 hexadecimal digits>", "bytes": 1075548}
        }
      ]
    }

Files are downloaded when they are needed, verified by their SHA-256, and kept in
`keras_gen.downloads.cache_folder()`. Cards are JSON, and weights are arrays: nothing
that is downloaded runs.
"""

import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import re
import sys
import time
import urllib.parse
from collections.abc import Mapping

from keras_gen import downloads, files

WEIGHTS, CARD, INDEX = "weights.safetensors", "card.json", "index.json"
FORMAT = 1
MAX_WEIGHTS = 2**36  # Bytes of a file of weights.


@dataclasses.dataclass(frozen=True)
class File:
    """A file that an index lists.

    Attributes:
        url: Address of the file.
        sha256: SHA-256 of the file, in hexadecimal.
        size: Number of bytes of the file.
    """

    url: str
    sha256: str
    size: int


@dataclasses.dataclass(frozen=True)
class Index:
    """An index of cards and weights; see `keras_gen.catalogue.Place`.

    Attributes:
        title: Description of the place, for messages.
        entries: Card and weights, by names of preset and weights.
    """

    title: str
    entries: Mapping[tuple[str, str], tuple[File, File]]

    def presets(self) -> set[str]:
        """The names of the models that there are weights for."""
        return {preset for preset, _ in self.entries}

    def names(self, preset: str) -> set[str]:
        """The names of the weights for a model."""
        return {name for known, name in self.entries if known == preset}

    def card_sha256(self, preset: str, name: str) -> str:
        """The SHA-256 of the card of weights."""
        return self.entries[preset, name][0].sha256

    def folder(self, preset: str, name: str, whole: bool) -> pathlib.Path:
        """A folder with the card of weights and, if `whole`, the weights.

        Raises:
            DownloadError: For a file that cannot be downloaded or is not the listed
                one.
            ValueError: For a card that describes other weights than the index.
        """
        card, weights = self.entries[preset, name]
        folder = downloads.cache_folder() / "weights" / card.sha256
        _provide(card, folder / CARD)
        described = files.read_json(folder / CARD).get("sha256")
        if described != weights.sha256:
            raise ValueError(
                f"Expected a card of weights with sha256 {weights.sha256}, as "
                f"{self.title} lists {preset}/{name}, got a card of {described!r}."
            )
        if whole:
            _provide(weights, folder / WEIGHTS, f"{preset}/{name}")
        return folder


def _provide(file, path, title=None):
    """Downloads a file, unless it lies in the cache as it should be."""
    if path.is_file() and files.sha256(path) == file.sha256:
        return
    if title is not None:
        size = f"{file.size / 1e6:.1f} MB"
        _note(f"Downloading the weights {title} ({size}): {downloads.shown(file.url)}")
    downloads.fetch_file(file.url, path, file.sha256, file.size)


@functools.cache
def index_at(url):
    """The index at an address, which is downloaded once per process.

    If the server cannot be reached, it is the one that was downloaded last, with a
    note.
    """
    name = hashlib.sha256(url.encode()).hexdigest()
    copy = downloads.cache_folder() / "indexes" / f"{name}.json"
    try:
        content = downloads.fetch(url, files.MAX_TEXT)
    except downloads.DownloadError as error:
        if not copy.is_file():
            raise
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(copy.stat().st_mtime))
        _note(f"{error} Using the index as it was downloaded on {when}.")
        return parse_index(copy.read_bytes(), url)
    found = parse_index(content, url)
    files.write_bytes(copy, content)
    return found


def parse_index(content: bytes, url: str) -> Index:
    """The index in a JSON file.

    Args:
        content: The file.
        url: Address of the file, to which addresses in it are relative.

    Raises:
        ValueError: For anything else; the message names the entry.
    """
    title = downloads.shown(url)
    contents = files.parse_json(content, title)
    files.check_entries(contents, {"format": int, "weights": list}, title)
    if contents["format"] != FORMAT:
        raise ValueError(
            f"Expected an index of format {FORMAT} at {title}, got "
            f"{contents['format']}: it may need a newer version of keras-gen."
        )
    entries = {}
    for number, entry in enumerate(contents["weights"]):
        source = f"entry {number} of {title}"
        if not isinstance(entry, dict):
            raise ValueError(f"Expected an object as {source}, got {entry!r}.")
        kinds = {"preset": str, "name": str, "card": dict, "weights": dict}
        files.check_entries(entry, kinds, source)
        key = entry["preset"], entry["name"]
        for name in key:
            if not re.fullmatch(r"\w[\w.-]{0,99}", name, re.ASCII):
                raise ValueError(
                    f"Expected names of letters, digits, '_', '-' and '.' in {source}, "
                    f"got {name[:100]!r}."
                )
        if key in entries:
            raise ValueError(
                f"Expected each name once, got {'/'.join(key)} in {title}."
            )
        card = _file_in(entry["card"], url, source, files.MAX_TEXT)
        entries[key] = card, _file_in(entry["weights"], url, source, MAX_WEIGHTS)
    return Index(title, entries)


def _file_in(entry, url, source, limit):
    """A file that an entry lists."""
    files.check_entries(entry, {"url": str, "sha256": str, "bytes": int}, source)
    address, digest, size = (entry[key] for key in ("url", "sha256", "bytes"))
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise ValueError(
            f"Expected a sha256 of 64 hexadecimal digits in {source}, got "
            f"{digest[:100]!r}."
        )
    if not 0 < size <= limit:
        raise ValueError(f"Expected bytes in [1, {limit:,}] in {source}, got {size}.")
    address = urllib.parse.urljoin(url, address)
    try:
        downloads.check_address(address)
    except ValueError as error:
        raise ValueError(f"{error} It is in {source}.") from error
    if downloads.is_loopback(address) and not downloads.is_loopback(url):
        raise ValueError(
            f"Expected no address of this machine in {source}, got {address}."
        )
    return File(address, digest, size)


def write_index(folder: str | os.PathLike) -> pathlib.Path:
    """Writes `index.json` into a folder of weights, so that a web server can share it.

    Args:
        folder: Path of a folder with `<preset>/<weights>/card.json` and
            `weights.safetensors`, as `keras_gen.zoo.write_card` writes them.

    Returns:
        The path of the index. Its addresses are relative: the folder is copied as a
        whole.

    Raises:
        ValueError: For a folder without cards, or weights that are not those of their
            card.
    """
    folder, entries = pathlib.Path(folder), []
    for card in sorted(folder.glob(f"*/*/{CARD}")):
        weights = card.with_name(WEIGHTS)
        wanted = files.read_json(card).get("sha256")
        if not weights.is_file() or files.sha256(weights) != wanted:
            raise ValueError(f"Expected {weights} with the sha256 of its card.")
        described = {}
        for key, path in (("card", card), ("weights", weights)):
            relative = path.relative_to(folder).as_posix()
            described[key] = {
                "url": urllib.parse.quote(relative),
                "sha256": files.sha256(path),
                "bytes": path.stat().st_size,
            }
        preset, name = card.relative_to(folder).parts[:2]
        entries.append({"preset": preset, "name": name, **described})
    if not entries:
        raise ValueError(
            f"Expected a folder with <preset>/<weights>/{CARD}, got {str(folder)!r}."
        )
    contents = {"format": FORMAT, "weights": entries}
    text = json.dumps(contents, indent=2) + "\n"
    parse_index(text.encode(), f"https://localhost/{INDEX}")  # Checks the names.
    files.write_text(folder / INDEX, text)
    return folder / INDEX


def _note(text):
    print(text, file=sys.stderr, flush=True)
