"""The wishes to stop and to have the answer now; the first as llama.cpp's native code can see it."""

from __future__ import annotations

import ctypes
import threading

from app.core.errors import Cancelled


class Cancellation:
    """Hold whether the request under way is to stop, or to end its reasoning.

    A wish names its request: one that comes too late must not hit the next request, and one that
    comes before its request is taken up must not be lost.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: str | None = None
        self._asked_for: str | None = None
        self._hurried: str | None = None
        # A C string: empty, or one character long when cancelled. `strlen` of it is llama.cpp's abort
        # callback, which so needs neither Python nor its lock.
        self._flag = ctypes.create_string_buffer(2)

    @property
    def requested(self) -> bool:
        """Return whether the request under way is to stop."""
        return self._flag.raw[0] != 0

    @property
    def address(self) -> int:
        """Return the address of the flag, a C string that is empty until cancelled."""
        return ctypes.addressof(self._flag)

    @property
    def hurried(self) -> bool:
        """Return whether the answer of the request under way is wanted now, without further reasoning."""
        return self._hurried is not None and self._hurried == self._under_way

    def begin(self, request_id: str) -> None:
        """Take up a request."""
        with self._lock:
            self._under_way = request_id
            self._set(cancelled=self._asked_for == request_id)

    def end(self) -> None:
        """Lay the request down."""
        with self._lock:
            self._under_way = None
            self._set(cancelled=False)

    def cancel(self, request_id: str) -> None:
        """Wish that `request_id` stops; any thread."""
        with self._lock:
            self._asked_for = request_id
            if self._under_way == request_id:
                self._set(cancelled=True)

    def hurry(self, request_id: str) -> None:
        """Wish that `request_id` ends its reasoning; any thread."""
        with self._lock:
            self._hurried = request_id

    def check(self) -> None:
        """Raise Cancelled if the request under way is to stop."""
        if self.requested:
            raise Cancelled("You stopped this.")

    def _set(self, *, cancelled: bool) -> None:
        self._flag[0] = b"x" if cancelled else b"\0"
