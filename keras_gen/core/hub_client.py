"""Repositories of the Hugging Face Hub: their names, downloads, and errors in words.

`huggingface_hub` is called here and in `keras_gen.hub` alone, and imported when it is
first needed. It keeps its own cache and token, and obeys its own variables: HF_HOME,
HF_TOKEN, HF_HUB_OFFLINE, HF_HUB_ETAG_TIMEOUT (seconds until an answer),
HF_HUB_DOWNLOAD_TIMEOUT (seconds between bytes) and HF_HUB_DISABLE_PROGRESS_BARS.
"""

import contextlib
import dataclasses
import os
import pathlib
import re
import types
import warnings
from collections.abc import Iterator, Sequence

SCHEME = "hf://"
INSTALL = "pip install 'keras-gen[hub]'"
# The hub's rules for the names of users and of repositories.
_PART = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?")
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+-]{0,254}")
_COMMIT = re.compile(r"[0-9a-f]{40}")


class Refusal(ValueError):
    """An error of this package about a repository, whose message is complete."""


@dataclasses.dataclass(frozen=True)
class Address:
    """A repository of the hub, at a revision.

    Attributes:
        repository: Name of the repository, as "user/name".
        revision: Branch, tag or commit; None is the branch "main".
    """

    repository: str
    revision: str | None = None

    def __str__(self):
        end = "" if self.revision is None else f"@{self.revision}"
        return f"{SCHEME}{self.repository}{end}"


def is_address(value: object) -> bool:
    """Whether a value is a text that names a repository of the hub.

    >>> is_address("hf://someone/dcgan-birds"), is_address("mnist")
    (True, False)

    Raises:
        ValueError: For a path that was made from such a text.
    """
    if isinstance(value, os.PathLike) and os.fspath(value).startswith("hf:"):
        raise ValueError(f"Expected {SCHEME}user/name as a str, got {value!r}.")
    return isinstance(value, str) and value.startswith(SCHEME)


def parse(text: str, revision: str | None = None) -> Address:
    """The address in a text such as "hf://user/name" or "hf://user/name@revision".

    >>> parse("hf://someone/dcgan-birds@v1")
    Address(repository='someone/dcgan-birds', revision='v1')

    Args:
        text: The text.
        revision: Branch, tag or commit, if the text has none.

    Raises:
        ValueError: For other texts, or two revisions.
    """
    repository, at, end = text.removeprefix(SCHEME).partition("@")
    if at and revision is not None and revision != end:
        raise ValueError(f"Expected one revision, got {text!r} and {revision!r}.")
    check_repository(repository, text)
    chosen = end if at else revision
    if chosen is not None:
        if not _REVISION.fullmatch(chosen) or ".." in chosen:
            raise ValueError(
                f"Expected a branch, a tag or a commit as the revision, got {chosen!r}."
            )
    return Address(repository, chosen)


def check_repository(name: str, source: str | None = None) -> None:
    """Refuses what is no name of a repository, before the hub is asked.

    Args:
        name: Name, as "user/name".
        source: Text that holds the name, for messages.

    Raises:
        ValueError: For other texts.
    """
    parts = name.split("/") if isinstance(name, str) else ()
    is_odd = any(text in str(name) for text in ("--", "..")) or str(name).endswith(
        ".git"
    )
    if len(parts) != 2 or is_odd or not all(map(_PART.fullmatch, parts)):
        expected = "user/name" if source is None else f"{SCHEME}user/name[@revision]"
        raise ValueError(
            f"Expected a repository of the Hugging Face Hub as {expected}, got "
            f"{source or name!r}."
        )


def client() -> types.ModuleType:
    """The module `huggingface_hub`.

    Raises:
        ValueError: If it is not installed.
    """
    try:
        import huggingface_hub.constants
        import huggingface_hub.errors
    except ImportError as error:
        raise ValueError(
            "Expected the package huggingface_hub, which the Hugging Face Hub needs; "
            f"install it by {INSTALL}."
        ) from error
    return huggingface_hub


def fetch(address: Address, names: Sequence[str]) -> pathlib.Path:
    """Downloads files of one commit into the hub's cache, or finds them there.

    If the hub cannot be reached, files in the cache are used, and a warning says so.

    Args:
        address: The repository and revision.
        names: Names of the files; no others are read.

    Returns:
        Path of the folder of that commit in the cache.

    Raises:
        ValueError: In one sentence, for repositories, revisions or files that do not
            exist or may not be read, and if the hub does not answer.
    """
    hub = client()
    name = names[0]
    try:
        problem = _problem(hub, address, names[0])
        folder = _download(hub, address, address.revision, names[0], problem)
        for name in names[1:]:
            _download(hub, address, folder.name, name, problem)
    except Exception as error:
        raise ValueError(explained(error, address, name)) from error
    if problem is not None and not hub.constants.is_offline_mode():
        warnings.warn(
            f"{_sentence(problem, address, name)} Its files of commit "
            f"{folder.name[:8]} come from the cache.",
            stacklevel=3,
        )
    return folder


