"""One request at a time: the queue in front of the engine."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from app.core.errors import AppError
from app.engine.protocol import (
    Died,
    Engine,
    EngineEvent,
    Generated,
    Loaded,
    Measured,
    Request,
    RequestFailed,
)

log = logging.getLogger(__name__)

_AGAIN = "Your chat is saved; send a message to start it again."
Handler = Callable[[EngineEvent], None]


class EngineDesk:
    """Hand requests to the engine one after another, and every event to whoever asked for it.

    Only the worker thread may call it.
    """

    def __init__(self, engine: Engine, on_death: Callable[[Died], None]) -> None:
        self._engine = engine
        self._on_death = on_death
        self._waiting: deque[tuple[Request, Handler]] = deque()
        self._current: tuple[Request, Handler] | None = None

    @property
    def is_idle(self) -> bool:
        """Say whether nothing is under way."""
        return self._current is None

    def submit(self, request: Request, handler: Handler, *, first: bool = False) -> None:
        """Ask the engine as soon as it is free, before or after what waits; `handler` gets this request's events."""
        if first:
            self._waiting.appendleft((request, handler))
        else:
            self._waiting.append((request, handler))
        self._ask_next()

    def cancel(self, request_id: str) -> bool:
        """Stop a request under way (True: its last event is still to come) or withdraw it from the queue."""
        if self._current is not None and self._current[0].request_id == request_id:
            self._engine.cancel()
            return True
        self._waiting = deque(item for item in self._waiting if item[0].request_id != request_id)
        return False

    def answer_now(self, request_id: str) -> None:
        """Let a request under way end its reasoning."""
        if self._current is not None and self._current[0].request_id == request_id:
            self._engine.answer_now()

    def receive(self, event: EngineEvent) -> None:
        """Take an event of the engine."""
        if isinstance(event, Died):
            # The engine knows nothing of chats; what to do next is ours to say.
            self._bury(replace(event, error=_with_advice(event.error)))
            return
        if self._current is None or event.request_id != self._current[0].request_id:
            log.info("late event of the engine dropped: %s", type(event).__name__)
            return
        handler = self._current[1]
        if isinstance(event, Loaded | Generated | Measured | RequestFailed):
            self._current = None
        try:
            handler(event)
        finally:
            self._ask_next()

    def _bury(self, event: Died) -> None:
        if event.request_id is None and self._current is not None:
            log.info("the engine had ended before it was asked; another process has the request")
            self._on_death(event)
            return
        ended, self._current = self._current, None
        waiting = list(self._waiting)
        self._waiting.clear()
        if ended is not None:
            ended[1](event)
        self._on_death(event)
        if not self.is_idle:  # the load goes on in another way, and who waited for it still does
            self._waiting.extend(waiting)
            return
        for _, handler in waiting:
            handler(event)

    def _ask_next(self) -> None:
        if self._current is None and self._waiting:
            self._current = self._waiting.popleft()
            self._engine.ask(self._current[0])


def _with_advice(error: AppError) -> AppError:
    return type(error)(f"{error} {_AGAIN}")
