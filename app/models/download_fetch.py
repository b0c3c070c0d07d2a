"""Fetch the missing chunks of one file over several connections, through cuts, stalls and overloaded servers.

Each connection is a thread of its own, so that the caller can stop at once whatever the network does. The first
one decides: it alone counts failures and gives up, and the others only begin once the server serves it ranges.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx2
from huggingface_hub.errors import HfHubHTTPError

from app.core.errors import AppError, Cancelled, DownloadInterrupted
from app.models.download_part import PartClosed
from app.models.download_plan import Claim, Pace, Plan, Store
from app.models.download_stream import STOPPED, Answer, Locator, TryAgain, Tuning, open_answer
from app.models.hub import Hub, RemoteFile
from app.models.hub_errors import sentence_for

_TICK_S = 0.1
_CLOSE_S = 0.5
_SILENT_S = 3.0  # without a byte; then the person is told

Tell = Callable[[int, str], None]  # bytes that arrived since the last call, and what is waited for


class Fetch:
    """Bring what `store` lacks of a file."""

    def __init__(
        self, hub: Hub, file: RemoteFile, store: Store, tuning: Tuning, limit: Callable[[], float] | None
    ) -> None:
        self._file, self._store, self._tuning = file, store, tuning
        self._locator = Locator(hub, file, tuning.location_s)
        self._plan = Plan(store, tuning.span_chunks, tuning.connections)
        self._pace = Pace(limit)
        self._lines: dict[int, _Line] = {}
        self._host = urlsplit(hub.endpoint).hostname or hub.endpoint

    def run(self, cancel: threading.Event, tell: Tell, check: Callable[[], None] = lambda: None) -> None:
        """Return once everything is there. `tell` and `check`, which may raise, are called ten times a second.

        Raises Cancelled, DownloadInterrupted when the server brings nothing more, NoNetwork, AccessDenied,
        RepositoryMissing, VersionChanged, or OSError of the disk.
        """
        told = 0
        try:
            while not self._plan.is_over:
                self._connect()
                with self._plan.changed:
                    self._plan.changed.wait_for(lambda: self._plan.is_over, _TICK_S)
                if cancel.is_set():
                    raise Cancelled(STOPPED)
                arrived = self._plan.arrived_bytes
                tell(arrived - told, self._waiting())
                told = arrived
                check()
        finally:
            self._close()
            tell(self._plan.arrived_bytes - told, "")
        if self._plan.verdict is not None:
            raise self._plan.verdict

    def _connect(self) -> None:
        wanted = self._tuning.connections if self._plan.serves_ranges else 1
        for number in range(wanted):
            line = self._lines.get(number)
            if line is None or not (line.is_alive or number == 0 or not self._plan.has_free):
                self._lines[number] = _Line(number, self._locator, self._plan, self._store, self._pace, self._tuning)

    def _waiting(self) -> str:
        now = time.monotonic()
        if self._plan.pause is not None:
            until, trouble = self._plan.pause
            wait = f"trying again in {max(1, round(until - now))} s"
            if isinstance(trouble.__cause__, HfHubHTTPError) or str(trouble).startswith("error "):
                return f"{self._host} has too much to do ({trouble}); {wait}."
            return f"The connection to {self._host} broke; {wait}."
        if now - self._plan.last_arrival > _SILENT_S:
            return f"Waiting for {self._host}; after {self._tuning.stall_s:.0f} s without an answer a new try is made."
        return ""

    def _close(self) -> None:
        self._plan.close()
        deadline = time.monotonic() + _CLOSE_S
        for line in self._lines.values():
            line.cut()
        for line in self._lines.values():
            line.join(deadline - time.monotonic())


class _Line:
    """Fetch claim after claim over one connection at a time, on a daemon thread."""

    def __init__(self, number: int, locator: Locator, plan: Plan, store: Store, pace: Pace, tuning: Tuning) -> None:
        self._number = number
        self._locator, self._plan, self._store, self._pace, self._tuning = locator, plan, store, pace, tuning
        self._failures = 0
        self._socket: socket.socket | None = None
        name = f"download {locator.file.local_name} {number}"
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Tell whether there may be more to fetch."""
        return self._thread.is_alive()

    def cut(self) -> None:
        """Wake the thread when it waits for bytes; when it waits for an answer, its own time limit does."""
        if self._socket is not None:
            with contextlib.suppress(OSError):  # the other side was faster
                self._socket.shutdown(socket.SHUT_RDWR)

    def join(self, timeout_s: float) -> None:
        """Wait for the thread to write what it holds."""
        self._thread.join(max(0.0, timeout_s))

    def _work(self) -> None:
        try:
            while (claim := self._plan.claim(is_first=self._number == 0)) is not None:
                self._carry(claim)
        except PartClosed:  # stopped meanwhile
            return
        except Exception as error:  # noqa: BLE001 -- thread border: the controlling thread raises it
            self._plan.fail(error)

    def _carry(self, claim: Claim) -> None:
        """Fetch a claim, or as much of it as comes, and wait where that helps. Raises what ends the download."""
        before = self._plan.arrived_bytes
        trouble: TryAgain | None = None
        try:
            self._read(claim)
            if claim.chunks:
                trouble = TryAgain("the answer ended early")
        except TryAgain as error:
            trouble = error
        finally:
            self._socket = None
            self._plan.release(claim)
        if trouble is None or self._plan.closing.is_set():
            self._failures = 0
            return
        brought = self._plan.arrived_bytes - before
        self._failures = 0 if brought >= self._tuning.progress_bytes else self._failures + 1
        if self._number == 0 and self._failures > self._tuning.attempts:
            raise _gave_up(self._locator, trouble) from trouble
        self._pause(trouble)

    def _pause(self, trouble: TryAgain) -> None:
        tuning = self._tuning
        pause_s = min(tuning.longest_pause_s, tuning.first_pause_s * 2 ** (self._failures - 1)) if self._failures else 0
        asked_s = min(tuning.longest_retry_after_s, trouble.wait_s)
        self._plan.hold(asked_s)
        if self._number == 0:
            self._plan.pause = time.monotonic() + max(pause_s, asked_s), trouble
        self._plan.wait_until_allowed(pause_s)
        if self._number == 0:
            self._plan.pause = None

    def _read(self, claim: Claim) -> None:
        with open_answer(self._locator, claim.start, claim.end, self._tuning.stall_s) as answer:
            stream = answer.response.extensions.get("network_stream")
            self._socket = stream.get_extra_info("socket") if stream is not None else None
            if answer.ranged:
                self._plan.ranges_work()
            else:
                self._plan.take_everything(claim)
            sink = _Sink(self._store, self._plan, claim, self._tuning)
            try:
                self._pour(answer, sink, claim)
            finally:
                sink.flush()

    def _pour(self, answer: Answer, sink: _Sink, claim: Claim) -> None:
        for offset, piece in answer.pieces():
            self._pace.wait_for(len(piece), self._plan.closing)
            sink.add(offset, piece)
            if self._plan.closing.is_set() or not (claim.chunks or answer.ranged):
                return


