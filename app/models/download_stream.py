"""Bring the bytes of one stretch of a remote file, in order, through cuts, stalls and overloaded servers.

Each connection is read on a thread of its own, so that the caller can stop at once whatever the network does.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import re
import socket
import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import httpx2
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import get_session  # type: ignore[attr-defined]  # public, without __all__

from app.core.errors import AppError, Cancelled, DownloadInterrupted
from app.models.hub import Hub, RemoteFile, is_temporary, retry_after_s, same_origin, sentence_for

log = logging.getLogger(__name__)

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
STOPPED = "The download was stopped. What has arrived is kept."
_MOST_REDIRECTS = 8
_QUEUED_PIECES = 64  # of at most 64 KiB


@dataclass(frozen=True, slots=True)
class Tuning:
    """Hold the numbers of a download, to be made small in tests.

    `attempts` in a row that each bring less than `progress_bytes` end the download. One request asks for at
    most `request_bytes`, as the Hub's storage serves nothing above 50 GB in one answer.
    """

    chunk_bytes: int = 16 << 20
    request_bytes: int = 8 << 30
    progress_bytes: int = 1 << 20
    stall_s: float = 30.0
    attempts: int = 8
    first_pause_s: float = 1.0
    longest_pause_s: float = 30.0
    longest_retry_after_s: float = 600.0
    spare_bytes: int = 2 << 30


class VersionChanged(Exception):
    """Tell the caller, who fetches the new version, that the one asked for is no longer offered."""


class _TryAgain(Exception):
    """Carry why a connection ended early, and how long the server asks to wait."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class _Ended:
    """Mark the end of a connection's bytes in the queue."""


class Connection:
    """Read one answer to a range request on a daemon thread; `pieces` hands out (offset, bytes)."""

    def __init__(self, hub: Hub, file: RemoteFile, start: int, end: int, stall_s: float) -> None:
        self._hub, self._file, self._start, self._end = hub, file, start, end
        self._stall_s = stall_s
        self._queue: queue.Queue[tuple[int, bytes] | _Ended | Exception] = queue.Queue(_QUEUED_PIECES)
        self._closed = threading.Event()
        self._socket: socket.socket | None = None
        name = f"download {file.local_name} from {start}"
        threading.Thread(target=self._read, name=name, daemon=True).start()

    def pieces(self, cancel: threading.Event) -> Iterator[tuple[int, bytes]]:
        """Yield bytes as they come, and none now and then while waiting for them.

        Raises Cancelled, other AppErrors, VersionChanged or _TryAgain.
        """
        deadline = time.monotonic() + self._stall_s
        while True:
            if cancel.is_set():
                raise Cancelled(STOPPED)
            try:
                item = self._queue.get(timeout=min(0.1, self._stall_s / 4))
            except queue.Empty:
                if time.monotonic() > deadline:
                    raise _TryAgain(f"no bytes for {self._stall_s:.0f} seconds") from None
                yield self._start, b""
                continue
            deadline = time.monotonic() + self._stall_s
            if isinstance(item, _Ended):
                return
            if isinstance(item, Exception):
                raise item
            yield item

    def close(self) -> None:
        """Let the thread end, now if it waits for bytes, by its own timeout if it waits for an answer."""
        self._closed.set()
        if self._socket is not None:
            with contextlib.suppress(OSError):  # the other side was faster
                self._socket.shutdown(socket.SHUT_RDWR)

    def _put(self, item: tuple[int, bytes] | _Ended | Exception) -> None:
        while not self._closed.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(item, timeout=0.2)
                return

    def _read(self) -> None:
        try:
            self._read_answer()
            self._put(_Ended())
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, RuntimeError, ValueError) as error:
            unusual = isinstance(error, (RuntimeError, ValueError))
            log.info("%s: a connection ended early: %r", self._file.name, error, exc_info=unusual)
            self._put(self._as_verdict(error))
        except Exception as error:  # noqa: BLE001 -- thread border: the reading side raises it
            self._put(error)

    def _as_verdict(self, error: Exception) -> Exception:
        # RuntimeError: the shared client was closed by another thread.
        if not isinstance(error, RuntimeError) and not is_temporary(error):
            verdict: Exception = sentence_for(error, self._file.repository, self._hub.endpoint)
        elif isinstance(error, HfHubHTTPError):
            verdict = _TryAgain(f"error {error.response.status_code}", retry_after_s(error.response.headers))
        else:
            verdict = _TryAgain(str(error) or type(error).__name__)
        verdict.__cause__ = error
        return verdict

    def _read_answer(self) -> None:
        location = self._hub.locate(self._file)
        other_version = location.sha256 and location.sha256 != self._file.sha256
        if other_version or location.size not in {-1, self._file.size}:
            raise VersionChanged(f"{self._file.name}: {location.sha256 or location.size}")
        headers = location.headers | {
            "Range": f"bytes={self._start}-{self._end - 1}",
            "Accept-Encoding": "identity",
        }
        with _open(location.url, headers, self._hub.endpoint, self._stall_s) as response:
            stream = response.extensions.get("network_stream")
            self._socket = stream.get_extra_info("socket") if stream is not None else None
            offset = _first_offset(response, self._start, self._file.size)
            for piece in response.iter_raw():
                if self._closed.is_set():
                    return
                self._put((offset, piece))
                offset += len(piece)


