"""llama.cpp's log: everything goes to standard error, errors and placement are kept for sentences."""

from __future__ import annotations

import re
import sys
import threading
from collections import deque

from llama_cpp import llama_cpp as llama
from llama_cpp import mtmd_cpp as mtmd

_LETTERS = {1: "D", 2: "I", 3: "W", 4: "E"}
_ERROR, _CONTINUED = 4, 5
_PLACEMENT = re.compile(
    r"^(?:\S+: +)?(?P<device>\S+) +(?P<what>model|KV|RS|compute|output) buffer size *= *(?P<mib>[\d.]+) MiB"
)
_LINE_CHARACTERS = 2000
_KEPT_LINES = 100


class Logbook:
    """Write llama.cpp's log lines to standard error and remember those that explain something."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._errors: deque[str] = deque(maxlen=_KEPT_LINES)
        self._placements: deque[tuple[str, str, float]] = deque(maxlen=_KEPT_LINES)
        self._level, self._line = 0, ""
        # ctypes frees a callback that nobody holds while C still has its address.
        self._callback = llama.llama_log_callback(self._write)

    def open(self) -> None:
        """Take over the logs of llama.cpp, ggml and mtmd."""
        llama.llama_log_set(self._callback, None)
        mtmd.mtmd_helper_log_set(self._callback, None)

    def forget(self) -> None:
        """Forget what was remembered, before something is tried whose failure must be explained."""
        with self._lock:
            self._errors.clear()
            self._placements.clear()

    def errors(self) -> str:
        """Return the errors since `forget`, one a line."""
        with self._lock:
            return "\n".join(self._errors)

    def placements(self) -> list[tuple[str, str, float]]:
        """Return (device, what, MiB) for every buffer that was made since `forget`."""
        with self._lock:
            return list(self._placements)

    def _write(self, level: int, text: bytes, _data: object) -> None:
        with self._lock:
            if level != _CONTINUED:
                self._level = level
            self._line += text.decode("utf-8", "replace")
            *lines, self._line = self._line.split("\n")
            self._line = self._line[:_LINE_CHARACTERS]
            for line in lines:
                self._keep(line[:_LINE_CHARACTERS])

    def _keep(self, line: str) -> None:
        sys.stderr.write(f"{_LETTERS.get(self._level, 'I')} {line}\n")
        if self._level == _ERROR:
            self._errors.append(line)
        if found := _PLACEMENT.match(line):
            self._placements.append((found["device"], found["what"], float(found["mib"])))
