"""A download that is stopped, killed, out of room or not alone loses next to nothing and says so."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from filelock import FileLock
from huggingface_hub import close_session

from app.core.errors import Cancelled, DiskFull, DownloadInterrupted
from app.models.download import discard_download
from app.models.download_disk import LOCK_NAME
from app.models.download_progress import Progress
from app.models.download_record import map_path, part_path, read_record, record_path
from tests.hub_server.bench import CHUNK, REPOSITORY, Bench, content_of
from tests.hub_server.faults import Fault, Kind, Where
from tests.hub_server.server import HubServer

SIZE = 24 * CHUNK + 77
CONTENT = content_of(SIZE)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with HubServer() as server:
        yield Bench(server, tmp_path / "models", {"sub/model.gguf": CONTENT})
        close_session()


def model(bench: Bench) -> Path:
    return bench.target / "model.gguf"


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.005)


def test_a_download_leaves_the_file_and_what_it_was_verified_against(bench: Bench) -> None:
    assert bench.download() == (model(bench),)
    assert model(bench).read_bytes() == CONTENT
    record = read_record(record_path(model(bench)))
    assert record is not None
    assert record.file == bench.listed()[0]
    assert sorted(p.name for p in bench.target.iterdir() if p.name[0] != ".") == [
        "model.gguf",
        "model.gguf.verified.json",
    ]


def test_progress_never_goes_back_and_comes_at_most_five_times_a_second(bench: Bench) -> None:
    bench.repository.files["second.gguf"] = content_of(SIZE, seed=3)
    bench.break_with(Fault(Kind.DRIP, at=2 * CHUNK, seconds=0.02, times=-1))
    began = time.monotonic()
    bench.download()
    took_s = time.monotonic() - began
    done = [progress.done_bytes for progress in bench.seen]
    assert done == sorted(done)
    assert done[-1] == bench.seen[-1].total_bytes == 2 * SIZE
    assert len(bench.seen) <= took_s * 5 + 8  # and once for each new state
    assert {progress.file for progress in bench.seen} == {"model.gguf", "second.gguf"}
    assert any(progress.verifying for progress in bench.seen)


def test_speed_and_time_left_are_about_right(bench: Bench) -> None:
    bench.tuning = replace(bench.tuning, stall_s=20, connections=1, span_chunks=100)
    bench.break_with(Fault(Kind.DRIP, at=CHUNK // 2, seconds=0.05, times=-1))
    bench.download()
    speeds = [p for p in bench.seen if p.bytes_per_second > 0 and not p.verifying]
    assert speeds
    for progress in speeds:
        assert 0.2 < progress.bytes_per_second / (CHUNK / 2 / 0.05) < 1.5
        assert progress.seconds_left is not None
        left_bytes = progress.total_bytes - progress.done_bytes
        assert progress.seconds_left == pytest.approx(left_bytes / progress.bytes_per_second)


def test_what_is_verified_is_not_fetched_again(bench: Bench) -> None:
    bench.download()
    before = len(bench.server.requests)
    bench.download()
    assert [r.where for r in bench.server.requests[before:]] == [Where.API]


def test_the_right_file_from_elsewhere_is_taken_over(bench: Bench) -> None:
    bench.target.mkdir()
    model(bench).write_bytes(CONTENT)
    bench.download()
    assert bench.server.sent_bytes == 0
    assert record_path(model(bench)).exists()


def test_a_wrong_file_of_that_name_is_replaced(bench: Bench) -> None:
    bench.target.mkdir()
    model(bench).write_bytes(bytes(SIZE))
    bench.download()
    assert model(bench).read_bytes() == CONTENT


@pytest.mark.parametrize(
    "fault",
    [
        Fault(Kind.DRIP, at=999, seconds=0.01, times=-1),
        Fault(Kind.HANG, at=5 * CHUNK + 9, times=-1),
        Fault(Kind.HANG, Where.RESOLVE, times=-1),
        Fault(Kind.STATUS, Where.RESOLVE, status=429, retry_after=500, times=-1),
    ],
    ids=["drip", "hang", "hang before the first byte", "asked to wait"],
)
def test_stopping_takes_less_than_a_second_and_keeps_the_chunks(bench: Bench, fault: Fault) -> None:
    bench.tuning = replace(bench.tuning, stall_s=30, longest_retry_after_s=500)
    bench.break_with(fault)
    failures: list[Cancelled] = []

    def download() -> None:
        try:
            bench.download()
        except Cancelled as error:
            failures.append(error)

    thread = threading.Thread(target=download)
    thread.start()
    if fault.where is Where.RESOLVE:
        wait_for(lambda: bool(bench.server.asked(Where.RESOLVE)))
    else:
        wait_for(lambda: map_path(model(bench)).exists())
    bench.cancel.set()
    stopped_at = time.monotonic()
    thread.join(10)
    assert time.monotonic() - stopped_at < 1
    assert "kept" in str(failures[0])
    bench.cancel.clear()
    bench.server.script.clear()
    before = len(bench.server.asked(Where.BYTES))
    kept = read_record(map_path(model(bench)))
    bench.download()
    assert model(bench).read_bytes() == CONTENT
    resumed = sum(request.sent[0] for request in bench.server.asked(Where.BYTES)[before:])
    assert resumed == SIZE - (kept.done_bytes if kept is not None else 0)


def test_stopping_while_the_file_is_verified(bench: Bench) -> None:
    class Stopping(list[Progress]):
        def append(self, progress: Progress) -> None:
            if progress.verifying:
                bench.cancel.set()

    bench.seen = Stopping()
    with pytest.raises(Cancelled):
        bench.download()
    bench.cancel.clear()
    bench.seen = []
    before = bench.server.sent_bytes
    bench.download()
    assert bench.server.sent_bytes == before
    assert model(bench).read_bytes() == CONTENT


CHILD = f"""
import sys, threading
from pathlib import Path
from tests.hub_server.bench import QUICK
from app.models.download import download_files
from app.models.hub import Hub
hub = Hub(sys.argv[1])
download_files(hub.list_files({REPOSITORY!r}), Path(sys.argv[2]), on_progress=lambda p: None,
               cancel=threading.Event(), hub=hub, tuning=QUICK)
