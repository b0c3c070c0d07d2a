"""Original pictures on disk, each under the hash of its bytes."""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from app.core.errors import StorageError
from app.core.files import write_atomically
from app.storage.faults import file_fault

log = logging.getLogger(__name__)

_HASH = re.compile(r"[0-9a-f]{64}")
_DAY_S = 24 * 3600.0


class AttachmentStore:
    """Keep pictures in `folder`, in subfolders named by the first two digits of their hash."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, content: bytes) -> str:
        """Store a picture once and return its SHA-256. Raises StorageError, DiskFull."""
        sha256 = hashlib.sha256(content).hexdigest()
        path = self.path(sha256)
        try:
            if path.is_file() and path.read_bytes() == content:
                path.touch()  # counts as new for `remove_unreferenced`
            else:
                write_atomically(path, content)
        except OSError as error:
            raise file_fault(error, "store the picture", path) from error
        return sha256

    def path(self, sha256: str) -> Path:
        """Return where a picture lies, there or not. Raises StorageError for what is no hash."""
        if not _HASH.fullmatch(sha256):
            raise StorageError("The conversation names a picture in a way that can't be right. Attach it again.")
        return self._folder / sha256[:2] / sha256

    def read(self, sha256: str) -> bytes:
        """Return a picture's bytes, checked against its hash. Raises StorageError."""
        path = self.path(sha256)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise file_fault(error, "open a picture of this conversation", path) from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise StorageError(f"A picture of this conversation, {path}, is damaged. Attach it again.")
        return content

    def remove_unreferenced(self, referenced: Collection[str], older_than_s: float = _DAY_S) -> int:
        """Remove pictures no message has and remains of broken writes, and return how many files went.

        Files younger than `older_than_s` stay: they may belong to a message that is still being written.
        """
        newest = time.time() - older_than_s
        removed = 0
        for path in list(self._files()):
            try:
                if path.name in referenced or path.lstat().st_mtime > newest:
                    continue
                path.unlink()
                removed += 1
            except OSError:
                log.info("%s can't be removed", path, exc_info=True)
        return removed

    def _files(self) -> Iterator[Path]:
        """Yield what this store wrote: pictures and temporary files, nothing else that lies there."""
        for path in self._folder.glob("[0-9a-f][0-9a-f]/*"):
            is_ours = _HASH.fullmatch(path.name) or path.name.startswith(f".{path.parent.name}")
            if is_ours and path.is_file() and not path.is_symlink():
                yield path
