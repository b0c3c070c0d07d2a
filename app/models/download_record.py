"""What is remembered beside a file: of an unfinished one which chunks are on disk, of a whole one what it must be.

Both are one line of JSON. Behind it an unfinished file's map grows by a line for each piece that was written:
`CHUNK LENGTH SHA256` says that the first LENGTH bytes of a chunk are there, `synced COUNT` that the first COUNT
of those lines outlast a power cut. A line torn by a crash is no line. Appending is what makes a step cheap
enough to take it for every megabyte.
"""

from __future__ import annotations

import json
import logging
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from app.core.files import write_atomically
from app.models.hub import RemoteFile

log = logging.getLogger(__name__)

PART_SUFFIX = ".part"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PIECE = re.compile(r"(\d{1,9}) (\d{1,12}) ([0-9a-f]{64})")
_SYNCED = re.compile(r"synced (\d{1,12})")
_LARGEST_CHUNK_BYTES = 256 << 20


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
class Beginning:
    """Say how much of an unfinished chunk is on disk, and the SHA-256 of that."""

    length: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Record:
    """Hold what is remembered of a part or of a verified file.

    `chunks` maps the numbers of whole chunks to their SHA-256, `begun` those of unfinished ones to what is
    there. A power cut may have taken the `unsynced` ones; `safe` says what of those it has left.
    """

    file: RemoteFile
    chunk_bytes: int
    chunks: dict[int, str]
    begun: dict[int, Beginning] = field(default_factory=dict)
    unsynced: frozenset[int] = frozenset()
    safe: dict[int, Beginning] = field(default_factory=dict)

    @property
    def chunk_count(self) -> int:
        """Return how many chunks the file has; the last may be short."""
        return -(-self.file.size // self.chunk_bytes)

    @property
    def done_bytes(self) -> int:
        """Return how many bytes are on disk."""
        return sum(map(self.length, self.chunks)) + sum(beginning.length for beginning in self.begun.values())

    def span(self, chunk: int) -> tuple[int, int]:
        """Return where a chunk begins and ends."""
        start = chunk * self.chunk_bytes
        return start, min(start + self.chunk_bytes, self.file.size)

    def length(self, chunk: int) -> int:
        """Return how many bytes a chunk has."""
        start, end = self.span(chunk)
        return end - start


def read_record(path: Path) -> Record | None:
    """Read a map or a record; None where there is none or it is unusable, which only costs a new download."""
    try:
        first, *rest = path.read_bytes().split(b"\n")
        raw = json.loads(first)
        file = RemoteFile(**raw["file"])
        chunk_bytes = int(raw["chunk_bytes"])
        chunks = {int(number): str(digest) for number, digest in raw["chunks"].items()}
        begun = {int(n): Beginning(int(b["length"]), str(b["sha256"])) for n, b in raw.get("begun", {}).items()}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        log.info("%s can't be used", path, exc_info=True)
        return None
    sound = isinstance(file.size, int) and file.size > 0 and 0 < chunk_bytes <= _LARGEST_CHUNK_BYTES
    if not sound or not _SHA256.fullmatch(str(file.sha256)):
        log.info("%s can't be used", path)
        return None
    return _with_pieces(_usable(Record(file, chunk_bytes, chunks, begun)), rest)


def _usable(record: Record) -> Record:
    count = record.chunk_count
    chunks = {n: sha for n, sha in record.chunks.items() if 0 <= n < count and _SHA256.fullmatch(sha)}
    begun = {
        n: beginning
        for n, beginning in record.begun.items()
        if 0 <= n < count and n not in chunks and 0 < beginning.length < record.length(n)
    }
    return Record(record.file, record.chunk_bytes, chunks, begun)


def _with_pieces(record: Record, lines: list[bytes]) -> Record:
    """Return the record as it is after the lines behind it."""
    texts = [line.decode("ascii", "replace") for line in lines]
    n_synced = max((int(found[1]) for text in texts if (found := _SYNCED.fullmatch(text))), default=0)
    pieces = [(int(p[1]), Beginning(int(p[2]), p[3])) for text in texts if (p := _PIECE.fullmatch(text))]
    after = _after(record, pieces)
    unsynced = frozenset(chunk for chunk, _ in pieces[n_synced:])
    before = _after(record, pieces[:n_synced])
    safe = {n: beginning for n, beginning in before.begun.items() if n in unsynced}
    return Record(record.file, record.chunk_bytes, after.chunks, after.begun, unsynced, safe)


def _after(record: Record, pieces: list[tuple[int, Beginning]]) -> Record:
    chunks, begun = dict(record.chunks), dict(record.begun)
    for chunk, beginning in pieces:
        if chunk >= record.chunk_count or not 0 < beginning.length <= record.length(chunk):
            continue
        begun.pop(chunk, None)
        if beginning.length == record.length(chunk):
            chunks[chunk] = beginning.sha256
        elif chunk not in chunks:
            begun[chunk] = beginning
    return Record(record.file, record.chunk_bytes, chunks, begun)


def piece_line(chunk: int, length: int, digest: str) -> bytes:
    """Return the line that says that the first `length` bytes of a chunk are there."""
    return f"{chunk} {length} {digest}\n".encode()


def synced_line(count: int) -> bytes:
    """Return the line that says that the first `count` pieces outlast a power cut."""
    return f"synced {count}\n".encode()


def write_record(path: Path, record: Record) -> None:
    """Write a map or a record as a whole. Raises OSError."""
    raw: dict[str, Any] = asdict(record)
    del raw["unsynced"], raw["safe"]
    write_atomically(path, json.dumps(raw).encode() + b"\n")


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