class _Sink:
    """Collect what a connection brings into pieces worth a write, and pass over what is not wanted."""

    def __init__(self, store: Store, plan: Plan, claim: Claim, tuning: Tuning) -> None:
        self._store, self._plan, self._claim, self._tuning = store, plan, claim, tuning
        self._chunk, self._place = -1, 0
        self._buffer = bytearray()
        self._flushed_at = time.monotonic()

    def add(self, offset: int, piece: bytes) -> None:
        """Take bytes from anywhere in the file; each answer brings them in order."""
        view = memoryview(piece)
        while view:
            chunk, place = divmod(offset, self._store.chunk_bytes)
            here = view[: self._store.length(chunk) - place]
            if chunk in self._claim.chunks:
                self._take(chunk, place, here)
            view, offset = view[len(here) :], offset + len(here)

    def _take(self, chunk: int, place: int, piece: memoryview) -> None:
        if chunk != self._chunk:
            self.flush()
            self._chunk, self._place = chunk, self._store.held(chunk)
        known = self._place + len(self._buffer) - place
        if known < 0:
            raise TryAgain("bytes in between did not come")
        self._buffer += piece[known:]
        is_late = time.monotonic() - self._flushed_at >= self._tuning.piece_s
        is_end = place + len(piece) == self._store.length(chunk)
        if is_end or is_late or len(self._buffer) >= self._tuning.piece_bytes:
            self.flush()

    def flush(self) -> None:
        """Write what is collected. Raises OSError, or TryAgain when another connection was faster."""
        self._flushed_at = time.monotonic()
        if not self._buffer:
            return
        count = len(self._buffer)
        if not self._store.append(self._chunk, self._place, self._buffer):
            raise TryAgain("another connection brought the same bytes")
        self._buffer.clear()
        self._place += count
        self._plan.arrived(self._claim, self._chunk, count)


def _gave_up(locator: Locator, trouble: TryAgain) -> AppError:
    cause = trouble.__cause__
    if isinstance(cause, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError, HfHubHTTPError)):
        return sentence_for(cause, locator.file.repository, locator.hub.endpoint)
    return DownloadInterrupted(
        f"The connection broke again and again while downloading {locator.file.local_name} ({trouble}). "
        "What has arrived is kept: try again, and it goes on from there."
    )
