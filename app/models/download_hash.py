"""The SHA-256 of a whole file while it arrives: in order, although its chunks come in any."""

from __future__ import annotations

import hashlib
import threading

from app.models.download_part import PartFile
from app.models.download_read import Reader, Tick
from app.models.download_record import part_path


class WholeHash:
    """Follow a part on a thread of its own and hash each chunk once all before it are there.

    What has just arrived is read from the system's cache, so the disk is read only for what was there before.
    """

    def __init__(self, part: PartFile) -> None:
        self._part = part
        self._position = 0
        self._digest = hashlib.sha256()
        self._failure: OSError | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._follow, name=f"hash {part.target.name}", daemon=True)
        self._thread.start()

    def result(self, tick: Tick) -> str:
        """Wait for the end of a part that is all there and return its SHA-256 in hexadecimal.

        `tick` is called with counts of bytes hashed and several times a second. Raises OSError.
        """
        told = 0
        while self._thread.is_alive():
            self._thread.join(0.1)
            count = self._position - told
            told += count
            tick(count)
        if self._failure is not None:
            raise self._failure
        return self._digest.hexdigest()

    def close(self) -> None:
        """Stop, whatever is still to be hashed."""
        self._closed = True
        with self._part.changed:
            self._part.changed.notify_all()
        self._thread.join()

    @property
    def position(self) -> int:
        """Return how many bytes are hashed."""
        return self._position

    def _follow(self) -> None:
        try:
            with Reader(part_path(self._part.target)) as reader:
                for chunk in range(self._part.chunk_count):
                    self._wait_for(chunk)
                    self._add(reader, *self._part.span(chunk))
                    if self._closed:
                        return
        except OSError as error:
            self._failure = error

    def _wait_for(self, chunk: int) -> None:
        with self._part.changed:
            self._part.changed.wait_for(lambda: self._closed or self._part.is_done(chunk))

    def _add(self, reader: Reader, start: int, end: int) -> None:
        for piece in reader.pieces(start, end):
            if self._closed:
                return
            self._digest.update(piece)
            self._position += len(piece)
