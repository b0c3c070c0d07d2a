"""The unfinished file beside its target: bytes at their final places, and a map of what is there.

Whatever kills the program, at most the piece that each connection holds in memory has to come again; a power
cut also takes what the disk had not yet been made to keep, which is looked at before it is believed.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.core.files import sync_directory
from app.models.download_read import Reader, Tick, hash_file
from app.models.download_record import (
    PART_SUFFIX,
    Beginning,
    Record,
    is_verified,
    map_path,
    missing_bytes,
    part_path,
    piece_line,
    read_record,
    record_path,
    synced_line,
    write_record,
)
from app.models.hub import RemoteFile

__all__ = [
    "PART_SUFFIX",
    "PartFile",
    "Record",
    "hash_file",
    "is_verified",
    "map_path",
    "missing_bytes",
    "part_path",
    "read_record",
    "record_path",
    "write_record",
]

_sync = getattr(os, "fdatasync", os.fsync)  # only Linux has the cheaper one
MOST_UNSYNCED_BYTES = 512 << 20


class PartClosed(Exception):
    """Tell a connection that its bytes are no longer wanted."""


class _Chunk:
    """Count and hash one chunk as its bytes are written; one thread at a time."""

    def __init__(self, length: int = 0, digest: hashlib._Hash | None = None) -> None:
        self.lock = threading.Lock()
        self.length = length
        self.digest = digest or hashlib.sha256()


class PartFile:
    """Write pieces of one file at their places, from several threads, and remember each.

    Raises OSError as the disk does. `tick` is called while what was there is looked at.
    """

    def __init__(self, file: RemoteFile, target: Path, chunk_bytes: int, tick: Tick = lambda _: None) -> None:
        self.file, self.target = file, target
        self.changed = threading.Condition()
        self._descriptor = _open_part(part_path(target))
        self._map = -1
        try:
            found = read_record(map_path(target))
            self.started_over = found is not None and _identity(found.file) != _identity(file)
            if found is None or self.started_over:
                os.ftruncate(self._descriptor, 0)
                found = Record(file, chunk_bytes, {})
            self._record = _believable(found, part_path(target), tick)
            self._begin_map()
        except BaseException:
            os.close(self._descriptor)
            raise
        self.chunk_bytes, self.chunk_count = self._record.chunk_bytes, self._record.chunk_count
        self.span, self.length = self._record.span, self._record.length
        self._open_chunks = self._rehashed()
        self._active, self._closed = 0, False
        self._syncer = threading.Thread(target=self._keep_syncing, name=f"sync {target.name}", daemon=True)
        self._syncer.start()

    def _begin_map(self) -> None:
        _sync(self._descriptor)  # what the new map says has no lines that mark it as doubtful
        write_record(map_path(self.target), self._record)
        flags = os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self._map = os.open(map_path(self.target), flags)
        self._noted = self._synced = 0  # lines in the map
        self._unsynced_bytes = 0
        self._sync_failure: OSError | None = None

    def _rehashed(self) -> dict[int, _Chunk]:
        with Reader(part_path(self.target)) as reader:
            found = {}
            for number, beginning in self._record.begun.items():
                start = self.span(number)[0]
                found[number] = _Chunk(beginning.length, reader.hash(start, start + beginning.length))
            return found

    @property
    def done_bytes(self) -> int:
        """Return how many bytes are on disk."""
        with self.changed:
            return self._record.done_bytes

    def is_done(self, chunk: int) -> bool:
        """Tell whether a whole chunk is there."""
        return chunk in self._record.chunks

    def held(self, chunk: int) -> int:
        """Return how many bytes from the beginning of an unfinished chunk are there."""
        found = self._open_chunks.get(chunk)
        return found.length if found is not None else 0

    def append(self, chunk: int, offset: int, piece: bytes | bytearray | memoryview) -> bool:
        """Write the next bytes of a chunk; False, and nothing written, when they are not the next ones.

        Raises PartClosed.
        """
        with self._while_open(len(piece)):
            with self.changed:
                if self.is_done(chunk):
                    return False
                state = self._open_chunks.setdefault(chunk, _Chunk())
            with state.lock:
                if offset != state.length or self.is_done(chunk):
                    return False
                _write_at(self._descriptor, memoryview(piece), self.span(chunk)[0] + offset)
                state.digest.update(piece)
                state.length += len(piece)
                self._note(chunk, state.length, state.digest.copy().hexdigest(), len(piece))
        return True

    @contextmanager
    def _while_open(self, count: int) -> Iterator[None]:
        """Keep the descriptors open, and wait while the disk is too far behind."""
        with self.changed:
            while not self._closed and self._unsynced_bytes + count > MOST_UNSYNCED_BYTES:
                self.changed.wait(1)
            if self._sync_failure is not None:
                raise self._sync_failure
            if self._closed:
                raise PartClosed
            self._active += 1
        try:
            yield
        finally:
            with self.changed:
                self._active -= 1
                self.changed.notify_all()

    def _note(self, chunk: int, length: int, digest: str, count: int) -> None:
        with self.changed:
            _write_fully(self._map, piece_line(chunk, length, digest))
            self._noted += 1
            self._unsynced_bytes += count
            if length == self.length(chunk):
                self._record.chunks[chunk] = digest
                self._record.begun.pop(chunk, None)
                del self._open_chunks[chunk]
            else:
                self._record.begun[chunk] = Beginning(length, digest)
            self.changed.notify_all()

    def _keep_syncing(self) -> None:
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self._closed or self._unsynced_bytes >= min(self.chunk_bytes, 16 << 20))
                if self._closed:
                    return
                self._active += 1
            try:
                self._sync_once()
            except OSError as error:
                with self.changed:
                    self._sync_failure = error
                    self._unsynced_bytes = 0
            finally:
                with self.changed:
                    self._active -= 1
                    self.changed.notify_all()

    def _sync_once(self) -> None:
        with self.changed:
            noted, waiting = self._noted, self._unsynced_bytes
        _sync(self._descriptor)
        with self.changed:
            _write_fully(self._map, synced_line(noted))
            self._unsynced_bytes -= waiting
        _sync(self._map)

    def forget(self, chunks: tuple[int, ...]) -> None:
        """Count chunks as missing again; nothing may be written meanwhile."""
        with self.changed:
            self.changed.wait_for(lambda: self._active == 0)
            for chunk in chunks:
                self._record.chunks.pop(chunk, None)
                self._record.begun.pop(chunk, None)
                self._open_chunks.pop(chunk, None)
            os.close(self._map)
            self._begin_map()

    def digest_of(self, chunk: int) -> str:
        """Return what a finished chunk was when it arrived."""
        return self._record.chunks[chunk]

    def damaged_chunks(self, tick: Tick) -> tuple[int, ...]:
        """Read the finished chunks back and return those that the disk does not hold as they arrived."""
        with Reader(part_path(self.target)) as reader:
            return tuple(
                chunk
                for chunk, digest in sorted(self._record.chunks.items())
                if reader.hash(*self.span(chunk), tick).hexdigest() != digest
            )

    def publish(self) -> None:
        """Give the verified file its final name and remember that it was verified."""
        os.ftruncate(self._descriptor, self.file.size)
        os.fsync(self._descriptor)
        self.close()
        part_path(self.target).replace(self.target)
        sync_directory(self.target.parent)
        write_record(record_path(self.target), Record(self.file, self.chunk_bytes, self._record.chunks))
        map_path(self.target).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the part once no thread writes any more; everything written stays."""
        with self.changed:
            if self._closed:
                return
            self._closed = True
            self.changed.notify_all()
            self.changed.wait_for(lambda: self._active == 0)
        self._syncer.join()
        os.close(self._map)
        os.close(self._descriptor)


