"""States go to disk beside the conversation, and only those that are still wanted."""

from __future__ import annotations

import ctypes
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.engine.child import state_file, state_writer
from app.engine.child.state_file import SavedState, StateUnusable, read_state
from app.engine.child.state_writer import StateWriter

IDENTITY = {"model": "m"}
PATIENCE_S = 60.0
Make = Callable[..., StateWriter]


def state(chat_id: str, fill: int = 0, size: int = 4000) -> SavedState:
    content = (ctypes.c_uint8 * size)(*[fill] * size)
    return SavedState(chat_id, "none", tuple(range(100)), (), content)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    writers: list[StateWriter] = []

    def make_writer(folder: Path | None = None, limit_bytes: int = 1 << 20) -> StateWriter:
        writers.append(StateWriter(folder or tmp_path / "states", limit_bytes, IDENTITY))
        return writers[-1]

    yield make_writer
    for writer in writers:
        writer.close()
        writer.finish(PATIENCE_S)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Let one piece of a state pass for each release."""
    allowed = threading.Semaphore(0)
    real = state_writer.state_pieces

    def pieces(*arguments: Any) -> Iterator[bytes | memoryview]:
        for piece in real(*arguments):
            assert allowed.acquire(timeout=PATIENCE_S)
            yield piece

    monkeypatch.setattr(state_file, "_PIECE_BYTES", 1000)
    monkeypatch.setattr(state_writer, "state_pieces", pieces)
    return allowed


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def half_written(folder: Path) -> bool:
    return any(path.name.startswith(".") for path in folder.iterdir()) if folder.exists() else False


def test_states_are_written(make: Make) -> None:
    writer = make()
    for name in "abc":
        writer.put(state(name, ord(name)))
    assert writer.finish(PATIENCE_S)
    for name in "abc":
        assert bytes(read_state(writer.path(name, "none"), IDENTITY).content) == name.encode() * 4000


def test_a_newer_state_takes_the_place_of_one_on_its_way(make: Make, slow: threading.Semaphore, tmp_path: Path) -> None:
    writer = make()
    writer.put(state("a", 1))
    slow.release(2)
    until(lambda: half_written(tmp_path / "states"))
    writer.put(state("a", 2))
    slow.release(1000)
    assert writer.finish(PATIENCE_S)
    assert set(read_state(writer.path("a", "none"), IDENTITY).content) == {2}
    assert not half_written(tmp_path / "states")


def test_a_turn_makes_it_pause(make: Make, slow: threading.Semaphore, tmp_path: Path) -> None:
    writer = make()
    writer.put(state("a"))
    slow.release(3)
    until(lambda: half_written(tmp_path / "states"))
    writer.pause()
    slow.release(1000)
    with writer._changed:
        assert not writer._changed.wait_for(lambda: writer._current is None, 0.3)
    assert not writer.path("a", "none").exists()
    writer.go_on()
    until(lambda: writer.path("a", "none").exists())


def test_nothing_begins_during_a_turn(make: Make) -> None:
    writer = make()
    writer.pause()
    writer.put(state("a"))
    with writer._changed:
        assert not writer._changed.wait_for(lambda: not writer._waiting, 0.3)
    assert writer.finish(PATIENCE_S), "the end of the process does not wait for a turn"
    assert writer.path("a", "none").exists()


@pytest.mark.parametrize("chat_id", ["a", None])
def test_a_chat_that_is_deleted_while_it_is_written_leaves_nothing(
    make: Make, slow: threading.Semaphore, tmp_path: Path, chat_id: str | None
) -> None:
    writer = make()
    writer.put(state("a"))
    slow.release(2)
    until(lambda: half_written(tmp_path / "states"))
    writer.forget(chat_id)
    slow.release(1000)
    assert writer.finish(PATIENCE_S)
    assert not list((tmp_path / "states").iterdir())


def test_a_chat_that_is_deleted_with_the_last_byte_leaves_nothing(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    writer = make()
    real = state_writer.write_pieces_atomically

    def write(path: Path, pieces: Any) -> None:
        real(path, pieces)
        writer.forget("a")

    monkeypatch.setattr(state_writer, "write_pieces_atomically", write)
    writer.put(state("a"))
    assert writer.finish(PATIENCE_S)
    assert not list((tmp_path / "states").iterdir())


def test_a_state_that_is_larger_than_all_room_is_not_written(
    make: Make, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.INFO)
    writer = make(limit_bytes=3000)
    writer.put(state("a"))
    assert writer.finish(PATIENCE_S)
    assert "no room" in caplog.text
    assert not list((tmp_path / "states").iterdir())


def test_the_disk_is_left_to_others_when_it_is_almost_full(
    make: Make, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(state_writer, "_SPARE_BYTES", 1 << 60)
    writer = make()
    writer.put(state("a"))
    assert writer.finish(PATIENCE_S)
    assert "no room" in caplog.text
    assert not list((tmp_path / "states").iterdir())


def test_a_folder_that_can_not_be_made_stops_nobody(
    make: Make, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.INFO)
    (tmp_path / "file").touch()
    writer = make(tmp_path / "file" / "states")
    writer.put(state("a"))
    assert writer.finish(PATIENCE_S)
    assert "can't be used" in caplog.text
    assert "can't be kept" in caplog.text


def test_a_limit_that_was_lowered_counts_from_the_start(make: Make, tmp_path: Path) -> None:
    first = make()
    first.put(state("a"))
    first.put(state("b"))
    assert first.finish(PATIENCE_S)
    make(limit_bytes=5500)
    until(lambda: len(list((tmp_path / "states").iterdir())) == 1)


def test_what_is_read_is_what_a_process_wrote_whole(make: Make) -> None:
    writer = make()
    writer.put(state("a"))
    writer.close()
    assert writer.finish(PATIENCE_S)
    path = writer.path("a", "none")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StateUnusable):
        read_state(path, IDENTITY)
