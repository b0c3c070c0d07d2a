"""Walk through a file's little-endian header in chunks, never past its end or a fixed limit."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

MAX_HEADER_BYTES = 512 << 20
MAX_STRINGS = 1 << 23
_CHUNK_BYTES = 1 << 18
_U32, _U64 = struct.Struct("<I"), struct.Struct("<Q")


class HeaderDamaged(Exception):
    """Say in a few words, without the file's name, what in a header can't be true."""


class HeaderTooLarge(HeaderDamaged):
    """Say that a header goes past every sensible size."""


class Cursor:
    """Read values one after another from `stream`, which holds `file_bytes` bytes, beginning at `start`."""

    def __init__(self, stream: BinaryIO, file_bytes: int, start: int = 0) -> None:
        self._stream = stream
        self._file_bytes = file_bytes
        self._window = b""
        self._window_start = start
        self._at = 0  # within the window; may point past its end after a skip
        self._strings_left = MAX_STRINGS

    @property
    def position(self) -> int:
        """Return how many bytes of the file lie before the next value."""
        return self._window_start + self._at

    def u32(self) -> int:
        """Read an unsigned 32-bit number."""
        return int(self.unpack(_U32)[0])

    def u64(self) -> int:
        """Read an unsigned 64-bit number."""
        return int(self.unpack(_U64)[0])

    def unpack(self, layout: struct.Struct) -> tuple[Any, ...]:
        """Read the values that `layout` describes."""
        self._need(layout.size)
        values = layout.unpack_from(self._window, self._at)
        self._at += layout.size
        return values

    def text(self, max_bytes: int) -> str:
        """Read a string of at most `max_bytes`; bytes that are not UTF-8 are replaced."""
        length = self.u64()
        if length > max_bytes:
            raise HeaderDamaged("a text in it is longer than allowed")
        self._need(length)
        raw = self._window[self._at : self._at + length]
        self._at += length
        return raw.decode("utf-8", "replace")

    def skip(self, n_bytes: int) -> None:
        """Step over `n_bytes`."""
        self._check(n_bytes)
        self._at += n_bytes

    def skip_strings(self, count: int) -> None:
        """Step over `count` strings without making objects of them."""
        self._strings_left -= count
        if self._strings_left < 0:
            raise HeaderTooLarge
        self._check(8 * count)
        window, at, last = self._window, self._at, len(self._window) - 8
        unpack = _U64.unpack_from
        for _ in range(count):
            if at > last:
                self._at = at
                self._need(8)
                window, at, last = self._window, self._at, len(self._window) - 8
            at += 8 + unpack(window, at)[0]
        self._at = at
        self._check(0)

    def _check(self, n_bytes: int) -> None:
        end = self.position + n_bytes
        if end > self._file_bytes:
            raise HeaderDamaged("it ends in the middle of its description")
        if end > MAX_HEADER_BYTES:
            raise HeaderTooLarge

    def _need(self, n_bytes: int) -> None:
        if self._at + n_bytes <= len(self._window):
            return
        self._check(n_bytes)
        self._window_start, self._at = self.position, 0
        self._stream.seek(self._window_start)
        self._window = self._read(max(n_bytes, _CHUNK_BYTES))
        if len(self._window) < n_bytes:
            raise HeaderDamaged("it ends in the middle of its description")

    def _read(self, n_bytes: int) -> bytes:
        pieces: list[bytes] = []
        while n_bytes > 0 and (piece := self._stream.read(n_bytes)):
            pieces.append(piece)
            n_bytes -= len(piece)
        return b"".join(pieces)
