"""The file of a saved state gives back what was written, or nothing at all."""

from __future__ import annotations

import ctypes
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core.files import write_pieces_atomically
from app.engine.child import state_file
from app.engine.child.session import ImageEntry
from app.engine.child.state_file import SavedState, StateUnusable, read_state, read_state_header, state_pieces
from app.engine.child.streaming import Spoken

IDENTITY = {"model": "ab12", "program": "1"}


def state(content: bytes = b"memory" * 9, **changes: Any) -> SavedState:
    fields: dict[str, Any] = {
        "chat_id": "chat",
        "side": "high",
        "entries": (1, 34, 2000, ImageEntry("ab/1", 12, 3), 7),
        "written": (Spoken("Höhe\ud800", [5, 6]),),
    }
    held = (ctypes.c_uint8 * len(content)).from_buffer_copy(content)
    return SavedState(**(fields | changes), content=held)


def write(path: Path, saved: SavedState, identity: dict[str, str] | None = None) -> bytes:
    write_pieces_atomically(path, state_pieces(saved, identity or IDENTITY))
    return path.read_bytes()


def with_header(whole: bytes, **changes: Any) -> bytes:
    """Return the file with another header, whose checksum fits."""
    _, length, _ = state_file._LEAD.unpack_from(whole)
    rest = whole[state_file._LEAD.size + length :]
    header = json.loads(whole[state_file._LEAD.size : state_file._LEAD.size + length]) | changes
    raw = json.dumps({name: value for name, value in header.items() if value is not None}).encode()
    return state_file._LEAD.pack(state_file._MAGIC, len(raw), hashlib.sha256(raw).digest()) + raw + rest


entries = st.lists(
    st.integers(0, 2**31 - 1)
    | st.builds(ImageEntry, st.text("0123456789abcdef/", max_size=66), st.integers(1, 4000), st.integers(1, 4000)),
    min_size=1,
    max_size=30,
).map(tuple)
stretches = st.lists(st.builds(Spoken, st.text(max_size=9), st.lists(st.integers(0, 2**31 - 1), max_size=5))).map(tuple)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries, stretches, st.text(max_size=9), st.binary(min_size=1, max_size=200))
def test_what_is_written_is_read(tmp_path: Path, stood: Any, written: Any, chat_id: str, content: bytes) -> None:
    saved = state(content, entries=stood, written=written, chat_id=chat_id)
    write(tmp_path / "a.state", saved)

    head = read_state_header(tmp_path / "a.state", IDENTITY)
    whole = read_state(tmp_path / "a.state", IDENTITY)

    for one in (head, whole):
        assert (one.chat_id, one.side, one.entries, one.written) == (chat_id, "high", stood, written)
    assert bytes(whole.content) == content


def test_content_of_many_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_file, "_PIECE_BYTES", 7)
    write(tmp_path / "a.state", state(bytes(range(256))))
    assert bytes(read_state(tmp_path / "a.state", IDENTITY).content) == bytes(range(256))


def test_any_byte_that_is_wrong_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.state"
    whole = write(path, state())
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(StateUnusable):
            read_state(path, IDENTITY)


def test_any_length_that_is_wrong_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.state"
    whole = write(path, state())
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        for read in (read_state_header, read_state):
            with pytest.raises(StateUnusable):
                read(path, IDENTITY)
    path.write_bytes(whole + b"\0")
    with pytest.raises(StateUnusable, match="length"):
        read_state_header(path, IDENTITY)


@pytest.mark.parametrize("other", [{"model": "ab13"}, {"program": "2"}, {"more": "x"}])
def test_another_identity_is_noticed(tmp_path: Path, other: dict[str, str]) -> None:
    write(tmp_path / "a.state", state(), IDENTITY | other)
    with pytest.raises(StateUnusable, match="another model"):
        read_state(tmp_path / "a.state", IDENTITY)


@pytest.mark.parametrize(
    "changes",
    [
        {"entries": []},
        {"entries": ["x"]},
        {"entries": [True]},
        {"entries": [-1]},
        {"entries": [1.5]},
        {"entries": [["ab", 0, 1]]},
        {"entries": [["ab", 1, -1]]},
        {"entries": [["ab", 1]]},
        {"entries": None},
        {"written": [["text"]]},
        {"written": [["text", [1, "2"]]]},
        {"written": {}},
        {"chat": 5},
        {"side": None},
        {"identity": []},
        {"content_bytes": -1},
        {"content_bytes": 0},
        {"content_bytes": True},
        {"content_bytes": 1 << 62},
        {"more": 1},
    ],
)
def test_a_header_that_makes_no_sense_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = tmp_path / "a.state"
    path.write_bytes(with_header(write(path, state()), **changes))
    with pytest.raises(StateUnusable):
        read_state_header(path, IDENTITY)


def test_a_header_that_is_not_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.state"
    for raw in (b"", b"[]", b"{", b"[" * 100_000):
        path.write_bytes(state_file._LEAD.pack(state_file._MAGIC, len(raw), hashlib.sha256(raw).digest()) + raw)
        with pytest.raises(StateUnusable):
            read_state_header(path, IDENTITY)
