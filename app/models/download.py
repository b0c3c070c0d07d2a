"""Download model files so that a person can trust them: resumable, verified whole, repaired where damaged."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from app.core.errors import Cancelled
from app.models.download_disk import check_room, disk_sentences, only_writer, refuse_to_wait
from app.models.download_job import Job
from app.models.download_progress import Progress
from app.models.download_read import hash_with_chunks
from app.models.download_record import (
    Record,
    is_verified,
    map_path,
    missing_bytes,
    part_path,
    record_path,
    write_record,
)
from app.models.download_stream import STOPPED, Tuning
from app.models.hub import Hub, RemoteFile, is_safe_name

__all__ = ["discard_download", "download_files", "missing_bytes"]

_LOOK_S = 0.2


def download_files(
    files: Sequence[RemoteFile],
    target: Path,
    *,
    on_progress: Callable[[Progress], None],
    cancel: threading.Event,
    hub: Hub | None = None,
    tuning: Tuning | None = None,
    limit: Callable[[], float] | None = None,
) -> tuple[Path, ...]:
    """Bring `files` into the folder `target` and return their paths, each verified by its SHA-256.

    What is already there and verified is not fetched again; what an earlier call left unfinished goes on. While
    the disk is full, the server busy or another program downloads into `target`, it waits and tells what for.
    `limit` returns the bytes per second allowed now, 0 for any. `on_progress` is called on this thread. Raises
    Cancelled within a second of `cancel`, DiskFull before anything is fetched, DownloadError (NoNetwork,
    RepositoryMissing, AccessDenied, DownloadInterrupted, DownloadCorrupted); everything on disk stays
    whatever is raised.
    """
    names = [file.local_name.casefold() for file in files]
    if len(set(names)) != len(names) or not all(is_safe_name(file.name) for file in files):
        raise ValueError("file names must be safe and differ")
    job = Job(hub or Hub(), target, tuning or Tuning(), cancel, on_progress, limit)
    with disk_sentences(target):
        target.mkdir(parents=True, exist_ok=True)
        with only_writer(target, lambda: _attend(job, files)):
            return _Order(job, files).run()


def discard_download(path: Path) -> int:
    """Delete what has arrived of an unfinished `path` and return how many bytes that frees.

    A whole file stays. Raises DownloadInterrupted while a program downloads into its folder, DownloadError.
    """
    with disk_sentences(path.parent):
        if not path.parent.is_dir():
            return 0
        with only_writer(path.parent, refuse_to_wait(path.parent)):
            unfinished = [found for found in (part_path(path), map_path(path)) if found.is_file()]
            freed = sum(_allocated_bytes(found) for found in unfinished)
            for found in unfinished:
                found.unlink()
            return freed


def _allocated_bytes(path: Path) -> int:
    found = path.stat()
    # A part has holes where chunks are missing; Windows does not say.
    return found.st_blocks * 512 if hasattr(found, "st_blocks") else found.st_size


def _attend(job: Job, files: Sequence[RemoteFile]) -> None:
    """Show how another program's download of the same files is going, and wait for a moment."""
    if job.cancel.wait(_LOOK_S):
        raise Cancelled(STOPPED)
    total = sum(file.size for file in files)
    done = total - sum(missing_bytes(file, job.target / file.local_name) for file in files)
    job.meter.total_bytes = total
    job.meter.fetched(max(0, done - job.meter.done_bytes))
    job.meter.wait("Another program downloads into this folder. This one goes on as soon as that ends.")


class _Order:
    """Do one `download_files` call, alone in its folder."""

    def __init__(self, job: Job, files: Sequence[RemoteFile]) -> None:
        self._job, self._files = job, files
        self._meter = job.meter

    def run(self) -> tuple[Path, ...]:
        """Fetch what is missing, file by file."""
        self._meter.begin(sum(file.size for file in self._files))
        paths = tuple(self._job.target / file.local_name for file in self._files)
        wanted = [(f, p) for f, p in zip(self._files, paths, strict=True) if not self._is_present(f, p)]
        needed = sum(missing_bytes(file, path) for file, path in wanted)
        check_room(self._job.target, needed, self._job.tuning.spare_bytes)
        for file, path in wanted:
            self._job.bring(file, path)
        self._meter.finish()
        return paths

    def _is_present(self, file: RemoteFile, path: Path) -> bool:
        present = is_verified(file, path) or self._adopt(file, path)
        if present:
            self._meter.done_bytes += file.size
        return present

    def _adopt(self, file: RemoteFile, path: Path) -> bool:
        """Take a file that came here by other means, if it is the right one."""
        if not path.is_file() or path.stat().st_size != file.size:
            return False
        self._meter.verify(file.local_name, file.size)
        chunk_bytes = self._job.tuning.chunk_bytes
        digest, chunks = hash_with_chunks(path, chunk_bytes, self._job.tick)
        if digest != file.sha256:
            return False
        write_record(record_path(path), Record(file, chunk_bytes, chunks))
        part_path(path).unlink(missing_ok=True)
        map_path(path).unlink(missing_ok=True)
        return True
