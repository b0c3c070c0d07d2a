"""How far a download is: bytes, smoothed speed and time left, told at most five times a second."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

_INTERVAL_S = 0.2
_SMOOTHING_S = 5.0
_FIRST_SPEED_AFTER_S = 1.0


@dataclass(frozen=True, slots=True)
class Progress:
    """Say how far a download of several files is.

    `done_bytes` and `total_bytes` count all files. While `verifying`, speed and time left are those of
    reading `file` back from the disk. `seconds_left` is None while unknown. `note` is a sentence, if there
    is something to say; `waiting` one about what is waited for, while nothing comes.
    """

    file: str
    done_bytes: int
    total_bytes: int
    bytes_per_second: float
    seconds_left: float | None
    verifying: bool = False
    note: str = ""
    waiting: str = ""


class Speed:
    """Smooth a rate over some seconds."""

    def __init__(self) -> None:
        self._began = self._last = time.monotonic()
        self._pending = 0
        self._rate = 0.0

    def add(self, count: int) -> None:
        """Count bytes."""
        self._pending += count

    def bytes_per_second(self) -> float:
        """Return the rate as of now; 0 while it is too early to tell."""
        now = time.monotonic()
        elapsed_s = now - self._last
        if elapsed_s > 0:
            current = self._pending / elapsed_s
            # A plain mean at first, so that the first seconds do not weigh more than they should.
            memory_s = min(_SMOOTHING_S, max(now - self._began, elapsed_s))
            self._rate += (current - self._rate) * (1 - math.exp(-elapsed_s / memory_s))
            self._last, self._pending = now, 0
        return self._rate if now - self._began >= _FIRST_SPEED_AFTER_S else 0.0


class Meter:
    """Count what arrives or is verified and tell it on."""

    def __init__(self, total_bytes: int, on_progress: Callable[[Progress], None]) -> None:
        self.done_bytes, self.total_bytes = 0, total_bytes
        self._on_progress = on_progress
        self._told_at = -math.inf
        self._fetching = Speed()
        self._verified: tuple[Speed, int] | None = None  # and how many bytes are left to verify
        self._file = ""
        self.note = self._waiting = ""

    def begin(self, total_bytes: int) -> None:
        """Count from nothing, whatever was shown while another program was at work."""
        self.done_bytes, self.total_bytes, self._waiting = 0, total_bytes, ""

    def fetch(self, file: str) -> None:
        """Say that bytes of `file` come now."""
        self._file, self._verified = file, None
        self._tell()

    def fetched(self, count: int) -> None:
        """Count bytes that arrived; 0 just keeps the speed honest while nothing comes."""
        self.done_bytes += count
        self._fetching.add(count)
        self._tell_sometimes()

    def wait(self, sentence: str) -> None:
        """Say what is waited for, or with an empty sentence that it goes on."""
        if bool(sentence) != bool(self._waiting):
            self._waiting = sentence
            self._tell()
        self._waiting = sentence
        self._tell_sometimes()

    def lost(self, count: int) -> None:
        """Take back bytes that have to come again."""
        self.done_bytes -= count

    def verify(self, file: str, size: int) -> None:
        """Say that `size` bytes of `file` are read back from now on."""
        self._file, self._verified = file, (Speed(), size)
        self._tell()

    def verified(self, count: int) -> None:
        """Count bytes read back."""
        if self._verified is not None:
            speed, left = self._verified
            speed.add(count)
            self._verified = speed, left - count
        self._tell_sometimes()

    def finish(self) -> None:
        """Tell the final state."""
        self._verified = None
        self._tell()

    def _tell_sometimes(self) -> None:
        if time.monotonic() - self._told_at >= _INTERVAL_S:
            self._tell()

    def _tell(self) -> None:
        self._told_at = time.monotonic()
        speed, left = self._verified or (self._fetching, self.total_bytes - self.done_bytes)
        rate = speed.bytes_per_second()
        seconds_left = max(0, left) / rate if rate > 0 else None
        self._on_progress(
            Progress(
                self._file,
                self.done_bytes,
                self.total_bytes,
                rate,
                seconds_left,
                self._verified is not None,
                self.note,
                self._waiting,
            )
        )
