from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.core.errors import ConversationMissing
from app.core.messages import MessageState, Picture, StopReason
from app.storage.database import connect
from app.storage.migrations import APPLICATION_ID, MIGRATIONS, backup_path, migrate
from app.storage.opening import open_store

VERSION_1 = Path(__file__).parent / "data" / "version_1.sql"


@pytest.fixture
def version_1(database_path: Path) -> Path:
    database_path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(database_path)) as connection:
        connection.executescript(VERSION_1.read_text(encoding="utf-8"))
    return database_path


def add_colour(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE conversations ADD COLUMN colour TEXT")


def fail_half_way(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE half (id)")
    raise KeyError("half way")


def schema(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql NOT NULL")
        return {name: " ".join(sql.split()) for name, sql in rows if not name.startswith("search_index")}


def test_a_file_of_version_1_opens_with_everything_in_it(version_1: Path) -> None:
    store, notice = open_store(version_1, now=lambda: datetime(2025, 3, 3, tzinfo=UTC))
    with closing(store):
        assert notice is None
        (summary,) = store.list_conversations()
        assert (summary.title, summary.pinned) == ("Un café", True)
        question, answer = store.load("c1").messages
        assert question.parts[0] == Picture("a" * 64, "tasse.jpg", "image/jpeg", 640, 480, 12)
        assert (answer.text, answer.reasoning) == ("A cup", "Let me look. It has a handle.")
        assert answer.state is MessageState.INTERRUPTED
        stats = store.message("m3").stats
        assert stats is not None
        assert (stats.stop_reason, stats.tokens_per_second) == (StopReason.STOP, 31.25)
        assert store.list_conversations("cafe cup") == (summary,)
        store.restore("c2")
        assert store.load("c2").messages[0].text == "Forget me"


def test_what_version_1_deleted_is_purged_in_time(version_1: Path) -> None:
    store, _ = open_store(version_1, now=lambda: datetime(2025, 5, 1, tzinfo=UTC))
    with closing(store), pytest.raises(ConversationMissing):
        store.restore("c2")


def test_a_new_file_has_the_layout_of_a_migrated_one(version_1: Path, tmp_path: Path) -> None:
    for path in (version_1, tmp_path / "new.sqlite3"):
        store, _ = open_store(path)
        store.close()
    assert schema(version_1) == schema(tmp_path / "new.sqlite3")


def test_an_older_file_is_copied_aside_before_it_is_changed(version_1: Path) -> None:
    with closing(connect(version_1)) as connection:
        migrate(version_1, connection, (*MIGRATIONS, add_colour))
        assert connection.execute("PRAGMA user_version").fetchone()[0] == 2
        assert connection.execute("SELECT colour FROM conversations").fetchall()[0][0] is None
    backup = backup_path(version_1, 1)
    assert backup.name == "conversations.version-1.sqlite3"
    assert backup.stat().st_mode & 0o077 == 0
    store, notice = open_store(backup)
    with closing(store):
        assert notice is None
        assert [summary.id for summary in store.list_conversations()] == ["c1"]
    assert "colour" not in schema(backup)["conversations"]


def test_a_migration_that_fails_changes_nothing(version_1: Path) -> None:
    before = schema(version_1)
    with closing(connect(version_1)) as connection, pytest.raises(KeyError):
        migrate(version_1, connection, (*MIGRATIONS, fail_half_way))
    assert schema(version_1) == before
    assert [path.name for path in version_1.parent.iterdir() if ".version-1." in path.name] == [
        "conversations.version-1.sqlite3"
    ]
    store, _ = open_store(version_1)
    store.close()


def test_create_conversations_marks_the_file_as_ours(tmp_path: Path) -> None:
    path = tmp_path / "new.sqlite3"
    with closing(connect(path)) as connection:
        migrate(path, connection)
        assert connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
        assert connection.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
