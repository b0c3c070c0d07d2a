from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from app.core.errors import DatabaseTooNew, DiskFull, StorageError
from app.storage import opening
from app.storage.conversations import ConversationStore, utc_now
from app.storage.database import Database, connect
from app.storage.migrations import migrate
from app.storage.opening import open_store
from tests.storage.samples import fill, message, set_aside_files


def test_a_newer_file_is_left_alone(database_path: Path) -> None:
    fill(database_path, 1)
    with closing(sqlite3.connect(database_path)) as connection:
        connection.execute("PRAGMA user_version = 999")
    before = database_path.read_bytes()
    with pytest.raises(DatabaseTooNew, match="newer version of Solo"):
        open_store(database_path)
    assert database_path.read_bytes() == before
    assert set_aside_files(database_path) == []


def test_a_file_another_program_holds_is_said_to_be_in_use(
    database_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database_path, 1)
    monkeypatch.setattr(opening, "connect", lambda path: connect(path, busy_timeout_s=0.05))
    with closing(sqlite3.connect(database_path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StorageError, match="Another program is using"):
            open_store(database_path)
    store, notice = open_store(database_path)
    store.close()
    assert notice is None


def test_a_place_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    obstacle = tmp_path / "file"
    obstacle.write_text("x")
    with pytest.raises(StorageError, match="can't open the file with your conversations"):
        open_store(obstacle / "conversations.sqlite3")
    folder = tmp_path / "conversations.sqlite3"
    folder.mkdir()
    with pytest.raises(StorageError, match="can't be opened for writing"):
        open_store(folder)


def test_a_full_disk_keeps_what_was_saved(database_path: Path) -> None:
    connection = connect(database_path)
    migrate(database_path, connection)
    store = ConversationStore(Database(database_path, connection), utc_now)
    store.settle()
    with closing(store):
        conversation_id = store.create_conversation("x").id
        saved = message(conversation_id, "saved")
        store.add_message(saved)
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(DiskFull, match="no room left on the disk"):
            store.add_message(message(conversation_id, "too long " * 10_000, saved))
        assert store.load(conversation_id).messages == (saved,)
        connection.execute("PRAGMA max_page_count = 1000000")
        store.add_message(message(conversation_id, "too long " * 10_000, saved))


def test_a_read_only_file_is_explained(database_path: Path) -> None:
    fill(database_path, 1)
    store, _ = open_store(database_path)
    with closing(store):
        with store._database.reading() as connection:
            assert connection.execute("PRAGMA query_only").fetchone()[0] == 0
        connection.execute("PRAGMA query_only = ON")
        with pytest.raises(StorageError, match="can't be opened for writing"):
            store.create_conversation("x")


def test_damage_met_later_is_explained(database_path: Path) -> None:
    fill(database_path, 20)
    store, _ = open_store(database_path)
    with closing(store):
        with store._database.reading() as connection:
            connection.execute("SELECT 1")
        connection.execute("PRAGMA shrink_memory")  # or it would answer without reading
        content = bytearray(database_path.read_bytes())
        content[4096:] = b"\xff" * (len(content) - 4096)
        database_path.write_bytes(content)
        with pytest.raises(StorageError, match=r"damaged.*start it again"):
            store.list_conversations()
