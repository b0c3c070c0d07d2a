"""What the Hub says about files: names, sizes, SHA-256 and where the bytes are; no bytes are moved here.

Endpoint, login, proxies, certificates and offline mode are huggingface-hub's own (HF_ENDPOINT, HF_TOKEN,
HF_HUB_OFFLINE, the saved login), and so is the HTTP client.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import httpx2
from huggingface_hub import HfApi, constants, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import (
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # public, exported without __all__
    build_hf_headers,
    parse_ratelimit_headers,
)

from app.core.errors import AccessDenied, AppError, DownloadInterrupted, NoNetwork, RepositoryMissing

log = logging.getLogger(__name__)

_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"|?*\\\u202a-\u202e\u2066-\u2069]')
_DEVICE_NAME = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\..*)?", re.IGNORECASE)
_LONGEST_NAME_BYTES = 200  # leaves room for ".part.json" under the usual limit of 255

HUB_TIMEOUT_S = 20.0

# What a question to the Hub may end in: the last four when the answer is not what the Hub would say.
_EXPECTED = (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError, KeyError, TypeError, AttributeError)


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """Name a file on the Hub and what it must be: `size` in bytes, `sha256` as 64 hexadecimal digits.

    `revision` is a commit where the Hub told one. `name` is the path inside the repository.
    """

    repository: str
    revision: str
    name: str
    size: int
    sha256: str

    @property
    def local_name(self) -> str:
        """Return the file name on disk: folders of the repository are not repeated there."""
        return PurePosixPath(self.name).name


@dataclass(frozen=True, slots=True)
class Location:
    """Say where the bytes of a file are now, and the headers that may be sent there.

    `sha256` and `size` are what the server announces at this moment; empty and -1 where it says nothing.
    """

    url: str
    headers: dict[str, str]
    sha256: str
    size: int


class Hub:
    """Ask one Hub about repositories; with no arguments the one and the login that the environment names."""

    def __init__(self, endpoint: str | None = None, token: str | None = None) -> None:
        self.endpoint = (endpoint or constants.ENDPOINT).rstrip("/")
        self._token = token
        # Otherwise building a header asks the server for a list of names to report in the user agent.
        constants.HF_HUB_DISABLE_TELEMETRY = True

    def list_files(self, repository: str, revision: str = "main") -> tuple[RemoteFile, ...]:
        """Return every file that has a SHA-256 and a harmless name.

        Raises NoNetwork, RepositoryMissing, AccessDenied or DownloadInterrupted (asked to slow down).
        """
        api = HfApi(endpoint=self.endpoint, token=self._token)
        try:
            info = api.model_info(repository, revision=revision, files_metadata=True, timeout=HUB_TIMEOUT_S)
            commit = info.sha if info.sha and _COMMIT.fullmatch(info.sha) else revision
            listed = tuple(
                RemoteFile(repository, commit, entry.rfilename, entry.lfs.size, entry.lfs.sha256)
                for entry in info.siblings or ()
                if entry.lfs is not None
            )
        except _EXPECTED as error:
            raise sentence_for(error, repository, self.endpoint) from error
        return tuple(file for file in listed if _is_usable(file))

    def find_file(self, repository: str, revision: str, name: str) -> RemoteFile:
        """Return what the Hub says now about one file. Raises as `list_files`."""
        for file in self.list_files(repository, revision):
            if file.name == name:
                return file
        raise RepositoryMissing(f"“{repository}” no longer holds {name}. Choose another download.")

    def locate(self, file: RemoteFile) -> Location:
        """Ask where `file` can be fetched at this moment; storage addresses expire.

        Raises AppError when trying again is useless, and what `is_temporary` accepts when it is not.
        """
        url = hf_hub_url(file.repository, file.name, revision=file.revision, endpoint=self.endpoint)
        headers = build_hf_headers(token=self._token, library_name="solo")
        try:
            found = get_hf_file_metadata(
                url, token=self._token, headers=headers, timeout=HUB_TIMEOUT_S, endpoint=self.endpoint
            )
            stays_here = same_origin(found.location, self.endpoint)
        except _EXPECTED as error:
            if is_temporary(error):
                raise
            raise sentence_for(error, file.repository, self.endpoint) from error
        if not stays_here:
            headers.pop("authorization", None)
        announced = found.etag if found.etag and _SHA256.fullmatch(found.etag) else ""
        return Location(found.location, headers, announced, -1 if found.size is None else found.size)


def same_origin(first: str, second: str) -> bool:
    """Tell whether two addresses have the same scheme, host and port: only then may a token go along."""
    default = {"http": 80, "https": 443}
    a, b = urlsplit(first), urlsplit(second)
    ports = (a.port or default.get(a.scheme), b.port or default.get(b.scheme))
    return (a.scheme, a.hostname) == (b.scheme, b.hostname) and ports[0] == ports[1]


def is_safe_name(name: str) -> bool:
    """Tell whether a path inside a repository can be written on every system without escaping its folder."""
    return 0 < len(name) <= 1000 and all(_is_safe_part(part) for part in name.split("/"))


def _is_safe_part(part: str) -> bool:
    if part in {"", ".", ".."} or part != part.strip() or part.endswith("."):
        return False
    if _FORBIDDEN.search(part) or _DEVICE_NAME.fullmatch(part):
        return False
    try:
        return len(part.encode()) <= _LONGEST_NAME_BYTES
    except UnicodeEncodeError:  # a lone surrogate
        return False


def _is_usable(file: RemoteFile) -> bool:
    sound = (
        isinstance(file.size, int)
        and file.size > 0
        and isinstance(file.sha256, str)
        and _SHA256.fullmatch(file.sha256) is not None
        and isinstance(file.name, str)
        and is_safe_name(file.name)
    )
    if not sound:
        log.info("%s lists a file that can't be used: %r", file.repository, file.name)
    return sound


def is_temporary(error: Exception) -> bool:
    """Tell whether an answer of the server may be different in a moment."""
    if isinstance(error, httpx2.TooManyRedirects):
        return False
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in {408, 429} or error.response.status_code >= 500
    return isinstance(error, (httpx2.TransportError, TimeoutError)) and not isinstance(
        error, httpx2.UnsupportedProtocol
    )


def retry_after_s(headers: httpx2.Headers) -> float:
    """Return how long the server asks to wait, in seconds; 0 where it does not say."""
    limit = parse_ratelimit_headers(headers)
    if limit is not None and limit.remaining == 0:
        return float(limit.reset_in_seconds)
    value = headers.get("retry-after", "").strip()
    return float(value) if value.isdecimal() else 0.0


def sentence_for(error: Exception, repository: str, endpoint: str) -> AppError:
    """Return what to tell the person about a failed question to the Hub."""
    host = urlsplit(endpoint).hostname or endpoint
    if isinstance(error, OfflineModeIsEnabled):
        return NoNetwork(
            "Nothing can be downloaded in offline mode. Remove HF_HUB_OFFLINE from the environment and start again."
        )
    if isinstance(error, (GatedRepoError, RepositoryNotFoundError, DisabledRepoError, RevisionNotFoundError)):
        return _about_repository(error, repository, host)
    if isinstance(error, HfHubHTTPError):
        return _about_status(error, repository, host)
    if isinstance(error, HFValidationError):
        return RepositoryMissing(f"“{repository}” is not the name of a repository. Choose another download.")
    if isinstance(error, (httpx2.HTTPError, OSError)):
        return _about_connection(error, host)
    return NoNetwork(
        f"The answer of {host} makes no sense; a login page of your network may be in between. "
        "Open a web page to check, then try again."
    )


def _about_repository(error: HfHubHTTPError, repository: str, host: str) -> AppError:
    if isinstance(error, GatedRepoError):
        return AccessDenied(
            f"“{repository}” asks you to accept its licence first. Log in to {host} in a browser, "
            "accept it there, run “hf auth login” on this computer and try again."
        )
    if isinstance(error, RevisionNotFoundError):
        return RepositoryMissing(f"This version of “{repository}” is no longer there. Choose another download.")
    if isinstance(error, DisabledRepoError):
        return RepositoryMissing(f"“{repository}” was taken offline by {host}. Choose another download.")
    return RepositoryMissing(
        f"“{repository}” does not exist on {host}, or it is private. Choose another download, "
        "or run “hf auth login” with an account that may read it."
    )


def _about_status(error: HfHubHTTPError, repository: str, host: str) -> AppError:
    status = error.response.status_code
    if isinstance(error, RemoteEntryNotFoundError) or status in {404, 410}:
        return RepositoryMissing(
            f"A file of “{repository}” is no longer there. Choose another download or try again later."
        )
    if status in {401, 403}:
        return AccessDenied(
            f"{host} refused access to “{repository}”. Run “hf auth login” with an account that may read it, "
            "then try again."
        )
    if status == 429:
        seconds = retry_after_s(error.response.headers)
        wait = f"in {seconds:.0f} seconds" if seconds else "in a few minutes"
        return DownloadInterrupted(f"{host} asks to slow down. Try again {wait}.")
    return NoNetwork(f"{host} has a problem at the moment (error {status}). Try again in a few minutes.")


def _about_connection(error: Exception, host: str) -> AppError:
    if isinstance(error, httpx2.TooManyRedirects):
        return DownloadInterrupted(
            f"{host} sends this download round in circles. Try again later or choose another download."
        )
    if isinstance(error, httpx2.UnsupportedProtocol):
        return NoNetwork(f"“{host}” is not the address of a server. Correct HF_ENDPOINT and start again.")
    if isinstance(error, httpx2.ProxyError):
        return NoNetwork("The proxy refused the connection. Check the proxy settings of this computer.")
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return NoNetwork(
            f"The identity of {host} can't be verified. Check this computer's date, and whether a proxy is in between."
        )
    return NoNetwork(f"{host} can't be reached. Check the network connection and try again.")
