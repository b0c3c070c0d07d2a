"""Download model files so that a person can trust them: resumable, verified whole, repaired where damaged."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path

from app.core.errors import Cancelled, DownloadCorrupted, DownloadInterrupted
from app.models.download_disk import check_room, disk_sentences, only_writer
from app.models.download_part import (
    PartFile,
    Record,
    hash_file,
    is_verified,
    map_path,
    missing_bytes,
    part_path,
    record_path,
    write_record,
)
from app.models.download_progress import Meter, Progress
from app.models.download_stream import STOPPED, Tuning, VersionChanged, stream_span
from app.models.hub import Hub, RemoteFile, is_safe_name

_MOST_VERSIONS = 3
_CHANGED = "{} has changed on the server and is downloaded anew."


def download_files(
    files: Sequence[RemoteFile],
    target: Path,
    *,
    on_progress: Callable[[Progress], None],
    cancel: threading.Event,
    hub: Hub | None = None,
    tuning: Tuning | None = None,
) -> tuple[Path, ...]:
    """Bring `files` into the folder `target` and return their paths, each verified by its SHA-256.

    What is already there and verified is not fetched again; what an earlier call left unfinished goes on.
    `on_progress` is called on this thread. Raises Cancelled within a second of `cancel`, DiskFull,
    DownloadError (NoNetwork, RepositoryMissing, AccessDenied, DownloadInterrupted, DownloadCorrupted); the
    finished chunks stay on disk whatever is raised.
    """
    names = [file.local_name.casefold() for file in files]
    if len(set(names)) != len(names) or not all(is_safe_name(file.name) for file in files):
        raise ValueError("file names must be safe and differ")
    with disk_sentences(target):
        target.mkdir(parents=True, exist_ok=True)
        with only_writer(target):
            job = _Job(hub or Hub(), target, tuning or Tuning(), cancel, on_progress)
            return job.run(files)


class _Job:
    """Do one `download_files` call."""

    def __init__(
        self,
        hub: Hub,
        target: Path,
        tuning: Tuning,
        cancel: threading.Event,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._hub, self._target, self._tuning, self._cancel = hub, target, tuning, cancel
        self._meter = Meter(0, on_progress)

    def run(self, files: Sequence[RemoteFile]) -> tuple[Path, ...]:
        """Fetch what is missing, file by file."""
        self._meter.total_bytes = sum(file.size for file in files)
        paths = tuple(self._target / file.local_name for file in files)
        wanted = [(file, path) for file, path in zip(files, paths, strict=True) if not self._is_present(file, path)]
        needed = sum(missing_bytes(file, path) for file, path in wanted)
        check_room(self._target, needed, self._tuning.spare_bytes)
        for file, path in wanted:
            self._bring(file, path)
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
        if hash_file(path, self._tick) != file.sha256:
            return False
        write_record(record_path(path), Record(file, self._tuning.chunk_bytes, {}))
        part_path(path).unlink(missing_ok=True)
        map_path(path).unlink(missing_ok=True)
        return True

    def _bring(self, file: RemoteFile, path: Path) -> None:
        self._meter.note = ""
        for _ in range(_MOST_VERSIONS):
            part = PartFile(file, path, self._tuning.chunk_bytes)
            counted = self._meter.done_bytes
            self._meter.done_bytes += part.done_bytes
            if part.started_over:
                self._meter.note = _CHANGED.format(file.local_name)
            try:
                self._fetch_missing(part)
                self._verify(part)
                part.publish()
                return
            except VersionChanged as change:
                newer = self._newer_version(file, change)
            finally:
                part.close()
            self._meter.note = _CHANGED.format(file.local_name)
            self._meter.done_bytes = counted
            self._meter.total_bytes += newer.size - file.size
            file = newer
        raise DownloadInterrupted(f"{file.local_name} keeps changing on the server. Try again later.")

    def _newer_version(self, file: RemoteFile, change: VersionChanged) -> RemoteFile:
        newer = self._hub.find_file(file.repository, file.revision, file.name)
        if newer.sha256 == file.sha256:
            raise DownloadCorrupted(
                f"The server offers something else than it announces for {file.local_name}. "
                "What has arrived is kept; try again later."
            ) from change
        return newer

    def _fetch_missing(self, part: PartFile) -> None:
        while (gap := part.missing()) is not None:
            self._meter.fetch(part.file.local_name)
            with closing(self._chunks(part, *gap)) as chunks:
                for chunk, content in chunks:
                    part.write_chunk(chunk, content)

    def _chunks(self, part: PartFile, start: int, end: int) -> Generator[tuple[int, bytes], None, None]:
        """Yield whole chunks as they arrive; `start` and `end` are borders of chunks."""
        chunk, content, counted = start // part.chunk_bytes, bytearray(), 0
        pieces = stream_span(self._hub, part.file, start, end, tuning=self._tuning, cancel=self._cancel)
        try:
            with closing(pieces):
                for piece in pieces:
                    content += piece
                    self._meter.fetched(len(piece))
                    counted += len(piece)
                    while content and len(content) >= (length := part.length(chunk)):
                        yield chunk, bytes(content[:length])
                        del content[:length]
                        counted -= length
                        chunk += 1
        finally:
            self._meter.lost(counted)

    def _verify(self, part: PartFile) -> None:
        """Read the whole back; fetch again what is wrong. Raises DownloadCorrupted."""
        if self._is_right(part):
            return
        damaged = part.damaged_chunks(self._tick)
        if damaged:
            self._meter.lost(sum(part.length(chunk) for chunk in damaged))
            part.forget(damaged)
            self._meter.note = f"Part of {part.file.local_name} was damaged on the disk and is downloaded again."
            self._fetch_missing(part)
            if self._is_right(part):
                return
        self._meter.note = f"{part.file.local_name} arrived damaged; it is compared with the server's once more."
        if not self._is_repaired(part):
            raise DownloadCorrupted(
                f"{part.file.local_name} does not have the checksum that the server announces, even after a "
                "second look. What has arrived is kept; try again later or choose another download."
            )

    def _is_right(self, part: PartFile) -> bool:
        self._meter.verify(part.file.local_name, part.file.size)
        return self._rest_matches(part, 0, hashlib.sha256())

    def _rest_matches(self, part: PartFile, start: int, digest: hashlib._Hash) -> bool:
        for piece in part.read(start, part.file.size, self._tick):
            digest.update(piece)
        return digest.hexdigest() == part.file.sha256

    def _is_repaired(self, part: PartFile) -> bool:
        """Compare every chunk with a second copy from the server until the whole is right."""
        self._meter.lost(part.file.size)
        self._meter.fetch(part.file.local_name)
        before = hashlib.sha256()
        with closing(self._chunks(part, 0, part.file.size)) as chunks:
            for chunk, content in chunks:
                before.update(content)
                if hashlib.sha256(content).hexdigest() == part.digest_of(chunk):
                    continue
                part.write_chunk(chunk, content)
                end = part.span(chunk)[1]
                if self._rest_matches(part, end, before.copy()):
                    self._meter.done_bytes += part.file.size - end
                    return True
        return before.hexdigest() == part.file.sha256

    def _tick(self, count: int) -> None:
        if self._cancel.is_set():
            raise Cancelled(STOPPED)
        self._meter.verified(count)
