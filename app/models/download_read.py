"""Read files back from the disk and hash them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

READ_BYTES = 1 << 20

Tick = Callable[[int], None]  # called with each count of bytes read back; may raise to stop


def open_for_reading(path: Path) -> int:
    """Return a descriptor that reads whole pieces at any place. Raises OSError."""
    return os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))


class Reader:
    """Read a file piece by piece into one buffer, with a position of its own; not for two threads at once.

    Raises OSError as the disk does.
    """

    def __init__(self, path: Path) -> None:
        self._stream = path.open("rb", buffering=0)
        self._buffer = bytearray(READ_BYTES)

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def pieces(self, start: int, end: int) -> Iterator[memoryview]:
        """Yield what lies between two places, or up to the end; a piece is gone with the next one."""
        self._stream.seek(start)
        view = memoryview(self._buffer)
        while start < end:
            count = self._stream.readinto(view[: min(READ_BYTES, end - start)])
            if not count:
                return
            start += count
            yield view[:count]

    def hash(self, start: int, end: int, tick: Tick | None = None) -> hashlib._Hash:
        """Return the SHA-256 of what lies between two places, open for more."""
        digest = hashlib.sha256()
        for piece in self.pieces(start, end):
            digest.update(piece)
            if tick is not None:
                tick(len(piece))
        return digest


def hash_file(path: Path, tick: Tick) -> str:
    """Return the SHA-256 of a whole file. Raises OSError."""
    with Reader(path) as reader:
        return reader.hash(0, path.stat().st_size, tick).hexdigest()


def hash_with_chunks(path: Path, chunk_bytes: int, tick: Tick) -> tuple[str, dict[int, str]]:
    """Return the SHA-256 of a whole file and that of each chunk, read once. Raises OSError."""
    size, whole, chunks = path.stat().st_size, hashlib.sha256(), dict[int, str]()
    with Reader(path) as reader:
        for chunk, start in enumerate(range(0, size, chunk_bytes)):
            digest = hashlib.sha256()
            for piece in reader.pieces(start, min(size, start + chunk_bytes)):
                whole.update(piece)
                digest.update(piece)
                tick(len(piece))
            chunks[chunk] = digest.hexdigest()
    return whole.hexdigest(), chunks
