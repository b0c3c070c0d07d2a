"""What the Hub says about files: names, sizes, SHA-256 and where the bytes are; no bytes are moved here.

Endpoint, login, proxies, certificates and offline mode are huggingface-hub's own (HF_ENDPOINT, HF_TOKEN,
HF_HUB_OFFLINE, the saved login), and so is the HTTP client.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urljoin, urlsplit

import httpx2
from huggingface_hub import HfApi, constants, hf_hub_url
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # public, exported without __all__
    build_hf_headers,
    hf_raise_for_status,
)

from app.core.errors import RepositoryMissing
from app.models.hub_client import check_address, open_session, talking_to
from app.models.hub_errors import is_temporary, sentence_for

log = logging.getLogger(__name__)

_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"|?*\\\u202a-\u202e\u2066-\u2069]')
_DEVICE_NAME = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\..*)?", re.IGNORECASE)
_LONGEST_NAME_BYTES = 200  # leaves room for ".part.json" under the usual limit of 255

HUB_TIMEOUT_S = 20.0
_MOST_REDIRECTS = 8

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
        open_session()
        api = HfApi(endpoint=self.endpoint, token=self._token)
        try:
            with talking_to(self.endpoint):
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
            response = self._ask(url, headers | {"Accept-Encoding": "identity"})
            return _location(response, headers, self.endpoint)
        except _EXPECTED as error:
            if is_temporary(error):
                raise
            raise sentence_for(error, file.repository, self.endpoint) from error

    def _ask(self, url: str, headers: dict[str, str]) -> httpx2.Response:
        """Ask about a file, following redirects as long as they stay here: only here the token may go."""
        client = open_session()
        for _ in range(_MOST_REDIRECTS):
            with talking_to(self.endpoint):
                response = client.head(url, headers=headers, timeout=HUB_TIMEOUT_S, follow_redirects=False)
            hf_raise_for_status(response)
            target = urljoin(url, response.headers.get("location", url))
            if not response.has_redirect_location or not same_origin(target, self.endpoint):
                return response
            url = target
        raise httpx2.TooManyRedirects(f"more than {_MOST_REDIRECTS} redirects")


def _location(response: httpx2.Response, headers: dict[str, str], endpoint: str) -> Location:
    url = urljoin(str(response.url), response.headers.get("location", ""))
    check_address(url, endpoint)
    stays_here = same_origin(url, endpoint)
    allowed = {k: v for k, v in headers.items() if stays_here or k.lower() != "authorization"}
    etag = str(response.headers.get("x-linked-etag") or response.headers.get("etag", ""))
    digest = etag.removeprefix("W/").strip('"')
    length = "" if response.has_redirect_location else response.headers.get("content-length", "")
    size = response.headers.get("x-linked-size") or length
    announced = digest if _SHA256.fullmatch(digest) else ""
    return Location(url, allowed, announced, int(size) if size.isdecimal() else -1)


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
