"""The file of a saved state: a header that can be trusted once its checksum fits, then llama.cpp's bytes.

Magic (8 bytes), length of the header (4, little endian), SHA-256 of the header (32), the header (JSON), the
content, SHA-256 of the content (32). llama.cpp's own reader of these bytes is not hardened: it gets them only
when every checksum fits and the header names the very model and parameters that are open.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from app.engine.child.session import Entry, ImageEntry, count_tokens
from app.engine.child.streaming import Spoken

_MAGIC = b"SOLOKV01"  # counted up when anything about the file or what is kept in it changes
_LEAD = struct.Struct("<8sI32s")
_DIGEST_BYTES = 32
_MAX_HEADER_BYTES = 64 << 20
_PIECE_BYTES = 4 << 20

Content = ctypes.Array[ctypes.c_uint8]
Identity = Mapping[str, str]


class StateUnusable(ValueError):
    """Report a file that is damaged, cut off, or of another model; the message says which."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Say what a model has read of one side of a chat; `written` is what it wrote itself within."""

    chat_id: str
    side: str
    entries: tuple[Entry, ...]
    written: tuple[Spoken, ...]

    @property
    def key(self) -> tuple[str, str]:
        """Return what a newer state replaces this one by."""
        return self.chat_id, self.side


@dataclass(frozen=True, slots=True)
class SavedState(Reading):
    """Hold a reading with llama.cpp's copy of its memory."""

    content: Content

    @property
    def n_bytes(self) -> int:
        """Return the size of the content."""
        return len(self.content)


def state_pieces(state: SavedState, identity: Identity) -> Iterator[bytes | memoryview]:
    """Yield the file of `state`, piece by piece."""
    content = memoryview(state.content).cast("B")
    header = _header(state, identity)
    yield _LEAD.pack(_MAGIC, len(header), hashlib.sha256(header).digest())
    yield header
    digest = hashlib.sha256()
    for start in range(0, len(content), _PIECE_BYTES):
        piece = content[start : start + _PIECE_BYTES]
        digest.update(piece)
        yield piece
    yield digest.digest()


def read_state_header(path: Path, identity: Identity) -> Reading:
    """Return what stands in the state in `path`. Raises StateUnusable, OSError."""
    with path.open("rb") as stream:
        return _read_header(stream, path, identity)[0]


def read_state(path: Path, identity: Identity) -> SavedState:
    """Return the whole state in `path`, every byte of it checked. Raises StateUnusable, OSError, MemoryError."""
    with path.open("rb") as stream:
        reading, content_bytes = _read_header(stream, path, identity)
        content = (ctypes.c_uint8 * content_bytes)()
        digest = hashlib.sha256()
        rest = memoryview(content).cast("B")
        while len(rest):
            count = stream.readinto(rest[:_PIECE_BYTES])
            if not count:
                raise StateUnusable("its end is missing")
            digest.update(rest[:count])
            rest = rest[count:]
        if stream.read(_DIGEST_BYTES) != digest.digest():
            raise StateUnusable("its content is damaged")
    return SavedState(reading.chat_id, reading.side, reading.entries, reading.written, content)


def _header(state: SavedState, identity: Identity) -> bytes:
    header = {
        "identity": dict(identity),
        "chat": state.chat_id,
        "side": state.side,
        "entries": [_entry_to_json(entry) for entry in state.entries],
        "written": [[stretch.text, stretch.tokens] for stretch in state.written],
        "content_bytes": state.n_bytes,
    }
    return json.dumps(header, separators=(",", ":")).encode("ascii")


def _read_header(stream: BinaryIO, path: Path, identity: Identity) -> tuple[Reading, int]:
    lead = stream.read(_LEAD.size)
    if len(lead) < _LEAD.size:
        raise StateUnusable("its beginning is missing")
    magic, length, digest = _LEAD.unpack(lead)
    if magic != _MAGIC or length > _MAX_HEADER_BYTES:
        raise StateUnusable("it is no state of this version of the program")
    raw = stream.read(length)
    if hashlib.sha256(raw).digest() != digest:
        raise StateUnusable("its header is damaged")
    header = _parse(raw)
    if header["identity"] != dict(identity):
        raise StateUnusable("it is of another model, or of other parameters")
    if path.stat().st_size != _LEAD.size + length + header["content_bytes"] + _DIGEST_BYTES:
        raise StateUnusable("its length is wrong")
    return _reading_from(header), header["content_bytes"]


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        header = json.loads(raw)
    except (ValueError, RecursionError) as cause:
        raise StateUnusable("its header is not JSON") from cause
    kinds = {"identity": dict, "chat": str, "side": str, "entries": list, "written": list, "content_bytes": int}
    if not isinstance(header, dict) or {name: type(value) for name, value in header.items()} != kinds:
        raise StateUnusable("its header is not as it should be")
    if header["content_bytes"] <= 0:
        raise StateUnusable("it is empty")
    return header


def _reading_from(header: dict[str, Any]) -> Reading:
    entries = tuple(map(_entry_from_json, header["entries"]))
    if not count_tokens(entries):
        raise StateUnusable("nothing stands in it")
    written = tuple(map(_stretch_from_json, header["written"]))
    return Reading(header["chat"], header["side"], entries, written)


def _entry_to_json(entry: Entry) -> int | list[str | int]:
    return entry if isinstance(entry, int) else [entry.key, entry.tokens, entry.positions]


def _entry_from_json(raw: Any) -> Entry:
    match raw:
        case bool():
            pass
        case int() if raw >= 0:
            return raw
        case [str(key), int(tokens), int(positions)] if tokens > 0 and positions > 0:
            return ImageEntry(key, tokens, positions)
    raise StateUnusable("an entry of it is neither a token nor a picture")


def _stretch_from_json(raw: Any) -> Spoken:
    match raw:
        case [str(text), [*tokens]] if all(type(token) is int for token in tokens):
            return Spoken(text, tokens)
    raise StateUnusable("a stretch of it is not as it should be")