def _identity(file: RemoteFile) -> tuple[str, int]:
    return file.sha256, file.size


def _believable(record: Record, part: Path, tick: Tick) -> Record:
    """Return what of a map is really on the disk: what a power cut may have taken is compared."""
    on_disk = part.stat().st_size
    chunks, begun = dict[int, str](), dict[int, Beginning]()
    with Reader(part) as reader:

        def has(chunk: int, length: int, digest: str, *, doubtful: bool = True) -> bool:
            start = chunk * record.chunk_bytes
            if start + length > on_disk:
                return False
            return not doubtful or reader.hash(start, start + length, tick).hexdigest() == digest

        for number, digest in record.chunks.items():
            if has(number, record.length(number), digest, doubtful=number in record.unsynced):
                chunks[number] = digest
        for number, beginning in (record.safe | record.begun).items():
            known = [beginning, *filter(None, [record.safe.get(number)])] if number not in chunks else []
            found = next((b for b in known if has(number, b.length, b.sha256)), None)
            if found is not None:
                begun[number] = found
    return Record(record.file, record.chunk_bytes, chunks, begun)


def _open_part(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    return os.open(path, flags, 0o666)


_no_pwrite = threading.Lock()


def _write_at(descriptor: int, view: memoryview, offset: int) -> None:
    """Write all of `view` at a place of a file."""
    while view:  # the system may take less than it was given
        if hasattr(os, "pwrite"):
            count = os.pwrite(descriptor, view, offset)
        else:  # Windows
            with _no_pwrite:
                os.lseek(descriptor, offset, os.SEEK_SET)
                count = os.write(descriptor, view)
        view, offset = view[count:], offset + count


def _write_fully(descriptor: int, line: bytes) -> None:
    while line:
        line = line[os.write(descriptor, line) :]
