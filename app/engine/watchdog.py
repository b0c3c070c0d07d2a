"""Notice that a process has fallen silent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_LOOK_S = 0.5
_LONGEST_LOOK_S = 1.5


class Watchdog:
    """Call `on_silence` once when nothing was heard for `limit_s` seconds, on a thread of its own.

    Time in which this process itself stood still (the machine slept) does not count. `limit_s` may be changed.
    """

    def __init__(self, limit_s: float, on_silence: Callable[[], None]) -> None:
        self.limit_s = limit_s
        self._on_silence = on_silence
        self._heard = True
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="engine-watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def hear(self) -> None:
        """Take note of a sign of life; any thread."""
        self._heard = True

    def stop(self) -> None:
        """Watch no more."""
        self._stopped.set()

    def _watch(self) -> None:
        silence_s, looked_at = 0.0, time.monotonic()
        while not self._stopped.wait(_LOOK_S):
            now = time.monotonic()
            elapsed_s = min(now - looked_at, _LONGEST_LOOK_S)
            silence_s = 0.0 if self._heard else silence_s + elapsed_s
            self._heard, looked_at = False, now
            if silence_s >= self.limit_s:
                self._on_silence()
                return
