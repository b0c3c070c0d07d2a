"""Read what can still be read of a damaged conversations' file."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

log = logging.getLogger(__name__)

_TABLES = ("conversations", "messages", "parts", "growth")
_RESCUED_TITLE = "Rescued conversation"


def rescue(damaged: Path, connection: sqlite3.Connection) -> int:
    """Copy every readable row of `damaged` into the new, empty file of `connection`.

    Returns how many conversations it has then. `damaged` itself is only read, so that nothing gets worse.
    Raises OSError and sqlite3.Error when the new file, or a copy of the damaged one, can't be written.
    """
    with tempfile.TemporaryDirectory(prefix=".rescue-", dir=damaged.parent) as folder:
        copy = Path(folder) / "copy.sqlite3"
        for suffix in ("", "-wal"):
            part = damaged.with_name(damaged.name + suffix)
            if part.exists():
                shutil.copyfile(part, copy.with_name(copy.name + suffix))
        connection.execute("PRAGMA foreign_keys = OFF")  # rows come without those they belong to
        connection.execute("BEGIN IMMEDIATE")
        _copy_rows(copy, connection)
        _mend(connection)
        connection.execute("COMMIT")
        connection.execute("PRAGMA foreign_keys = ON")
    return int(connection.execute("SELECT count(*) FROM conversations").fetchone()[0])


def _copy_rows(copy: Path, connection: sqlite3.Connection) -> None:
    with closing(sqlite3.connect(copy)) as source:
        source.row_factory = sqlite3.Row
        source.text_factory = lambda content: content.decode("utf-8", "replace")
        for table in _TABLES:
            columns = [row["name"] for row in connection.execute(f"PRAGMA table_info({table})")]
            for row in _readable_rows(source, table):
                _insert(connection, table, {name: row[name] for name in set(columns).intersection(row.keys())})


def _readable_rows(source: sqlite3.Connection, table: str) -> Iterator[sqlite3.Row]:
    """Yield rows from the beginning up to the damage, then from the end back to it."""
    seen: set[int] = set()
    for direction in ("ASC", "DESC"):
        try:
            for row in source.execute(f"SELECT rowid AS place, * FROM {table} ORDER BY rowid {direction}"):
                if row["place"] in seen:
                    break
                seen.add(row["place"])
                yield row
        except sqlite3.DatabaseError:
            log.info("%s can't be read on (%s)", table, direction, exc_info=True)


def _insert(connection: sqlite3.Connection, table: str, values: dict[str, object]) -> None:
    names = ", ".join(values)
    marks = ", ".join("?" * len(values))
    connection.execute(f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})", tuple(values.values()))


def _mend(connection: sqlite3.Connection) -> None:
    """Give lost messages a conversation, and let go of what belongs to nothing."""
    connection.execute(
        "INSERT INTO conversations (id, title, title_is_automatic, created_at, updated_at) "
        "SELECT conversation_id, ?, TRUE, min(created_at), max(created_at) FROM messages "
        "WHERE conversation_id NOT IN (SELECT id FROM conversations) GROUP BY conversation_id",
        (_RESCUED_TITLE,),
    )
    connection.execute("UPDATE messages SET parent_id = NULL WHERE parent_id NOT IN (SELECT id FROM messages)")
    for table in ("parts", "growth"):
        connection.execute(f"DELETE FROM {table} WHERE message_id NOT IN (SELECT id FROM messages)")
