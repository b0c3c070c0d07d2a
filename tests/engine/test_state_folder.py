from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import pytest

from app.engine.state_folder import BeingRead, StateFolder, remove_state

MODEL, OTHER = "a" * 64, "b" * 64


def put(path: Path, size: int = 10, age_s: float = 0.0) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (time.time() - age_s,) * 2)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path / "states")


def test_each_side_of_a_chat_has_a_file_for_each_model(folder: StateFolder) -> None:
    paths = {folder.path(*key) for key in [("a", "none", MODEL), ("a", "high", MODEL), ("b", "none", MODEL)]}
    paths |= {folder.path("a", "none", OTHER), folder.path("../../\ud800", "none", MODEL)}
    assert len(paths) == 5
    assert len({path.parent for path in paths}) == 1
    assert folder.path("a", "none", MODEL) in paths


def test_a_chat_is_forgotten_for_all_models(folder: StateFolder) -> None:
    gone = [put(folder.path("a", side, model)) for side in ("none", "high") for model in (MODEL, OTHER)]
    gone.append(put(gone[0].with_suffix(".reading")))
    kept = put(folder.path("b", "none", MODEL))

    folder.forget("a")

    assert not any(path.exists() for path in gone)
    assert kept.exists()


def test_everything_is_forgotten(folder: StateFolder) -> None:
    kept = put(folder.path("b", "none", MODEL))
    put(kept.with_name(".half-written"))
    folder.forget(None)
    assert not list(kept.parent.iterdir())


def test_what_was_not_used_for_the_longest_time_goes_first(folder: StateFolder) -> None:
    old, used, new = (
        put(folder.path(chat, "none", MODEL), 40, age_s) for chat, age_s in [("a", 9), ("b", 5), ("c", 1)]
    )
    with BeingRead(old):
        assert not old.exists()
    folder.trim(100)
    assert (old.exists(), used.exists(), new.exists()) == (True, False, True)
    folder.trim(0)
    assert not list(old.parent.iterdir())


def test_what_a_dead_process_left_is_swept_away(folder: StateFolder) -> None:
    kept = put(folder.path("a", "none", MODEL), age_s=10_000)
    died_of = put(folder.path("b", "none", MODEL).with_suffix(".reading"))
    half = put(kept.with_name(".half.1"), age_s=10_000)
    being_written = put(kept.with_name(".half.2"))
    folder.sweep()
    assert [path.exists() for path in (kept, died_of, half, being_written)] == [True, False, False, True]


def test_a_chat_may_be_deleted_while_its_state_is_read(folder: StateFolder) -> None:
    path = put(folder.path("a", "none", MODEL))
    with BeingRead(path):
        folder.forget("a")
    assert not list(path.parent.iterdir())


def test_a_folder_that_is_not_there_or_no_folder_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    StateFolder(tmp_path / "missing").forget(None)
    assert not caplog.records
    (tmp_path / "file").touch()
    folder = StateFolder(tmp_path / "file")
    folder.trim(0)
    folder.sweep()
    assert "can't be listed" in caplog.text
    remove_state(tmp_path)
    assert "can't be removed" in caplog.text


def test_the_folder_is_private(folder: StateFolder, tmp_path: Path) -> None:
    folder.prepare()
    if os.name != "nt":
        assert (tmp_path / "states").stat().st_mode & 0o777 == 0o700
