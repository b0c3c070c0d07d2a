from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections import namedtuple
from pathlib import Path

import pytest

from app.core.errors import AppError, DatabaseDamaged, DiskFull, StorageError
from app.storage.faults import file_fault, sqlite_faults

Usage = namedtuple("Usage", "total used free")


def raised_for(code: int, path: Path) -> BaseException:
    error = sqlite3.OperationalError("as SQLite says it")
    error.sqlite_errorcode = code
    with pytest.raises((AppError, sqlite3.Error)) as caught, sqlite_faults(path):
        raise error
    assert caught.value is error or caught.value.__cause__ is error
    return caught.value


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (sqlite3.SQLITE_FULL, DiskFull, "no room left"),
        (sqlite3.SQLITE_CORRUPT, DatabaseDamaged, "is damaged"),
        (sqlite3.SQLITE_CORRUPT_INDEX, DatabaseDamaged, "is damaged"),
        (sqlite3.SQLITE_NOTADB, DatabaseDamaged, "is damaged"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, StorageError, "Another program"),
        (sqlite3.SQLITE_READONLY_DIRECTORY, StorageError, "write to it and to its folder"),
        (sqlite3.SQLITE_IOERR_READ, StorageError, "Check the disk"),
        (sqlite3.SQLITE_TOOBIG, StorageError, "too long"),
        (sqlite3.SQLITE_ERROR, sqlite3.OperationalError, "as SQLite says it"),
    ],
)
def test_what_sqlite_reports_becomes_a_sentence(tmp_path: Path, code: int, kind: type[Exception], words: str) -> None:
    error = raised_for(code, tmp_path / "c.sqlite3")
    assert type(error) is kind
    assert words in str(error)


def test_a_failed_write_on_a_full_disk_is_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(1 << 30, 1 << 30, 4096))
    assert type(raised_for(sqlite3.SQLITE_IOERR_WRITE, tmp_path / "c.sqlite3")) is DiskFull
    assert type(raised_for(sqlite3.SQLITE_IOERR, tmp_path / "gone" / "c.sqlite3")) is DiskFull


def test_misuse_of_sqlite_stays_a_bug(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "c.sqlite3")
    connection.close()
    with pytest.raises(sqlite3.ProgrammingError), sqlite_faults(tmp_path):
        connection.execute("SELECT 1")


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.ENOSPC, DiskFull, "no room left"),
        (errno.EDQUOT, DiskFull, "no room left"),
        (errno.EACCES, StorageError, "no permission"),
        (errno.EROFS, StorageError, "no permission"),
        (errno.ENOENT, StorageError, "does not exist"),
        (errno.ENAMETOOLONG, StorageError, "too long"),
        (errno.EISDIR, StorageError, "is a folder"),
        (errno.EIO, StorageError, os.strerror(errno.EIO)),
    ],
)
def test_what_the_system_reports_becomes_a_sentence(
    tmp_path: Path, number: int, kind: type[AppError], words: str
) -> None:
    fault = file_fault(OSError(number, os.strerror(number)), "save it", tmp_path / "name")
    assert type(fault) is kind
    assert str(fault).startswith("Solo can't save it: ")
    assert words in str(fault)
