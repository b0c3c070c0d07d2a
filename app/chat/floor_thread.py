"""The one thread on which conversations, turns and the model are handled."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable

from app.chat.floor import Floor
from app.chat.worker import Worker
from app.core.errors import AppError, StorageError
from app.core.events import Publish
from app.engine.protocol import EngineEvent

log = logging.getLogger(__name__)

_CLOSE_TIMEOUT_S = 8.0
_NOT_OPEN = "The conversations could not be opened. Start the program again; the log says more."


class FloorThread:
    """Open the floor on a thread of its own and bring requests and the engine's events to it.

    If the floor can't be opened, every request is answered with the reason.
    """

    def __init__(self, open_floor: Callable[[], Floor], publish: Publish) -> None:
        self._open_floor = open_floor
        self._worker = Worker(publish, self._tick)
        self._floor: Floor | None = None
        self._why_closed = _NOT_OPEN

    def start(self) -> None:
        """Start the thread and open the floor there."""
        self._worker.start()
        self._worker.post(self._begin)

    def do(self, job: Callable[[Floor], None], refuse: Callable[[str], None] | None = None) -> None:
        """Run `job` on the thread, after those before it; `refuse` takes its AppError, otherwise Refused tells."""

        def run() -> None:
            try:
                job(self._opened())
            except AppError as error:
                if refuse is None:
                    raise
                log.info("refused: %s", error, exc_info=True)
                refuse(str(error))

        self._worker.post(run)

    def do_anyway(self, job: Callable[[], None]) -> None:
        """Run a job that needs no floor, in its turn."""
        self._worker.post(job)

    def hear(self, event: EngineEvent) -> None:
        """Take an event on the engine's thread."""
        self._worker.post(functools.partial(self._receive, event))

    def close(self) -> None:
        """Refuse new jobs, do those that wait, and close the floor; gives up after a few seconds."""
        if not self._worker.close(self._end, _CLOSE_TIMEOUT_S):
            log.error("the worker did not end in time")

    # --- on the thread ---

    def _begin(self) -> None:
        try:
            self._floor = self._open_floor()
        except AppError as error:
            self._why_closed = str(error)
            raise
        self._floor.conversations.list_again()

    def _opened(self) -> Floor:
        if self._floor is None:
            raise StorageError(self._why_closed)
        return self._floor

    def _receive(self, event: EngineEvent) -> None:
        self._opened().receive(event)

    def _tick(self) -> None:
        if self._floor is not None:
            self._floor.turns.save_growth()

    def _end(self) -> None:
        if self._floor is not None:
            self._floor.close()