@contextlib.contextmanager
def _open(url: str, headers: dict[str, str], endpoint: str, stall_s: float) -> Iterator[httpx2.Response]:
    """Follow redirects by hand: a token stays with its host, and https never becomes http."""
    client = get_session()
    for _ in range(_MOST_REDIRECTS):
        check_address(url, endpoint)
        allowed = {k: v for k, v in headers.items() if k.lower() != "authorization" or same_origin(url, endpoint)}
        request = client.build_request("GET", url, headers=allowed, timeout=stall_s)
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


def check_address(url: str, endpoint: str) -> None:
    """Refuse an address that is less protected than the Hub's own. Raises DownloadInterrupted."""
    schemes = {"https"} if urlsplit(endpoint).scheme == "https" else {"http", "https"}
    if urlsplit(url).scheme not in schemes:
        raise DownloadInterrupted(
            "The server wants to send the file over an unprotected connection, which is refused. "
            "Try again from another network or choose another download."
        )


def _first_offset(response: httpx2.Response, start: int, size: int) -> int:
    """Return where in the file an answer begins; a server that ignores ranges begins at 0."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise _TryAgain("the answer is compressed")
    if response.status_code == 200:
        length = response.headers.get("content-length", str(size))
        if length != str(size):
            raise _TryAgain(f"{length} bytes are offered, not {size}")
        return 0
    if response.status_code == 206:
        found = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
        if found is None or (int(found[1]), int(found[3])) != (start, size):
            raise _TryAgain(f"other bytes than asked for: {response.headers.get('content-range')}")
        return start
    raise _TryAgain(f"error {response.status_code}", retry_after_s(response.headers))


def stream_span(
    hub: Hub, file: RemoteFile, start: int, end: int, *, tuning: Tuning, cancel: threading.Event
) -> Generator[bytes, None, None]:
    """Yield the bytes of `file` from `start` up to `end`, connecting again as often as it helps.

    While it waits it yields b"" several times a second, so that the caller can show that.

    Raises Cancelled, DownloadInterrupted when the server brings nothing more, NoNetwork, AccessDenied,
    RepositoryMissing, or VersionChanged.
    """
    position, failures = start, 0
    while position < end:
        before = position
        upto = min(end, position + tuning.request_bytes)
        connection = Connection(hub, file, position, upto, tuning.stall_s)
        trouble: _TryAgain | None = None
        try:
            for offset, piece in connection.pieces(cancel):
                wanted = piece[max(0, position - offset) : max(0, end - offset)]
                position += len(wanted)
                yield wanted
                if position == end:
                    return
        except _TryAgain as error:
            trouble = error
        finally:
            connection.close()
        if trouble is None and position >= upto:
            continue
        failures = 0 if position - before >= tuning.progress_bytes else failures + 1
        if failures > tuning.attempts:
            raise _gave_up(file, hub, trouble) from trouble
        yield from _pause(failures, trouble, tuning, cancel)


def _gave_up(file: RemoteFile, hub: Hub, trouble: _TryAgain | None) -> AppError:
    cause = trouble.__cause__ if trouble is not None else None
    if isinstance(cause, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError, HfHubHTTPError)):
        return sentence_for(cause, file.repository, hub.endpoint)
    reason = trouble or "the answer ended early"
    return DownloadInterrupted(
        f"The connection broke again and again while downloading {file.local_name} ({reason}). "
        "What has arrived is kept: try again, and it goes on from there."
    )


def _pause(failures: int, trouble: _TryAgain | None, tuning: Tuning, cancel: threading.Event) -> Iterator[bytes]:
    pause_s = min(tuning.longest_pause_s, tuning.first_pause_s * 2 ** max(0, failures - 1))
    asked_s = min(tuning.longest_retry_after_s, trouble.wait_s if trouble is not None else 0.0)
    until = time.monotonic() + max(pause_s, asked_s)
    while (left_s := until - time.monotonic()) > 0:
        if cancel.wait(min(0.2, left_s)):
            raise Cancelled(STOPPED)
        yield b""
