from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from app.chat.worker import Worker
from app.core.errors import DiskFull
from app.core.events import BugFound, Event, Refused


class Recorder:
    """Collect what a worker publishes, ticks and runs."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.ticks = threading.Semaphore(0)
        self.worker = Worker(self.events.append, self.ticks.release, tick_s=0.02)
        self.worker.start()

    def finish(self) -> None:
        assert self.worker.close(lambda: None, 5)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.finish()


def test_jobs_run_in_order_on_one_thread(recorder: Recorder) -> None:
    seen: list[tuple[int, str]] = []
    for number in range(200):
        recorder.worker.post(lambda n=number: seen.append((n, threading.current_thread().name)))
    recorder.finish()
    assert seen == [(number, "conversations") for number in range(200)]


def test_an_app_error_becomes_a_sentence_and_the_thread_goes_on(recorder: Recorder) -> None:
    def fail() -> None:
        raise DiskFull("The disk is full.")

    done = threading.Event()
    recorder.worker.post(fail)
    recorder.worker.post(done.set)
    assert done.wait(5)
    assert recorder.events == [Refused("The disk is full.")]


def test_a_bug_is_published_with_its_traceback_and_the_thread_goes_on(
    recorder: Recorder, expected_warnings: Callable[[str], None]
) -> None:
    expected_warnings("a job of the worker failed")
    seen: list[int] = []
    done = threading.Event()
    recorder.worker.post(lambda: seen.append(1 // 0))
    recorder.worker.post(done.set)
    assert done.wait(5)
    (event,) = recorder.events
    assert isinstance(event, BugFound)
    assert "ZeroDivisionError" in event.summary
    assert "1 // 0" in event.details


def test_it_ticks_while_idle_and_while_busy(recorder: Recorder) -> None:
    assert recorder.ticks.acquire(timeout=5), "no tick while idle"
    stop = threading.Event()

    def again() -> None:
        if not stop.is_set():
            recorder.worker.post(again)

    recorder.worker.post(again)
    for _ in range(5):
        assert recorder.ticks.acquire(timeout=5), "no tick while jobs keep coming"
    stop.set()


def test_closing_runs_what_waits_then_the_last_job_and_refuses_the_rest() -> None:
    recorder = Recorder()
    order: list[str] = []
    recorder.worker.post(lambda: order.append("waiting"))
    assert recorder.worker.close(lambda: order.append("last"), 5)
    recorder.worker.post(lambda: order.append("too late"))
    assert recorder.worker.close(lambda: order.append("twice"), 5)
    assert order == ["waiting", "last"]
