"""One answer of the server at a time: where the bytes are, whether they are the right ones, and why not."""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urljoin

import httpx2
from huggingface_hub.errors import HfHubHTTPError

from app.core.errors import AppError, DownloadInterrupted
from app.models.hub import Hub, Location, RemoteFile, same_origin
from app.models.hub_client import check_address, open_session, talking_to
from app.models.hub_errors import is_temporary, retry_after_s, sentence_for

__all__ = ["STOPPED", "Answer", "Locator", "TryAgain", "Tuning", "VersionChanged", "check_address", "open_answer"]

log = logging.getLogger(__name__)

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
STOPPED = "The download was stopped. What has arrived is kept."
_MOST_REDIRECTS = 8


@dataclass(frozen=True, slots=True)
class Tuning:
    """Hold the numbers of a download, to be made small in tests.

    `connections` at once fetch at most `span_chunks` chunks each with a request, so that what arrives stays
    close enough together to be hashed from the system's cache. Pieces of `piece_bytes`, or what comes in
    `piece_s`, are written at once: more is never lost. `attempts` in a row that each bring less than
    `progress_bytes` end the download. Addresses are asked for anew after `location_s`. Free room is looked at
    every `room_check_s`; a download pauses when less than half of `spare_bytes` are left.
    """

    chunk_bytes: int = 16 << 20
    connections: int = 4
    span_chunks: int = 4
    piece_bytes: int = 1 << 20
    piece_s: float = 0.5
    progress_bytes: int = 1 << 20
    stall_s: float = 30.0
    location_s: float = 60.0
    attempts: int = 8
    first_pause_s: float = 1.0
    longest_pause_s: float = 30.0
    longest_retry_after_s: float = 600.0
    spare_bytes: int = 2 << 30
    room_check_s: float = 2.0


class VersionChanged(Exception):
    """Tell the caller, who fetches the new version, that the one asked for is no longer offered."""


class TryAgain(Exception):
    """Carry why a connection ended early, and how long the server asks to wait."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class Locator:
    """Know where the bytes of a file are, for all its connections, and that they are still this version's."""

    def __init__(self, hub: Hub, file: RemoteFile, lasts_s: float) -> None:
        self.hub, self.file = hub, file
        self._lasts_s = lasts_s
        self._lock = threading.Lock()
        self._known: tuple[float, Location] | None = None
        self._etag = ""

    def where(self) -> Location:
        """Return where the bytes are. Raises VersionChanged, AppError, and what `Hub.locate` raises."""
        with self._lock:
            if self._known is not None and time.monotonic() - self._known[0] < self._lasts_s:
                return self._known[1]
            location = self.hub.locate(self.file)
            other_version = location.sha256 and location.sha256 != self.file.sha256
            if other_version or location.size not in {-1, self.file.size}:
                raise VersionChanged(f"{self.file.name}: {location.sha256 or location.size}")
            self._known = time.monotonic(), location
            return location

    def forget(self) -> None:
        """Ask again the next time: addresses expire."""
        with self._lock:
            self._known = None

    def compare(self, etag: str) -> None:
        """Ask for the version again when the storage serves other bytes than before. Raises as `where`."""
        if etag and self._etag and etag != self._etag:
            self.forget()
            self.where()
        self._etag = etag or self._etag


@dataclass(frozen=True, slots=True)
class Answer:
    """Hold an answer whose body begins at `start` of the file; `ranged` when that is where it was asked for."""

    response: httpx2.Response
    start: int
    ranged: bool

    def pieces(self) -> Iterator[tuple[int, bytes]]:
        """Yield places in the file and the bytes there."""
        offset = self.start
        for piece in self.response.iter_raw():
            yield offset, piece
            offset += len(piece)


@contextlib.contextmanager
def open_answer(locator: Locator, start: int, end: int, stall_s: float) -> Iterator[Answer]:
    """Ask for the bytes from `start` up to `end`; no byte for `stall_s` ends the connection.

    Raises TryAgain, VersionChanged or AppError, also from within the block.
    """
    hub, file = locator.hub, locator.file
    try:
        location = locator.where()
        headers = location.headers | {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
        with _open(location.url, headers, hub.endpoint, stall_s) as response:
            first, ranged = _first_offset(response, start, file.size)
            locator.compare(response.headers.get("etag", ""))
            yield Answer(response, first, ranged)
    except (TryAgain, VersionChanged):
        locator.forget()
        raise
    except (httpx2.HTTPError, httpx2.InvalidURL, HfHubHTTPError, RuntimeError, ValueError) as error:
        log.info("%s: a connection ended early: %r", file.name, error)
        locator.forget()
        raise _verdict(error, file, hub) from error


def _verdict(error: Exception, file: RemoteFile, hub: Hub) -> AppError | TryAgain:
    if isinstance(error, HfHubHTTPError) and is_temporary(error):
        return TryAgain(f"error {error.response.status_code}", retry_after_s(error.response.headers))
    # RuntimeError: the shared client was closed by another thread.
    if isinstance(error, RuntimeError) or is_temporary(error):
        return TryAgain(str(error) or type(error).__name__)
    return sentence_for(error, file.repository, hub.endpoint)


@contextlib.contextmanager
def _open(url: str, headers: dict[str, str], endpoint: str, stall_s: float) -> Iterator[httpx2.Response]:
    """Follow redirects by hand: a token stays with its host, and https never becomes http."""
    client = open_session()
    for _ in range(_MOST_REDIRECTS):
        check_address(url, endpoint)
        allowed = {k: v for k, v in headers.items() if k.lower() != "authorization" or same_origin(url, endpoint)}
        request = client.build_request("GET", url, headers=allowed, timeout=stall_s)
        with talking_to(endpoint):
            response = client.send(request, stream=True, follow_redirects=False)
        try:
            if not response.has_redirect_location:
                yield response
                return
            url = urljoin(url, response.headers["location"])
        finally:
            response.close()
    raise DownloadInterrupted(
        "The server sends this download round in circles. Try again later or choose another download."
    )


def _first_offset(response: httpx2.Response, start: int, size: int) -> tuple[int, bool]:
    """Return where in the file an answer begins, and whether the server serves ranges; if not it begins at 0."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise TryAgain("the answer is compressed")
    if response.status_code == 200:
        length = response.headers.get("content-length", str(size))
        if length != str(size):
            raise TryAgain(f"{length} bytes are offered, not {size}")
        return 0, False
    if response.status_code == 206:
        found = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
        if found is None or (int(found[1]), int(found[3])) != (start, size):
            raise TryAgain(f"other bytes than asked for: {response.headers.get('content-range')}")
        return start, True
    raise TryAgain(f"error {response.status_code}", retry_after_s(response.headers))
