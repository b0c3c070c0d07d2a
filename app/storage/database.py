"""One SQLite file: how it is opened, checked, and used in transactions."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.core.errors import DatabaseDamaged
from app.storage.faults import file_fault, sqlite_faults

BUSY_TIMEOUT_S = 5.0
_SMALLEST_BYTES = 512  # one page of the smallest size


class Database:
    """Guard one connection: whole transactions, one at a time, from any thread.

    A write-ahead log lets other processes read meanwhile.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._lock = threading.RLock()
        with sqlite_faults(path):
            connection.execute("PRAGMA journal_mode = WAL")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection inside a transaction that is on disk when the block ends."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection inside a transaction that sees one state of the file."""
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._lock, sqlite_faults(self.path):
            self._connection.execute(begin)
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.rollback()
                raise

    def close(self) -> None:
        """Move what the write-ahead log holds into the file and let go of it."""
        with self._lock:
            self._connection.close()


def connect(path: Path, busy_timeout_s: float = BUSY_TIMEOUT_S) -> sqlite3.Connection:
    """Open `path`, private to its owner when new, with every commit synced to disk; changes nothing in it.

    Raises StorageError, DatabaseDamaged, DiskFull.
    """
    _prepare_file(path)
    with sqlite_faults(path):
        # The Database above has its own lock, so threads may share the connection.
        connection = sqlite3.connect(path, busy_timeout_s, isolation_level=None, check_same_thread=False)
        try:
            _configure(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def _prepare_file(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        n_bytes = path.stat().st_size
        log = path.with_name(f"{path.name}-wal")
        has_log = log.exists() and log.stat().st_size > 0
    except OSError as error:
        raise file_fault(error, "open the file with your conversations", path) from error
    # SQLite would take such a file for a new one, write over it and delete the log.
    if 0 < n_bytes < _SMALLEST_BYTES or (n_bytes == 0 and has_log):
        raise DatabaseDamaged(f"The file with your conversations, {path}, was cut off after {n_bytes} bytes.")


def _configure(connection: sqlite3.Connection) -> None:
    connection.row_factory = sqlite3.Row
    # One damaged byte in one text must not hide the others.
    connection.text_factory = lambda content: content.decode("utf-8", "replace")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def check_structure(path: Path, connection: sqlite3.Connection) -> None:
    """Raise DatabaseDamaged when pages of the file contradict each other; reads the file once."""
    with sqlite_faults(path):
        findings = [str(row[0]) for row in connection.execute("PRAGMA quick_check(5)")]
    # A missing value harms one row only, and reading copes with it.
    serious = [line for line in findings if line != "ok" and not line.startswith("NULL value in")]
    if serious:
        raise DatabaseDamaged(f"The file with your conversations, {path}, is damaged ({serious[0].strip()}).")
