"""The layout of the conversations' file, and how older files are brought to it.

The layout's version is SQLite's `user_version`. A change of the layout is a new function at the end of
`MIGRATIONS`; the functions before it never change.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from app.core.errors import DatabaseDamaged, DatabaseTooNew
from app.storage.faults import file_fault, sqlite_faults

Migration = Callable[[sqlite3.Connection], None]

APPLICATION_ID = 0x536F6C6F  # "Solo"


def create_conversations(connection: sqlite3.Connection) -> None:
    """Create conversations, their tree of messages, the messages' parts, and text still arriving."""
    for statement in _VERSION_1:
        connection.execute(statement)


# Only keys are NOT NULL: a value that is missing must not make a row, or the file, unreadable.
# `parent_id` is checked at the end of a transaction: cascading along it would nest one level per message.
_VERSION_1 = (
    """CREATE TABLE conversations (
        id TEXT PRIMARY KEY NOT NULL, title TEXT, title_is_automatic INTEGER, created_at TEXT,
        updated_at TEXT, pinned INTEGER, deleted_at TEXT, leaf_id TEXT)""",
    """CREATE TABLE messages (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
        conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
        parent_id TEXT REFERENCES messages (id) DEFERRABLE INITIALLY DEFERRED,
        role TEXT, created_at TEXT, state TEXT, reasoning TEXT, effort TEXT, settings_rendered TEXT,
        model_name TEXT, stats TEXT, error TEXT)""",
    "CREATE INDEX messages_by_conversation ON messages (conversation_id)",
    "CREATE INDEX messages_by_parent ON messages (parent_id)",
    """CREATE TABLE parts (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
        position INTEGER, kind TEXT, text TEXT,
        sha256 TEXT, name TEXT, media_type TEXT, width INTEGER, height INTEGER, tokens INTEGER)""",
    "CREATE INDEX parts_by_message ON parts (message_id)",
    """CREATE TABLE growth (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE, text TEXT, reasoning TEXT)""",
    "CREATE INDEX growth_by_message ON growth (message_id)",
)

MIGRATIONS: tuple[Migration, ...] = (create_conversations,)


def migrate(path: Path, connection: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring the file to the newest layout; an older one is copied aside first.

    Raises DatabaseTooNew, DatabaseDamaged, StorageError, DiskFull.
    """
    with sqlite_faults(path):
        version = _version_of(path, connection)
        if version > len(migrations):
            raise DatabaseTooNew(
                f"The file with your conversations, {path}, was written by a newer version of Solo. "
                "Install that version again, or a newer one."
            )
        if 0 < version < len(migrations):
            _copy_aside(connection, backup_path(path, version))
        for number, step in enumerate(migrations[version:], start=version + 1):
            _take(connection, step, number)


def backup_path(path: Path, version: int) -> Path:
    """Return where a file of an older layout is kept when it is migrated."""
    return path.with_name(f"{path.stem}.version-{version}{path.suffix}")


def _version_of(path: Path, connection: sqlite3.Connection) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    owner = int(connection.execute("PRAGMA application_id").fetchone()[0])
    n_tables = int(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    is_new = version == 0 and owner == 0 and n_tables == 0
    if not is_new and (owner != APPLICATION_ID or version < 1):
        raise DatabaseDamaged(f"The file {path} does not hold conversations of Solo.")
    return version


def _take(connection: sqlite3.Connection, step: Migration, number: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another window of Solo may have been faster.
        if int(connection.execute("PRAGMA user_version").fetchone()[0]) < number:
            step(connection)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def _copy_aside(connection: sqlite3.Connection, target: Path) -> None:
    temporary = target.with_name(f"{target.name}.{secrets.token_hex(4)}")
    try:
        temporary.touch(mode=0o600)
        with closing(sqlite3.connect(temporary)) as copy:
            connection.backup(copy)
        temporary.replace(target)
    except OSError as error:
        raise file_fault(error, "copy your conversations before changing them", target) from error
    finally:
        temporary.unlink(missing_ok=True)
