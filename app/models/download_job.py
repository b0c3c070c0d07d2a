"""Bring one file after the other to the disk and make sure of it, whatever happens on the way."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

from app.core.errors import Cancelled, DownloadCorrupted, DownloadInterrupted
from app.models.download_disk import free_bytes, has_room_again, is_full, no_room_sentence
from app.models.download_fetch import Fetch
from app.models.download_hash import WholeHash
from app.models.download_part import PartFile
from app.models.download_plan import Store
from app.models.download_progress import Meter, Progress
from app.models.download_read import Reader
from app.models.download_record import missing_bytes, part_path
from app.models.download_stream import STOPPED, Tuning, VersionChanged
from app.models.hub import Hub, RemoteFile

_MOST_VERSIONS = 3
_CHANGED = "{} has changed on the server and is downloaded anew."


class _NoRoom(Exception):
    """Stop before the disk is full, so that the person's other programs can still write."""


class Job:
    """Bring files into one folder; the caller has made sure that nobody else does."""

    def __init__(
        self,
        hub: Hub,
        target: Path,
        tuning: Tuning,
        cancel: threading.Event,
        on_progress: Callable[[Progress], None],
        limit: Callable[[], float] | None,
    ) -> None:
        self.target, self.tuning, self.cancel = target, tuning, cancel
        self.meter = Meter(0, on_progress)
        self._hub, self._limit = hub, limit
        self._looked_at_room = 0.0

    def tick(self, count: int) -> None:
        """Count bytes read back from the disk. Raises Cancelled."""
        if self.cancel.is_set():
            raise Cancelled(STOPPED)
        self.meter.verified(count)

    def bring(self, file: RemoteFile, path: Path) -> None:
        """Fetch what is missing of `file`, verify it, and give it its name. Raises as `download_files`."""
        self.meter.note = ""
        changes = 0
        counted = self.meter.done_bytes
        while True:
            self.meter.done_bytes = counted
            try:
                self._bring_version(file, path)
                return
            except VersionChanged as change:
                changes += 1
                if changes >= _MOST_VERSIONS:
                    raise DownloadInterrupted(
                        f"{file.local_name} keeps changing on the server. Try again later."
                    ) from change
                newer = self._newer_version(file, change)
                self.meter.note = _CHANGED.format(file.local_name)
                self.meter.total_bytes += newer.size - file.size
                file = newer
            except _NoRoom:
                self._wait_for_room(missing_bytes(file, path))
            except OSError as error:
                if not is_full(error):
                    raise
                self._wait_for_room(missing_bytes(file, path))

    def _bring_version(self, file: RemoteFile, path: Path) -> None:
        part = PartFile(file, path, self.tuning.chunk_bytes, self._still_wanted)
        try:
            self.meter.done_bytes += part.done_bytes
            if part.started_over:
                self.meter.note = _CHANGED.format(file.local_name)
            whole = WholeHash(part)
            try:
                self._fetch(part, file)
                self.meter.verify(file.local_name, file.size - whole.position)
                digest = whole.result(self.tick)
                self.tick(0)  # a file may be hashed to its end before anyone could look
            finally:
                whole.close()
            if digest != file.sha256:
                self._mend(part)
            part.publish()
        finally:
            part.close()

    def _still_wanted(self, _count: int) -> None:
        if self.cancel.is_set():
            raise Cancelled(STOPPED)

    def _fetch(self, store: Store, file: RemoteFile) -> None:
        self.meter.fetch(file.local_name)
        Fetch(self._hub, file, store, self.tuning, self._limit).run(self.cancel, self._tell, self._look_at_room)

    def _tell(self, count: int, waiting: str) -> None:
        self.meter.fetched(count)
        self.meter.wait(waiting)

    def _look_at_room(self) -> None:
        now = time.monotonic()
        if now - self._looked_at_room >= self.tuning.room_check_s:
            self._looked_at_room = now
            if free_bytes(self.target) < self.tuning.spare_bytes // 2:
                raise _NoRoom

    def _wait_for_room(self, left_bytes: int) -> None:
        """Wait at least once, as a quota is full without the volume being so."""
        while True:
            self.meter.wait(no_room_sentence(self.target, left_bytes))
            if self.cancel.wait(self.tuning.room_check_s):
                raise Cancelled(STOPPED)
            if has_room_again(self.target, left_bytes, self.tuning.spare_bytes):
                self.meter.wait("")
                return

    def _newer_version(self, file: RemoteFile, change: VersionChanged) -> RemoteFile:
        newer = self._hub.find_file(file.repository, file.revision, file.name)
        if newer.sha256 == file.sha256:
            raise DownloadCorrupted(
                f"The server offers something else than it announces for {file.local_name}. "
                "What has arrived is kept; try again later."
            ) from change
        return newer

    def _mend(self, part: PartFile) -> None:
        """Find out what is wrong with a part that is all there, and fetch that again. Raises DownloadCorrupted."""
        name = part.file.local_name
        self.meter.verify(name, part.file.size)
        damaged = part.damaged_chunks(self.tick)
        if damaged:
            self.meter.lost(sum(part.length(chunk) for chunk in damaged))
            part.forget(damaged)
            self.meter.note = f"Part of {name} was damaged on the disk and is downloaded again."
            self._fetch(part, part.file)
            self.meter.verify(name, part.file.size)
            with Reader(part_path(part.target)) as reader:
                if reader.hash(0, part.file.size, self.tick).hexdigest() == part.file.sha256:
                    return
        self.meter.note = f"{name} arrived damaged; it is compared with the server's once more."
        if not self._is_repaired(part):
            raise DownloadCorrupted(
                f"{name} does not have the checksum that the server announces, even after a "
                "second look. What has arrived is kept; try again later or choose another download."
            )

    def _is_repaired(self, part: PartFile) -> bool:
        """Compare every chunk with a second copy from the server until the whole is right."""
        self.meter.lost(part.file.size)
        before = hashlib.sha256()
        for chunk in range(part.chunk_count):
            copy = _OneChunk(part, chunk)
            self._fetch(copy, part.file)
            before.update(copy.content)
            if hashlib.sha256(copy.content).hexdigest() == part.digest_of(chunk):
                continue
            part.forget((chunk,))
            part.append(chunk, 0, copy.content)
            if self._rest_is_right(part, part.span(chunk)[1], before.copy()):
                self.meter.done_bytes += part.file.size - part.span(chunk)[1]
                return True
        return before.hexdigest() == part.file.sha256

    def _rest_is_right(self, part: PartFile, start: int, digest: hashlib._Hash) -> bool:
        with Reader(part_path(part.target)) as reader:
            for piece in reader.pieces(start, part.file.size):
                digest.update(piece)
                self.tick(len(piece))
        return digest.hexdigest() == part.file.sha256


class _OneChunk:
    """Take a second copy of one chunk, in memory."""

    def __init__(self, part: PartFile, chunk: int) -> None:
        self.chunk_bytes, self.chunk_count, self.length = part.chunk_bytes, part.chunk_count, part.length
        self._chunk = chunk
        self.content = bytearray()

    def is_done(self, chunk: int) -> bool:
        """Tell whether a chunk is whole, or not wanted."""
        return chunk != self._chunk or len(self.content) == self.length(chunk)

    def held(self, chunk: int) -> int:
        """Return how many bytes are there."""
        return len(self.content) if chunk == self._chunk else 0

    def append(self, chunk: int, offset: int, piece: bytearray) -> bool:
        """Take the next bytes; False when they are not the next ones."""
        if chunk != self._chunk or offset != len(self.content):
            return False
        self.content += piece
        return True
