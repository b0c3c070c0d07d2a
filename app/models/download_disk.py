"""What a download needs of the disk: room, one writer, and sentences for what goes wrong."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from app.core.errors import AppError, DiskFull, DownloadError, DownloadInterrupted

LOCK_NAME = ".download.lock"
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


def check_room(folder: Path, needed_bytes: int, spare_bytes: int) -> None:
    """Make sure that `needed_bytes` fit and `spare_bytes` stay free. Raises DiskFull."""
    free_bytes = shutil.disk_usage(folder).free
    if needed_bytes and free_bytes < needed_bytes + spare_bytes:
        raise DiskFull(
            f"{_gb(needed_bytes)} are still to be downloaded and {_gb(spare_bytes)} have to stay free, but "
            f"{folder} has room for {_gb(free_bytes)}. Make room there or choose another folder."
        )


@contextmanager
def only_writer(target: Path) -> Iterator[None]:
    """Keep every other download out of the folder. Raises DownloadInterrupted when one is there."""
    lock = FileLock(target / LOCK_NAME, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise DownloadInterrupted(
            f"Another window is already downloading into {target}. Wait for it to finish, or stop it there."
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def disk_sentences(target: Path) -> Iterator[None]:
    """Turn what a disk raises into DiskFull or DownloadError with a sentence."""
    try:
        yield
    except OSError as error:
        raise _about_disk(error, target) from error


def _about_disk(error: OSError, target: Path) -> AppError:
    if error.errno in _FULL:
        return DiskFull(
            f"The volume of {target} is full. What has arrived is kept: make room and try again, "
            "and it goes on from there."
        )
    if error.errno == errno.EFBIG:
        return DiskFull(f"The volume of {target} can't hold files of this size. Choose a folder on another volume.")
    reason = error.strerror or str(error)
    return DownloadError(f"{target} can't be written ({reason}). Check the folder or choose another one.")


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
