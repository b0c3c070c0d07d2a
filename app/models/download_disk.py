"""What a download needs of the disk: room, one writer, and sentences for what goes wrong."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from app.core.errors import AppError, DiskFull, DownloadError, DownloadInterrupted

LOCK_NAME = ".download.lock"
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_WORTHWHILE_BYTES = 256 << 20  # with less free than this, going on would only mean stopping again


def free_bytes(folder: Path) -> int:
    """Return the room on the volume of `folder`. Raises OSError."""
    return shutil.disk_usage(folder).free


def check_room(folder: Path, needed_bytes: int, spare_bytes: int) -> None:
    """Make sure that `needed_bytes` fit and `spare_bytes` stay free. Raises DiskFull."""
    free = free_bytes(folder)
    if needed_bytes and free < needed_bytes + spare_bytes:
        raise DiskFull(
            f"{_gb(needed_bytes)} are still to be downloaded and {_gb(spare_bytes)} have to stay free, but "
            f"{folder} has room for {_gb(free)}. Make room there or choose another folder."
        )


def is_full(error: OSError) -> bool:
    """Tell whether a disk refused to write because it has no room left."""
    return error.errno in _FULL


def has_room_again(folder: Path, left_bytes: int, spare_bytes: int) -> bool:
    """Tell whether a paused download can go on for a while. Raises OSError."""
    return free_bytes(folder) >= min(left_bytes, _WORTHWHILE_BYTES) + spare_bytes // 2


def no_room_sentence(folder: Path, left_bytes: int) -> str:
    """Return what to tell while a download waits for room."""
    return (
        f"The volume of {folder} is full: {_gb(left_bytes)} are still to come. "
        "What has arrived is kept; make room, and it goes on by itself."
    )


@contextmanager
def only_writer(target: Path, wait: Callable[[], None]) -> Iterator[None]:
    """Keep every other download out of the folder; while one is there, `wait` is called, which may raise."""
    lock = FileLock(target / LOCK_NAME)
    while True:
        try:
            lock.acquire(timeout=0)
            break
        except Timeout:
            wait()
    try:
        yield
    finally:
        lock.release()


def refuse_to_wait(target: Path) -> Callable[[], None]:
    """Return what `only_writer` calls for those who don't wait. It raises DownloadInterrupted."""

    def wait() -> None:
        raise DownloadInterrupted(
            f"Another program is downloading into {target}. Wait for it to finish, or stop it there."
        )

    return wait


@contextmanager
def disk_sentences(target: Path) -> Iterator[None]:
    """Turn what a disk raises into DiskFull or DownloadError with a sentence."""
    try:
        yield
    except OSError as error:
        raise _about_disk(error, target) from error


def _about_disk(error: OSError, target: Path) -> AppError:
    if is_full(error):
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