def _problem(hub, address, name):
    """What keeps the hub from answering, by one request without retries; or None.

    The hub's client repeats requests for minutes where there is no network. Commits in
    the cache need no request.
    """
    if hub.constants.is_offline_mode():
        return hub.errors.OfflineModeIsEnabled("HF_HUB_OFFLINE is set")
    if _COMMIT.fullmatch(address.revision or ""):
        found = hub.try_to_load_from_cache(
            address.repository, name, revision=address.revision
        )
        if isinstance(found, str):
            return None
    url = hub.hf_hub_url(address.repository, name, revision=address.revision)
    try:
        hub.get_hf_file_metadata(
            url, token=hub.get_token(), timeout=hub.constants.HF_HUB_ETAG_TIMEOUT
        )
    except hub.errors.HfHubHTTPError as error:
        if error.response.status_code < 500:
            raise
        return error
    except Exception as error:  # Of the HTTP client, whose classes differ by version.
        if type(error).__name__ not in _TRANSPORT:
            raise
        return error
    return None


def _download(hub, address, revision, name, problem):
    """The folder of the commit that a file was downloaded from."""
    try:
        path = hub.hf_hub_download(
            address.repository,
            name,
            revision=revision,
            library_name="keras_gen",
            local_files_only=problem is not None,
        )
    except hub.errors.LocalEntryNotFoundError:
        raise problem or FileNotFoundError(name) from None
    return pathlib.Path(path).parent


# Errors.

_TRANSPORT = {
    "ConnectError",
    "ConnectTimeout",
    "NetworkError",
    "PoolTimeout",
    "ProxyError",
    "ReadError",
    "ReadTimeout",
    "RemoteProtocolError",
    "WriteError",
    "WriteTimeout",
}


@contextlib.contextmanager
def in_words(address: Address) -> Iterator[None]:
    """Turns errors of the hub in its scope into a ValueError of one sentence.

    Args:
        address: The repository that is worked on.
    """
    try:
        yield
    except Refusal:
        raise
    except Exception as error:
        raise ValueError(explained(error, address)) from error


def explained(error: Exception, address: Address, name: str | None = None) -> str:
    """An error of the hub's client as one sentence, which says what to do.

    Args:
        error: The error.
        address: The repository.
        name: Name of the file that was wanted, or None.
    """
    while type(error) is RuntimeError and error.__cause__ is not None:
        error = error.__cause__  # Of the client's threads that upload.
    text = _sentence(error, address, name)
    if isinstance(error, client().errors.OfflineModeIsEnabled) and name is not None:
        text = text.removesuffix(".") + f", and the cache holds no {name} of it."
    return text


def _sentence(error, address, name):
    errors = client().errors
    repository = address.repository
    page = f"{client().constants.ENDPOINT}/{repository}"
    log_in = "log in by `hf auth login`, or set HF_TOKEN"
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if isinstance(error, errors.OfflineModeIsEnabled):
        return f"{address} cannot be read from the hub: HF_HUB_OFFLINE is set."
    if isinstance(error, errors.GatedRepoError):
        return f"{address} is gated: ask for access on {page}, and {log_in}."
    if isinstance(error, errors.DisabledRepoError):
        return f"{address} was disabled by the hub."
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{SCHEME}{repository} has no revision {address.revision or 'main'!r}."
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return f"{address} holds no {name}: it is no repository of keras_gen."
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"{address} does not exist, or is private: for your own, {log_in}."
    if isinstance(error, errors.LocalTokenNotFoundError):
        return f"Expected a token for {address}: {log_in}."
    if status == 401:
        return f"The hub refused the token: {log_in}."
    if status == 403:
        return f"The token may not do this with {address}: {_said(error)}."
    if status == 412:
        return f"{address} was changed by others in the meantime: push again."
    if status is not None:
        return f"The hub answered {status} for {address}: {_said(error)}."
    if "Timeout" in type(error).__name__:
        return (
            f"The hub did not answer in time for {address}: try again, or set "
            "HF_HUB_ETAG_TIMEOUT and HF_HUB_DOWNLOAD_TIMEOUT to more seconds."
        )
    if type(error).__name__ in _TRANSPORT:
        endpoint = client().constants.ENDPOINT
        return f"The hub at {endpoint} cannot be reached for {address}: {_said(error)}."
    return f"The hub cannot be used for {address}: {_said(error)}."


def _said(error):
    """What the hub said, or the error, as one line of at most 300 characters."""
    text = getattr(error, "server_message", None) or str(error)
    return " ".join(text.split()).rstrip(".")[:300] or type(error).__name__
