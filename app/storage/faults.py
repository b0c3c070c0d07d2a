"""Turn what SQLite and the file system report into errors a person can act on."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.core.errors import AppError, DatabaseDamaged, DiskFull, StorageError

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_NO_RIGHT = {errno.EACCES, errno.EPERM, errno.EROFS}
_NO_FOLDER = {errno.ENOENT, errno.ENOTDIR}
_SCARCE_BYTES = 1 << 20  # SQLite reports a failed write as FULL or as IOERR, depending on which call met it


@contextmanager
def sqlite_faults(path: Path) -> Iterator[None]:
    """Raise StorageError, DatabaseDamaged or DiskFull for what SQLite reports about the file at `path`."""
    try:
        yield
    except sqlite3.Error as error:
        fault = _sqlite_fault(error, path)
        if fault is None:
            raise
        raise fault from error


def _sqlite_fault(error: sqlite3.Error, path: Path) -> AppError | None:
    """Return the error to raise, or None where the cause can only be a bug."""
    code = getattr(error, "sqlite_errorcode", None)  # errors of Python's own module have none
    match None if code is None else code & 0xFF:
        case sqlite3.SQLITE_FULL:
            return _disk_full(path)
        case sqlite3.SQLITE_IOERR if _is_scarce(path.parent):
            return _disk_full(path)
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return DatabaseDamaged(
                f"The file with your conversations, {path}, is damaged. "
                "Close Solo and start it again: it will keep the damaged file and rescue what can be read."
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StorageError(
                f"Another program is using the file with your conversations, {path}. "
                "Close other windows of Solo and try again."
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_AUTH:
            return StorageError(
                f"The file with your conversations, {path}, can't be opened for writing. "
                "Check that you may write to it and to its folder."
            )
        case sqlite3.SQLITE_IOERR:
            return StorageError(
                f"The disk reported an error for the file with your conversations, {path}. "
                "Check the disk, then try again."
            )
        case sqlite3.SQLITE_TOOBIG:
            return StorageError("This text is too long to be saved. Shorten it or send it in parts.")
        case _:
            return None


def _is_scarce(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _SCARCE_BYTES
    except OSError:
        return False


def _disk_full(path: Path) -> DiskFull:
    return DiskFull(
        f"There is no room left on the disk that holds your conversations ({path.parent}). "
        "Free some space and try again."
    )


def file_fault(error: OSError, doing: str, path: Path) -> AppError:
    """Return DiskFull or StorageError for a failed access to `path`; `doing` goes on "can't ..."."""
    sentence = file_sentence(error, doing, path)
    return DiskFull(sentence) if error.errno in _NO_ROOM else StorageError(sentence)


def file_sentence(error: OSError, doing: str, path: Path) -> str:
    """Say why `path` could not be used and what to do; `doing` is e.g. "save the picture"."""
    if error.errno in _NO_ROOM:
        return f"Solo can't {doing}: there is no room left on the disk of {path}. Free some space and try again."
    if error.errno in _NO_RIGHT:
        return f"Solo can't {doing}: it has no permission for {path}. Choose another place or change its rights."
    if error.errno in _NO_FOLDER:
        return f"Solo can't {doing}: {path} does not exist (any more). Choose another place."
    if error.errno == errno.ENAMETOOLONG:
        return f"Solo can't {doing}: the name {path.name} is too long. Choose a shorter one."
    if error.errno == errno.EISDIR:
        return f"Solo can't {doing}: {path} is a folder. Choose another name."
    reason = error.strerror or str(error)
    return f"Solo can't {doing}: the system reported “{reason}” for {path}. Choose another place or try again."
