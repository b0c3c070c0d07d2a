"""Damaged and hostile headers end in a ModelError, quickly and in little memory."""

from __future__ import annotations

import random
import resource
import struct
import time
from contextlib import suppress
from pathlib import Path

import pytest
from gguf.constants import GGUFValueType
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core.errors import ModelError, ModelFileDamaged
from app.models.gguf import read_model, read_projector
from tests.models.gguf_builder import Gguf, Raw, pack_text, small_gguf, small_projector

HEADER = small_gguf(attention__head_count_kv=[1, 2], expert_count=4, expert_used_count=2).header()
WHOLE_BYTES = len(HEADER) + 40_000


def outcome(path: Path) -> str:
    """Return "read" or the kind of AppError; anything else is raised."""
    try:
        read_model(path)
    except ModelError as error:
        return type(error).__name__
    return "read"


def write_sparse(path: Path, content: bytes, size: int = WHOLE_BYTES) -> Path:
    with path.open("wb") as stream:
        stream.write(content)
        stream.truncate(size)
    return path


def test_the_undamaged_header_is_read(tmp_path: Path) -> None:
    assert outcome(write_sparse(tmp_path / "m.gguf", HEADER)) == "read"


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    for length in range(len(HEADER)):
        path.write_bytes(HEADER[:length])
        assert outcome(path) == "ModelFileDamaged", length


def test_flipped_bytes_never_crash_the_reader(tmp_path: Path) -> None:
    path, chance, seen = tmp_path / "m.gguf", random.Random(4), set()
    started = time.process_time()
    for _ in range(700):
        damaged = bytearray(HEADER)
        for _ in range(chance.choice((1, 1, 2, 8))):
            damaged[chance.randrange(len(damaged))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        seen.add(outcome(write_sparse(path, damaged)))
    assert seen == {"read", "ModelFileDamaged", "ModelNotSupported"}
    assert time.process_time() - started < 20


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(8, len(HEADER) - 8), value=st.integers(0, 2**64 - 1))
def test_huge_numbers_anywhere(tmp_path: Path, position: int, value: int) -> None:
    damaged = HEADER[:position] + struct.pack("<Q", value) + HEADER[position + 8 :]
    outcome(write_sparse(tmp_path / "m.gguf", damaged, 1 << 40))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, len(small_projector().header()) - 1), value=st.integers(0, 255))
def test_damaged_projectors(tmp_path: Path, position: int, value: int) -> None:
    damaged = bytearray(small_projector().header())
    damaged[position] = value
    path = write_sparse(tmp_path / "mmproj.gguf", damaged)
    with suppress(ModelError):
        read_projector(path)


def array(kind: int, count: int) -> Raw:
    return Raw(struct.pack("<IIQ", GGUFValueType.ARRAY, kind, count))


BOMBS = {
    "strings without end": array(GGUFValueType.STRING, 2**60),
    "as many strings as the file could hold": array(GGUFValueType.STRING, 2**36),
    "too many strings of nothing": array(GGUFValueType.STRING, (1 << 23) + 1),
    "numbers without end": array(GGUFValueType.UINT64, 2**61),
    "a gigabyte of numbers": array(GGUFValueType.UINT8, 1 << 30),
    "arrays in arrays": array(GGUFValueType.ARRAY, 1),
    "an unknown kind": array(99, 1),
    "a text without end": Raw(struct.pack("<IQ", GGUFValueType.STRING, 2**63)),
    "a text of a gigabyte": Raw(struct.pack("<IQ", GGUFValueType.STRING, 1 << 30)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_at_once(tmp_path: Path, name: str) -> None:
    path = write_sparse(tmp_path / "m.gguf", Gguf({"bomb": BOMBS[name]}).header(), 1 << 40)
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    with pytest.raises(ModelFileDamaged):
        read_model(path)
    assert time.process_time() - started < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 100 << 10


@pytest.mark.parametrize("counts", [(2**63, 0), (0, 2**63), (1 << 18, 0), (0, 1 << 17)])
def test_too_many_entries(tmp_path: Path, counts: tuple[int, int]) -> None:
    content = b"GGUF" + struct.pack("<IQQ", 3, *counts)
    assert outcome(write_sparse(tmp_path / "m.gguf", content, 1 << 40)) == "ModelFileDamaged"


def test_the_most_strings_allowed_take_bounded_time(tmp_path: Path) -> None:
    bomb = Gguf({"bomb": array(GGUFValueType.STRING, 1 << 23)})
    path = write_sparse(tmp_path / "m.gguf", bomb.header(), 1 << 40)
    started = time.process_time()
    assert outcome(path) == "ModelFileDamaged"
    assert time.process_time() - started < 8


def changed(model: Gguf, name: str, shape: tuple[int, ...], kind: str, offset: int = 0) -> bytes:
    """Return a header whose only tensor is as told, whatever sense it makes."""
    head = Gguf(model.metadata).header()
    counts = b"GGUF" + struct.pack("<IQQ", 3, 1, len(model.metadata))
    type_number = 99 if kind == "unknown" else {"F32": 0, "Q8_0": 8}[kind]
    dimensions = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
    return counts + head[24:] + pack_text(name) + dimensions + struct.pack("<IQ", type_number, offset)


@pytest.mark.parametrize(
    ("name", "shape", "kind", "offset"),
    [
        ("t", (2**40, 2**40), "F32", 0),
        ("t", (33,), "Q8_0", 0),
        ("t", (0, 4), "F32", 0),
        ("t", (1, 1, 1, 1, 1), "F32", 0),
        ("t", (8,), "unknown", 0),
        ("t", (8,), "F32", 32),
        ("t", (8,), "F32", 2**63),
        ("n" * 64, (8,), "F32", 0),
        ("blk.999999.attn_q.weight", (8,), "F32", 0),
    ],
)
def test_impossible_tensors(tmp_path: Path, name: str, shape: tuple[int, ...], kind: str, offset: int) -> None:
    path = write_sparse(tmp_path / "m.gguf", changed(small_gguf(), name, shape, kind, offset), 1 << 40)
    assert outcome(path) == "ModelFileDamaged"


def test_entries_that_are_there_twice(tmp_path: Path) -> None:
    model = small_gguf()
    twice = Gguf(model.metadata, [model.tensors[0], model.tensors[0]])
    assert outcome(twice.write(tmp_path / "m.gguf")) == "ModelFileDamaged"
    entry = pack_text("general.name") + Raw(struct.pack("<IB", GGUFValueType.UINT8, 1)).content
    content = b"GGUF" + struct.pack("<IQQ", 3, 0, 2) + entry + entry
    assert outcome(write_sparse(tmp_path / "n.gguf", content)) == "ModelFileDamaged"


@pytest.mark.parametrize("alignment", [0, 3, 2**31, "32", 1.0])
def test_impossible_alignments(tmp_path: Path, alignment: object) -> None:
    model = small_gguf()
    model.metadata["general.alignment"] = alignment
    assert outcome(model.write(tmp_path / "m.gguf")) == "ModelFileDamaged"
