"""Find what the disk has damaged in a downloaded file, and fetch only that again."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from app.core.errors import Cancelled, DownloadInterrupted, ModelError, ModelFileMissing
from app.models.download_disk import check_room, disk_sentences, only_writer
from app.models.download_job import Job
from app.models.download_progress import Progress
from app.models.download_read import Reader, Tick, hash_file, hash_with_chunks
from app.models.download_record import Record, map_path, part_path, read_record, record_path, write_record
from app.models.download_stream import Tuning, VersionChanged
from app.models.hub import Hub, RemoteFile
from app.models.hub_errors import is_temporary, sentence_for

_STOPPED = "The check was stopped."
_MOST_THREADS = 4  # more only wait for the disk
_LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Damage:
    """Name bytes from `start` up to `end` that are not what they were when the file was verified."""

    start: int
    end: int


def check_file(path: Path, *, on_bytes: Callable[[int], None], cancel: threading.Event) -> tuple[Damage, ...]:
    """Compare a downloaded file with what it was, and return the damaged ranges: none when it is whole.

    `on_bytes` gets each count of bytes read, on this thread. Raises ModelFileMissing without a readable file,
    ModelError when it was not downloaded by this program, Cancelled.
    """
    record = read_record(record_path(path))
    if record is None:
        raise ModelError(
            f"{path.name} was not downloaded by this program, so its checksum is not known. "
            "Download it under Models to have it checked."
        )
    with _reading(path):
        if len(record.chunks) == record.chunk_count:
            return _compare_chunks(path, record, on_bytes, cancel)
        return _compare_whole(path, record, on_bytes, cancel)


def verify_against(file: RemoteFile, path: Path, *, on_bytes: Callable[[int], None], cancel: threading.Event) -> bool:
    """Tell whether a file from elsewhere is `file`, in place; nothing is written. Raises as `check_file`."""
    with _reading(path):
        return path.stat().st_size == file.size and hash_file(path, _tick(on_bytes, cancel)) == file.sha256


def repair_file(
    path: Path,
    *,
    on_progress: Callable[[Progress], None],
    cancel: threading.Event,
    hub: Hub | None = None,
    tuning: Tuning | None = None,
    limit: Callable[[], float] | None = None,
) -> int:
    """Check a file, fetch what is damaged again, verify the whole, and return how many bytes were fetched.

    Meanwhile it is an unfinished download. Raises as `check_file` and `download_files`, DownloadInterrupted when
    the server no longer has this version: then the file is left as it is.
    """
    hub = hub or Hub()
    job = Job(hub, path.parent, tuning or Tuning(), cancel, on_progress, limit)
    with disk_sentences(path.parent), only_writer(path.parent, lambda: _wait_for_other(job)):
        if not path.is_file() and (begun := read_record(map_path(path))) is not None:
            return _go_on(job, begun, path)
        record, damages = _look(job, path)
        if damages:
            _ask_for_version(hub, record.file)
            damaged_bytes = sum(damage.end - damage.start for damage in damages)
            check_room(path.parent, damaged_bytes, job.tuning.spare_bytes)
            _open_again(path, record, damages)
            return _go_on(job, record, path)
        job.meter.finish()
        return 0


def _wait_for_other(job: Job) -> None:
    if job.cancel.wait(_LOOK_S):
        raise Cancelled(_STOPPED)
    job.meter.wait("Another program downloads into this folder. This one goes on as soon as that ends.")


def _look(job: Job, path: Path) -> tuple[Record, tuple[Damage, ...]]:
    record = read_record(record_path(path))
    size = record.file.size if record is not None else 0
    job.meter.begin(size)
    job.meter.verify(path.name, size)
    damages = check_file(path, on_bytes=job.tick, cancel=job.cancel)
    # It may have been written by the check: then it knows the chunks, too.
    record = read_record(record_path(path))
    if record is None:
        raise ModelFileMissing(f"What is known of {path.name} went away. Download it again.")
    job.meter.done_bytes = size - sum(damage.end - damage.start for damage in damages if damage.start < size)
    return record, damages


def _go_on(job: Job, record: Record, path: Path) -> int:
    left_bytes = record.file.size - _kept_bytes(path)
    job.meter.begin(record.file.size)
    job.bring(record.file, path)
    job.meter.finish()
    return left_bytes


def _kept_bytes(path: Path) -> int:
    kept = read_record(map_path(path))
    return kept.done_bytes if kept is not None else 0


def _ask_for_version(hub: Hub, file: RemoteFile) -> None:
    """Make sure that the server still has this version. Raises DownloadInterrupted or another AppError."""
    try:
        location = hub.locate(file)
    except Exception as error:
        if is_temporary(error):
            raise sentence_for(error, file.repository, hub.endpoint) from error
        raise
    if location.sha256 not in {"", file.sha256} or location.size not in {-1, file.size}:
        raise DownloadInterrupted(
            f"{file.local_name} has changed on the server, so what is damaged can’t be fetched again. "
            "Download the new version under Models."
        ) from VersionChanged(file.name)


def _open_again(path: Path, record: Record, damages: tuple[Damage, ...]) -> None:
    """Make a damaged file an unfinished download that lacks what is damaged."""
    damaged = {chunk for chunk in range(record.chunk_count) if any(_touches(record, chunk, d) for d in damages)}
    chunks = {number: digest for number, digest in record.chunks.items() if number not in damaged}
    write_record(map_path(path), replace(record, chunks=chunks))
    path.replace(part_path(path))


def _touches(record: Record, chunk: int, damage: Damage) -> bool:
    start, end = record.span(chunk)
    return start < damage.end and damage.start < end


def _compare_chunks(
    path: Path, record: Record, on_bytes: Callable[[int], None], cancel: threading.Event
) -> tuple[Damage, ...]:
    """Compare all chunks, several at a time: that they are right says that the whole is."""
    damaged: list[int] = []
    threads = min(_MOST_THREADS, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads, thread_name_prefix="verify") as pool:
        jobs = {pool.submit(_is_sound, path, record, chunk, cancel): chunk for chunk in sorted(record.chunks)}
        for job in as_completed(jobs):
            if cancel.is_set():
                pool.shutdown(wait=False, cancel_futures=True)
                raise Cancelled(_STOPPED)
            if not job.result():
                damaged.append(jobs[job])
            on_bytes(record.length(jobs[job]))
    extra = path.stat().st_size
    tail = [Damage(record.file.size, extra)] if extra > record.file.size else []
    return (*_merged(record, sorted(damaged)), *tail)


def _is_sound(path: Path, record: Record, chunk: int, cancel: threading.Event) -> bool:
    def stop(_count: int) -> None:
        if cancel.is_set():
            raise Cancelled(_STOPPED)

    with Reader(path) as reader:
        return reader.hash(*record.span(chunk), stop).hexdigest() == record.chunks[chunk]


def _merged(record: Record, chunks: list[int]) -> Iterator[Damage]:
    """Yield neighbouring chunks as one range."""
    while chunks:
        count = next((n for n, chunk in enumerate(chunks) if chunk != chunks[0] + n), len(chunks))
        yield Damage(record.span(chunks[0])[0], record.span(chunks[count - 1])[1])
        chunks = chunks[count:]


def _compare_whole(
    path: Path, record: Record, on_bytes: Callable[[int], None], cancel: threading.Event
) -> tuple[Damage, ...]:
    """Compare a file whose chunks were never noted, and note them when it is whole."""
    digest, chunks = hash_with_chunks(path, record.chunk_bytes, _tick(on_bytes, cancel))
    if digest != record.file.sha256:
        return (Damage(0, max(record.file.size, path.stat().st_size)),)
    write_record(record_path(path), replace(record, chunks=chunks))
    return ()


def _tick(on_bytes: Callable[[int], None], cancel: threading.Event) -> Tick:
    def tick(count: int) -> None:
        if cancel.is_set():
            raise Cancelled(_STOPPED)
        on_bytes(count)

    return tick


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise ModelFileMissing(f"{path.name} can't be read ({reason}). Download it again.") from error
