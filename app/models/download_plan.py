"""Which connection fetches what of a file, and how fast all of them together may be."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from app.models.download_stream import TryAgain

_SLICE_S = 0.2
_MOST_CREDIT_S = 0.1


class Store(Protocol):
    """Take the bytes of a file, chunk by chunk, in pieces from each chunk's beginning on."""

    chunk_bytes: int
    chunk_count: int

    def is_done(self, chunk: int) -> bool:
        """Tell whether a chunk is whole, or not wanted."""
        ...

    def held(self, chunk: int) -> int:
        """Return how many bytes of an unfinished chunk are there."""
        ...

    def length(self, chunk: int) -> int:
        """Return how many bytes a chunk has."""
        ...

    def append(self, chunk: int, offset: int, piece: bytearray) -> bool:
        """Take the next bytes of a chunk; False when they are not the next ones."""
        ...


@dataclass(eq=False)
class Claim:
    """Name the chunks that one connection fetches, and that no other does meanwhile."""

    chunks: set[int]
    start: int
    end: int


class Plan:
    """Hand out missing chunks, from the front, and hold what all connections of a file must know."""

    def __init__(self, store: Store, span_chunks: int, connections: int) -> None:
        self.changed = threading.Condition()
        self.closing = threading.Event()
        self.serves_ranges: bool | None = None  # not known before the first answer
        self.verdict: Exception | None = None
        self.arrived_bytes = 0
        self.last_arrival = time.monotonic()
        self.pause: tuple[float, TryAgain] | None = None  # until when the first connection waits, and why
        self._not_before = 0.0
        self._store, self._span_chunks, self._connections = store, span_chunks, connections
        self._free = sorted((n for n in range(store.chunk_count) if not store.is_done(n)), reverse=True)
        self._owned: set[int] = set()

    @property
    def is_over(self) -> bool:
        """Tell whether everything is there or can't be brought."""
        return self.verdict is not None or not (self._free or self._owned)

    @property
    def has_free(self) -> bool:
        """Tell whether another connection would find something to do."""
        return bool(self._free)

    def claim(self, *, is_first: bool) -> Claim | None:
        """Return what to fetch next, or None when there is nothing (more) to do.

        The first connection waits for what others may leave behind; it alone works on without ranges.
        """
        with self.changed:
            while not (self.closing.is_set() or self.is_over):
                if self._free and (is_first or self.serves_ranges):
                    return self._take(self._next_count())
                if not is_first:
                    return None
                self.changed.wait(_SLICE_S)
        return None

    def _next_count(self) -> int:
        if self.serves_ranges is False:
            return len(self._free)
        # Smaller and smaller towards the end, so that all connections end at about the same time.
        return max(1, min(self._span_chunks, len(self._free) // (2 * self._connections)))

    def _take(self, count: int) -> Claim:
        first = self._free.pop()
        taken = [first]
        while self._free and len(taken) < count:
            follows = self._free[-1] == taken[-1] + 1 and not self._store.held(self._free[-1])
            if not follows and self.serves_ranges is not False:
                break
            taken.append(self._free.pop())
        self._owned.update(taken)
        size = self._store.chunk_bytes
        end = taken[-1] * size + self._store.length(taken[-1])
        return Claim(set(taken), first * size + self._store.held(first), end)

    def take_everything(self, claim: Claim) -> None:
        """Give `claim` all that is free: the server sends the whole file whatever is asked for."""
        with self.changed:
            self.serves_ranges = False
            claim.chunks.update(self._free)
            self._owned.update(self._free)
            self._free.clear()

    def ranges_work(self) -> None:
        """Let other connections begin."""
        self.serves_ranges = True

    def arrived(self, claim: Claim, chunk: int, count: int) -> None:
        """Count bytes that are on disk now."""
        with self.changed:
            self.arrived_bytes += count
            self.last_arrival = time.monotonic()
            self.pause = None
            if self._store.is_done(chunk):
                claim.chunks.discard(chunk)
                self._owned.discard(chunk)
                self.changed.notify_all()

    def release(self, claim: Claim) -> None:
        """Let others fetch what is left of a claim."""
        with self.changed:
            self._owned -= claim.chunks
            left = (n for n in claim.chunks if not self._store.is_done(n))
            self._free = sorted({*self._free, *left}, reverse=True)
            self.changed.notify_all()

    def fail(self, verdict: Exception) -> None:
        """End the whole: a connection met what trying again does not mend."""
        with self.changed:
            self.verdict = self.verdict or verdict
            self.changed.notify_all()

    def hold(self, wait_s: float) -> None:
        """Let no connection ask anything for a while: the server said so."""
        self._not_before = max(self._not_before, time.monotonic() + wait_s)

    def wait_until_allowed(self, at_least_s: float) -> None:
        """Wait, and as long as the server asked for; returns early when the download is closed."""
        until = time.monotonic() + at_least_s
        while (left_s := max(until, self._not_before) - time.monotonic()) > 0:
            if self.closing.wait(min(_SLICE_S, left_s)):
                return

    def close(self) -> None:
        """Let every connection end."""
        self.closing.set()
        with self.changed:
            self.changed.notify_all()


class Pace:
    """Hold all connections together to a number of bytes per second, which may change at any time."""

    def __init__(self, limit: Callable[[], float] | None) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._due = 0.0

    def wait_for(self, count: int, closing: threading.Event) -> None:
        """Wait until `count` more bytes are allowed."""
        rate = self._limit() if self._limit is not None else 0.0
        if rate <= 0:
            return
        with self._lock:
            # A little credit makes up for waking late; more would let a pause be caught up in a burst.
            due = max(self._due, time.monotonic() - _MOST_CREDIT_S) + count / rate
            self._due = due
        while (left_s := due - time.monotonic()) > 0:
            if closing.wait(min(_SLICE_S, left_s)) or (self._limit is not None and self._limit() <= 0):
                return
