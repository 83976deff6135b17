"""Downloads with limits: addresses, time, sizes, and SHA-256 are checked.

Addresses begin with `https://`. On the loopback (`localhost`, `127.0.0.1`), `http://`
is taken too. What is downloaded is data: nothing of it is run. User names and passwords
are taken from an address (`https://user:password@host/`) or from `~/.netrc`.
"""

import contextlib
import hashlib
import ipaddress
import os
import pathlib
import re
import threading
import time
import urllib.parse
from collections.abc import Iterator

from keras_gen import files

# Functions import http.client, requests and urllib3, which take a tenth of a second.

CONNECT_SECONDS = 10.0
PAUSE_SECONDS = 20.0  # Longest time without a byte.
TOTAL_SECONDS = 60.0  # For a whole answer, and longer if it is large:
LEAST_RATE = 20_000  # Bytes per second.
MAX_REDIRECTS = 5
CHUNK = 2**16


class DownloadError(OSError):
    """A file that could not be downloaded, or is not the expected one."""


def cache_folder() -> pathlib.Path:
    """The folder of downloaded files: `keras_gen` in XDG_CACHE_HOME or `~/.cache`."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return pathlib.Path(home).expanduser() / "keras_gen"


def check_address(url: str) -> None:
    """Refuses addresses that are neither `https://` nor `http://` on the loopback.

    Raises:
        ValueError: For such an address.
    """
    parts = _split(url)
    if not parts.hostname or parts.scheme not in ("http", "https"):
        raise ValueError(f"Expected an https:// address, got {shown(url)}.")
    if parts.scheme == "http" and not is_loopback(url):
        raise ValueError(
            f"Expected https://, since http:// can be changed on the way, got "
            f"{shown(url)}."
        )


def is_loopback(url: str) -> bool:
    """Whether an address is one of this machine."""
    host = _split(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def shown(url: str) -> str:
    """An address without its user name, password and query, for messages."""
    parts = _split(url)
    host = parts.netloc.rpartition("@")[2]
    return urllib.parse.urlunsplit((parts.scheme, host, parts.path, "", ""))


def _split(url):
    try:
        parts = urllib.parse.urlsplit(url)
        _ = parts.port  # Raises for what is not a number.
        return parts
    except ValueError as error:
        hidden = re.sub(r"//[^/]*@", "//", url)
        raise ValueError(f"Expected an https:// address, got {hidden!r}.") from error


def fetch(url: str, limit: int) -> bytes:
    """The content of a small file.

    Args:
        url: Address of the file.
        limit: Largest number of bytes.

    Raises:
        DownloadError: If the server is not reached, is too slow, answers with an error
            or with more bytes.
    """
    return b"".join(_chunks(url, limit))


def fetch_file(url: str, path: str | os.PathLike, sha256: str, size: int) -> None:
    """Downloads a file, which appears at its path only once it is complete and right.

    Args:
        url: Address of the file.
        path: Path of the new file.
        sha256: SHA-256 of the file, in hexadecimal.
        size: Number of bytes of the file.

    Raises:
        DownloadError: As `fetch` does, and for another size or SHA-256.
    """
    digest, count = hashlib.sha256(), 0
    with files.aside(path) as aside:
        with open(aside, "wb") as file:
            for chunk in _chunks(url, size):
                file.write(chunk)
                digest.update(chunk)
                count += len(chunk)
        if count != size:
            raise DownloadError(
                f"Expected {size:,} bytes at {shown(url)}, got only {count:,}."
            )
        if digest.hexdigest() != sha256:
            raise DownloadError(
                f"Expected a file with sha256 {sha256} at {shown(url)}, got "
                f"{digest.hexdigest()}: the file is not the one that the index lists."
            )


def _chunks(url, limit) -> Iterator[bytes]:
    """Yields the bytes of an answer, at most `limit`, within a time."""
    end = time.monotonic() + TOTAL_SECONDS + limit / LEAST_RATE
    count = 0
    with _answer(url) as answer:
        while chunk := _read(answer, url, count):
            count += len(chunk)
            if count > limit:
                raise DownloadError(
                    f"Expected at most {limit:,} bytes at {shown(url)}, got more."
                )
            if time.monotonic() > end:
                raise DownloadError(
                    f"Expected {shown(url)} faster, got only {count:,} bytes in "
                    f"{TOTAL_SECONDS + limit / LEAST_RATE:.0f} s."
                )
            yield chunk


def _read(answer, url, count):
    """The bytes that have come; none at the end."""
    import http.client

    import urllib3

    try:
        return answer.raw.read1(CHUNK, decode_content=False)
    # `read1` may raise errors of each of these libraries.
    except (OSError, urllib3.exceptions.HTTPError, http.client.HTTPException) as error:
        raise DownloadError(
            f"Expected all of {shown(url)}, got {count:,} bytes before the connection "
            f"was lost ({type(error).__name__})."
        ) from error


@contextlib.contextmanager
def _answer(url):
    """The answer with the file, after at most `MAX_REDIRECTS` redirects."""
    from_here = is_loopback(url)
    for _ in range(MAX_REDIRECTS + 1):
        check_address(url)
        if is_loopback(url) and not from_here:
            raise DownloadError(f"Expected no redirect to {shown(url)}, got one.")
        with _head(url) as answer:
            if answer.is_redirect:
                url = urllib.parse.urljoin(url, answer.headers["location"])
                continue
            if answer.status_code != 200:
                raise DownloadError(
                    f"Expected a file at {shown(url)}, got the HTTP status "
                    f"{answer.status_code}."
                )
            encoding = answer.headers.get("content-encoding", "identity")
            if encoding.strip().lower() != "identity":
                raise DownloadError(
                    f"Expected no content encoding of {shown(url)}, got {encoding!r}."
                )
            yield answer
            return
    raise DownloadError(
        f"Expected at most {MAX_REDIRECTS} redirects, got more: {shown(url)}."
    )


def _head(url):
    """The answer to a request, whose body has not been read.

    A thread waits for it, since timeouts of sockets begin anew with every byte.
    """
    import requests

    found, errors = [], []

    def request():
        try:
            found.append(
                requests.get(
                    url,
                    stream=True,
                    allow_redirects=False,
                    timeout=(CONNECT_SECONDS, PAUSE_SECONDS),
                    headers={"Accept-Encoding": "identity"},
                )
            )
        except (requests.RequestException, OSError, ValueError) as error:
            errors.append(error)

    thread = threading.Thread(target=request, daemon=True)
    thread.start()
    thread.join(CONNECT_SECONDS + PAUSE_SECONDS)
    if found:
        return found[0]
    if not errors or isinstance(errors[0], requests.Timeout):
        raise DownloadError(f"Expected an answer from {shown(url)}, got none in time.")
    raise DownloadError(
        f"Expected an answer from {shown(url)}, got none ({type(errors[0]).__name__})."
    ) from errors[0]
