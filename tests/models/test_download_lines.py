"""Several connections fetch one file, none faster than allowed, and none says nothing for long."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import close_session

from app.core.errors import DownloadInterrupted, NoNetwork
from app.models.download_record import map_path, read_record
from app.models.download_stream import Tuning
from tests.hub_server.bench import CHUNK, REPOSITORY, Bench, content_of
from tests.hub_server.faults import Fault, Kind, Where
from tests.hub_server.server import HubServer

SIZE = 24 * CHUNK + 77
CONTENT = content_of(SIZE)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with HubServer() as server:
        yield Bench(server, tmp_path / "models", {"model.gguf": CONTENT})
        close_session()


def assert_whole(bench: Bench) -> None:
    assert (bench.target / "model.gguf").read_bytes() == bench.repository.files["model.gguf"]


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.01)


def test_several_connections_share_the_work_and_no_byte_comes_twice(bench: Bench) -> None:
    bench.tuning = replace(bench.tuning, stall_s=30)
    bench.break_with(Fault(Kind.DRIP, at=CHUNK // 4, seconds=0.05, times=-1))
    bench.download()
    assert_whole(bench)
    assert bench.server.most_connected == bench.tuning.connections
    assert bench.server.sent_bytes == SIZE


def test_one_connection_is_enough_where_the_server_wants_no_more(bench: Bench) -> None:
    bench.tuning = replace(bench.tuning, longest_retry_after_s=0.1)
    for _ in range(10):
        bench.break_with(Fault(Kind.NONE), Fault(Kind.STATUS, status=429, retry_after=1))
    bench.download()
    assert_whole(bench)
    assert bench.server.sent_bytes == SIZE


def test_addresses_are_asked_for_once_and_not_for_every_connection(bench: Bench) -> None:
    bench.download()
    assert len(bench.server.asked(Where.RESOLVE)) == 1
    assert len(bench.server.asked(Where.BYTES)) > 4


@pytest.mark.parametrize("rate", [400_000, 900_000])
def test_the_limit_is_kept_within_a_tenth(bench: Bench, rate: int) -> None:
    bench.tuning = replace(bench.tuning, stall_s=30)
    bench.limit = lambda: float(rate)
    began = time.monotonic()
    bench.download()
    took_s = time.monotonic() - began
    assert took_s >= SIZE / rate * 0.9, "faster than allowed"
    assert took_s <= SIZE / rate * 1.1 + 1, "slower than allowed, apart from beginning and ending"


def test_a_limit_can_be_lifted_in_the_middle(bench: Bench) -> None:
    limit = [10_000.0]
    bench.tuning = replace(bench.tuning, stall_s=30)
    bench.limit = lambda: limit[0]
    thread = threading.Thread(target=bench.download)
    thread.start()
    wait_for(lambda: bool(bench.server.asked(Where.BYTES)))
    limit[0] = 0
    thread.join(30)
    assert not thread.is_alive()
    assert_whole(bench)


def test_while_the_server_is_busy_the_wait_is_told(bench: Bench) -> None:
    bench.tuning = replace(bench.tuning, longest_retry_after_s=2)
    bench.break_with(Fault(Kind.STATUS, Where.RESOLVE, status=503, retry_after=2))
    bench.download()
    assert any("127.0.0.1 has too much to do (error 503); trying again in" in seen.waiting for seen in bench.seen)
    assert bench.seen[-1].waiting == ""


def test_while_nothing_comes_the_wait_is_told(bench: Bench) -> None:
    bench.tuning = replace(bench.tuning, stall_s=5)
    bench.break_with(Fault(Kind.HANG, at=10))
    bench.download()
    assert any("Waiting for 127.0.0.1" in seen.waiting for seen in bench.seen)
    assert_whole(bench)


def test_a_broken_network_is_told_and_then_given_up_with_a_sentence(bench: Bench) -> None:
    listed = bench.listed()
    bench.tuning = replace(bench.tuning, first_pause_s=0.3, longest_pause_s=0.5)
    bench.server.close()
    with pytest.raises(NoNetwork, match="can't be reached"):
        bench.download(listed)
    assert any("broke; trying again in" in seen.waiting for seen in bench.seen)


@pytest.mark.parametrize("jump_s", [86_400.0, -86_400.0])
def test_a_clock_that_jumps_changes_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch, jump_s: float) -> None:
    real, began = time.time, time.monotonic()
    monkeypatch.setattr(time, "time", lambda: real() + (jump_s if int((time.monotonic() - began) * 20) % 2 else 0))
    bench.break_with(Fault(Kind.CUT, at=CHUNK), Fault(Kind.DRIP, at=CHUNK // 8, seconds=0.02, times=4))
    bench.download()
    assert_whole(bench)
    assert bench.server.sent_bytes == SIZE


def test_after_sleep_the_download_goes_on_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    # A clock that counts sleep leaps ahead, and the connections are dead.
    real, leap = time.monotonic, [0.0]
    bench.tuning = replace(bench.tuning, stall_s=3)
    bench.break_with(*[Fault(Kind.HANG, at=CHUNK // 2) for _ in range(4)])
    monkeypatch.setattr(time, "monotonic", lambda: real() + leap[0])
    thread = threading.Thread(target=bench.download)
    thread.start()
    wait_for(lambda: len(bench.server.asked(Where.BYTES)) >= 1)
    leap[0] = 30_000.0
    thread.join(60)
    assert not thread.is_alive()
    assert_whole(bench)


CHILD = f"""
import sys, threading
from pathlib import Path
from app.models.download import download_files
from app.models.download_stream import Tuning
from app.models.hub import Hub
hub = Hub(sys.argv[1])
download_files(hub.list_files({REPOSITORY!r}), Path(sys.argv[2]), on_progress=lambda p: None,
               cancel=threading.Event(), hub=hub, tuning=Tuning(spare_bytes=0))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_kills_cost_at_most_one_chunk_of_real_size_however_many_connections(bench: Bench) -> None:
    tuning = Tuning()
    content = bench.repository.files["model.gguf"] = content_of(5 * tuning.chunk_bytes + 99)
    bench.tuning = replace(tuning, spare_bytes=0)
    target = bench.target / "model.gguf"
    bench.break_with(Fault(Kind.DRIP, at=256 << 10, seconds=0.02, times=-1))
    for kills in range(1, 4):
        child = subprocess.Popen([sys.executable, "-c", CHILD, bench.server.endpoint, str(bench.target)], cwd=ROOT)

        def has_grown(least: int = kills * tuning.chunk_bytes) -> bool:
            record = read_record(map_path(target))
            return record is not None and record.done_bytes >= least

        wait_for(has_grown, 120)
        sent = bench.server.sent_bytes
        child.send_signal(signal.SIGKILL)
        child.wait()
        kept = read_record(map_path(target))
        assert kept is not None
        assert len(kept.begun) > 1, "several chunks are under way at once"
        lost = sent - kept.done_bytes
        assert lost <= kills * tuning.chunk_bytes
    bench.server.script.clear()
    bench.download()
    assert target.read_bytes() == content
    assert bench.server.sent_bytes - len(content) <= 3 * tuning.chunk_bytes


def test_memory_does_not_grow_with_the_file(bench: Bench) -> None:
    # Nothing but the pieces of each connection is held: with a store that keeps none, the peak stays small.
    import tracemalloc

    tuning = Tuning()
    bench.repository.files["model.gguf"] = content_of(3 * tuning.chunk_bytes)
    bench.tuning = replace(tuning, spare_bytes=0)
    listed = bench.listed()
    tracemalloc.start()
    bench.download(listed)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < tuning.chunk_bytes


def test_giving_up_keeps_what_every_connection_brought(bench: Bench) -> None:
    bench.break_with(*[Fault(Kind.CUT, at=CHUNK // 3) for _ in range(6)], Fault(Kind.CUT, at=0, times=-1))
    with pytest.raises(DownloadInterrupted, match="What has arrived is kept"):
        bench.download()
    kept = read_record(map_path(bench.target / "model.gguf"))
    assert kept is not None
    assert kept.done_bytes == bench.server.sent_bytes
