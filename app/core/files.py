"""Write files so that a reader sees the old content or the new one, never half of it."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

_NOT_SYNCABLE = {errno.EACCES, errno.EBADF, errno.EINVAL, errno.ENOTSUP, errno.EPERM}


def write_atomically(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace `path` by `content` as a whole, and make it outlast a power cut.

    A missing folder is created. `mode` is lessened by the process's umask. Raises OSError; then `path` is as
    it was.
    """
    write_pieces_atomically(path, (content,), mode)


def write_pieces_atomically(path: Path, pieces: Iterable[bytes | memoryview], mode: int = 0o600) -> None:
    """Do as `write_atomically` does with content that comes in pieces; what `pieces` raises leaves no trace."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # A part of the name only: with a suffix the whole could be longer than file systems allow.
    temporary = path.with_name(f".{path.name[:32]}.{secrets.token_hex(8)}")
    try:
        with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as stream:
            stream.writelines(pieces)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make a rename inside `directory` outlast a power cut, where the system can. Raises OSError."""
    if os.name == "nt":  # Windows has no directory handles to flush
        return
    try:
        handle = os.open(directory, os.O_RDONLY)
    except PermissionError:  # a folder may be writable but not readable
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NOT_SYNCABLE:  # network file systems know no such thing
            raise
    finally:
        os.close(handle)
