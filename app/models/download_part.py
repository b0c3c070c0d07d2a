"""The unfinished file beside its target: its bytes, and a map of the chunks that are safely on disk.

`NAME.part` holds the bytes at their final places, `NAME.part.json` the SHA-256 of every finished chunk.
When the whole is verified the part becomes `NAME`, and `NAME.verified.json` remembers what it was.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from app.core.files import sync_directory, write_atomically
from app.models.hub import RemoteFile

log = logging.getLogger(__name__)

PART_SUFFIX = ".part"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_READ_BYTES = 1 << 20
_LARGEST_CHUNK_BYTES = 256 << 20  # a chunk is held in memory

Tick = Callable[[int], None]  # called with each count of bytes read back; may raise to stop


def part_path(target: Path) -> Path:
    """Return where the unfinished bytes of `target` lie."""
    return target.with_name(target.name + PART_SUFFIX)


def map_path(target: Path) -> Path:
    """Return where the map of finished chunks of `target` lies."""
    return target.with_name(target.name + PART_SUFFIX + ".json")


def record_path(target: Path) -> Path:
    """Return where it is remembered what `target` was verified against."""
    return target.with_name(target.name + ".verified.json")


@dataclass(frozen=True, slots=True)
class Record:
    """Hold what is remembered of a part or of a verified file; `chunks` maps chunk numbers to SHA-256."""

    file: RemoteFile
    chunk_bytes: int
    chunks: dict[int, str]

    @property
    def done_bytes(self) -> int:
        """Return how many bytes the finished chunks hold."""
        return sum(min(self.chunk_bytes, self.file.size - n * self.chunk_bytes) for n in self.chunks)


def read_record(path: Path) -> Record | None:
    """Read a map or a record; None where there is none or it is unusable, which only costs a new download."""
    try:
        raw = json.loads(path.read_bytes())
        file = RemoteFile(**raw["file"])
        chunk_bytes = int(raw["chunk_bytes"])
        chunks = {int(number): str(digest) for number, digest in raw["chunks"].items()}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        log.info("%s can't be used", path, exc_info=True)
        return None
    sound = isinstance(file.size, int) and file.size > 0 and 0 < chunk_bytes <= _LARGEST_CHUNK_BYTES
    if not sound or not _SHA256.fullmatch(str(file.sha256)):
        log.info("%s can't be used", path)
        return None
    count = -(-file.size // chunk_bytes)
    usable = {n: digest for n, digest in chunks.items() if 0 <= n < count and _SHA256.fullmatch(digest)}
    return Record(file, chunk_bytes, usable)


def write_record(path: Path, record: Record) -> None:
    """Write a map or a record as a whole. Raises OSError."""
    raw: dict[str, Any] = asdict(record)
    write_atomically(path, json.dumps(raw).encode())


def is_verified(file: RemoteFile, path: Path) -> bool:
    """Tell whether `path` was verified to be `file` and still has its size."""
    record = read_record(record_path(path))
    if record is None or record.file.sha256 != file.sha256:
        return False
    return path.is_file() and path.stat().st_size == file.size


def missing_bytes(file: RemoteFile, path: Path) -> int:
    """Return how many bytes of `file` are still to be fetched to `path`, without hashing anything."""
    if is_verified(file, path):
        return 0
    record = read_record(map_path(path))
    if record is None or record.file.sha256 != file.sha256 or not part_path(path).is_file():
        return file.size
    return file.size - record.done_bytes


class PartFile:
    """Write chunks of one file at their places and remember each once it is on the disk itself.

    Raises OSError as the disk does.
    """

    def __init__(self, file: RemoteFile, target: Path, chunk_bytes: int) -> None:
        self.file, self.target = file, target
        self._stream = _open_part(part_path(target))
        found = read_record(map_path(target))
        on_disk = part_path(target).stat().st_size
        self.started_over = found is not None and (found.file.sha256, found.file.size) != (
            file.sha256,
            file.size,
        )
        if found is None or self.started_over:
            self._stream.truncate(0)
            found = Record(file, chunk_bytes, {})
        self.chunk_bytes = found.chunk_bytes
        self._chunks = {n: sha for n, sha in found.chunks.items() if self._end_of(n, file.size) <= on_disk}

    @property
    def done_bytes(self) -> int:
        """Return how many bytes are safely on disk."""
        return self._record().done_bytes

    @property
    def chunk_count(self) -> int:
        """Return how many chunks the file has; the last may be short."""
        return -(-self.file.size // self.chunk_bytes)

    def length(self, chunk: int) -> int:
        """Return how many bytes a chunk has."""
        start, end = self.span(chunk)
        return end - start

    def span(self, chunk: int) -> tuple[int, int]:
        """Return where a chunk begins and ends."""
        return chunk * self.chunk_bytes, self._end_of(chunk, self.file.size)

    def missing(self) -> tuple[int, int] | None:
        """Return the first run of bytes that is not on disk, or None when all is."""
        first = next((n for n in range(self.chunk_count) if n not in self._chunks), None)
        if first is None:
            return None
        after = next((n for n in range(first, self.chunk_count) if n in self._chunks), self.chunk_count)
        return self.span(first)[0], self.span(after - 1)[1]

    def write_chunk(self, chunk: int, content: bytes) -> None:
        """Write a whole chunk and remember it once the disk has it."""
        self._stream.seek(self.span(chunk)[0])
        view = memoryview(content)
        while view:  # an unbuffered stream may take less than it was given
            view = view[self._stream.write(view) :]
        os.fsync(self._stream.fileno())
        self._chunks[chunk] = hashlib.sha256(content).hexdigest()
        write_record(map_path(self.target), self._record())

    def forget(self, chunks: tuple[int, ...]) -> None:
        """Count chunks as missing again."""
        for chunk in chunks:
            del self._chunks[chunk]
        write_record(map_path(self.target), self._record())

    def digest_of(self, chunk: int) -> str:
        """Return what a finished chunk was when it arrived."""
        return self._chunks[chunk]

    def damaged_chunks(self, tick: Tick) -> tuple[int, ...]:
        """Read the finished chunks back and return those that the disk does not hold as they arrived."""
        damaged = []
        for chunk, digest in sorted(self._chunks.items()):
            found = hashlib.sha256()
            for piece in self.read(*self.span(chunk), tick):
                found.update(piece)
            if found.hexdigest() != digest:
                damaged.append(chunk)
        return tuple(damaged)

    def read(self, start: int, end: int, tick: Tick) -> Iterator[bytes]:
        """Read bytes back from the disk."""
        return read_pieces(self._stream, start, end, tick)

    def publish(self) -> None:
        """Give the verified file its final name and remember that it was verified."""
        self._stream.truncate(self.file.size)
        os.fsync(self._stream.fileno())
        self._stream.close()
        part_path(self.target).replace(self.target)
        sync_directory(self.target.parent)
        write_record(record_path(self.target), Record(self.file, self.chunk_bytes, self._chunks))
        map_path(self.target).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the part; everything finished stays."""
        self._stream.close()

    def _record(self) -> Record:
        return Record(self.file, self.chunk_bytes, self._chunks)

    def _end_of(self, chunk: int, size: int) -> int:
        return min((chunk + 1) * self.chunk_bytes, size)


def _open_part(path: Path) -> BinaryIO:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    return os.fdopen(os.open(path, flags, 0o666), "r+b", buffering=0)


def read_pieces(stream: BinaryIO, start: int, end: int, tick: Tick) -> Iterator[bytes]:
    """Yield the bytes of `stream` from `start` up to `end`, or up to its end."""
    position = start
    while position < end:
        stream.seek(position)
        piece = stream.read(min(_READ_BYTES, end - position))
        if not piece:
            return
        position += len(piece)
        tick(len(piece))
        yield piece


def hash_file(path: Path, tick: Tick) -> str:
    """Return the SHA-256 of a whole file. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as stream:
        for piece in read_pieces(stream, 0, path.stat().st_size, tick):
            digest.update(piece)
    return digest.hexdigest()