"""


def start_child(bench: Bench) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", CHILD, bench.server.endpoint, str(bench.target)]
    return subprocess.Popen(command, cwd=ROOT)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("chunks", [1, 6, 19])
def test_a_killed_download_goes_on_and_fetches_at_most_one_chunk_twice(bench: Bench, chunks: int) -> None:
    bench.break_with(Fault(Kind.DRIP, at=4 << 10, seconds=0.001, times=-1))
    child = start_child(bench)

    def has(count: int) -> bool:
        record = read_record(map_path(model(bench)))
        return record is not None and len(record.chunks) >= count

    wait_for(lambda: has(chunks))
    child.send_signal(signal.SIGKILL)
    child.wait()
    before = len(bench.server.asked(Where.BYTES))
    kept = read_record(map_path(model(bench)))
    assert kept is not None
    bench.server.script.clear()
    bench.download()
    assert model(bench).read_bytes() == CONTENT
    resumed = sum(request.sent[0] for request in bench.server.asked(Where.BYTES)[before:])
    assert resumed == SIZE - kept.done_bytes, "nothing on the disk comes again, not even of unfinished chunks"


def test_of_two_programs_one_writes_and_the_other_shows_how_far_it_is(bench: Bench) -> None:
    bench.tuning = replace(bench.tuning, stall_s=30)
    bench.break_with(Fault(Kind.DRIP, at=1 << 10, seconds=0.01, times=-1))
    child = start_child(bench)
    wait_for(lambda: map_path(model(bench)).exists())
    thread = threading.Thread(target=bench.download)
    thread.start()
    wait_for(lambda: any("Another program" in seen.waiting and seen.done_bytes > 0 for seen in bench.seen))
    bench.server.script.clear()
    child.kill()
    child.wait()
    thread.join(60)
    assert not thread.is_alive()
    assert model(bench).read_bytes() == CONTENT
    assert bench.seen[-1].waiting == ""


def test_waiting_for_another_program_can_be_stopped_and_deleting_refuses_to_wait(bench: Bench) -> None:
    bench.target.mkdir()
    with FileLock(bench.target / LOCK_NAME):
        with pytest.raises(DownloadInterrupted, match="Another program is downloading"):
            discard_download(model(bench))
        bench.cancel.set()
        with pytest.raises(Cancelled):
            bench.download()
    assert bench.server.asked(Where.BYTES) == []


def test_cancelling_may_also_delete(bench: Bench) -> None:
    bench.files["other.gguf"] = bench.repository.files["other.gguf"] = content_of(3 * CHUNK)
    bench.tuning = replace(bench.tuning, connections=1, span_chunks=1)
    other, file = sorted(bench.listed(), key=lambda found: found.size)
    bench.download((other,))
    bench.break_with(Fault(Kind.NONE, times=4), Fault(Kind.CUT, at=0, times=-1))
    with pytest.raises(DownloadInterrupted):
        bench.download((file,))
    freed = discard_download(model(bench))
    assert 4 * CHUNK <= freed < SIZE
    assert discard_download(bench.target / "other.gguf") == 0
    assert sorted(p.name for p in bench.target.iterdir() if p.name[0] != ".") == [
        "other.gguf",
        "other.gguf.verified.json",
    ]


def test_too_little_room_is_told_before_anything_is_fetched(bench: Bench) -> None:
    bench.tuning = replace(bench.tuning, spare_bytes=1 << 60)
    with pytest.raises(DiskFull, match=r"0\.0 GB are still to be downloaded.*has room for [\d.]+ GB"):
        bench.download()
    assert bench.server.asked(Where.BYTES) == []


@pytest.fixture
def tiny_volume(tmp_path: Path) -> Iterator[Path]:
    volume = tmp_path / "tiny"
    volume.mkdir()
    options = f"size={SIZE // 2 + (64 << 10)}"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(volume)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("a small volume can only be mounted by root")
    yield volume
    subprocess.run(["umount", str(volume)], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="tmpfs is Linux's")
@pytest.mark.parametrize("spare_bytes", [-2 * SIZE, 256 << 10], ids=["to the last byte", "before the last bytes"])
def test_a_disk_that_fills_up_pauses_and_goes_on_by_itself(bench: Bench, tiny_volume: Path, spare_bytes: int) -> None:
    bench.target = tiny_volume
    listed = bench.listed()
    with pytest.raises(DiskFull, match="still to be downloaded"):
        bench.download(listed)
    assert bench.server.asked(Where.BYTES) == []
    filler = tiny_volume / "filler"
    if spare_bytes > 0:  # there is room at the start, and somebody else takes it
        subprocess.run(["mount", "-o", f"remount,size={4 * SIZE}", str(tiny_volume)], check=True)
        bench.break_with(Fault(Kind.DRIP, at=4 << 10, seconds=0.002, times=-1))
    # Below nothing: as if the room had been there at the start.
    bench.tuning = replace(bench.tuning, spare_bytes=spare_bytes)
    thread = threading.Thread(target=bench.download, args=(listed,))
    thread.start()
    if spare_bytes > 0:
        wait_for(lambda: map_path(model(bench)).exists(), 60)
        free_bytes = os.statvfs(tiny_volume).f_bavail * os.statvfs(tiny_volume).f_frsize
        filler.write_bytes(bytes(free_bytes - spare_bytes // 4))
    wait_for(lambda: any("is full" in progress.waiting for progress in bench.seen), 60)
    kept = read_record(map_path(model(bench)))
    assert kept is not None
    before = bench.server.sent_bytes
    assert thread.is_alive()
    filler.unlink(missing_ok=True)
    bench.server.script.clear()
    subprocess.run(["mount", "-o", f"remount,size={4 * SIZE}", str(tiny_volume)], check=True)
    thread.join(60)
    assert model(bench).read_bytes() == CONTENT
    # What was on its way to the full disk may come again: less than a chunk.
    assert bench.server.sent_bytes - before <= SIZE - kept.done_bytes + CHUNK
    assert bench.seen[-1].waiting == ""


def test_pausing_for_room_can_be_stopped(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    free = [1 << 40, 0]
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _: SimpleNamespace(free=free[-1] if len(free) == 1 else free.pop(0))
    )
    bench.tuning = replace(bench.tuning, spare_bytes=1 << 20)
    bench.break_with(Fault(Kind.DRIP, at=999, seconds=0.01, times=-1))

    def download() -> None:
        with pytest.raises(Cancelled):
            bench.download()

    thread = threading.Thread(target=download)
    thread.start()
    wait_for(lambda: any("make room" in progress.waiting for progress in bench.seen))
    bench.cancel.set()
    thread.join(5)
    assert not thread.is_alive()
    assert part_path(model(bench)).exists()
