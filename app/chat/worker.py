"""The worker thread that owns all conversation work."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

from app.core.errors import AppError
from app.core.events import BugFound, Publish, Refused

log = logging.getLogger(__name__)

Job = Callable[[], None]


class Worker:
    """Run jobs one after another on a thread of its own.

    `tick` runs at least every `tick_s` seconds in between. An AppError that leaves a job is published as
    Refused, anything else as BugFound: the thread goes on.
    """

    def __init__(self, publish: Publish, tick: Job, tick_s: float = 0.25) -> None:
        self._publish = publish
        self._tick = tick
        self._tick_s = tick_s
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="conversations", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def post(self, job: Job) -> None:
        """Let `job` run after those before it; ignored once the worker is closing."""
        if not self._closing.is_set():
            self._jobs.put(job)

    def close(self, last_job: Job, timeout_s: float) -> bool:
        """Refuse new jobs, run `last_job` after those that wait, and say whether it all ended in time."""
        if self._closing.is_set():
            return not self._thread.is_alive()
        self._closing.set()
        self._jobs.put(last_job)
        self._jobs.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        next_tick = time.monotonic() + self._tick_s
        while True:
            try:
                job = self._jobs.get(timeout=max(0.0, next_tick - time.monotonic()))
            except Empty:
                job = self._tick
            if job is None:
                return
            self._guard(job)
            if time.monotonic() >= next_tick:
                if job is not self._tick:
                    self._guard(self._tick)
                next_tick = time.monotonic() + self._tick_s

    def _guard(self, job: Job) -> None:
        try:
            job()
        except AppError as error:
            log.info("refused: %s", error, exc_info=True)
            self._publish(Refused(str(error)))
        except Exception as error:
            log.exception("a job of the worker failed")
            self._publish(BugFound.from_exception(error))
