"""Damage model files in every way that a disk, a network or an enemy could: `damaged(content, chance)`."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.models.gguf_header import read_header

HUGE = (0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 32, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
KINDS = 13  # of metadata values


@dataclass(frozen=True)
class Anatomy:
    """Say where the parts of a whole file begin and end, in bytes, and where the counts and types stand."""

    content: bytes
    tensors_at: int
    header_bytes: int
    keys: tuple[bytes, ...]
    names: tuple[bytes, ...]


def dissect(path: Path) -> Anatomy:
    content = path.read_bytes()
    header = read_header(path)
    names = tuple(tensor.name.encode() for tensor in header.tensors)
    keys = tuple(key.encode() for key in (*header.metadata, *header.array_lengths))
    first, last = (content.index(_text(name)) for name in (names[0], names[-1]))
    return Anatomy(content, first, last + 8 + len(names[-1]) + 4 + 32 + 12, keys, names)


def _text(raw: bytes) -> bytes:
    return struct.pack("<Q", len(raw)) + raw


def truncated(whole: Anatomy, chance: random.Random) -> bytes:
    where = chance.choice((whole.tensors_at, whole.header_bytes, len(whole.content)))
    return whole.content[: chance.randrange(where)]


def flipped(start: int, end: int, whole: Anatomy, chance: random.Random) -> bytes:
    content = bytearray(whole.content)
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        place = chance.randrange(start, end)
        content[place] = chance.choice((content[place] ^ (1 << chance.randrange(8)), 0, 0xFF, chance.randrange(256)))
    return bytes(content)


def flipped_front(whole: Anatomy, chance: random.Random) -> bytes:
    return flipped(4, 64, whole, chance)


def flipped_metadata(whole: Anatomy, chance: random.Random) -> bytes:
    return flipped(24, whole.tensors_at, whole, chance)


def flipped_table(whole: Anatomy, chance: random.Random) -> bytes:
    return flipped(whole.tensors_at, whole.header_bytes, whole, chance)


def flipped_weights(whole: Anatomy, chance: random.Random) -> bytes:
    return flipped(whole.header_bytes, len(whole.content), whole, chance)


def absurd_count(whole: Anatomy, chance: random.Random) -> bytes:
    """Put an absurd number where the file counts its tensors or keys."""
    return _replaced(whole.content, chance.choice((8, 16)), struct.pack("<Q", chance.choice(HUGE)))


def absurd_value(whole: Anatomy, chance: random.Random) -> bytes:
    """Put an absurd number in the place of a value, or of an array's length."""
    at = _after(whole, chance.choice(whole.keys)) + 4
    return _replaced(whole.content, at, struct.pack("<Q", chance.choice(HUGE))[: chance.choice((4, 8))])


def wrong_kind(whole: Anatomy, chance: random.Random) -> bytes:
    """Say that a value is of another kind than it is."""
    kind = chance.choice((*range(KINDS), 99, 0xFFFFFFFF))
    return _replaced(whole.content, _after(whole, chance.choice(whole.keys)), struct.pack("<I", kind))


def absurd_tensor(whole: Anatomy, chance: random.Random) -> bytes:
    """Put an absurd number in the place of a tensor's dimensions, type or offset."""
    at = _after(whole, chance.choice(whole.names)) + 4 * chance.randrange(9)
    return _replaced(whole.content, at, struct.pack("<Q", chance.choice(HUGE))[: chance.choice((4, 8))])


def other_name(whole: Anatomy, chance: random.Random) -> bytes:
    """Give a key or a tensor another name of the same length."""
    name = chance.choice((*whole.keys, *whole.names))
    place = whole.content.index(_text(name)) + 8
    return _replaced(whole.content, place + chance.randrange(len(name)), bytes([chance.randrange(256)]))


def _after(whole: Anatomy, name: bytes) -> int:
    return whole.content.index(_text(name)) + 8 + len(name)


def _replaced(content: bytes, place: int, new: bytes) -> bytes:
    return content[:place] + new + content[place + len(new) :]


KINDS_OF_DAMAGE: tuple[Callable[[Anatomy, random.Random], bytes], ...] = (
    truncated,
    flipped_front,
    flipped_metadata,
    flipped_table,
    flipped_weights,
    absurd_count,
    absurd_value,
    absurd_value,
    wrong_kind,
    absurd_tensor,
    other_name,
)


def damaged(whole: Anatomy, chance: random.Random) -> tuple[str, bytes]:
    """Return the name of a kind of damage, and the content damaged so."""
    kind = chance.choice(KINDS_OF_DAMAGE)
    return kind.__name__, kind(whole, chance)
