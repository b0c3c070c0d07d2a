"""One line that shows progress in a terminal, and now and then a plain line where the output is no terminal."""

from __future__ import annotations

import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TextIO

_PLAIN_EVERY_S = 30.0
_NARROWEST = 20


class ProgressLine:
    """Write the newest state over the one before; use as a context manager, so that the line is always ended."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._is_terminal = out.isatty()
        self._length = 0
        self._told = ""
        self._told_at = -_PLAIN_EVERY_S

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_terminal and self._length:
            print(file=self._out, flush=True)

    def show(self, text: str, *, is_new: bool = False) -> None:
        """Show `text`; with `is_new` it is something else than before and is never left out."""
        if self._is_terminal:
            self._overwrite(text)
        elif is_new or time.monotonic() - self._told_at >= _PLAIN_EVERY_S:
            self.say(text)

    def say(self, text: str) -> None:
        """Write `text` as a line of its own that stays, unless it was the last one said."""
        if text == self._told:
            return
        self._told, self._told_at = text, time.monotonic()
        if self._is_terminal:
            self._overwrite(text)
            print(file=self._out, flush=True)
            self._length = 0
        else:
            print(text, file=self._out, flush=True)

    def _overwrite(self, text: str) -> None:
        width = max(_NARROWEST, shutil.get_terminal_size().columns - 1)
        shown = text[:width]
        print(f"\r{shown:<{self._length}}", end="", file=self._out, flush=True)
        self._length = len(shown)


@contextmanager
def interrupts_set(cancel: threading.Event) -> Iterator[None]:
    """Turn the first Ctrl-C into `cancel`; the next one ends the program as usual."""

    def note(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        cancel.set()

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
