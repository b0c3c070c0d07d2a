"""Open the conversations: a damaged file is kept aside, what can be read of it goes into a new one."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path

from app.core.errors import DatabaseDamaged
from app.core.files import sync_directory
from app.storage.attachments import AttachmentStore
from app.storage.conversations import Clock, ConversationStore, utc_now
from app.storage.database import Database, check_structure, connect
from app.storage.faults import file_fault, sqlite_faults
from app.storage.migrations import migrate
from app.storage.rescue import rescue

log = logging.getLogger(__name__)

_MARK = ".damaged-"


def open_store(
    path: Path, attachments: AttachmentStore | None = None, now: Clock = utc_now
) -> tuple[ConversationStore, str | None]:
    """Open the conversations' file, or start a new one, and clean up pictures nobody needs any more.

    Returns the store and, where the file was damaged, a sentence for the person. Raises DatabaseTooNew,
    StorageError, DiskFull.
    """
    notice = None
    try:
        store = _open_sound(path, now)
    except DatabaseDamaged as damage:
        log.info("the conversations' file is set aside", exc_info=damage)
        store, notice = _open_anew(path, now)
    # The pictures of a damaged file stay as long as it is there: only it knows which ones it needs.
    if attachments is not None and not any(path.parent.glob(f"{path.stem}{_MARK}*")):
        attachments.remove_unreferenced(store.referenced_pictures())
    return store, notice


def _open_sound(path: Path, now: Clock) -> ConversationStore:
    connection = connect(path)
    try:
        check_structure(path, connection)
        migrate(path, connection)
        store = ConversationStore(Database(path, connection), now)
        n_cut_off = store.settle()
    except BaseException:
        connection.close()
        raise
    if n_cut_off:
        log.info("%d answers were cut off when the program ended", n_cut_off)
    return store


def _open_anew(path: Path, now: Clock) -> tuple[ConversationStore, str]:
    fresh = path.with_name(f"{path.stem}.new{path.suffix}")
    try:
        fresh.unlink(missing_ok=True)
        # The new file is whole before the old one moves: an end in between must not leave an empty list.
        n_rescued = _fill_fresh(fresh, path)
        kept = set_aside(path)
        fresh.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise file_fault(error, "rescue your conversations from a damaged file", path) from error
    finally:
        fresh.unlink(missing_ok=True)
    return _open_sound(path, now), _notice(path, kept, n_rescued)


def _fill_fresh(fresh: Path, damaged: Path) -> int:
    connection = connect(fresh)
    try:
        migrate(fresh, connection)
        with sqlite_faults(fresh):
            return rescue(damaged, connection)
    finally:
        connection.close()


def _notice(path: Path, kept: Path, n_rescued: int) -> str:
    rescued = {0: "None of them could be rescued", 1: "One of them could be rescued"}.get(
        n_rescued, f"{n_rescued} of them could be rescued"
    )
    return (
        f"The file with your conversations was damaged. {rescued}. "
        f"The damaged file is kept as {kept}; restore a backup of {path.name} if something is missing."
    )


def set_aside(path: Path) -> Path:
    """Rename a database and what belongs to it, and return its new name, which holds the date.

    Raises StorageError, DiskFull.
    """
    target = _free_name(path)
    try:
        # The log goes first: if only it were left behind, SQLite would delete it beside a new file.
        for suffix in ("-wal", "-shm", ""):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(target.with_name(target.name + suffix))
    except OSError as error:
        raise file_fault(error, "set the damaged file with your conversations aside", path) from error
    return target


def _free_name(path: Path) -> Path:
    stamp = datetime.now(UTC).strftime("%Y-%m-%d-%H%M%S")
    target = path.with_name(f"{path.stem}{_MARK}{stamp}{path.suffix}")
    number = 2
    while target.exists():
        target = path.with_name(f"{path.stem}{_MARK}{stamp}-{number}{path.suffix}")
        number += 1
    return target
